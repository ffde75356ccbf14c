"""Where the model looks: at the whole picture, and again, enlarged, at those parts in which it sees people too small.

A network sees every picture at its own size, so that a person who fills a quarter of the frame's height gets a quarter
of the cells, and in a large group nobody gets enough. A part needs a reason, somebody small in it: looked at without
one, pieces of people close to the camera are mistaken for something else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from livestyle.frame import Picture, PlaneWeights
from livestyle.masks.crops import (
    SEAM,
    Crop,
    Plane,
    around,
    covered,
    pixels_of,
    resized,
    scaled,
    seamed,
)
from livestyle.masks.flow import THUMBNAIL
from livestyle.masks.parts import LARGE_HEAD, LARGE_PIECE, Part, View, closer_parts
from livestyle.masks.people import Head, People, Person, Sighting, sightings
from livestyle.masks.pyramid import FramePyramid, medium
from livestyle.masks.weights import FACE, region_weights
from livestyle.protocols import ResizableSegmenter, Segmenter

EVERY = 0.6
"""Seconds from one segmentation of the whole to the next, if nothing changes outside the parts."""

SEARCH = 1.5
"""Seconds from one look for people who are too small for the whole to the next, a tile at a time."""

MOST_PARTS = 32
"""Parts that are known at a time."""

_FINE_PART = 0.8  # the weight of a part where the whole has been looked at more finely too: both know something
_AT_LEAST = 0.1  # seconds from one segmentation of the whole to the next, if something does change
_CHANGED = 12.0  # levels of 255 by which a pixel of the thumbnail has changed its content
_OTHER_SCENE = 0.25  # share of changed pixels in the thumbnail above which the whole is segmented at once
TILE = 0.58  # of the picture's sides: four tiles cover it, and everybody small enough is whole in one of them
FINE = 2.0  # times the network's own size at which a thorough look sees the whole once more


class Mask(NamedTuple):
    """What one picture's looks have given."""

    weights: PlaneWeights  # (R, h, w), of the whole picture; where nobody looked this time, from an earlier picture
    seen: Plane | None = None  # (h, w) in [0, 1]: how much of it is of this picture; None: all of it
    turns: int = 1  # masks after which all of the picture has been looked at


class Looks(NamedTuple):
    """How much may be looked at for one mask."""

    parts: int  # besides the whole, at least
    turns: int  # masks after which every part has been looked at again, at most
    thorough: bool = False  # the whole also at more than the network's own size, where people are small

    def each(self, parts: int) -> int:
        """How many of so many parts to look at for one mask."""
        return min(parts, max(self.parts, math.ceil(parts / self.turns)))


ONE = Looks(1, turns=3)
"""For live pictures: parts take turns."""

SEVERAL = Looks(3, turns=2)
"""For files, which can wait a little."""

ALL = Looks(0, turns=1, thorough=True)
"""For photos, and streams that may take their time."""


class RoiSegmenter:
    """Masks of whole pictures; where people are small, of enlarged parts. Not thread-safe.

    Call it with the pictures of one stream in order. The whole is segmented again every EVERY seconds, and when
    something changes outside the parts. Parts follow the people, but only when these come near an edge or have changed
    their size a lot, so that masks do not jitter with them.
    """

    def __init__(self, segmenter: Segmenter, looks: Looks = ONE) -> None:
        self._segmenter = segmenter
        self._looks = looks
        self._people = People()
        self._parts: list[Part] = []
        self._size = (0, 0)  # (width, height) of the pictures
        self._whole: PlaneWeights | None = None  # the newest mask of the whole
        self._thumbnail: Plane | None = None  # of the picture that this is the mask of
        self._segmented = self._refined = self._searched = -math.inf  # seconds of the newest looks of each kind
        self._scale = 1.0  # times the network's own size at which the whole has been looked at
        self._tile = 0  # the next to be searched

    @property
    def people(self) -> tuple[Person, ...]:
        """Who is followed now, with numbers that stay theirs."""
        return tuple(self._people)

    def __call__(self, pyramid: FramePyramid) -> Mask:
        """The mask of the next picture."""
        view = self._viewed(pyramid)
        due = self._is_due(pyramid)
        if due:
            self._whole = self._look_at_whole(pyramid, view)
        assert self._whole is not None  # it is due until there is one
        if self._is_search_due(pyramid.seconds):
            self._search(pyramid, view, self._whole)
        self._plan(view)
        if not self._parts:
            return Mask(self._whole, None if due else np.zeros(self._whole.shape[1:], np.float32))
        mask = self._with_parts(pyramid, view, self._whole, fresh=due)
        self._plan(view)
        return mask

    def _forget(self) -> None:
        """Another stream, or another scene."""
        self._people.forget()
        self._parts = []
        self._whole = self._thumbnail = None
        self._segmented = self._refined = self._searched = -math.inf

    def _viewed(self, pyramid: FramePyramid) -> View:
        height, width = pyramid.large.shape[:2]
        if (width, height) != self._size or pyramid.seconds < self._segmented:
            self._size = width, height
            self._forget()
        return View(math.prod(self._segmenter.input_size), (width, height))

    def _is_due(self, pyramid: FramePyramid) -> bool:
        """Whether to segment the whole; notes what it looks like. Forgets what belongs to another scene."""
        small = cv2.resize(pyramid.medium, THUMBNAIL, interpolation=cv2.INTER_AREA)
        thumbnail, age = np.asarray(small, np.float32).mean(axis=2), pyramid.seconds - self._segmented
        due = self._looks.thorough or not self._parts or age >= EVERY or self._has_changed(thumbnail, age)
        if due:
            self._thumbnail, self._segmented = thumbnail, pyramid.seconds
        return due

    def _has_changed(self, thumbnail: Plane, age: float) -> bool:
        """Whether something changed outside the parts since the whole was segmented, `age` seconds ago."""
        if self._thumbnail is None:
            return True
        change = thumbnail - self._thumbnail
        # Less the median: a change of light is not a new person.
        changed = np.abs(change - np.median(change)) > _CHANGED
        outside = np.ones(changed.shape, bool)
        width, height = THUMBNAIL
        for left, top, right, bottom in (part.crop for part in self._parts):
            rows = slice(int(top * height), round(bottom * height + 0.5))
            outside[rows, int(left * width) : round(right * width + 0.5)] = False
        other = changed[outside]
        if other.size and other.mean() > _OTHER_SCENE:
            self._people.forget()
            self._parts = []
            return True
        return age >= _AT_LEAST and int(other.sum()) >= 2

    def _look(self, picture: Picture, segmenter: Segmenter | None = None) -> tuple[PlaneWeights, list[Sighting]]:
        """The weights of a picture, and who is in it."""
        segmenter = segmenter or self._segmenter
        probabilities = segmenter(picture)
        weights = region_weights(probabilities, segmenter.classes, segmenter.regions)
        classes = list(segmenter.classes)
        return weights, sightings(weights[0], probabilities[classes.index(FACE)] if FACE in classes else None)

    def _look_at_whole(self, pyramid: FramePyramid, view: View) -> PlaneWeights:
        weights, found = self._look(pyramid.medium)
        share = self._fine_share(found, pyramid.seconds, view)
        self._scale = 1.0
        if share > 0 and isinstance(self._segmenter, ResizableSegmenter):
            fine, finer = self._look(pyramid.large, self._segmenter.resized(FINE))
            found = _with_reason(finer, found)
            weights = resized(weights, fine.shape[1:])
            weights += np.float32(share) * _around_people(found, view, fine.shape[1:]) * (fine - weights)
            self._scale, self._refined = FINE, pyramid.seconds
        self._people.see(found, view.aspect)
        return weights

    def _fine_share(self, found: list[Sighting], seconds: float, view: View) -> float:
        """The weight of a look at the whole at more than the network's own size: half, or 0 where somebody is close."""
        if not self._looks.thorough or not (found or self._people or seconds - self._refined >= EVERY):
            return 0.0
        near, nearer = LARGE_HEAD
        head = max((view.head(one.head.height) for one in found if one.head is not None), default=0.0)
        # A hand is close too.
        if any(one.head is None and one.box.size > LARGE_PIECE for one in found):
            return 0.0
        return 0.5 * min(max((nearer - head) / (nearer - near), 0.0), 1.0)

    def _plan(self, view: View) -> None:
        self._parts = closer_parts(self._people, view, self._parts, self._scale)[:MOST_PARTS]

    def _with_parts(self, pyramid: FramePyramid, view: View, whole: PlaneWeights, *, fresh: bool) -> Mask:
        """The mask of the whole picture with those of the parts whose turn it is blended in.

        `fresh`: the whole's mask is of this picture.
        """
        count = self._looks.each(len(self._parts))
        # Those that have waited longest.
        turn = sorted(self._parts, key=lambda part: part.looked)[:count]
        shape = pyramid.luma.shape
        result = resized(whole, shape)
        # Where parts know more than the whole, its mask of this picture counts only until they have been looked at.
        seen = np.full(shape, float(fresh), np.float32)
        for part in self._parts if fresh else ():
            if part.looked > -math.inf:
                area = scaled(pixels_of(part.crop, pyramid.large.shape), pyramid.large.shape, shape)
                seen[area] = np.minimum(seen[area], 1 - seamed(area, shape))
        free = self._free_of_close_people(result, view)
        for part in turn:
            self._look_at_part(part, pyramid, view, result, seen, free)
        return Mask(result, None if seen.min() >= 1 else seen, math.ceil(len(self._parts) / count))

    def _free_of_close_people(self, weights: PlaneWeights, view: View) -> Plane:
        """(h, w) 0 on people close to the camera, of whom a part would show a piece only; 1 elsewhere."""
        _, height, width = weights.shape
        heads = [person.head for person in self._people if person.head is not None]
        close = [head for head in heads if view.head(head.height) >= LARGE_HEAD[0]]
        if not close:
            return np.ones((height, width), np.float32)
        _, pieces = cv2.connectedComponents((weights[0] < 0.5).astype(np.uint8))
        numbers = {int(pieces[_pixel_of(head, pieces.shape)]) for head in close} - {0}
        taken = np.isin(pieces, list(numbers)).astype(np.float32)
        return np.asarray(1 - cv2.blur(cv2.dilate(taken, np.ones((SEAM, SEAM), np.uint8)), (SEAM, SEAM)), np.float32)

    def _look_at_part(
        self, part: Part, pyramid: FramePyramid, view: View, result: PlaneWeights, seen: Plane, free: Plane
    ) -> None:
        """Blend the mask of a part into the `result`, in place, where it is `free`."""
        picture, shape = pyramid.large, pyramid.luma.shape
        rows, columns = cut = pixels_of(part.crop, picture.shape)
        weights, found = self._look(medium(np.ascontiguousarray(picture[cut])))
        down, across = area = scaled(cut, picture.shape, shape)
        known = seamed(area, shape) * free[area]
        share = known * np.float32(_FINE_PART if self._scale > 1 else 1)
        part_weights = resized(weights, share.shape)
        result[:, down, across] += share * (part_weights - result[:, down, across])
        seen[area] = np.maximum(seen[area], known)
        part.looked = pyramid.seconds
        crop = covered(rows, columns, picture.shape)
        self._people.see_closer([one.outward(crop) for one in found], view.aspect, crop, part.people)

    def _is_search_due(self, seconds: float) -> bool:
        """Whether to look for people who are too small for the whole."""
        return self._scale == 1 and FACE in self._segmenter.classes and seconds - self._searched >= SEARCH

    def _search(self, pyramid: FramePyramid, view: View, whole: PlaneWeights) -> None:
        """Look at the next tile of the picture, at all of them in a new scene, for people only.

        The masks of tiles are not used: without its surroundings a piece of somebody misleads.
        """
        new = self._searched == -math.inf and self._looks != ONE
        for _ in range(4 if new else 1):
            left, top = (1 - TILE) * (self._tile % 2), (1 - TILE) * (self._tile // 2)
            cut = pixels_of(Crop(left, top, left + TILE, top + TILE), pyramid.large.shape)
            crop = covered(*cut, pyramid.large.shape)
            _, found = self._look(medium(np.ascontiguousarray(pyramid.large[cut])))
            small = [one for one in (one.outward(crop) for one in found) if _is_overlooked(one, view, whole)]
            self._people.find(small, view.aspect, crop)
            self._tile = (self._tile + 1) % 4
        self._searched = pyramid.seconds


def _with_reason(finer: list[Sighting], found: list[Sighting]) -> list[Sighting]:
    """Who a finer look has found by the face, or where the look at the network's own size has found somebody too."""
    return [one for one in finer if one.head is not None or any(one.box.common(other.box).area > 0 for other in found)]


def _around_people(found: list[Sighting], view: View, shape: tuple[int, ...]) -> Plane:
    """(h, w) 1 around them, 0 where nobody is: there large areas of shadow look like hair when they are enlarged."""
    near = np.zeros(shape, np.float32)
    for one in found:
        area = pixels_of(around(one.box, view.aspect), shape)
        near[area] = np.maximum(near[area], seamed(area, shape))
    return near


def _is_overlooked(one: Sighting, view: View, whole: PlaneWeights) -> bool:
    """Whether a small face is where the mask of the whole has nobody."""
    if one.head is None or not view.is_small(one.head):
        return False
    return bool(whole[0][_pixel_of(one.head, whole.shape[1:])] > 0.5)


def _pixel_of(head: Head, shape: tuple[int, ...]) -> tuple[int, int]:
    """Row and column of the middle of a face in a picture of that shape."""
    height, width = shape
    return min(int(head.y * height), height - 1), min(int(head.x * width), width - 1)
