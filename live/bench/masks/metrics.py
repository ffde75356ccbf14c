"""What can be said about masks in numbers. Each function is about one frame or one pair of frames; `scoring` sums up.

Masks are compared where the truth is known. (R, h, w) and (h, w, R) weights are in [0, 1]; `labels` are (H, W) uint8
indices of livestyle.frame.REGIONS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import PlaneWeights
from livestyle.masks.weights import by_pixel

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Planes = npt.NDArray[np.float32]

BAND = 0.01
"""Of the diagonal: how far the band around an edge reaches to either side (7 pixels at 360p, 15 at 720p)."""

TOLERANCE = 0.002
"""Of the diagonal: how far a contour may be off for the boundary's F (3 pixels at 720p)."""

CHANGED = 0.1
"""A pixel has changed when this share of its weight has gone to another region."""

GHOST = 0.002
"""Of the frame: a false region smaller than this is not counted."""


def enlarged(weights: PlaneWeights, size: tuple[int, int]) -> Planes:
    """(R, h, w) weights as the colour pass enlarges them, bilinearly, to `size` (width, height): (H, W, R)."""
    planes = by_pixel(weights)
    if planes.shape[1::-1] == size:
        return planes
    return np.asarray(cv2.resize(planes, size, interpolation=cv2.INTER_LINEAR), np.float32)


def labelled(planes: Planes) -> Labels:
    """(H, W): the region with the largest weight; the first of equal ones."""
    best, *others = cv2.split(planes)
    labels = np.zeros(best.shape, np.uint8)
    for number, plane in enumerate(others, 1):
        labels[plane > best] = number
        best = cv2.max(best, plane)
    return labels


@dataclass(slots=True)
class Count:
    """An overlap, summed over frames."""

    both: int = 0
    either: int = 0

    def add(self, first: Mask, second: Mask) -> None:
        """Count one frame."""
        self.both += int(np.count_nonzero(first & second))
        self.either += int(np.count_nonzero(first | second))

    @property
    def iou(self) -> float:
        """Intersection over union in 0..1; NaN where there was nothing."""
        return self.both / self.either if self.either else math.nan


def reach(shape: tuple[int, ...], share: float) -> float:
    """`share` of the diagonal in pixels, at least one."""
    return max(1.0, share * math.hypot(*shape[:2]))


def inner_band(mask: Mask, share: float = BAND) -> Mask:
    """The pixels of `mask` within `share` of the diagonal of its edge (Cheng et al. 2021).

    The frame's own border is not an edge: nobody sees a mask end there.
    """
    if mask.all():
        return np.zeros_like(mask)
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(mask & (distance <= reach(mask.shape, share)))


def band(mask: Mask, share: float = BAND) -> Mask:
    """The pixels within `share` of the diagonal of the edge of `mask`, on both sides."""
    return inner_band(mask, share) | inner_band(~mask, share)


def contour(mask: Mask) -> Mask:
    """The pixels of `mask` that touch its complement; the frame's border does not count."""
    core = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mask & (core == 0))


@dataclass(slots=True)
class Contours:
    """How far the contour of a guess agrees with the true one, summed over frames: boundary F (Perazzi et al. 2016)."""

    guessed: int = 0
    right: int = 0
    true: int = 0
    found: int = 0

    def add(self, guess: Mask, inside: Mask, outside: Mask) -> None:
        """Count one frame: a guess against what is surely inside and surely outside."""
        true = contour(~outside) & inside  # not where the label ends only because nothing is known beyond
        mine = contour(guess) & (inside | outside)
        near_true, near_mine = (_thick(one) for one in (contour(inside), contour(guess)))
        self.guessed += int(np.count_nonzero(mine))
        self.right += int(np.count_nonzero(mine & near_true))
        self.true += int(np.count_nonzero(true))
        self.found += int(np.count_nonzero(true & near_mine))

    @property
    def f(self) -> float:
        """Harmonic mean of precision and recall, 0..1; NaN where there is no true contour."""
        if not self.true:
            return math.nan
        precision, recall = self.right / max(self.guessed, 1), self.found / self.true
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _thick(line: Mask) -> Mask:
    radius = round(reach(line.shape, TOLERANCE))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(line.astype(np.uint8), disc) > 0)


def step_error(change: Planes, true_change: Planes, known: Mask) -> tuple[float, float]:
    """dtSSD of one step, and the same for a mask that stands still, in 1/100 (Erofeev et al. 2015).

    `change`: (h, w, R) weights minus those of the frame before. Root of the mean square, over what is known, of how far
    the change is from the true one. Their ratio is 1 for a frozen mask, 0 for one that moves as the truth does.
    """
    if not known.any():
        return math.nan, math.nan
    wrong, moved = (change - true_change)[known], true_change[known]
    return _percent(wrong), _percent(moved)


def _percent(differences: npt.NDArray[np.float32]) -> float:
    """Root of the mean square, in 1/100."""
    return 100 * math.sqrt(float(np.mean(np.square(differences), dtype=np.float64)))


def flicker(before: Planes, after: Planes) -> tuple[float, float]:
    """(mean share of weight that went to another region, share of pixels that changed), both in ‰.

    Half the L1 distance of two distributions is the weight that has moved.
    """
    moved = np.abs(after - before).sum(axis=2) / 2
    return 1000 * float(moved.mean()), 1000 * float((moved > CHANGED).mean())


def warp_error(before: Planes, after: Planes, backward: npt.NDArray[np.float32], valid: Mask) -> float:
    """‰ of weight in another region than optical flow carries it to, over `valid` pixels; NaN without any.

    `backward`: (h, w, 2), where each pixel was in the frame before. Lai et al. 2018, for weights in place of colours.
    """
    height, width = valid.shape
    at = backward + np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    carried = cv2.remap(before, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = np.abs(after - carried).sum(axis=2) / 2
    return 1000 * float(moved[valid].mean()) if valid.any() else math.nan


def lag_of(errors: Sequence[float], first: int) -> float:
    """The delay in frames at which an error is smallest; `errors[k]` is the error at a delay of `first` + k frames.

    A parabola through the smallest and its neighbours finds it between frames. At either end of the range, that end.
    """
    at = int(np.argmin(errors))
    if at in (0, len(errors) - 1):
        return float(first + at)
    left, here, right = errors[at - 1 : at + 2]
    curved = left - 2 * here + right
    return first + at + (0.5 * (left - right) / curved if curved > 0 else 0.0)


def ghost_area(claimed: Mask, outside: Mask, excused: Mask) -> float:
    """Share of the frame that is claimed for a region where it surely is not, and where that has no excuse.

    What is thinner than half the BAND is an edge that is a little off, not a region, and does not count.
    """
    ghost = (claimed & outside & ~excused).astype(np.uint8)
    radius = max(1, round(reach(claimed.shape, BAND / 2)))
    core = cv2.erode(ghost, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
    return float(core.mean())


def longest_run(flags: Sequence[bool]) -> int:
    """How many true values stand in a row at most."""
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best
