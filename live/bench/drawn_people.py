"""Drawn people, for tests and for whoever has no data, and a segmenter that knows the truth but says it badly."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.bench.hands import drawn, raised
from livestyle.bench.layers import Image, Layer, Planes, cut_out, flat
from livestyle.bench.sequences import Moment
from livestyle.errors import InputError
from livestyle.frame import REGIONS, PixelWeights, Probabilities
from livestyle.masks.crops import Crop
from livestyle.masks.flow import shrink
from livestyle.masks.weights import by_plane

Labels = npt.NDArray[np.uint8]

DRAWN = 320  # pixels, height of a drawing

_SKINS = ((236, 200, 178), (214, 168, 136), (178, 124, 92), (124, 82, 58), (70, 46, 36))
_HAIRS = ((40, 28, 22), (92, 60, 34), (178, 138, 84), (130, 52, 30))
_CLOTHES = ((40, 60, 120), (150, 40, 50), (60, 110, 80), (220, 220, 215))


class DrawnPeople:
    """Drawn people before drawn walls; every region of every pixel is certain."""

    def portrait(self, number: int, height: int) -> Layer:
        """Head and shoulders."""
        return _layer(_portrait_labels(), number, height)

    def figure(self, number: int, height: int) -> Layer:
        """From head to foot."""
        return _layer(_figure_labels(), number, height)

    def hand(self, number: int, height: int, owner: Layer | None) -> Layer:
        """A hand with spread fingers."""
        draw = np.random.default_rng((4, number))
        skin = _SKINS[draw.integers(len(_SKINS))]
        return raised(drawn(_texture(draw, (DRAWN, round(0.9 * DRAWN)), 12), skin), height, owner)

    def place(self, number: int, size: tuple[int, int]) -> Layer:
        """A wall with a texture that shows how it moves."""
        draw = np.random.default_rng((3, number))
        color = np.asarray(draw.uniform(60, 190, 3))
        small = _texture(draw, (size[1] // 2 + 1, size[0] // 2 + 1), 26)[..., np.newaxis] + color
        large = cv2.resize(small.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        return flat(np.asarray(np.clip(large, 0, 255), np.uint8))


def _portrait_labels() -> Labels:
    labels = np.zeros((DRAWN, DRAWN), np.uint8)
    middle = DRAWN // 2
    cv2.ellipse(labels, (middle, DRAWN + 20), (125, 105), 0, 0, 360, REGIONS.index("clothes"), -1)
    cv2.ellipse(labels, (middle, 115), (82, 100), 0, 0, 360, REGIONS.index("hair"), -1)
    cv2.rectangle(labels, (middle - 32, 190), (middle + 32, 245), REGIONS.index("skin"), -1)
    cv2.ellipse(labels, (middle, 135), (60, 80), 0, 0, 360, REGIONS.index("skin"), -1)
    return labels


def _figure_labels() -> Labels:
    labels = np.zeros((DRAWN, 160), np.uint8)
    cv2.rectangle(labels, (48, 70), (112, 195), REGIONS.index("clothes"), -1)
    for x in (54, 90):
        cv2.rectangle(labels, (x, 190), (x + 18, 312), REGIONS.index("clothes"), -1)
    for x in (34, 116):
        cv2.rectangle(labels, (x, 76), (x + 11, 185), REGIONS.index("skin"), -1)
    cv2.ellipse(labels, (80, 38), (26, 30), 0, 0, 360, REGIONS.index("hair"), -1)
    cv2.ellipse(labels, (80, 46), (18, 26), 0, 0, 360, REGIONS.index("skin"), -1)
    return labels


def _layer(labels: Labels, number: int, height: int) -> Layer:
    draw = np.random.default_rng((2, number))
    around = (120, 120, 120)
    colors = [around, *(choice[draw.integers(len(choice))] for choice in (_HAIRS, _SKINS, _CLOTHES))]
    pixels = np.asarray(colors, np.float32)[labels] + _texture(draw, labels.shape, 12)[..., np.newaxis]
    sure = (labels[..., np.newaxis] == np.arange(len(REGIONS))).astype(np.float32)
    drawing: Image = np.asarray(np.clip(pixels, 0, 255), np.uint8)
    return cut_out(drawing, labels > 0, sure, sure, height)


def _texture(draw: np.random.Generator, shape: tuple[int, ...], deviation: float) -> npt.NDArray[np.float32]:
    fine = cv2.GaussianBlur(draw.standard_normal(shape[:2]).astype(np.float32), (0, 0), 2)
    wide = cv2.GaussianBlur(draw.standard_normal(shape[:2]).astype(np.float32), (0, 0), 9)
    mixed = fine / max(float(fine.std()), 1e-6) + wide / max(float(wide.std()), 1e-6)
    return np.asarray(mixed * (deviation / 2**0.5), np.float32)


@dataclass(frozen=True, slots=True)
class Flaws:
    """How badly an oracle says what it knows. All of it changes from picture to picture, as a network's errors do."""

    stride: int = 8  # pixels of what it looks at, for each cell of its answer
    blur: float = 0.7  # cells, standard deviation
    noise: float = 0.02  # of a weight, standard deviation, three cells wide
    jitter: float = 0.1  # cells by which all of a picture is displaced, standard deviation


class Oracle:
    """A segmenter that is told the truth of every moment and gives it back with flaws; no model is loaded.

    It must be shown each moment (`see`) before it is asked about it. It finds what it is asked about among the last
    moments seen: the whole picture or any part of it, halved any number of times. Equal pictures get equal masks.
    """

    classes: tuple[str, ...] = REGIONS
    regions: Mapping[str, str] = {name: name for name in REGIONS}
    device = "cpu"

    def __init__(self, flaws: Flaws | None = None, *, remembers: int = 64) -> None:
        self._flaws = flaws or Flaws()
        self._seen: deque[Moment] = deque(maxlen=remembers)

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return 256, 256

    def network_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) at which a picture of this size is looked at: about as many pixels as `input_size` has."""
        scale = (256 * 256 / (width * height)) ** 0.5
        return max(32, round(width * scale / 32) * 32), max(32, round(height * scale / 32) * 32)

    def see(self, moment: Moment) -> None:
        """Be told a moment's truth. Raises InputError for one without."""
        if moment.truth is None:
            raise InputError("an oracle needs a sequence whose truth is known")
        self._seen.append(moment)

    def __call__(self, pixels: Image, /) -> Probabilities:
        """(H, W, 3) of a moment seen -> (R, h, w) region weights. Raises InputError for any other picture."""
        truth = self._truth_of(pixels)
        width, height = self.network_size(pixels.shape[1], pixels.shape[0])
        cells = max(1, width // self._flaws.stride), max(1, height // self._flaws.stride)
        draw = np.random.default_rng(zlib.crc32(np.ascontiguousarray(pixels[::7, ::7]).data))
        small = cv2.resize(truth, cells, interpolation=cv2.INTER_AREA)
        return _flawed(np.asarray(small, np.float32), self._flaws, draw)

    def _truth_of(self, pixels: Image) -> Planes:
        for moment in reversed(self._seen):
            if (crop := _place_in(moment.pixels, pixels)) is not None:
                assert moment.truth is not None
                return _part(moment.truth.weights, crop)
        raise InputError("an oracle was asked about a picture that it was not shown")


def _place_in(whole: Image, pixels: Image) -> Crop | None:
    """Where `pixels` is in `whole` or in one of its halvings; None where it is in none of them."""
    halvings = [whole]
    while min(halvings[-1].shape[:2]) > 16:
        halvings.append(shrink(whole, max(halvings[-1].shape)))
    for one in halvings:
        if one.shape == pixels.shape:
            return Crop(0, 0, 1, 1) if np.array_equal(one, pixels) else None
    for one in halvings:
        if (at := _offset(one, pixels)) is not None:
            (height, width), (x, y) = one.shape[:2], at
            return Crop(x / width, y / height, (x + pixels.shape[1]) / width, (y + pixels.shape[0]) / height)
    return None


def _offset(whole: Image, part: Image) -> tuple[int, int] | None:
    if whole.shape[0] < part.shape[0] or whole.shape[1] < part.shape[1]:
        return None
    difference = cv2.matchTemplate(whole[..., 1], part[..., 1], cv2.TM_SQDIFF)
    _, _, (x, y), _ = cv2.minMaxLoc(difference)
    found = np.array_equal(whole[y : y + part.shape[0], x : x + part.shape[1]], part)
    return (x, y) if found else None


def _part(planes: Planes, crop: Crop) -> Planes:
    height, width = planes.shape[:2]
    left, top = round(crop.left * width), round(crop.top * height)
    right, bottom = max(left + 1, round(crop.right * width)), max(top + 1, round(crop.bottom * height))
    return planes[top:bottom, left:right]


def _flawed(cells: Planes, flaws: Flaws, draw: np.random.Generator) -> Probabilities:
    height, width = cells.shape[:2]
    shift = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    shift[:, 2] = draw.normal(0, flaws.jitter, 2)
    moved = cv2.warpAffine(cells, shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(moved, (0, 0), flaws.blur) if flaws.blur > 0 else moved
    noise = cv2.GaussianBlur(draw.standard_normal(cells.shape).astype(np.float32), (0, 0), 1.2)
    wrong = np.clip(soft + noise * (flaws.noise / max(float(noise.std()), 1e-6)), 0, None) + 1e-6
    return Probabilities(by_plane(PixelWeights(wrong / wrong.sum(axis=2, keepdims=True))))
