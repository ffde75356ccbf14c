"""Region weights over time: steady where nothing changes, warped where the picture moves, new where it is new.

Time constants are in seconds, so that 15, 30 and 60 frames/s look the same.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache, reduce

import cv2
import numpy as np

from livestyle.frame import REGIONS, Picture, PixelWeights, PlaneWeights
from livestyle.masks.flow import (
    FlowEstimator,
    Luma,
    Motion,
    Plane,
    edge_aligned,
    half_of,
    is_cut,
    total,
    warp,
    warp_weights,
)
from livestyle.masks.palette import Colors, Palette, colors_of
from livestyle.masks.weights import by_pixel

TAU = 0.3
"""Seconds in which a steady new mask replaces 63 % of the old. Longer flickers less, shorter settles sooner."""

MEMORY = 2.0
"""Seconds for which a mask may be late; a later one is thrown away."""

GAP = 0.5
"""Seconds without a frame after which what was believed is forgotten instead of warped."""

_LEAST_WORTH = 0.1  # of a late mask where nothing confirms it: a guess, but there is no better one

_UNKNOWN = _LEAST_WORTH  # support below which a belief is a guess; livestyle.masks.flow._ENTERS is not below it
_LASTING = 1.5 * _UNKNOWN  # support that a belief keeps where no mask looks
_UNCOVERED = 0.03  # seconds in which 63 % of such a belief is dropped
_NEAR = 0.03  # of the width: how far from people what is unknown may still be theirs

_AWAY = 1.0  # pixels of motion since a late mask's frame above which it is measured in one piece too

_DISAGREES = (0.15, 0.4)
"""Difference between belief and new mask below which it is noise, and above which the new mask replaces the old."""


@dataclass(frozen=True, slots=True)
class Belief:
    """A weighted mean of masks, each warped to the frame at hand; at a Motion's resolution."""

    planes: PixelWeights
    support: Plane  # (h, w) sum of the masks' weights: fades with time, is lost where the picture contradicts

    def warped(self, motion: Motion, seconds: float, turns: int = 1) -> tuple[Belief, Motion]:
        """The same for the frame from which `motion` leads back, `seconds` away, and the motion that was applied.

        `turns`: masks after which all of the picture has been looked at. Where looks are rare, support has to last.
        """
        aligned = edge_aligned(motion, 1 - self.planes[..., 0])
        trust = aligned.trust if turns == 1 else np.power(aligned.trust, np.float32(1 / turns))
        planes, support = warp_weights(self.planes, aligned.backward), warp(self.support, aligned.backward) * trust
        return Belief(_without_unsupported(planes, support, seconds), support), aligned

    def faded(self, seconds: float, tau: float) -> Belief:
        """What is left of it after `seconds`."""
        return Belief(self.planes, self.support * np.float32(math.exp(-seconds / tau)))

    def corrected(self, new: Belief) -> Belief:
        """The mean of both; where they contradict each other only what is `new`."""
        support = self.support * (1 - _disagreement(self.planes, new.planes))
        total = support + new.support
        share = new.support / np.maximum(total, np.float32(1e-12))  # neither may have any
        return Belief(_mixed(self.planes, new.planes, share), total)

    def blended(self, other: Belief, share: Plane) -> Belief:
        """The (h, w) `share` in [0, 1] of the way to the other one."""
        return Belief(_mixed(self.planes, other.planes, share), self.support + share * (other.support - self.support))

    def merged_preferring_self(self, other: Belief) -> Belief:
        """The mean of both; where they contradict each other only this one."""
        return Belief(other.planes, other.support * (1 - _disagreement(other.planes, self.planes))).corrected(self)

    def merged_by_support(self, other: Belief) -> Belief:
        """The mean of both; where they contradict each other only the one with more support."""
        kept = 1 - _disagreement(other.planes, self.planes)
        ours = self.support * np.where(self.support < other.support, kept, 1)
        theirs = other.support * np.where(self.support < other.support, 1, kept)
        total = ours + theirs + np.float32(1e-6)  # neither may have any: then both count alike
        share = np.asarray((ours + np.float32(0.5e-6)) / total, np.float32)
        return Belief(_mixed(other.planes, self.planes, share), total)


def belief_from(weights: PlaneWeights, width: int, height: int) -> Belief:
    """A Belief from a single mask, at `width` x `height`."""
    enlarged = np.asarray(cv2.resize(by_pixel(weights), (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return Belief(PixelWeights(enlarged), np.ones((height, width), np.float32))


def at_size_of(plane: Plane, seen: Plane) -> Plane:
    """`seen` at the size of the other plane."""
    return np.asarray(cv2.resize(seen, plane.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


@dataclass(frozen=True, slots=True)
class _Past:
    """A frame that late masks may be of."""

    seconds: float
    luma: Luma
    motion: Motion | None  # since the frame before; None for the first of a scene
    colors: Colors | None  # None without a palette


class MaskTracker:
    """What is believed about the regions in one stream. Not thread-safe.

    For every frame call `advance`; whenever there is a mask, of this frame or of an earlier one, `correct`. `planes`
    then holds for the frame last advanced to. With a `palette` it learns the colours of the stream's regions, and
    `decide_by_color` uses them.
    """

    def __init__(self, *, tau: float = TAU, flow: FlowEstimator | None = None, palette: Palette | None = None) -> None:
        self._tau = tau
        self._flow = flow or FlowEstimator()
        self._palette = palette
        self._frames: deque[_Past] = deque()
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new stream, or a new scene."""
        self._belief: Belief | None = None
        self._motion: Motion | None = None
        self._corrected = 0.0
        self._turns = 1
        self._frames.clear()
        if self._palette is not None:
            self._palette.reset()

    @property
    def planes(self) -> PixelWeights | None:
        """(h, w, R) float32 weights that sum to 1, at half the luma's size; None until the first mask of a scene."""
        return None if self._belief is None else self._belief.planes

    @property
    def belief(self) -> Belief | None:
        """The same with what supports it."""
        return self._belief

    @property
    def motion(self) -> Motion | None:
        """Between the two frames last advanced to; None at the start of a scene."""
        return self._motion

    @property
    def latest(self) -> float:
        """Seconds of the frame last advanced to."""
        return self._frames[-1].seconds

    def advance(self, luma: Luma, seconds: float, picture: Picture | None = None) -> None:
        """Go on to the frame at `seconds`, of which `luma` is the working copy; warps the weights by its motion.

        `picture`: the same in RGB, of any size; without it the palette neither learns from this frame nor decides.

        On a cut, on another size, after a GAP and where time runs backwards everything is forgotten.
        """
        before = self._frames[-1] if self._frames else None
        if before is not None and (before.luma.shape != luma.shape or not 0 < seconds - before.seconds <= GAP):
            before = None
        motion = None if before is None else self._flow.between(luma, before.luma)
        colors = None if picture is None or self._palette is None else colors_of(picture, half_of(luma))
        if motion is None or before is None or is_cut(luma, before.luma, motion):
            self.reset()
            self._frames.append(_Past(seconds, luma, None, colors))
        else:
            self._motion = motion
            if self._palette is not None:
                motion = self._palette.trusted(motion, colors, before.colors)
            self._remember(_Past(seconds, luma, self._move(motion, seconds - before.seconds), colors))

    def correct(self, weights: PlaneWeights, seconds: float, seen: Plane | None = None, turns: int = 1) -> bool:
        """Take in the (R, h, w) mask of the frame at `seconds`: the one last advanced to, or an earlier one.

        `seen`: (h, w) in [0, 1], how much of the mask is of that frame; the rest counts only where nothing is known
        yet. `turns`: masks after which all of the frame has been looked at. A mask of a frame that is not remembered
        (from before a cut, or too old) changes nothing and returns False.
        """
        past = next((past for past in self._frames if past.seconds == seconds), None)
        if past is None:
            return False
        new = belief_from(weights, *half_of(past.luma))
        if self._palette is not None and past.colors is not None:
            self._palette.learn(
                past.colors, new.planes, seconds, None if seen is None else at_size_of(new.support, seen)
            )
        if (motion := self._motion_since(past, new)) is not None:
            warped = self._late(warp_weights(new.planes, motion.backward), motion.trust, self.latest - seconds)
            new = Belief(warped, np.maximum(motion.trust, _LEAST_WORTH))
        self._belief = new if self._belief is None else self._corrected_by(self._belief, new, seen)
        self._corrected, self._turns = self.latest, turns
        return True

    def _corrected_by(self, belief: Belief, new: Belief, seen: Plane | None) -> Belief:
        # max(..., 0) keeps a mask that came out of order from gaining support.
        faded = belief.faded(max(self.latest - self._corrected, 0), self._tau)
        corrected = faded.corrected(new)
        if seen is None:
            return corrected
        # Where nobody looks, time alone makes nothing unknown.
        lasting = Belief(faded.planes, np.maximum(faded.support, np.minimum(belief.support, _LASTING)))
        return lasting.blended(corrected, at_size_of(belief.support, seen))

    def decide_by_color(self) -> None:
        """Where little supports what is believed, believe what the colours of the newest frame say: once a frame."""
        belief, colors = self._belief, self._frames[-1].colors
        # Where masks take turns, what supports a belief fades although nothing moves.
        if self._palette is not None and belief is not None and colors is not None and self._turns == 1:
            self._belief = Belief(self._palette.decide(belief.planes, belief.support, colors), belief.support)

    def _late(self, planes: PixelWeights, trust: Plane, age: float) -> PixelWeights:
        """A late mask's warped `planes`, without people that nothing supports and that are no longer believed in.

        At the edge of what moves fast, flow leads to the object in front: what it has just uncovered would become
        part of it again.
        """
        if self._belief is None:
            return planes
        return _mixed(planes, _without_unsupported(planes, trust, age), np.square(self._belief.planes[..., 0]))

    def _remember(self, past: _Past) -> None:
        self._frames.append(past)
        while self._frames[0].seconds < past.seconds - MEMORY:
            self._frames.popleft()

    def _move(self, motion: Motion, elapsed: float) -> Motion:
        """Warp what is believed; returns the motion that was applied."""
        if self._belief is None:
            return motion
        self._belief, aligned = self._belief.warped(motion, elapsed, self._turns)
        return aligned

    def _motion_since(self, then: _Past, mask: Belief) -> Motion | None:
        """From that frame, of which this is the mask, to the newest; None where they are the same."""
        later = [past.motion for past in self._frames if past.seconds > then.seconds and past.motion is not None]
        if not later:
            return None
        motion = reduce(Motion.then, later)
        if len(later) == 1 or np.abs(motion.backward).max() < _AWAY:
            return motion
        return motion.confirmed(
            edge_aligned(self._flow.between(self._frames[-1].luma, then.luma), 1 - mask.planes[..., 0])
        )


def _without_unsupported(planes: PixelWeights, support: Plane, seconds: float) -> PixelWeights:
    """`planes`, but background where nothing supports them and no supported person is near: it has been uncovered.

    It becomes background with the time constant _UNCOVERED, `seconds` of it now. A late mask that nothing supports
    still counts with _LEAST_WORTH.
    """
    unknown = np.clip(1 - support / np.float32(_UNKNOWN), 0, 1)
    if not unknown.any():
        return planes
    side = 2 * max(1, round(_NEAR * planes.shape[1])) + 1
    people = cv2.blur(cv2.blur(np.minimum(support, 1) * (1 - planes[..., 0]), (side, side)), (side, side))
    share = unknown * np.clip(1 - people / np.float32(0.2), 0, 1) * np.float32(1 - math.exp(-seconds / _UNCOVERED))
    return _mixed(planes, _background_only(*share.shape), share)


@lru_cache(maxsize=8)
def _background_only(height: int, width: int) -> PixelWeights:
    planes = np.zeros((height, width, len(REGIONS)), np.float32)
    planes[..., 0] = 1
    planes.flags.writeable = False
    return PixelWeights(planes)


def _mixed(planes: PixelWeights, others: PixelWeights, share: Plane) -> PixelWeights:
    """`planes`, the (h, w) `share` in [0, 1] of the way to `others`."""
    return PixelWeights(np.asarray(cv2.blendLinear(others, planes, share, 1 - share), np.float32))


def _disagreement(old: PixelWeights, new: PixelWeights) -> Plane:
    """(h, w) in [0, 1]: how certainly the new mask contradicts the old.

    Half the L1 distance of two distributions is the largest difference they give to any event; the new mask's own
    certainty weighs it, so that a mask that is uncertain between two regions is smoothed and a certain one is not.
    """
    distance = total(cv2.absdiff(new, old)) / 2
    sure = np.clip(reduce(cv2.max, cv2.split(new)) * 2 - 1, 0, 1)
    low, high = _DISAGREES
    x = np.clip((cv2.blur(distance * np.sqrt(sure), (3, 3)) - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)
