"""The picture that masks are fitted to, without the noise of the sensor: where nothing moves, a mean over time.

The guided filter turns what the picture says about an edge into weights, and a sensor says something else in every
frame: fitted to the bare picture, the edges of a mask that stands still would flicker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.masks.compiled import COMPILED
from livestyle.masks.flow import Luma, Motion, Plane

Picture = npt.NDArray[np.float32]

TAU = 0.3
"""Seconds over which a place that stays as it is is averaged."""

_CHANGED = (3.0, 6.0)  # times the noise's deviation: a difference below is noise, above another thing
_MOVES = 0.075  # pixels of a Motion a frame: from there on it is motion
_NOISE = (0.5, 2.0)  # that deviation after local averaging, in luma levels of 255: more is motion all over the picture


@dataclass(frozen=True, slots=True)
class _Mean:
    picture: Picture
    luma: Plane  # (h, w), 0..255
    share: Plane  # (h, w) of the newest frame in it: one by the number of frames that the mean is worth
    seconds: float


class TemporalDenoiser:
    """The mean of a stream's pictures, wherever they stay the same but for noise. Not thread-safe.

    What has moved, and everything after a cut or a change of light, is as in the newest picture: a mean over another
    thing would be an edge that is not there. Sameness is judged by luma and motion.
    """

    def __init__(self, tau: float = TAU) -> None:
        self._tau = tau
        self._mean: _Mean | None = None

    def follow(self, picture: npt.NDArray[np.uint8], luma: Luma, seconds: float, motion: Motion | None) -> Picture:
        """(H, W, 3) uint8 `picture` and (h, w) `luma`, a copy at most as large -> (H, W, 3) float32 in [0, 1].

        `motion` is that since the frame before; None where a scene begins. The result is the denoiser's own: it
        must not be changed.
        """
        picture = np.ascontiguousarray(picture)
        before = self._mean
        if motion is None or before is None or before.picture.shape != picture.shape:
            bare = luma.astype(np.float32)
            self._mean = _Mean(_unit(picture), bare, np.ones_like(bare), seconds)
            return self._mean.picture
        count, mixed = (_count, _pictures_mixed) if COMPILED is None else (_count_compiled, _pictures_mixed_compiled)
        share, bare = count(before, luma, _still(motion, luma), _span(seconds - before.seconds, self._tau))
        self._mean = _Mean(mixed(picture, before.picture, share), bare, share, seconds)
        return self._mean.picture


def _span(elapsed: float, tau: float) -> float:
    """Frames that an exponential mean over `tau` seconds is worth, `elapsed` seconds apart; at least one."""
    return 1 / (1 - math.exp(-elapsed / tau)) if elapsed > 0 else 1.0


def _count(before: _Mean, luma: Luma, still: Plane, most: float) -> tuple[Plane, Plane]:
    """The next mean's share and luma. It is worth as many frames as it was and one more, but no more than `most`.

    Where the luma differs by more than noise, and where it is not `still`, it is worth but the newest.
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
    """Its deviation, by the median of what it makes two pictures differ by: 0.674 of it in a normal distribution."""
    return float(np.clip(np.median(difference[::4, ::4]) / 0.674, *_NOISE))


def _still(motion: Motion, like: Luma) -> Plane:
    """1 where nothing moves, 0 where something does; of the size of `like`."""
    length = cv2.magnitude(motion.backward[..., 0], motion.backward[..., 1])
    still = np.asarray(1 - np.minimum(length / np.float32(_MOVES), 1), np.float32)
    return np.asarray(cv2.resize(still, like.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _unit(picture: npt.NDArray[np.uint8]) -> Picture:
    return np.multiply(picture, np.float32(1 / 255), dtype=np.float32)


def _pictures_mixed(new: npt.NDArray[np.uint8], old: Picture, share: Plane) -> Picture:
    """`old`, the coarse `share` of the way to `new`."""
    large = np.asarray(cv2.resize(share, new.shape[1::-1]))[..., np.newaxis]
    return np.asarray(old + large * (_unit(new) - old), np.float32)


def _pictures_mixed_compiled(new: npt.NDArray[np.uint8], old: Picture, share: Plane) -> Picture:
    """As `_pictures_mixed`, by live/masks/_masks.c."""
    assert COMPILED is not None
    result = np.empty_like(old)
    COMPILED.mean(result, new, old, new.shape[:2], share, share.shape)
    return result
