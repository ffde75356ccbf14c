"""The guide that masks are fitted to, without the sensor's noise: where nothing moves, a mean over time.

The guided filter turns the edges of the picture into weights, and a sensor's noise is different in every frame: fitted
to a single picture, the edges of a mask that does not move would flicker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from livestyle.frame import Picture
from livestyle.masks.compiled import COMPILED
from livestyle.masks.edges import Guide
from livestyle.masks.flow import STILL, Luma, Motion, Plane

TAU = 0.3
"""Time constant in seconds of the mean where nothing changes."""

_CHANGED = (3.0, 6.0)  # times the noise's deviation: a difference below is noise, above another object
_NOISE = (
    0.5,
    2.0,
)  # that deviation after local averaging, in luma levels of 255: more is motion everywhere


@dataclass(frozen=True, slots=True)
class _Mean:
    guide: Guide
    luma: Plane  # (h, w), 0..255
    share: Plane  # (h, w) of the newest frame in it: 1 / the number of frames that the mean counts as
    seconds: float


class TemporalDenoiser:
    """The mean of a stream's pictures, wherever they differ by noise only. Not thread-safe.

    What has moved, and everything after a cut or a change of light, is as in the newest picture: a mean over another
    object would be an edge that does not exist. Luma and motion decide what has changed.
    """

    def __init__(self, tau: float = TAU) -> None:
        self._tau = tau
        self._mean: _Mean | None = None

    def follow(self, picture: Picture, luma: Luma, seconds: float, motion: Motion | None) -> Guide:
        """(H, W, 3) uint8 `picture` and (h, w) `luma`, a copy at most as large -> (H, W, 3) float32 in [0, 1].

        `motion` is that since the frame before; None where a scene begins. The result belongs to the denoiser: it
        must not be changed.
        """
        picture = np.ascontiguousarray(picture)
        before = self._mean
        if motion is None or before is None or before.guide.shape != picture.shape:
            luma_mean = luma.astype(np.float32)
            self._mean = _Mean(_unit(picture), luma_mean, np.ones_like(luma_mean), seconds)
            return self._mean.guide
        count, mixed = (_count, _mixed) if COMPILED is None else (_count_compiled, _mixed_compiled)
        share, luma_mean = count(before, luma, _still(motion, luma), _span(seconds - before.seconds, self._tau))
        self._mean = _Mean(mixed(picture, before.guide, share), luma_mean, share, seconds)
        return self._mean.guide


def _span(elapsed: float, tau: float) -> float:
    """Frames that an exponential mean over `tau` seconds counts as, `elapsed` seconds apart; at least one."""
    return 1 / (1 - math.exp(-elapsed / tau)) if elapsed > 0 else 1.0


def _count(before: _Mean, luma: Luma, still: Plane, most: float) -> tuple[Plane, Plane]:
    """The next mean's share and luma. It counts as one frame more than before, but not as more than `most`.

    Where the luma differs by more than noise, and where it is not `still`, it counts as the newest frame only.
    """
    difference = np.abs(cv2.blur(luma - before.luma, (3, 3)))
    low, high = _CHANGED
    changed = cv2.dilate(difference, np.ones((3, 3), np.uint8)) / np.float32(_noise(difference))
    same = np.clip((np.float32(high) - changed) * np.float32(1 / (high - low)), 0, 1)
    share = np.asarray(1 / (np.minimum(same * still / before.share, np.float32(most - 1)) + 1), np.float32)
    return share, before.luma + share * (luma - before.luma)


def _count_compiled(before: _Mean, luma: Luma, still: Plane, most: float) -> tuple[Plane, Plane]:
    """As `_count`, by live/masks/_masks.c."""
    assert COMPILED is not None
    luma = np.ascontiguousarray(luma)
    difference, share, mean = np.empty_like(before.luma), np.empty_like(before.luma), np.empty_like(before.luma)
    COMPILED.differ(difference, luma, before.luma, luma.shape)
    noise = _noise(difference)
    low, high = (times * noise for times in _CHANGED)
    COMPILED.count(share, mean, luma, before.luma, before.share, difference, still, luma.shape, low, high, most)
    return share, mean


def _noise(difference: Plane) -> float:
    """The noise's deviation, from the median difference of two pictures: 0.674 of it in a normal distribution."""
    return float(np.clip(np.median(difference[::4, ::4]) / 0.674, *_NOISE))


def _still(motion: Motion, like: Luma) -> Plane:
    """1 where nothing moves, 0 where something does; at the size of `like`."""
    length = cv2.magnitude(motion.backward[..., 0], motion.backward[..., 1])
    still = np.asarray(1 - np.minimum(length / np.float32(STILL), 1), np.float32)
    return np.asarray(cv2.resize(still, like.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _unit(picture: Picture) -> Guide:
    return np.multiply(picture, np.float32(1 / 255), dtype=np.float32)


def _mixed(new: Picture, old: Guide, share: Plane) -> Guide:
    """`old`, the coarse `share` of the way to `new`."""
    large = np.asarray(cv2.resize(share, new.shape[1::-1]))[..., np.newaxis]
    return np.asarray(old + large * (_unit(new) - old), np.float32)


def _mixed_compiled(new: Picture, old: Guide, share: Plane) -> Guide:
    """As `_mixed`, by live/masks/_masks.c."""
    assert COMPILED is not None
    result = np.empty_like(old)
    COMPILED.mean(result, new, old, new.shape[:2], share, share.shape)
    return result
