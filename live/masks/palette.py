"""The colours of a stream's regions, learnt from its own masks: what a pixel's colour says where no mask has been yet.

A hand that moves fast is where no mask has seen it: optical flow loses it, and what was warped there is a guess. Its
colour has not changed. A table counts in which colours the stream's masks have found each region, and where a guess is
all there is the table decides between what a style keeps (hair and skin) and what it changes. Nothing general is known
about skin: a colour that the stream's background has as well decides nothing.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import REGIONS, Picture, PixelWeights
from livestyle.masks.flow import Field, Motion, Plane, split, total, warp

Colors = npt.NDArray[np.uint8]
"""(h, w, 3) Y'CrCb as OpenCV has it: full range, 128 is colourless. At the resolution of the weights."""

FORGETS = 5.0
"""Seconds in which a colour that is not seen again loses 63 % of its count: light and exposure change."""

Cells = npt.NDArray[np.intp]
"""(h, w) numbers of the table's cells."""

Weights = npt.NDArray[np.float32]
"""(h, w, R) weights of a part of a frame."""

_LUMA_BITS, _CHROMA_BITS = 4, 5  # of the table's axes: 16 levels of luma, 32 of each chroma
_LUMA_SHIFT, _CHROMA_SHIFT = 8 - _LUMA_BITS, 8 - _CHROMA_BITS
_CELLS = 1 << (_LUMA_BITS + 2 * _CHROMA_BITS)

_CERTAIN = (0.75, 0.95)  # weight of its region below which a pixel of a mask is not learnt from, and above which it is
_RARE = 50.0  # pixels: a region of which fewer have been seen is hardly known
_BALANCE = 0.75  # 0: regions are as likely as they are large; 1: all are equally likely, however small
_CHROMA_NOISE = (3.0, 6.0)  # levels of 255 by which the chroma of the same object may differ: at least, at most
_LEAST = 0.01  # pixels of a colour below which it was never seen
_SEEN = 3.0  # pixels of a colour at which half of what it says is believed
_COLORLESS = (1.5, 3.0)  # deviation of chroma beside luma below which a frame has no colour, and above which it has
_CHANGES = (0.0, 0.3)  # excess of what is changed in a colour above which it decides so, and from which fully
_KEEPS = (0.1, 0.4)  # the same for what is kept: a false hand is seen more than a lost one
_CONTRADICTS = (0.1, 0.3)  # difference of the kept share to the believed one from which it counts, and counts in full
_LEARNT = (0.3, 0.7)  # share of a region that masks are certain of: below, its colours (of small hair) are not known
_SMALL_SHARE = 0.05  # that every region has of what is believed: colour may bring in one that nobody believed in
_SUPPORTED = (0.1, 0.9)  # support up to which a belief is a guess, which colours may replace, and from which it is none
_EDGE = 1 / 80  # of the width: an unsupported strip of less than twice this is an edge, which masks know better
_REACH = 0.12  # of the width: how far twice from people colours may decide
_NEAR = 0.1  # share of people in the neighbourhood at which they do so in full

_HAIR, _SKIN = _KEPT = REGIONS.index("hair"), REGIONS.index("skin")
_BACKGROUND, _CLOTHES = _CHANGED = REGIONS.index("background"), REGIONS.index("clothes")


def colors_of(picture: Picture, size: tuple[int, int]) -> Colors:
    """(H, W, 3) RGB `picture` shrunk to `size` (width, height), in the palette's space."""
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb), np.uint8)


class Palette:
    """How often each region was seen in each colour, recent masks counting most. Not thread-safe."""

    def __init__(self, *, forgets: float = FORGETS) -> None:
        self._forgets = forgets
        self.reset()

    def reset(self) -> None:
        """Forget everything: another scene has other light."""
        self._counts = np.zeros((len(REGIONS), _CELLS), np.float32)
        self._believed = np.zeros(len(REGIONS), np.float32)  # pixels of each region in the masks, certain ones or not
        self._seconds = 0.0  # of the newest mask
        self._shares = np.zeros((_CELLS, len(REGIONS)), np.float32)  # of each region in a colour; they sum to 1
        self._known = np.zeros(_CELLS, np.float32)  # 0..1, how far they are to be believed
        self._learnt = np.zeros(len(REGIONS), np.float32)  # 0..1, how far each region's own colours are known

    @property
    def knows(self) -> bool:
        """Whether it has seen a mask of a frame with colours in it."""
        return bool(self._known.any())

    def trusted(self, motion: Motion, now: Colors | None, before: Colors | None) -> Motion:
        """`motion` between the two, without trust where the chroma has changed, in a stream that has colours."""
        if now is None or before is None or not self.knows:
            return motion
        return Motion(motion.backward, motion.trust * same_chroma(now, before, motion.backward))

    def learn(self, colors: Colors, planes: PixelWeights, seconds: float, seen: Plane | None = None) -> None:
        """Count the colours of the frame at `seconds`, of which (h, w, R) `planes` is the mask, as far as it is `seen`.

        `seen`: (h, w) in [0, 1], how much of the mask is of that frame; None: all.
        """
        if seen is not None:
            planes = PixelWeights(planes * seen[..., np.newaxis])
        left = np.float32(math.exp(-max(seconds - self._seconds, 0) / self._forgets))
        self._counts *= left
        self._believed *= left
        self._believed += cv2.sumElems(planes)
        self._seconds = max(seconds, self._seconds)
        cells = _cells(colors).ravel()
        for counts, plane in zip(self._counts, split(planes), strict=True):
            counts += np.bincount(cells, _ramp(plane, _CERTAIN).ravel(), _CELLS).astype(np.float32)
        self._summarize(_colorfulness(colors))

    def decide(self, planes: PixelWeights, support: Plane, colors: Colors) -> PixelWeights:
        """(h, w, R) `planes`, but as the frame's `colors` say where (h, w) `support` is low and people are near.

        The same array where nothing is to be decided: on a still scene every mask is supported.
        """
        unknown = _unknown(support)
        part = _part(unknown)
        if part is None or not self.knows:
            return planes
        near = _near(planes)[part]
        decided = planes.copy()
        decided[part] = self._decided(planes[part], unknown[part] * near, _cells(colors[part]))
        return decided

    def _decided(self, planes: Weights, share: Plane, cells: Cells) -> Weights:
        """The same for a part of the frame, `share` of what colours decide."""
        shares = cv2.blur(np.take(self._shares, cells, axis=0), (3, 3))
        seen = np.maximum(total(shares), 1e-6)  # below 1 beside colours that were never seen
        kept = (shares[..., _HAIR] + shares[..., _SKIN]) / seen
        share = share * np.take(self._known, cells) * _clear(kept) * self._contradicted(planes, kept)
        share = np.asarray(cv2.blur(share, (3, 3)), np.float32)
        return np.asarray(planes + share[..., np.newaxis] * (_divided(planes, shares, kept) - planes), np.float32)

    def _contradicted(self, planes: Weights, kept: Plane) -> Plane:
        """How far colour says the opposite of what is believed, where the colours of what is believed are known.

        Where both say the same the mask's own edge is better.
        """
        believed = split(planes)
        known = [plane * learnt for plane, learnt in zip(believed, self._learnt, strict=True)]
        inside, outside = (believed[at] + believed[other] for at, other in (_KEPT, _CHANGED))
        part = np.where(inside > kept, known[_HAIR] + known[_SKIN], known[_BACKGROUND] + known[_CLOTHES])
        away = _ramp(np.abs(inside - kept), _CONTRADICTS)
        return np.asarray(away * part / np.where(inside > kept, inside, outside + np.float32(1e-6)))

    def _summarize(self, colorful: float) -> None:
        found = self._counts.sum(axis=1)
        seen = self._counts.sum(axis=0)
        used = np.flatnonzero(seen > _LEAST)
        scale = (found + np.float32(_RARE)) ** np.float32(-_BALANCE)
        scaled = self._counts[:, used] * scale[:, np.newaxis]
        self._learnt = _ramp(found / (self._believed + 1), _LEARNT)
        self._shares.fill(0)
        self._shares[used] = (scaled / scaled.sum(axis=0)).T
        self._known.fill(0)
        believed = np.float32(colorful) * seen[used] / (seen[used] + np.float32(_SEEN))
        self._known[used] = believed * (self._shares[used] @ self._learnt)


def same_chroma(now: Colors, before: Colors, backward: Field) -> Plane:
    """(h, w) in [0, 1]: 1 where what is seen has the chroma that it had in the frame `before`, moved by `backward`.

    As livestyle.masks.flow compares luma: dark skin before a dark shirt differs in nothing else.
    """
    here, there = (np.asarray(cv2.merge(cv2.split(colors)[1:]), np.float32) for colors in (now, before))
    difference = cv2.blur(warp(there, backward) - here, (3, 3))  # averages noise away, keeps what has an extent
    difference -= cv2.blur(difference, (21, 21))  # a change of light is wide
    away = cv2.magnitude(*split(difference))
    noise = min(_CHROMA_NOISE[0] + 3 * float(np.median(away[::3, ::3])), _CHROMA_NOISE[1])
    return np.asarray(np.clip(2 - away * np.float32(1 / noise), 0, 1), np.float32)


def _cells(colors: Colors) -> Cells:
    luma, cr, cb = (plane.astype(np.intp) for plane in cv2.split(colors))
    cell = (luma >> _LUMA_SHIFT) << (2 * _CHROMA_BITS) | (cr >> _CHROMA_SHIFT) << _CHROMA_BITS | cb >> _CHROMA_SHIFT
    return np.asarray(cell)


def _colorfulness(colors: Colors) -> float:
    """0 for a frame in one hue, such as one in grey or sepia, whose luma alone says nothing about skin; else 1.

    In such a frame chroma is nothing but a share of luma: what deviates from the straight line between them is colour.
    """
    pixels = colors[::2, ::2].reshape(-1, 3).astype(np.float32)
    luma, *chroma = (pixels - pixels.mean(axis=0)).T
    slopes = [float(luma @ plane) / max(float(luma @ luma), 1e-6) for plane in chroma]
    rest = sum(float(np.mean(np.square(plane - slope * luma))) for plane, slope in zip(chroma, slopes, strict=True))
    return float(_ramp(np.array([math.sqrt(rest)], np.float32), _COLORLESS)[0])


def _unknown(support: Plane) -> Plane:
    """(h, w) in [0, 1]: where nothing supports what is believed, over more than the width of an edge."""
    side = 2 * max(1, round(_EDGE * support.shape[1])) + 1
    unknown = 1 - _ramp(support, _SUPPORTED)
    return np.asarray(cv2.morphologyEx(unknown, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)), np.float32)


def _clear(kept: Plane) -> Plane:
    """How far colour says either: 0 where it says both."""
    return _ramp(2 * kept - 1, _KEEPS) + _ramp(1 - 2 * kept, _CHANGES)


def _ramp(values: npt.NDArray[np.float32], ends: tuple[float, float]) -> npt.NDArray[np.float32]:
    """0 up to the first end, 1 from the second."""
    low, high = ends
    return np.asarray(np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1), np.float32)


def _divided(planes: Weights, shares: Weights, kept: Plane) -> Weights:
    """(h, w, R): `kept` of a pixel for hair and skin, the rest for the others; within both as believed, and by colour.

    So colours that two kept regions share, dark hair and a beard's shadow, do not blur what is believed about them.
    """
    likely = split((planes + np.float32(_SMALL_SHARE)) * shares)
    inside = likely[_HAIR] + likely[_SKIN]
    outside = likely[_BACKGROUND] + likely[_CLOTHES]
    of_kept, of_rest = kept / np.maximum(inside, 1e-6), (1 - kept) / np.maximum(outside, 1e-6)
    parts = [plane * (of_kept if region in {_HAIR, _SKIN} else of_rest) for region, plane in enumerate(likely)]
    parts[_BACKGROUND] = 1 - (parts[_HAIR] + parts[_SKIN] + parts[_CLOTHES])
    return np.asarray(cv2.merge(parts), np.float32)


def _part(unknown: Plane) -> tuple[slice, slice] | None:
    """Rows and columns that contain everything unknown, and the means of its colours; None where nothing is."""
    left, top, width, height = cv2.boundingRect((unknown > 0).astype(np.uint8))
    if width == 0:
        return None
    return slice(max(0, top - 2), top + height + 2), slice(max(0, left - 2), left + width + 2)


def _near(planes: PixelWeights) -> Plane:
    """(h, w) in [0, 1]: whether people are near."""
    side = 2 * max(1, round(_REACH * planes.shape[1])) + 1
    people = cv2.blur(cv2.blur(1 - planes[..., 0], (side, side)), (side, side))
    return np.asarray(np.minimum(people / np.float32(_NEAR), 1), np.float32)
