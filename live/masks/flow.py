"""How the picture moved between two frames, and whether it is still the same scene.

Frames are compared as small luma copies, halved once more: the flow has no finer resolution, and masks need none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import Picture, Pixels, PixelWeights
from livestyle.masks.compiled import COMPILED, NARROW

Luma = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Field = npt.NDArray[np.float32]

WORKING_SIDE = 512
"""A working copy's longer side is below this: 320 for 720p, 480 for 1080p and 4K."""

STILL = 0.075
"""Pixels a frame: flow below this comes from sensor noise, and to follow it would blur what is warped."""

_INSIDE = 0.7  # weight above which a pixel is inside the object in front
_DEEP = 0.85  # mean weight around a pixel above which it lies deep inside, where the flow needs no correction
_FEW = 0.003  # share of the window above which the inside counts more than the measured flow
_AGREES = 1.0  # pixels by which two measurements of the same motion may differ
_REACH = 0.03  # of the width: how far its motion reaches beyond its edge, and half the side of the mean
_NOISE_FLOOR = 2.0  # luma levels of 255 by which two pictures of the same object may differ after local averaging
_NOISE_CEILING = 6.0  # however noisy the sensor: above it the object is another one (else a cut would count as noise)
_SAME_SCENE = 0.95  # correlation of thumbnails above which there is no cut
_OTHER_SCENE = 0.35  # and below which there is one, whatever the flow says
# Between the two, a cut is where the flow explains less than this share of the picture. Consecutive frames of people at
# 15/s and more measure 0.83 or higher, cuts between similarly framed faces 0.54 or lower, and another person before the
# very same background 0.57 to 0.69.
_FOLLOWED = 0.74
_ENTERS = 0.1  # trust in what enters at the frame's edge: most likely more of what is there. A guess, but not unknown
_SOFTENED = np.array([0.125, 0.75, 0.125], np.float32)
THUMBNAIL = (32, 18)  # (width, height) in pixels, at which whole pictures are compared
_FLAT = 4.0  # luma levels of standard deviation below which a thumbnail has no content to compare (black, a flash)


@dataclass(frozen=True, slots=True)
class Motion:
    """Where what is seen now was in an earlier frame, often the one before; at half the luma's resolution."""

    backward: Field  # (h, w, 2) float32: pixel (x, y) was at (x + backward[..., 0], y + backward[..., 1])
    # (h, w) float32 in [0, 1]: 0 where it was not visible in the earlier frame, or not in all frames between; _ENTERS
    # where it entered at the frame's edge.
    trust: Plane

    def then(self, later: Motion) -> Motion:
        """This one followed by the `later` one."""
        return Motion(
            later.backward + warp(self.backward, later.backward), later.trust * warp(self.trust, later.backward)
        )

    def confirmed(self, direct: Motion) -> Motion:
        """This one, or the `direct` one, measured at once, wherever the two agree and that is trusted as much.

        A chain of motions drifts with every link and loses trust; over a long time a direct measurement finds what is
        only similar, so it is not used where the chain leads elsewhere.
        """
        apart = cv2.magnitude(*split(direct.backward - self.backward))
        better = (apart < _AGREES) & (direct.trust >= self.trust)
        backward = np.where(better[..., np.newaxis], direct.backward, self.backward)
        return Motion(backward, np.where(better, direct.trust, self.trust))


def shrink(pixels: Pixels, longest: int) -> Picture:
    """8-bit copy of `pixels`, halved until its longer side is below `longest`. Covers the whole picture exactly.

    Halving is what cv2.INTER_AREA does fastest, and each output pixel is a plain mean, so nothing aliases.
    """
    while max(pixels.shape[:2]) >= longest:
        height, width = pixels.shape[:2]
        size = max(1, (width + 1) // 2), max(1, (height + 1) // 2)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    return np.asarray(pixels if pixels.dtype == np.uint8 else pixels >> 8, np.uint8)


def half_of(plane: Luma | Plane) -> tuple[int, int]:
    """(width, height) of an (h, w) working copy at half its resolution."""
    return max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2)


class FlowEstimator:
    """Dense inverse search flow (Kroeger et al. 2016) between luma pictures of the same size, any size from 1 x 1."""

    _SMALLEST = 16  # pixels: DIS needs room for its patches

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        # The presets stop at a half or a quarter of the resolution. At a quarter of the luma's the edge of a moving
        # thing keeps only 60 % of its motion and its mask falls behind; at half it keeps 80 to 90 %, and what
        # variational refinement adds to that costs as much again.
        self._flow.setFinestScale(0)
        # Patches 5 pixels apart, not 4: a third less work, for 0.001 of the masks' boundary IoU.
        self._flow.setPatchStride(5)
        self._flow.setGradientDescentIterations(12)
        self._flow.setVariationalRefinementIterations(0)

    def between(self, now: Luma, before: Luma) -> Motion:
        """The motion that takes what `now` shows back to `before`."""
        now, before = (_resized(luma, half_of(luma)) for luma in (now, before))
        if min(now.shape) < self._SMALLEST:
            backward: Field = np.zeros((*now.shape, 2), np.float32)
        else:
            backward = _without_jitter(np.asarray(self._flow.calc(now, before, None), np.float32))
        return Motion(backward, _trust(now, before, backward))


def warp(
    values: npt.NDArray[np.float32], backward: Field, interpolation: int = cv2.INTER_LINEAR
) -> npt.NDArray[np.float32]:
    """(h, w, n) or (h, w) `values` of the earlier frame moved to the later one; edges are clamped."""
    height, width = backward.shape[:2]
    at = backward + _grid(width, height)
    return np.asarray(cv2.remap(values, at, None, interpolation, borderMode=cv2.BORDER_REPLICATE), np.float32)


def warp_weights(planes: PixelWeights, backward: Field) -> PixelWeights:
    """(h, w, R) `planes` of livestyle.frame.REGIONS, which sum to 1, warped likewise.

    By cubic convolution (Keys 1981, with OpenCV's a = -0.75): linear interpolation would blur weights a little with
    every frame that they are warped to. Overshoot is clipped.
    """
    return (_weights_warped if COMPILED is None else _weights_warped_compiled)(planes, backward)


def _weights_warped(planes: PixelWeights, backward: Field) -> PixelWeights:
    moved = np.clip(warp(planes, backward, cv2.INTER_CUBIC), 0, 1)
    return PixelWeights(np.asarray(moved / np.maximum(total(moved), 1e-6)[..., np.newaxis]))


def _weights_warped_compiled(planes: PixelWeights, backward: Field) -> PixelWeights:
    """As `_weights_warped`, by live/masks/_masks.c."""
    assert COMPILED is not None
    result = PixelWeights(np.empty_like(planes))
    COMPILED.warp(result, np.ascontiguousarray(planes), planes.shape[:2], np.ascontiguousarray(backward))
    return result


def total(planes: npt.NDArray[np.float32]) -> Plane:
    """(h, w) sum over the regions of (h, w, R) `planes`."""
    return np.asarray(cv2.transform(planes, np.ones((1, planes.shape[2]), np.float32)))


def edge_aligned(motion: Motion, front: Plane) -> Motion:
    """`motion` with edges that move with the object in front: `front` in [0, 1], of any size, as it was before.

    Flow is measured in patches, so at the edge of a moving object it mixes the object's motion with that of what is
    behind, and a mask warped by it lags and frays. The edge moves with the object that it bounds: on both sides of it,
    and a little beyond, the flow is that of the object's inside (a mean weighted by being inside and by trust).
    """
    height, width = motion.trust.shape
    there = warp(_resized(front, (width, height)), motion.backward)
    radius = max(1, round(_REACH * width))
    aligned = _edge_aligned if COMPILED is None or width < NARROW else _edge_aligned_compiled
    return Motion(aligned(there, motion, radius), motion.trust)


def _edge_aligned(there: Plane, motion: Motion, radius: int) -> Field:
    inside = np.clip((there - _INSIDE) / (1 - _INSIDE), 0, 1) * motion.trust
    flow = split(motion.backward)
    *sums, weight = (window_mean(window_mean(plane * inside, radius), radius) for plane in (*flow, np.ones_like(there)))
    scale = 1 / (weight + np.float32(_FEW))
    deep = np.clip((window_mean(there, 2) - _DEEP) / (1 - _DEEP), 0, 1)
    aligned = [(total + np.float32(_FEW) * plane) * scale for total, plane in zip(sums, flow, strict=True)]
    mixed = [plane + (own - plane) * deep for plane, own in zip(aligned, flow, strict=True)]
    return np.asarray(cv2.merge(mixed), np.float32)


def _edge_aligned_compiled(there: Plane, motion: Motion, radius: int) -> Field:
    """As `_edge_aligned`, by live/masks/_masks.c."""
    assert COMPILED is not None
    result = np.empty_like(motion.backward)
    planes = (np.ascontiguousarray(values) for values in (there, motion.trust, motion.backward))
    COMPILED.edge_align(result, *planes, there.shape, radius, _INSIDE, _FEW, _DEEP)
    return result


def window_mean(plane: npt.NDArray[Any], radius: int) -> npt.NDArray[Any]:
    """Means of an (h, w) plane over squares of 2 * `radius` + 1 pixels; beyond its borders it is mirrored."""
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def split(values: npt.NDArray[Any]) -> list[Plane]:
    """The channels as contiguous planes: arithmetic on them is several times faster."""
    return [np.asarray(plane, np.float32) for plane in cv2.split(values)]


def is_cut(now: Luma, before: Luma, motion: Motion) -> bool:
    """True when `now` shows another scene than `before`.

    Thumbnails are compared by correlation, which gain and exposure do not change. A thumbnail without content (black,
    a white flash) is never a cut: it has nothing to compare.
    """
    first, second = _thumbnail(now), _thumbnail(before)
    deviations = float(first.std()), float(second.std())
    if min(deviations) < _FLAT:
        return False
    correlation = float(((first - first.mean()) * (second - second.mean())).mean()) / (deviations[0] * deviations[1])
    if correlation >= _SAME_SCENE:
        return False
    return correlation < _OTHER_SCENE or float(motion.trust.mean()) < _FOLLOWED


def _thumbnail(luma: Luma) -> Plane:
    return np.asarray(cv2.resize(luma, THUMBNAIL, interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(maxsize=8)
def _grid(width: int, height: int) -> Field:
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0] = np.arange(width, dtype=np.float32)
    grid[..., 1] = np.arange(height, dtype=np.float32)[:, np.newaxis]
    grid.flags.writeable = False
    return grid


def _without_jitter(flow: Field) -> Field:
    """Flow with lengths below STILL set to zero, and reduced up to twice that, so that there is no jump."""
    planes = split(flow)
    kept = np.clip(cv2.magnitude(*planes) / STILL - 1, 0, 1)
    return np.asarray(cv2.merge([plane * kept for plane in planes]), np.float32)


def _trust(now: Luma, before: Luma, backward: Field) -> Plane:
    """1 where the warped earlier picture equals this one, but for noise and slow changes of light; else 0.

    Outside the earlier picture there is nothing to compare: _ENTERS.
    """
    height, width = backward.shape[:2]
    difference = warp(before.astype(np.float32), backward) - now
    difference = cv2.blur(difference, (3, 3))  # averages noise away, keeps what has an extent
    difference = cv2.absdiff(difference, cv2.blur(difference, (21, 21)))  # a change of light is wide
    noise = min(_NOISE_FLOOR + 3 * float(np.median(difference[::2, ::2])), _NOISE_CEILING)
    trust = np.clip(2 - difference * np.float32(1 / noise), 0, 1)
    softened = cv2.sepFilter2D(trust, cv2.CV_32F, _SOFTENED, _SOFTENED)  # single pixels match by chance
    inside = cv2.inRange(backward + _grid(width, height), (-1, -1), (width, height))
    return np.asarray(np.where(inside, cv2.min(trust, softened), np.float32(_ENTERS)), np.float32)


def _resized(values: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    shrinks = size[0] <= values.shape[1]
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
