"""Laying people over a place, sharp or blurred by their motion, with the truth that goes along."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from livestyle.bench.layers import BACKGROUND, Image, Layer, Planes
from livestyle.bench.warps import Field, Stand, taken
from livestyle.frame import REGIONS


class Canvas:
    """A frame in the making: its colours, what each pixel shows, and which pixels show something that is marked."""

    def __init__(self, place: Layer, field: Field, marks: int) -> None:
        """The place behind all, seen as `field` says; `marks`: how many different marks there are."""
        self.colors = taken(place.pixels, field, cv2.BORDER_REFLECT_101)  # (H, W, 3)
        shape = self.colors.shape[:2]
        self.least = np.zeros((*shape, len(REGIONS)), np.float32)  # (H, W, R): share that surely is each region
        self.least[..., BACKGROUND] = 1
        self.most = self.least  # (H, W, R): share that may be; the same array where everything is known
        self.marks = np.zeros((*shape, marks), np.float32)  # (H, W, M): share that surely is what a mark stands for

    def lay(self, stands: Sequence[Stand], marked: Planes) -> None:
        """Lay a layer over what is there: the mean of how it stands at several instants.

        `marked`: (h, w, M), which of the layer's pixels carry each mark. What is below is taken to stand still
        meanwhile.
        """
        box = _reach(stands)
        if box is None:
            return
        left, top, right, bottom = box
        layer, part = stands[0].layer, np.s_[top:bottom, left:right]
        if self.most is self.least and layer.most is not layer.least:
            self.most = self.least.copy()
        fields = [stand.from_frame(box) for stand in stands]
        covers = [taken(layer.cover, field, cv2.BORDER_CONSTANT)[..., np.newaxis] for field in fields]
        _cover(self.colors[part], layer.pixels, fields, covers)
        _cover(self.least[part], layer.least, fields, covers)
        if self.most is not self.least:
            _cover(self.most[part], layer.most, fields, covers)
        if marked.shape[2]:
            _cover(self.marks[part], marked, fields, covers)


def _reach(stands: Sequence[Stand]) -> tuple[int, int, int, int] | None:
    """The part of the frame that the layer covers at any of the instants; None for nothing."""
    boxes = np.array([stand.reach() for stand in stands])
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return (int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None


def _cover(below: Field, above: Planes | Image, fields: Sequence[Field], covers: Sequence[Field]) -> None:
    """Write into `below`."""
    if len(fields) == 1:
        below += covers[0] * (_seen(above, fields[0]) - below)
        return
    count = np.float32(len(fields))
    seen = sum((cover * _seen(above, field) for field, cover in zip(fields, covers, strict=True)), np.float32(0))
    below *= 1 - sum(covers, np.float32(0)) / count
    below += seen / count


def _seen(above: Planes | Image, field: Field) -> Field:
    seen = taken(above, field, cv2.BORDER_REPLICATE)
    return seen if seen.ndim == 3 else seen[..., np.newaxis]
