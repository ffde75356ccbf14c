"""What perfect tracking would make of a model's masks: bounds for every filter over time, and for every late mask.

The true warps carry a mask into the coordinates of the person on it. Averaged there over the whole film, and carried
back to every frame, what is left is what the model gets wrong all the time, and soft edges. A late mask that is carried
on to a later frame lacks only what nobody had seen by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from livestyle.bench.layers import BACKGROUND, Plane, Planes
from livestyle.bench.masks.metrics import enlarged
from livestyle.bench.sequences import Moment
from livestyle.bench.warps import Stand, taken
from livestyle.frame import REGIONS, PixelWeights, PlaneWeights
from livestyle.masks.weights import by_plane

_AROUND = 0.04  # of a layer's height: how far beyond a person's outline a mask of them is looked at


def tracked(moments: Iterable[Moment], masks: Iterable[PlaneWeights]) -> Iterator[PlaneWeights]:
    """The mean of `masks` along the people of the `moments`, for each of them; all are read first."""
    people: dict[int, _Person] = {}
    seen = []
    for moment, mask in zip(moments, masks, strict=True):
        seen.append(moment.stands)
        _take_in(people, moment.stands, mask)
    means = {layer: person.mean() for layer, person in people.items()}
    for stands in seen:
        yield _drawn(means, stands, mask.shape[:0:-1])


def carried(mask: PlaneWeights, then: Moment, now: Moment) -> PlaneWeights:
    """The `mask` of the moment `then`, as the people on it stand `now`; who was not to be seen then is background."""
    people: dict[int, _Person] = {}
    _take_in(people, then.stands, mask)
    means = {layer: person.mean() for layer, person in people.items()}
    known = tuple(stand for stand in now.stands if id(stand.layer) in means)
    return _drawn(means, known, mask.shape[:0:-1])


class _Person:
    """Masks summed in one layer's coordinates."""

    def __init__(self, stand: Stand) -> None:
        height, width = stand.layer.cover.shape
        self.around = _around(stand)
        self._sum = np.zeros((height, width, len(REGIONS)), np.float32)
        self._count = np.full((height, width, 1), 1e-6, np.float32)

    def add(self, mask: PlaneWeights, stand: Stand, free: Plane) -> None:
        """A mask on which only the `free` part of the frame, (H, W) of {0, 1}, shows this layer or what is behind."""
        at = stand.to_frame()
        there = np.asarray(taken(free, at, cv2.BORDER_CONSTANT) > 0.99, np.float32)[..., np.newaxis]
        self._sum += there * taken(enlarged(mask, stand.frame), at, cv2.BORDER_REPLICATE)
        self._count += there

    def mean(self) -> Planes:
        """(H, W, R); nothing beside the person."""
        return np.asarray(self._sum / self._count * self.around[..., np.newaxis], np.float32)


def _around(stand: Stand) -> Plane:
    side = 2 * round(_AROUND * stand.layer.size[1]) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate((stand.layer.cover > 0).astype(np.float32), disc), np.float32)


def _take_in(people: dict[int, _Person], stands: tuple[Stand, ...], mask: PlaneWeights) -> None:
    if not stands:
        return
    width, height = stands[0].frame
    free = np.ones((height, width), np.float32)
    for stand in reversed(stands):  # who is in front hides the others
        if id(stand.layer) not in people:
            people[id(stand.layer)] = _Person(stand)
        person = people[id(stand.layer)]
        person.add(mask, stand, free)
        left, top, right, bottom = box = stand.reach()
        if left < right and top < bottom:
            hidden = taken(person.around, stand.from_frame(box), cv2.BORDER_CONSTANT)
            free[top:bottom, left:right] *= hidden < 0.01


def _drawn(means: dict[int, Planes], stands: tuple[Stand, ...], size: tuple[int, int]) -> PlaneWeights:
    """(R, h, w) weights of `size` (width, height) with the means of all who are there."""
    frame = stands[0].frame if stands else size
    planes = np.zeros((frame[1], frame[0], len(REGIONS)), np.float32)
    planes[..., BACKGROUND] = 1
    for stand in stands:
        left, top, right, bottom = box = stand.reach()
        if left < right and top < bottom:
            mean = taken(means[id(stand.layer)], stand.from_frame(box), cv2.BORDER_CONSTANT)
            part = planes[top:bottom, left:right]
            kept = np.clip(1 - mean.sum(axis=2) + mean[..., BACKGROUND], 0, 1)
            mean[..., BACKGROUND] = 0
            part *= kept[..., np.newaxis]
            part += mean
    small = np.asarray(cv2.resize(planes, size, interpolation=cv2.INTER_AREA), np.float32)
    return by_plane(PixelWeights(small))
