"""One method on one film, in figures."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from livestyle.bench.layers import Image
from livestyle.bench.masks.color_difference import delta_e
from livestyle.bench.masks.ground_truth import LAGS, GroundTruth, blurred
from livestyle.bench.masks.metrics import (
    CHANGED,
    GHOST,
    Contours,
    Count,
    Labels,
    Mask,
    Planes,
    enlarged,
    flicker,
    ghost_area,
    inner_band,
    labelled,
    lag_of,
    longest_run,
    step_error,
    warp_error,
)
from livestyle.bench.masks.presence import Presence
from livestyle.frame import REGIONS, PlaneWeights
from livestyle.protocols import Grade

FIGURES: Mapping[str, str] = {
    "iou": "region IoU, mean of the regions",
    "biou": "boundary IoU within 1 % of the diagonal (Cheng et al. 2021), mean of the regions",
    "bf": "boundary F within 0.2 % of the diagonal, mean of the regions",
    "dtssd": "dtSSD of the soft weights (Erofeev et al. 2015)",
    "ndtssd": "the same over that of a frozen mask: 1 is frozen, 0 moves as the truth does",
    "nsteady": "as ndtssd, both masks blurred over 12 pixels of 720 first: soft edges cost nothing, only motion does",
    "lag": "frames by which the mask is late",
    "flicker": "where nothing moves (any clip: everywhere): weight that changes region between two frames, ‰",
    "flips": f"pixels of which more than {CHANGED:g} does, ‰",
    "warp": "the same as flicker, along optical flow, ‰",
    "ghosts": "frames with a region that is not there, and that the model itself did not put there for half a second",
    "ghost_run": "the longest run of such frames",
    "hand_recall": "share of hands that is called skin, over all frames",
    "hand_grey": "% of hands of which less than half is kept as skin or hair",
    "hand_lost": "the longest run of frames on which most of the hands is grey",
    "fresh_grey": "the same for all skin that has come within 0.25 s (any clip: by the model's own sure masks)",
    "small_recall": "share of hair and skin of people less than half as high as the frame that is called so",
    "grey": "% of skin (any clip: of what exact masks call skin) of which less than half is kept as skin or hair",
    "spill": "skin where there certainly is neither skin nor hair, in % of the skin that there is",
    "skin_band": "ΔE2000 of skin and hair against the input, within 1 % of the diagonal of the edge, mean",
    "skin_in": "the same away from the edge, mean",
    "skin_p95": "and its 95th percentile",
    "back_band": "ΔE2000 of the background against the fully styled picture, near the edge, mean",
    "back_in": "the same away from the edge, mean",
}
"""Every figure and what it means; NaN where a film cannot say."""

SETTLED_S = 1 / 3  # seconds after which a filter over time is expected to have settled on a still scene
SAMPLES = 4000  # pixels of one kind on one frame whose colours are compared; evenly taken, the same for every method

_KEPT = (REGIONS.index("hair"), REGIONS.index("skin"))
_BACKGROUND = REGIONS.index("background")
_SURE = 0.9  # weight above which a clip's own mask counts as sure of a pixel


Comparison = tuple[str, Mask, Image]
"""Name of a figure, the pixels it is about, and the (H, W, 3) colours they should have."""


class Scorer:
    """Takes the weights of every frame in order; `figures` then says how good they were."""

    def __init__(self, ground_truth: GroundTruth, grade: Grade) -> None:
        self._ground_truth, self._grade = ground_truth, grade
        kind = ground_truth.film.kind
        self._has_truth = ground_truth.film.moments[0].truth is not None
        self._still = kind is None or kind.still
        self._before: Planes | None = None
        self._labels: Labels | None = None
        self._regions: dict[int, Count] = defaultdict(Count)
        self._boundaries: dict[int, Count] = defaultdict(Count)
        self._contours: dict[int, Contours] = defaultdict(Contours)
        self._steps: list[tuple[float, float]] = []
        self._flickers: list[tuple[float, float]] = []
        self._warps: list[float] = []
        self._ghosts: list[bool] = []
        self._presence = Presence()
        self._blurred: Planes | None = None
        self._coarse_steps: list[tuple[float, float]] = []
        self._late: dict[int, list[float]] = {lag: [] for lag in LAGS}
        self._kept = np.zeros(3)  # pixels of skin, of it those that are not kept, and of what is wrongly called skin
        self._differences: dict[str, list[np.ndarray]] = defaultdict(list)

    def add(self, index: int, weights: PlaneWeights) -> None:
        """The (R, h, w) weights that frame `index` was styled with."""
        planes = enlarged(weights, self._ground_truth.half)
        labels = labelled(planes)
        self._presence.add(index, planes, labels, self._ground_truth)
        if self._has_truth:
            self._add_step(index, planes)
            self._add_ghosts(index, labels)
            coarse = blurred(planes, self._ground_truth.quarter)
            self._add_coarse_step(index, coarse)
            self._add_lag(index, coarse)
        elif self._before is not None:
            self._warps.append(warp_error(self._before, planes, *self._ground_truth.flow(index)))
        settled = index / self._ground_truth.film.rate >= SETTLED_S
        if settled:
            self._add_kept(index, planes)
        if self._still and self._before is not None and settled:
            self._flickers.append(flicker(self._before, planes))
        if index % self._ground_truth.step == 0:
            self._add_look(index, weights)
        self._before = planes

    def _add_step(self, index: int, planes: Planes) -> None:
        if self._before is None or not self._ground_truth.same_scene(index, index - 1):
            return
        (now, known), (before, known_before) = self._ground_truth.truth(index), self._ground_truth.truth(index - 1)
        self._steps.append(step_error(planes - self._before, now - before, known & known_before))

    def _add_ghosts(self, index: int, labels: Labels) -> None:
        areas = [
            ghost_area(labels == r, self._ground_truth.outside(index, r), self._ground_truth.excused(index, r))
            for r in range(1, len(REGIONS))
        ]
        self._ghosts.append(max(areas) > GHOST)

    def _add_kept(self, index: int, planes: Planes) -> None:
        skin, other = self._ground_truth.skin(index)
        kept = planes[..., _KEPT[0]] + planes[..., _KEPT[1]]
        wrong = planes[..., _KEPT[1]] > 0.5
        self._kept += [skin.sum(), (skin & (kept < 0.5)).sum(), (other & wrong).sum()]

    def _add_coarse_step(self, index: int, planes: Planes) -> None:
        before, self._blurred = self._blurred, planes
        if before is not None and self._ground_truth.same_scene(index, index - 1):
            true = self._ground_truth.soft(index) - self._ground_truth.soft(index - 1)
            self._coarse_steps.append(step_error(planes - before, true, np.ones(true.shape, bool)))

    def _add_lag(self, index: int, planes: Planes) -> None:
        if not all(self._ground_truth.same_scene(index, index - lag) for lag in LAGS):
            return
        for lag in LAGS:
            self._late[lag].append(float(np.mean(np.square(planes - self._ground_truth.soft(index - lag)))))

    def _add_look(self, index: int, weights: PlaneWeights) -> None:
        """What is seen at full resolution: where the edges are, and what the colours become."""
        planes = enlarged(weights, self._ground_truth.film.size)
        if self._has_truth:
            self._add_places(index, labelled(planes))
        pixels = self._ground_truth.film.moments[index].pixels
        everywhere = PlaneWeights(np.zeros((len(REGIONS), 1, 1), np.float32))
        everywhere[_BACKGROUND] = 1
        output, styled = (np.asarray(self._grade(pixels, w), np.uint8) for w in (weights, everywhere))
        for name, where, target in self._comparisons(index, planes, pixels, styled):
            at = np.flatnonzero(where)
            at = at[:: max(1, len(at) // SAMPLES)]
            if len(at):
                self._differences[name].append(delta_e(output.reshape(-1, 3)[at], target.reshape(-1, 3)[at]))

    def _comparisons(self, index: int, planes: Planes, pixels: Image, styled: Image) -> Iterable[Comparison]:
        if not self._has_truth:  # a clip is judged by its own mask, where that is sure
            yield "skin_in", np.maximum(planes[..., _KEPT[0]], planes[..., _KEPT[1]]) > _SURE, pixels
            yield "back_in", planes[..., _BACKGROUND] > _SURE, styled
            return
        truth, edge = self._ground_truth.given(index), self._ground_truth.edge(index)
        kept, back = truth.inside(_KEPT[0]) | truth.inside(_KEPT[1]), truth.inside(_BACKGROUND)
        yield "skin_band", kept & edge, pixels
        yield "skin_in", kept & ~edge, pixels
        yield "back_band", back & edge, styled
        yield "back_in", back & ~edge, styled

    def _add_places(self, index: int, labels: Labels) -> None:
        truth = self._ground_truth.given(index)
        for region, edge in self._ground_truth.bands(index).items():
            inside, outside = truth.inside(region), truth.outside(region)
            guess = (labels == region) & (inside | outside)
            self._regions[region].add(guess, inside)
            self._boundaries[region].add(inner_band(labels == region) & (inside | outside), edge)
            self._contours[region].add(labels == region, inside, outside)

    def figures(self) -> dict[str, float]:
        """Every key of FIGURES; NaN where this film cannot say."""
        skin = _joined(self._differences["skin_in"])
        errors, frozen = (_mean(column) for column in _columns(self._steps))
        coarse, coarse_frozen = (_mean(column) for column in _columns(self._coarse_steps))
        moved, changed = (_mean(column) for column in _columns(self._flickers))
        return {
            "iou": _mean(count.iou for count in self._regions.values()),
            "biou": _mean(count.iou for count in self._boundaries.values()),
            "bf": _mean(one.f for one in self._contours.values()),
            "dtssd": errors,
            "ndtssd": errors / frozen if frozen > _MOVES else math.nan,
            "nsteady": coarse / coarse_frozen if frozen > _MOVES else math.nan,
            "lag": self._lag() if frozen > _MOVES else math.nan,
            "flicker": moved,
            "flips": changed,
            "warp": _mean(self._warps),
            "ghosts": float(sum(self._ghosts)) if self._ghosts else math.nan,
            "ghost_run": float(longest_run(self._ghosts)) if self._ghosts else math.nan,
            **self._presence.figures(),
            "grey": _percent(self._kept[1], self._kept[0]),
            "spill": _percent(self._kept[2], self._kept[0]),
            "skin_band": _mean(_joined(self._differences["skin_band"])),
            "skin_in": _mean(skin),
            "skin_p95": float(np.percentile(skin, 95)) if len(skin) else math.nan,
            "back_band": _mean(_joined(self._differences["back_band"])),
            "back_in": _mean(_joined(self._differences["back_in"])),
        }

    def over_time(self) -> dict[str, list[float]]:
        """Figures of each frame, in order; only those that the film can say of some."""
        recalls = self._presence.recalls
        return {} if all(map(math.isnan, recalls)) else {"hand_recall": recalls}

    def by_region(self) -> dict[str, dict[str, float]]:
        """Region -> its IoU and boundary IoU."""
        counts = sorted(self._regions.items())
        return {REGIONS[r]: {"iou": count.iou, "biou": self._boundaries[r].iou} for r, count in counts}

    def _lag(self) -> float:
        errors = [_mean(self._late[lag]) for lag in LAGS]
        if any(map(math.isnan, errors)) or max(errors) - min(errors) < _FLAT * max(errors):
            return math.nan
        return lag_of(errors, LAGS[0])


_MOVES = 0.2  # dtSSD of a frozen mask above which the truth is in motion (rounding of the truth alone gives 0.1)
_FLAT = 0.3  # where delay accounts for less of a mask's error, other errors decide at which delay it is smallest


def _percent(part: float, whole: float) -> float:
    return 100 * float(part / whole) if whole else math.nan


def _columns(rows: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [row[0] for row in rows], [row[1] for row in rows]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _mean(values: Iterable[float]) -> float:
    """The mean of what is a number; NaN without any."""
    numbers = np.asarray([value for value in values if not math.isnan(value)], np.float64)
    return float(numbers.mean()) if len(numbers) else math.nan
