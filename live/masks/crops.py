"""Parts of a picture: where they are, which pixels they take, how what is known about one is blended into the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import PlaneWeights, Probabilities

MARGIN = 0.3
"""Of the people's larger side, left on each side of them: they move between two masks."""

SMALLEST = 0.2
"""Share of the picture's sides below which no crop goes: a mistaken speck is not worth all of the model's cells."""

ASPECTS = (0.5, 0.71, 1.0, 1.41, 2.0)
"""Width divided by height of crops, in pixels: only a few, because some devices compile the model for each shape."""

SEAM = 6
"""Pixels of the masks over which a crop blends into the rest."""

_GRID = 8  # pixels: crops begin and end on multiples, so that halving them is halving the picture

Plane = npt.NDArray[np.float32]
Planes = TypeVar("Planes", PlaneWeights, Probabilities)


class Crop(NamedTuple):
    """A part of a picture, as shares of its sides."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def size(self) -> float:
        """The longer of its sides."""
        return max(self.right - self.left, self.bottom - self.top)

    @property
    def area(self) -> float:
        """Its share of the picture."""
        return max(self.right - self.left, 0.0) * max(self.bottom - self.top, 0.0)

    def contains(self, other: Crop) -> bool:
        """Whether `other` lies inside, and away from every edge that is not the picture's own."""
        gap = MARGIN / 4 * other.size
        return (
            (self.left == 0 or self.left + gap <= other.left)
            and (self.top == 0 or self.top + gap <= other.top)
            and (self.right == 1 or self.right - gap >= other.right)
            and (self.bottom == 1 or self.bottom - gap >= other.bottom)
        )

    def joined(self, other: Crop) -> Crop:
        """The smallest that contains both."""
        return Crop(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))

    def common(self, other: Crop) -> Crop:
        """What lies in both; of no area where nothing does."""
        return Crop(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))

    def clipped(self) -> Crop:
        """What of it lies in the picture."""
        return Crop(*(min(max(at, 0.0), 1.0) for at in self))

    def outward(self, inner: Crop) -> Crop:
        """`inner`, given as shares of this part, as shares of the picture."""
        width, height = self.right - self.left, self.bottom - self.top
        return Crop(
            self.left + inner.left * width,
            self.top + inner.top * height,
            self.left + inner.right * width,
            self.top + inner.bottom * height,
        )


def joined(crops: Sequence[Crop]) -> Crop:
    """The smallest that contains all of them, at least one."""
    return reduce(Crop.joined, crops)


def around(people: Crop, aspect: float) -> Crop:
    """`people` with a margin, not too small, of one of ASPECTS but for the picture's own ends.

    `aspect`: the picture's width divided by its height.
    """
    # In units of the picture's height, in which both axes are alike.
    width, height = (people.right - people.left) * aspect, people.bottom - people.top
    margin = 2 * MARGIN * max(width, height)
    width, height = max(width + margin, SMALLEST * aspect), max(height + margin, SMALLEST)
    width, height = min(width, aspect), min(height, 1.0)
    nearest = min(ASPECTS, key=lambda one: max(width, height * one) * max(height, width / one))
    width, height = max(width, height * nearest), max(height, width / nearest)
    left, right = _placed(people.left, people.right, width / aspect)
    top, bottom = _placed(people.top, people.bottom, height)
    return Crop(left, top, right, bottom)


def _placed(low: float, high: float, side: float) -> tuple[float, float]:
    """The ends of a span of length `side` with low..high in its middle, moved into the picture."""
    if side >= 1:
        return 0.0, 1.0
    start = min(max((low + high - side) / 2, 0.0), 1 - side)
    return start, start + side


def pixels_of(crop: Crop, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a picture of `shape`, on the grid or at its ends."""

    def span(low: float, high: float, length: int) -> slice:
        return slice(int(low * length) // _GRID * _GRID, min(length, math.ceil(int(high * length) / _GRID) * _GRID))

    return span(crop.top, crop.bottom, shape[0]), span(crop.left, crop.right, shape[1])


def covered(rows: slice, columns: slice, shape: tuple[int, ...]) -> Crop:
    """What the rows and columns really cover: parts lie on a grid."""
    return Crop(columns.start / shape[1], rows.start / shape[0], columns.stop / shape[1], rows.stop / shape[0])


def scaled(part: tuple[slice, slice], shape: tuple[int, ...], to: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a picture of `shape`, in a copy of it of the shape `to`."""
    (rows, columns), scale = part, (to[0] / shape[0], to[1] / shape[1])
    return (
        slice(round(rows.start * scale[0]), round(rows.stop * scale[0])),
        slice(round(columns.start * scale[1]), round(columns.stop * scale[1])),
    )


def seamed(part: tuple[slice, slice], shape: tuple[int, ...]) -> Plane:
    """(h, w) 1 inside the part, falling towards every edge that is not the edge of the `shape`."""

    def ramp(span: slice, length: int) -> Plane:
        at = np.arange(span.start, span.stop, dtype=np.float32) + 0.5
        first = np.ones_like(at) if span.start == 0 else (at - span.start) / SEAM
        last = np.ones_like(at) if span.stop == length else (span.stop - at) / SEAM
        return np.clip(np.minimum(first, last), 0, 1)

    rows, columns = part
    return np.asarray(ramp(rows, shape[0])[:, np.newaxis] * ramp(columns, shape[1]), np.float32)


def resized(planes: Planes, shape: tuple[int, ...]) -> Planes:
    """(C, h, w) planes at another height and width, in a new array."""
    height, width = shape
    return cast(
        Planes, np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes])
    )
