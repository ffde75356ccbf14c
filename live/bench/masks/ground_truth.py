"""What judging one film needs to know, found once for all methods."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.bench.layers import Image
from livestyle.bench.masks.metrics import Labels, Mask, Planes, band, enlarged, inner_band, labelled
from livestyle.bench.sequences import Film, Truth
from livestyle.frame import REGIONS, PlaneWeights

LAGS = range(-1, 8)
"""Delays in frames that are compared."""

JUDGED_S = 0.2  # seconds between two frames on which masks are compared at full resolution

EXCUSED_S = 0.5  # seconds for which a smoothed mask may repeat what the model said wrongly

FRESH_S = 0.25  # seconds ago, when a region was not yet where it is now

_SURE = 0.9  # weight above which a clip's own mask counts as sure of a pixel
_LEAST = 0.0003  # of the frame (280 pixels at 720p): a smaller region is too few pixels to give a figure
_BLUR = 3.0  # pixels at a quarter of the size: motion below this between two frames gives a round minimum
_HAIR, _SKIN = REGIONS.index("hair"), REGIONS.index("skin")
_STYLED = (REGIONS.index("background"), REGIONS.index("clothes"))


class GroundTruth:
    """What is true of a film, and the model's own."""

    def __init__(self, film: Film, raw: list[PlaneWeights], exact: Iterable[PlaneWeights] = ()) -> None:
        """`raw`: the model's weights of every frame by itself.

        `exact`: livestyle's, of every frame, where nothing else is known; without them `skin` cannot be asked there.
        """
        self.film = film
        width, height = film.size
        self.half = max(1, width // 2), max(1, height // 2)
        self.quarter = max(1, width // 4), max(1, height // 4)
        self.step = max(1, round(film.rate * JUDGED_S))
        self._raw = raw
        self._exact = [_skin(enlarged(weights, self.half)) for weights in exact]
        self.truth = lru_cache(maxsize=3)(self._truth)
        self.honest = lru_cache(maxsize=None)(self._honest)
        self.outside = lru_cache(maxsize=None)(self._outside)
        self.fresh = lru_cache(maxsize=None)(self._fresh)
        self.soft = lru_cache(maxsize=None)(self._soft)
        self.bands = lru_cache(maxsize=None)(self._bands)
        self.edge = lru_cache(maxsize=None)(self._edge)
        self.flow = lru_cache(maxsize=None)(self._flow)

    def given(self, index: int) -> Truth:
        """The truth of a frame, at full resolution. Only for films that have one."""
        truth = self.film.moments[index].truth
        assert truth is not None
        return truth

    def skin(self, index: int) -> tuple[Mask, Mask]:
        """(h, w) at half the size: where skin is, and where certainly neither skin nor hair is.

        By the truth or, in a film without, by the exact masks.
        """
        if self.film.moments[index].truth is None:
            return self._exact[index]
        weights, known = self.truth(index)
        skin, other = _skin(weights)
        return skin & known[..., _SKIN], other & known[..., _SKIN] & known[..., _HAIR]

    def same_scene(self, index: int, other: int) -> bool:
        """Whether both frames exist and no cut is between them."""
        moments = self.film.moments
        return 0 <= other < len(moments) and moments[index].scene == moments[other].scene

    def present(self, index: int) -> list[int]:
        """The regions that surely are on a frame, and on enough of it to be measured."""
        truth = self.given(index)
        return [r for r in range(len(REGIONS)) if truth.inside(r).mean() > _LEAST]

    def _truth(self, index: int) -> tuple[Planes, Mask]:
        """(h, w, R) soft truth at half the size, and where it is known."""
        truth = self.given(index)
        return truth.weights, truth.known

    def _honest(self, index: int) -> Labels:
        """(h, w) labels that the model itself gave, at half the size."""
        return labelled(enlarged(self._raw[index], self.half))

    def _outside(self, index: int, region: int) -> Mask:
        """(h, w) at half the size: where the region surely is not."""
        weights, known = self.truth(index)
        return np.asarray(known[..., region] & (weights[..., region] < 0.1))

    def _fresh(self, index: int, region: int) -> Mask | None:
        """(h, w) at half the size: where the region has come within FRESH_S; None where it is not known.

        By the truth; in a clip by the model's own masks of both frames, where they are sure.
        """
        before = index - round(float(self.film.rate) * FRESH_S)
        if not self.same_scene(index, before):
            return None
        now, then = (self._region(at, region) for at in (index, before))
        return np.asarray((now > _SURE) & (then < 1 - _SURE))

    def _region(self, index: int, region: int) -> Planes:
        """(h, w) weights of a region: the truth's, 0.5 where nobody knows, or without truth the model's own."""
        if self.film.moments[index].truth is None:
            return enlarged(self._raw[index], self.half)[..., region]
        weights, known = self.truth(index)
        return np.where(known[..., region], weights[..., region], np.float32(0.5))

    def excused(self, index: int, region: int) -> Mask:
        """(h, w): where the model says `region` now, or said so wrongly within EXCUSED_S: no fault of a filter."""
        first = max(0, index - round(float(self.film.rate) * EXCUSED_S))
        wrong = (self._claims(at, region) & self.outside(at, region) for at in range(first, index))
        return np.logical_or.reduce([self._claims(index, region), *wrong])

    def _claims(self, index: int, region: int) -> Mask:
        return np.asarray(self.honest(index) == region)

    def _soft(self, index: int) -> Planes:
        """Blurred soft truth at a quarter of the size."""
        return blurred(self.truth(index)[0], self.quarter)

    def _bands(self, index: int) -> dict[int, Mask]:
        """For each region present: the true pixels near its edge."""
        truth = self.given(index)
        return {r: inner_band(truth.inside(r)) for r in self.present(index)}

    def _edge(self, index: int) -> Mask:
        """(H, W): near the edge between what a style changes and what it leaves; where it is known."""
        truth = self.given(index)
        styled = np.logical_or.reduce([truth.inside(r) for r in _STYLED])
        return band(styled)

    @cached_property
    def _flow_estimator(self) -> cv2.DISOpticalFlow:
        return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def _flow(self, index: int) -> tuple[npt.NDArray[np.float32], Mask]:
        """Backward flow from frame `index` to the one before at half the size, and where it can be relied on.

        Measured finer than the tracker's own, and only trusted where flow forth and back agree within a pixel.
        """
        now, before = (_grey(self.film.moments[at].pixels, self.half) for at in (index, index - 1))
        backward = np.asarray(self._flow_estimator.calc(now, before, None), np.float32)
        forward = np.asarray(self._flow_estimator.calc(before, now, None), np.float32)
        grid = np.dstack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in self.half)))
        away = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": 1e6}
        there = cv2.remap(forward, grid + backward, None, cv2.INTER_LINEAR, **away)
        return backward, np.asarray(np.hypot(*cv2.split(backward + there)) < 1.0)


def _skin(planes: Planes) -> tuple[Mask, Mask]:
    kept = planes[..., _HAIR] + planes[..., _SKIN]
    return np.asarray(planes[..., _SKIN] > 0.5), np.asarray(kept < 0.1)


def blurred(planes: Planes, size: tuple[int, int]) -> Planes:
    """(h, w, R) shrunk to `size` (width, height) and blurred, for finding a delay."""
    return np.asarray(cv2.GaussianBlur(cv2.resize(planes, size, interpolation=cv2.INTER_AREA), (0, 0), _BLUR))


def _grey(pixels: Image, size: tuple[int, int]) -> Image:
    return np.asarray(
        cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY), np.uint8
    )
