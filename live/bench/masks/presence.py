"""Who is kept on every frame of a film: hands, people far away, and skin where there was none a moment before."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from livestyle.bench.masks.ground_truth import GroundTruth
from livestyle.bench.masks.metrics import Labels, Mask, Planes, longest_run
from livestyle.frame import REGIONS

_HAIR, _SKIN = REGIONS.index("hair"), REGIONS.index("skin")
_HALF = 0.5  # of a pixel's weight: what is kept as skin or hair by less than that looks grey


@dataclass(slots=True)
class Presence:
    """Takes the masks of every frame at half the size; figures are NaN where nothing of the kind is shown."""

    recalls: list[float] = field(default_factory=list)  # of hands, for every frame; NaN on frames without any
    _lost: list[bool] = field(default_factory=list)  # frames on which most of the hands is not kept
    _hands: list[int] = field(default_factory=lambda: [0, 0, 0])  # pixels, of them called skin, of them grey
    _small: list[int] = field(default_factory=lambda: [0, 0])  # pixels, of them called what they are
    _fresh: list[int] = field(default_factory=lambda: [0, 0])  # pixels, of them grey

    def add(self, index: int, planes: Planes, labels: Labels, truth: GroundTruth) -> None:
        """The (h, w, R) weights of frame `index`, and the region of each pixel by them."""
        moment, grey = truth.film.moments[index], planes[..., _SKIN] + planes[..., _HAIR] < _HALF
        self._add_hands(moment.hands, labels == _SKIN, grey)
        if moment.small is not None:
            right = labels == np.where(truth.truth(index)[0][..., _HAIR] > _HALF, _HAIR, _SKIN)
            _count(self._small, moment.small, right)
        fresh = truth.fresh(index, _SKIN)
        if fresh is not None:
            _count(self._fresh, fresh, grey)

    def _add_hands(self, hands: Mask | None, skin: Mask, grey: Mask) -> None:
        shown = hands is not None and bool(hands.any())
        self.recalls.append(float(skin[hands].mean()) if shown else math.nan)
        self._lost.append(shown and float(grey[hands].mean()) > _HALF)
        if hands is not None:
            _count(self._hands, hands, skin, grey)

    def figures(self) -> dict[str, float]:
        """Those of scoring.FIGURES that are found here."""
        hands = self._hands[0] > 0
        return {
            "hand_recall": _share(self._hands[1], self._hands[0]),
            "hand_grey": 100 * _share(self._hands[2], self._hands[0]),
            "hand_lost": float(longest_run(self._lost)) if hands else math.nan,
            "fresh_grey": 100 * _share(self._fresh[1], self._fresh[0]),
            "small_recall": _share(self._small[1], self._small[0]),
        }


def _count(sums: list[int], where: Mask, *which: Mask) -> None:
    """Add the pixels of `where`, and those of them in each of `which`."""
    for at, mask in enumerate((where, *(where & one for one in which))):
        sums[at] += int(np.count_nonzero(mask))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
