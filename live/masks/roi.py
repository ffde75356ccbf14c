"""Where the model looks: at the whole picture, or from nearer at people who are small in it.

A network sees every picture at its own size, so a person who fills a quarter of the frame's height gets a quarter of
the cells. Looking at the part of the frame that holds the people gives them the same edges as those near the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import Weights
from livestyle.masks.pyramid import FramePyramid, Picture, medium

NEARER = 0.61
"""Share of the picture's sides below which a part is worth looking at by itself; with less to win, nothing is cut."""

SMALLEST = 0.25
"""Share of the picture's sides that is never gone below: a mistaken speck is not worth all of the model's cells."""

MARGIN = 0.3
"""Of the people's height and width, left on each side of them: they move between two looks."""

EVERY = 0.6
"""Seconds from one look at the whole to the next, if nothing changes outside of the part."""

_AT_LEAST = 0.1  # seconds from one look at the whole to the next, if something does
_GRID = 8  # pixels: parts begin and end on multiples, so that halving them is halving the picture
_SPECK = 0.0004  # of the picture: fewer pixels in one piece are nobody
_SURE, _SURELY = 0.9, 0.1  # a piece is somebody where so sure a weight covers such a share of it
_THUMBNAIL = (32, 18)
_CHANGED = 12.0  # levels of 255 by which a thumbnail's pixel shows something else
_OTHER_SCENE = 0.25  # share of the thumbnail that has changed by so much when all of it is to be looked at at once
_SEAM = 6  # pixels of the masks over which a part goes over into the rest


class Box(NamedTuple):
    """A part of a picture, as shares of its sides."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def size(self) -> float:
        """The longer of its sides."""
        return max(self.right - self.left, self.bottom - self.top)

    def holds(self, other: Box) -> bool:
        """Whether `other` lies inside, and off every edge that is not the picture's own."""
        air = MARGIN / 4 * other.size
        return (
            (self.left == 0 or self.left + air <= other.left)
            and (self.top == 0 or self.top + air <= other.top)
            and (self.right == 1 or self.right - air >= other.right)
            and (self.bottom == 1 or self.bottom - air >= other.bottom)
        )


class RoiSegmenter:
    """Masks of whole pictures, their people looked at from nearer where they are small. Not thread-safe.

    Call it with the pictures of one stream in order. The part follows the people only when they come near its edge or
    have grown or shrunk by far, so that masks do not tremble with it. The whole is looked at again every EVERY
    seconds, and when something changes outside of the part. `look` gives region weights of any picture.
    """

    def __init__(self, look: Callable[[Picture], Weights]) -> None:
        self._look = look
        self._box: Box | None = None  # None: the whole picture is looked at
        self._whole: Weights | None = None  # the newest mask of all of it
        self._thumbnail: npt.NDArray[np.float32] | None = None  # of the picture that it is of
        self._looked = 0.0  # seconds of that picture
        self._shape: tuple[int, ...] = ()

    def __call__(self, pyramid: FramePyramid) -> Weights:
        """(R, h, w) float32 weights that cover the frame."""
        shape, whole = pyramid.large.shape, pyramid.medium
        thumbnail = np.asarray(cv2.resize(whole, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.float32).mean(axis=2)
        age = pyramid.seconds - self._looked
        if self._whole is None or self._box is None or shape != self._shape or self._is_due(thumbnail, age):
            self._whole, self._thumbnail = self._look(whole), thumbnail
            self._looked, self._shape = pyramid.seconds, shape
            self._box = self._followed(self._whole)
        if self._box is None:
            return self._whole
        masks = self._nearer(pyramid, self._box, self._whole)
        self._box = self._followed(masks)
        return masks

    def _is_due(self, thumbnail: npt.NDArray[np.float32], age: float) -> bool:
        """Whether the whole is to be looked at, `age` seconds after it was; below 0 another stream has begun."""
        if not 0 <= age < EVERY or self._thumbnail is None or self._box is None:
            return True
        change = thumbnail - self._thumbnail
        outside = np.ones(change.shape, bool)
        width, height = _THUMBNAIL
        left, top, right, bottom = self._box
        outside[int(top * height) : round(bottom * height + 0.5), int(left * width) : round(right * width + 0.5)] = (
            False
        )
        # Less the median: a change of light is no newcomer.
        other = np.abs(change - np.median(change))[outside] > _CHANGED
        return bool(other.size and other.mean() > _OTHER_SCENE) or (age >= _AT_LEAST and int(other.sum()) >= 2)

    def _followed(self, masks: Weights) -> Box | None:
        """The part to look at next: the same while it does, None where the whole is as good."""
        people = people_in(masks)
        if people is None:
            return None
        wanted = _part_around(people)
        box = self._box
        if box is not None and box.holds(people) and wanted.size > 0.6 * box.size:
            return box
        return wanted if wanted.size <= NEARER else None

    def _nearer(self, pyramid: FramePyramid, box: Box, whole: Weights) -> Weights:
        """The mask of the `box`, laid into that of the whole picture."""
        picture = pyramid.large
        rows, columns = _pixels(box, picture.shape)
        near = self._look(medium(np.ascontiguousarray(picture[rows, columns])))
        height, width = pyramid.luma.shape
        scale = height / picture.shape[0], width / picture.shape[1]
        down = slice(round(rows.start * scale[0]), round(rows.stop * scale[0]))
        across = slice(round(columns.start * scale[1]), round(columns.stop * scale[1]))
        share = _seamed(down, across, (height, width))
        result = np.stack([_resized(plane, width, height) for plane in whole])
        for plane, part in zip(result[:, down, across], near, strict=True):
            plane += share * (_resized(part, across.stop - across.start, down.stop - down.start) - plane)
        return result


def people_in(masks: Weights) -> Box | None:
    """The part of the picture that holds everybody who is surely there; None without anybody.

    What the model wavers about is not looked at from nearer: half a car that fills the picture becomes a person.
    """
    somebody = (masks[0] < 0.5).astype(np.uint8)
    count, numbers, found, _ = cv2.connectedComponentsWithStats(somebody)
    sure = np.bincount(numbers[masks[0] < 1 - _SURE], minlength=count)
    areas = found[:, cv2.CC_STAT_AREA]
    pieces = found[1:][((areas >= max(2, _SPECK * somebody.size)) & (sure >= _SURELY * areas))[1:]]
    if not len(pieces):
        return None
    height, width = somebody.shape
    left, top = (min(piece[at] for piece in pieces) for at in (cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP))
    right = max(piece[cv2.CC_STAT_LEFT] + piece[cv2.CC_STAT_WIDTH] for piece in pieces)
    bottom = max(piece[cv2.CC_STAT_TOP] + piece[cv2.CC_STAT_HEIGHT] for piece in pieces)
    return Box(left / width, top / height, right / width, bottom / height)


def _part_around(people: Box) -> Box:
    """With a margin, and of the picture's own aspect: a model is prepared anew for each size that it sees."""
    side = max(people.size * (1 + 2 * MARGIN), SMALLEST)
    if side >= 1:
        return Box(0, 0, 1, 1)
    left, top = (
        min(max((low + high - side) / 2, 0), 1 - side)
        for low, high in ((people.left, people.right), (people.top, people.bottom))
    )
    return Box(left, top, left + side, top + side)


def _pixels(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a picture of `shape`, on the grid or at its ends."""

    def span(low: float, high: float, length: int) -> slice:
        return slice(int(low * length) // _GRID * _GRID, min(length, -(-int(high * length) // _GRID) * _GRID))

    return span(box.top, box.bottom, shape[0]), span(box.left, box.right, shape[1])


def _seamed(down: slice, across: slice, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(h, w) 1 inside, falling towards every edge that is not the picture's."""

    def ramp(part: slice, length: int) -> npt.NDArray[np.float32]:
        at = np.arange(part.start, part.stop, dtype=np.float32) + 0.5
        first = np.ones_like(at) if part.start == 0 else (at - part.start) / _SEAM
        last = np.ones_like(at) if part.stop == length else (part.stop - at) / _SEAM
        return np.clip(np.minimum(first, last), 0, 1)

    return np.asarray(ramp(down, shape[0])[:, np.newaxis] * ramp(across, shape[1]), np.float32)


def _resized(plane: npt.NDArray[np.float32], width: int, height: int) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
