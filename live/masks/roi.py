"""What the model segments: the whole picture, or where people are small in it an enlarged crop with them.

A network sees every picture at its own size, so a person who fills a quarter of the frame's height gets a quarter of
the cells. Segmenting the crop that contains the people gives them the same edges as people close to the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import Picture, PlaneWeights
from livestyle.masks.flow import THUMBNAIL
from livestyle.masks.pyramid import FramePyramid, medium

LARGEST = 0.61
"""Share of the picture's sides up to which a crop is segmented separately; a larger one would gain too little."""

SMALLEST = 0.25
"""Share of the picture's sides below which no crop goes: a mistaken speck is not worth all of the model's cells."""

MARGIN = 0.3
"""Of the people's height and width, left on each side of them: they move between two masks."""

EVERY = 0.6
"""Seconds from one segmentation of the whole to the next, if nothing changes outside the crop."""

_AT_LEAST = 0.1  # seconds from one segmentation of the whole to the next, if something does
_GRID = 8  # pixels: crops begin and end on multiples, so that halving them is halving the picture
_SPECK = 0.0004  # of the picture: fewer connected pixels are not a person
_SURE, _SURELY = 0.9, 0.1  # a component is a person where a weight above the first covers this share of it
_CHANGED = 12.0  # levels of 255 by which a pixel of the thumbnail has changed its content
_OTHER_SCENE = 0.25  # share of changed pixels in the thumbnail above which the whole is segmented at once
_SEAM = 6  # pixels of the masks over which the crop blends into the rest


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

    def contains(self, other: Crop) -> bool:
        """Whether `other` lies inside, and away from every edge that is not the picture's own."""
        gap = MARGIN / 4 * other.size
        return (
            (self.left == 0 or self.left + gap <= other.left)
            and (self.top == 0 or self.top + gap <= other.top)
            and (self.right == 1 or self.right - gap >= other.right)
            and (self.bottom == 1 or self.bottom - gap >= other.bottom)
        )


class RoiSegmenter:
    """Masks of whole pictures; people who are small are segmented again on an enlarged crop. Not thread-safe.

    Call it with the pictures of one stream in order. The crop follows the people only when they come near its edge or
    their size has changed a lot, so that masks do not jitter with it. The whole is segmented again every EVERY seconds,
    and when something changes outside the crop. `segment` gives the region weights of any picture.
    """

    def __init__(self, segment: Callable[[Picture], PlaneWeights]) -> None:
        self._segment = segment
        self._crop: Crop | None = None  # None: the whole picture is segmented
        self._whole: PlaneWeights | None = None  # its newest mask
        self._thumbnail: npt.NDArray[np.float32] | None = None  # of the picture that this is the mask of
        self._segmented = 0.0  # seconds of that picture
        self._shape: tuple[int, ...] = ()

    def __call__(self, pyramid: FramePyramid) -> PlaneWeights:
        """(R, h, w) float32 weights that cover the frame."""
        shape, whole = pyramid.large.shape, pyramid.medium
        thumbnail = np.asarray(cv2.resize(whole, THUMBNAIL, interpolation=cv2.INTER_AREA), np.float32).mean(axis=2)
        age = pyramid.seconds - self._segmented
        if self._whole is None or self._crop is None or shape != self._shape or self._is_due(thumbnail, age):
            self._whole, self._thumbnail = self._segment(whole), thumbnail
            self._segmented, self._shape = pyramid.seconds, shape
            self._crop = self._followed(self._whole)
        if self._crop is None:
            return self._whole
        masks = self._with_crop(pyramid, self._crop, self._whole)
        self._crop = self._followed(masks)
        return masks

    def _is_due(self, thumbnail: npt.NDArray[np.float32], age: float) -> bool:
        """Whether to segment the whole, `age` seconds after the last time; below 0 another stream has begun."""
        if not 0 <= age < EVERY or self._thumbnail is None or self._crop is None:
            return True
        change = thumbnail - self._thumbnail
        outside = np.ones(change.shape, bool)
        width, height = THUMBNAIL
        left, top, right, bottom = self._crop
        outside[int(top * height) : round(bottom * height + 0.5), int(left * width) : round(right * width + 0.5)] = (
            False
        )
        # Less the median: a change of light is not a new person.
        other = np.abs(change - np.median(change))[outside] > _CHANGED
        return bool(other.size and other.mean() > _OTHER_SCENE) or (age >= _AT_LEAST and int(other.sum()) >= 2)

    def _followed(self, masks: PlaneWeights) -> Crop | None:
        """The crop to segment next: the same as long as it fits, None where the whole picture is as good."""
        people = people_in(masks)
        if people is None:
            return None
        wanted = _crop_around(people)
        crop = self._crop
        if crop is not None and crop.contains(people) and wanted.size > 0.6 * crop.size:
            return crop
        return wanted if wanted.size <= LARGEST else None

    def _with_crop(self, pyramid: FramePyramid, crop: Crop, whole: PlaneWeights) -> PlaneWeights:
        """The mask of the whole picture with that of the crop blended in."""
        picture = pyramid.large
        rows, columns = _pixels(crop, picture.shape)
        enlarged = self._segment(medium(np.ascontiguousarray(picture[rows, columns])))
        height, width = pyramid.luma.shape
        scale = height / picture.shape[0], width / picture.shape[1]
        down = slice(round(rows.start * scale[0]), round(rows.stop * scale[0]))
        across = slice(round(columns.start * scale[1]), round(columns.stop * scale[1]))
        share = _seamed(down, across, (height, width))
        result = np.stack([_resized(plane, width, height) for plane in whole])
        for plane, part in zip(result[:, down, across], enlarged, strict=True):
            plane += share * (_resized(part, across.stop - across.start, down.stop - down.start) - plane)
        return PlaneWeights(result)


def people_in(masks: PlaneWeights) -> Crop | None:
    """The part of the picture that contains all people who are certainly there; None where there are none.

    What the model is uncertain about is not enlarged: half a car that fills the picture becomes a person.
    """
    foreground = (masks[0] < 0.5).astype(np.uint8)
    count, numbers, found, _ = cv2.connectedComponentsWithStats(foreground)
    sure = np.bincount(numbers[masks[0] < 1 - _SURE], minlength=count)
    areas = found[:, cv2.CC_STAT_AREA]
    pieces = found[1:][((areas >= max(2, _SPECK * foreground.size)) & (sure >= _SURELY * areas))[1:]]
    if not len(pieces):
        return None
    height, width = foreground.shape
    left, top = (min(piece[at] for piece in pieces) for at in (cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP))
    right = max(piece[cv2.CC_STAT_LEFT] + piece[cv2.CC_STAT_WIDTH] for piece in pieces)
    bottom = max(piece[cv2.CC_STAT_TOP] + piece[cv2.CC_STAT_HEIGHT] for piece in pieces)
    return Crop(left / width, top / height, right / width, bottom / height)


def _crop_around(people: Crop) -> Crop:
    """With a margin, and of the picture's own aspect: a model is prepared separately for each size that it sees."""
    side = max(people.size * (1 + 2 * MARGIN), SMALLEST)
    if side >= 1:
        return Crop(0, 0, 1, 1)
    left, top = (
        min(max((low + high - side) / 2, 0), 1 - side)
        for low, high in ((people.left, people.right), (people.top, people.bottom))
    )
    return Crop(left, top, left + side, top + side)


def _pixels(crop: Crop, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a picture of `shape`, on the grid or at its ends."""

    def span(low: float, high: float, length: int) -> slice:
        return slice(int(low * length) // _GRID * _GRID, min(length, -(-int(high * length) // _GRID) * _GRID))

    return span(crop.top, crop.bottom, shape[0]), span(crop.left, crop.right, shape[1])


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
