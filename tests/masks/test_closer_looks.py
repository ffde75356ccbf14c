"""Several small people: where a model that knows faces, but sees few cells, is made to look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import cv2
import numpy as np
import pytest

from livestyle.frame import Probabilities
from livestyle.masks.pyramid import FramePyramid
from livestyle.masks.roi import ALL, EVERY, FINE, ONE, SEARCH, SEVERAL, TILE, Looks, Mask, RoiSegmenter
from livestyle.masks.weights import segment
from livestyle.protocols import ResizableSegmenter

WIDTH, HEIGHT = 1280, 720
RATE = 10.0

_BODY, _FACE = 150, 250  # of red

Somebody = tuple[int, int, int]  # x and y of the face, and its height


def picture(*people: Somebody) -> np.ndarray:
    """Red shows faces and bodies; green and blue tell where a pixel lies, in eights."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    red = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x, y, face in people:
        cv2.rectangle(red, (x - face, y + face // 2), (x + face, y + 3 * face), _BODY, -1)
        cv2.rectangle(red, (x - face // 2, y - face // 2), (x + face // 2, y + face // 2), _FACE, -1)
    return np.dstack([red, rows // 8, columns // 8]).astype(np.uint8)


class Network:
    """Sees every picture in `cells` squared cells. Implements livestyle.protocols.ResizableSegmenter."""

    classes = ("background", "face", "clothes")
    regions: Mapping[str, str] = {"background": "background", "face": "skin", "clothes": "clothes"}
    input_size = (384, 384)
    device = "cpu"

    def __init__(self, cells: int = 48) -> None:
        self.cells = cells
        self.shown: list[tuple[float, float, float, float]] = []  # left, top, right, bottom, as shares of the picture
        self.finer: list[Network] = []

    def resized(self, share: float) -> ResizableSegmenter:
        self.finer.append(Network(round(share * self.cells)))
        return self.finer[-1]

    def __call__(self, pixels: np.ndarray, /) -> Probabilities:
        (top, left), (bottom, right) = pixels[0, 0, 1:].astype(int) * 8, (pixels[-1, -1, 1:].astype(int) + 1) * 8
        self.shown.append((left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT))
        aspect = math.sqrt(pixels.shape[1] / pixels.shape[0])
        size = round(self.cells * aspect), round(self.cells / aspect)
        red = cv2.resize(pixels[..., 0], size, interpolation=cv2.INTER_AREA).astype(np.float32)
        face = np.clip((red - _BODY) / (_FACE - _BODY), 0, 1)
        shown = np.clip(red / _BODY, 0, 1)
        return Probabilities(np.stack([1 - shown, face, shown - face]))

    @property
    def wholes(self) -> int:
        """How often it has seen the whole."""
        return self.shown.count((0, 0, 1, 1))

    @property
    def tiles(self) -> int:
        """How often a tile was searched."""
        return sum(abs((right - left) - TILE) < 0.02 and abs((bottom - top) - TILE) < 0.02
                   for left, top, right, bottom in self.shown)  # fmt: skip


class ShortSighted(Network):
    """Sees nothing in the whole."""

    def __call__(self, pixels: np.ndarray, /) -> Probabilities:
        seen = super().__call__(pixels)
        if self.shown[-1] == (0, 0, 1, 1):
            seen[:] = np.array([1, 0, 0], np.float32)[:, np.newaxis, np.newaxis]
        return seen


def run(people: list[Somebody], looks: Looks, count: int, network: Network | None = None) -> tuple[Network, list[Mask]]:
    network = network or Network()
    roi, pixels = RoiSegmenter(network, looks), picture(*people)
    return network, [roi(FramePyramid(pixels, index / RATE)) for index in range(count)]


def iou(mask: Mask, *people: Somebody) -> float:
    """Of the faces, around which nothing else is looked at."""
    found = cv2.resize(mask.weights[2], (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) > 0.5
    truth = picture(*people)[..., 0] == _FACE
    near = cv2.dilate(truth.astype(np.uint8), np.ones((81, 81), np.uint8)) > 0
    found, truth = found[near], truth[near]
    return float((found & truth).sum() / (found | truth).sum())


ROW = [(150 + 240 * index, 300, 40) for index in range(5)]
APART: list[Somebody] = [(100, 120, 36), (1150, 150, 36), (620, 560, 36)]


def test_everybody_in_a_group_is_seen_better() -> None:
    """Small faces that the whole blurs are as good as close ones in parts."""
    whole = Mask(segment(Network(), picture(*ROW)))
    _, (mask,) = run(ROW, ALL, 1)
    assert iou(mask, *ROW) > iou(whole, *ROW) + 0.1
    np.testing.assert_allclose(mask.weights.sum(axis=0), 1, atol=1e-5)
    assert mask.seen is None


def test_live_parts_take_turns() -> None:
    """One part for each mask, each as often as the others; a mask says which part of it is new."""
    network, masks = run(APART, ONE, 13)
    parts = [shown for shown in network.shown if 0.1 < shown[2] - shown[0] < TILE - 0.1]
    assert len(parts) == 13
    assert {parts.count(part) for part in parts} == {4, 5}
    late = masks[4]  # the whole was looked at in the first, and comes again after EVERY
    assert late.seen is not None
    assert 0 < float((late.seen > 0).mean()) < 0.25
    assert network.wholes == 1 + int(12 / RATE / EVERY)


def test_a_file_looks_at_several_parts_for_one_mask() -> None:
    """Three for each."""
    network, masks = run(APART, SEVERAL, 5)
    parts = [shown for shown in network.shown if 0.1 < shown[2] - shown[0] < TILE - 0.1]
    assert len(parts) == 15
    assert iou(masks[-1], *APART) > 0.8


def test_a_new_look_at_the_whole_does_not_overrule_the_parts() -> None:
    """Where a part has been looked at, the coarse mask of the same picture counts nothing."""
    _, masks = run(APART, ONE, 8)
    again = masks[round(EVERY * RATE)].seen
    assert again is not None
    x, y, _ = APART[0]
    at = round(y / HEIGHT * again.shape[0]), round(x / WIDTH * again.shape[1])
    others = [again[round(y / HEIGHT * again.shape[0]), round(x / WIDTH * again.shape[1])] for x, y, _ in APART]
    assert sorted(others) == [0, 0, 1]  # one of the three had its turn
    assert again[at[0], again.shape[1] // 2] == 1  # between them only the whole knows


def test_whoever_is_too_small_for_the_whole_is_searched_for() -> None:
    """Somebody whom the whole never shows is found by one of four tiles, and then followed."""
    tiny = [(1000, 500, 24)]
    network, masks = run(tiny, ONE, round(4 * SEARCH * RATE), ShortSighted())
    assert network.tiles == 4
    assert iou(masks[0], *tiny) == 0
    assert iou(masks[-1], *tiny) > 0.6


def test_somebody_close_to_the_camera_costs_hardly_more_than_the_whole() -> None:
    """One look for each mask, and a tile now and then: somebody may be behind."""
    network, masks = run([(640, 300, 250)], ONE, 40)
    assert network.wholes == 40
    assert network.tiles == len(network.shown) - 40 == math.ceil(40 / RATE / SEARCH)
    assert all(mask.seen is None for mask in masks)


def test_who_is_behind_somebody_close_is_seen_and_the_other_stays_whole() -> None:
    """The part of the person behind changes nothing where the whole shows the one in front, who is cut by it."""
    front, behind = (400, 330, 300), (1000, 200, 26)
    pixels = picture(behind, front)
    alone = segment(Network(), pixels)
    mask = RoiSegmenter(TornApart(), ALL)(FramePyramid(pixels, 0.0))
    assert iou(mask, behind) > 1.5 * iou(Mask(alone), behind)
    size = mask.weights.shape[2:0:-1]
    before, after = (cv2.resize(weights[3], size) for weights in (alone, mask.weights))
    in_front = cv2.resize((alone[0] < 0.01).astype(np.float32), size) > 0.99
    in_front[:, round(0.74 * size[0]) :] = False
    assert in_front.mean() > 0.1
    np.testing.assert_allclose(before[in_front], after[in_front], atol=0.02)


class TornApart(Network):
    """Takes clothes that it sees only pieces of for background."""

    def __call__(self, pixels: np.ndarray, /) -> Probabilities:
        seen = super().__call__(pixels)
        if self.shown[-1] != (0, 0, 1, 1) and seen[2].mean() > 0.2:
            seen[0] += seen[2]
            seen[2] = 0
        return seen


def test_a_thorough_look_sees_the_whole_finely_where_people_are_small() -> None:
    """Once more at FINE times the network's size; not where somebody is close, whom that would tear apart."""
    small, _ = run([(640, 250, 60)], ALL, 1)
    assert [finer.cells for finer in small.finer] == [FINE * small.cells]
    assert small.finer[0].shown == [(0, 0, 1, 1)]
    close, _ = run([(640, 300, 320)], ALL, 1)
    assert close.finer == []


class FineIsClothes(Network):
    """Takes everything for clothes when it sees more finely."""

    def resized(self, share: float) -> ResizableSegmenter:
        return AllClothes(round(share * self.cells))


class AllClothes(Network):
    def __call__(self, pixels: np.ndarray, /) -> Probabilities:
        seen = super().__call__(pixels)
        face = seen[1] > 0.5  # somebody is there
        seen[2] += seen[0] + np.where(face, 0, seen[1])
        seen[0] = 0
        seen[1] = np.where(face, seen[1], 0)
        return seen


def test_the_fine_look_fades_out_when_somebody_comes_closer() -> None:
    """Beside a head its weight goes from a half to nothing, by no more than the head grows."""
    shares = []
    for face in range(100, 330, 8):
        roi = RoiSegmenter(FineIsClothes(96), ALL)
        weights = roi(FramePyramid(picture((640, 330, face)), 0.0)).weights
        row, column = round(330 / HEIGHT * weights.shape[1]), round((640 - 0.7 * face) / WIDTH * weights.shape[2])
        shares.append(float(weights[3, row, column]))
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert shares[-1] == pytest.approx(0, abs=0.05)
    assert max(before - after for before, after in pairwise(shares)) < 0.15
    assert min(before - after for before, after in pairwise(shares)) > -0.05


@pytest.mark.parametrize("looks", [ONE, SEVERAL, ALL])
def test_the_same_picture_gives_the_same_mask(looks: Looks) -> None:
    """Nothing is drawn at random: two runs agree bit for bit."""
    first, second = (run(APART, looks, 6)[1] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
