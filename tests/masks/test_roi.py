"""Where the model looks, with a model that knows light from dark in few cells, and notes what it was shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from livestyle.frame import REGIONS, PlaneWeights
from livestyle.masks.people import MISSED
from livestyle.masks.pyramid import FramePyramid
from livestyle.masks.roi import _AT_LEAST, EVERY, RoiSegmenter

WIDTH, HEIGHT = 1280, 720
RATE = 25.0  # pictures a second, as a network might see
SOME = round(EVERY * RATE)


def truth(*discs: tuple[float, float, float]) -> np.ndarray:
    """(H, W) 0 or 1, with discs at (x, y) of a radius."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x, y, radius in discs:
        cv2.circle(canvas, (round(x), round(y)), round(radius), 1, -1)
    return canvas


def picture(*discs: tuple[float, float, float], light: int = 0) -> np.ndarray:
    """Red shows people; green and blue tell where a pixel lies."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    people = truth(*discs) * np.uint8(200) + np.uint8(20 + light)
    return np.dstack([people, rows // 8, columns // 8]).astype(np.uint8)


def pyramid(index: float, *discs: tuple[float, float, float], light: int = 0) -> FramePyramid:
    """Of the picture at `index`, of RATE a second."""
    return FramePyramid(picture(*discs, light=light), index / RATE)


class Network:
    """Sees every picture in 32 x 18 cells. Implements livestyle.protocols.Segmenter."""

    classes = REGIONS
    regions: Mapping[str, str] = dict(zip(REGIONS, REGIONS, strict=True))
    input_size = (128, 72)
    device = "cpu"

    def __init__(self) -> None:
        self.shown: list[tuple[int, int, int]] = []  # width, and first row and column in eights

    def __call__(self, pixels: np.ndarray) -> PlaneWeights:
        self.shown.append((pixels.shape[1], int(pixels[0, 0, 1]), int(pixels[0, 0, 2])))
        red = cv2.resize(pixels[..., 0], (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        hair = np.clip((red - 20) / 200, 0, 1)
        return np.stack([1 - hair, hair, 0 * hair, 0 * hair])


def iou(masks: PlaneWeights, disc: np.ndarray) -> float:
    first = cv2.resize(masks[1], (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) > 0.5
    return float((first & (disc > 0)).sum() / (first | (disc > 0)).sum())


def test_a_person_far_away_gets_finer_edges() -> None:
    """Segmented again on a crop, a small person's mask is closer to the truth."""
    network, far = Network(), (400, 300, 60)
    masks = RoiSegmenter(network)(pyramid(0, far)).weights
    assert len(network.shown) == 2
    assert iou(masks, truth(far)) > 0.94 > 0.9 > iou(network(picture(far)), truth(far))
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-5)


def test_a_person_near_the_camera_costs_nothing_more() -> None:
    """Who fills the picture is segmented once: a crop would gain nothing."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(5):
        masks = roi(pyramid(index, (640 + index, 400, 300))).weights
        assert masks.shape == (4, 18, 32)
    assert network.shown == [(640, 0, 0)] * 5


def test_an_empty_picture_costs_nothing_more() -> None:
    """Without people there is no crop."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(3):
        roi(pyramid(index))
    assert len(network.shown) == 3


def test_the_part_does_not_tremble_with_the_person() -> None:
    """Small motion leaves the crop where it is, so that masks do not jitter."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(SOME):
        roi(pyramid(index, (400 + 5 * (-1) ** index, 300 + 3 * (index % 3), 60)))
    parts = {shown for shown in network.shown if shown[1:] != (0, 0)}
    assert len(parts) == 1
    assert len(network.shown) == SOME + 1  # the whole once


def test_the_part_follows_and_the_whole_is_looked_at_now_and_then() -> None:
    """The crop goes with a person who walks; the whole is segmented every EVERY seconds."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(3 * SOME):
        at = (300 + 8 * index, 300, 60)
        mask = roi(pyramid(index, at))
        # Elsewhere stands what an earlier picture showed, and the mask says so.
        seen = np.float32(1) if mask.seen is None else mask.seen
        assert iou(PlaneWeights(mask.weights * seen), truth(at)) > 0.9
    assert 3 <= sum(shown[1:] == (0, 0) for shown in network.shown) < SOME


def test_several_people_are_held_by_one_part() -> None:
    """One crop contains all of them."""
    network, both = Network(), ((500, 300, 60), (680, 340, 60))
    roi = RoiSegmenter(network)
    for index in range(2):
        masks = roi(pyramid(index, *both)).weights
    assert iou(masks, truth(*both)) > 0.9
    assert len(network.shown) == 3


def test_a_newcomer_outside_of_the_part_is_seen_soon() -> None:
    """A change outside the crop has the whole segmented after a tenth of a second."""
    network = Network()
    roi = RoiSegmenter(network)
    one, other = (300, 300, 50), (1000, 500, 120)
    for index in range(4):
        roi(pyramid(index, one))
    soon = math.ceil(_AT_LEAST * RATE)
    agreed = [iou(roi(pyramid(4 + k, one, other)).weights, truth(one, other)) > 0.85 for k in range(soon + 1)]
    assert agreed[-1]
    assert agreed.index(True) < soon


def test_another_scene_is_seen_at_once() -> None:
    """A change of most of the picture has the whole segmented immediately."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(2):
        roi(pyramid(index, (300, 300, 50)))
    turned = np.ascontiguousarray(picture((300, 300, 50))[:, ::-1] ^ np.uint8(64))
    turned[..., 0] = truth((900, 500, 200)) * 200 + 20
    assert iou(roi(FramePyramid(turned, 2 / RATE)).weights, truth((900, 500, 200))) > 0.9


def test_a_change_of_light_is_no_newcomer() -> None:
    """The same change everywhere is not a person, and costs nothing."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(6):
        roi(pyramid(index, (300, 300, 50), light=6 * index))
    assert sum(shown[1:] == (0, 0) for shown in network.shown) == 1


def test_who_is_lost_is_looked_for_in_the_whole() -> None:
    """Without people in the crop the next picture is segmented as a whole."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(3):
        roi(pyramid(index, (300, 300, 50)))
    for index in range(3, 3 + MISSED):
        roi(pyramid(index))  # gone; found out here
    assert not roi.people
    network.shown.clear()
    roi(pyramid(3 + MISSED))
    assert network.shown == [(640, 0, 0)]


@pytest.mark.parametrize("rate", [5.0, 60.0])
def test_the_whole_is_looked_at_by_time_not_by_pictures(rate: float) -> None:
    """EVERY is in seconds, so the picture rate does not matter."""
    network = Network()
    roi = RoiSegmenter(network)
    for index in range(round(3 * rate)):
        roi(FramePyramid(picture((300, 300, 50)), index / rate))
    assert sum(shown[1:] == (0, 0) for shown in network.shown) == math.ceil(3 / max(EVERY, 1 / rate) - 0.01)


def test_a_stream_that_starts_again_is_looked_at_anew() -> None:
    """Time that runs backwards is another stream: the whole is segmented."""
    network = Network()
    roi = RoiSegmenter(network)
    roi(pyramid(100, (300, 300, 50)))
    network.shown.clear()
    roi(pyramid(0, (300, 300, 50)))
    assert network.shown[0][1:] == (0, 0)


def test_another_size_is_looked_at_anew() -> None:
    """A crop of another picture size means nothing."""
    network = Network()
    roi = RoiSegmenter(network)
    roi(pyramid(0, (300, 300, 50)))
    network.shown.clear()
    roi(FramePyramid(np.ascontiguousarray(picture((300, 300, 50))[:600]), 1 / RATE))
    assert network.shown[0][1:] == (0, 0)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (31, 17)])
def test_any_size_is_looked_at(size: tuple[int, int]) -> None:
    """Pictures of any shape give weights that cover them."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[size[0] // 2, size[1] // 2, 0] = 220
    roi = RoiSegmenter(Network())
    for index in range(3):
        masks = roi(FramePyramid(pixels, index / RATE)).weights
        np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-5)
