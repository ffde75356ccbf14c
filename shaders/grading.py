"""The colour operations of a recipe, on arrays of Oklab colours.

Every function is smooth (no clipping kinks: those show as bands in skies and on cheeks) and leaves a neutral setting
exactly neutral. Lightness x is Ottosson's L_r (see oklab.toe): 0 black, 1 white.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livestyle.shaders import oklab
from livestyle.shaders.recipe import Curve, HueBand, Palette, Split, Treatment

Plane = npt.NDArray[np.floating[Any]]

WARMTH = (0.018, 0.052)  # Oklab (a, b) of white under warmth 1, before it is held back to keep white white
TINT = (0.045, -0.028)
SPLIT_CHROMA = 0.11  # chroma that a tint of amount 1 gives
KNEE = 0.75  # the part of the gamut's chroma that is never compressed


@dataclass(frozen=True, slots=True)
class Colors:
    """Colours on their way through a treatment: Oklab's L_r, and chroma and hue as a and b. All of one shape."""

    x: Plane
    a: Plane
    b: Plane

    @property
    def chroma(self) -> Plane:
        """Oklab chroma: the distance from grey."""
        return np.hypot(self.a, self.b)

    def lch(self) -> tuple[Plane, Plane, Plane]:
        """Oklab L, chroma, hue in radians."""
        return oklab.toe_inverse(np.clip(self.x, 0, 1)), self.chroma, np.arctan2(self.b, self.a)

    def scaled(self, factor: Plane | float) -> Colors:
        """The same with chroma multiplied."""
        return Colors(self.x, self.a * factor, self.b * factor)

    def shifted(self, a: Plane, b: Plane) -> Colors:
        """The same with `a` and `b` added to Oklab's a and b."""
        return Colors(self.x, self.a + a, self.b + b)


@dataclass(frozen=True, slots=True)
class InputColors:
    """Colours to be graded, with what every grading of them needs to know."""

    colors: Colors
    extent: Plane  # see reach

    @classmethod
    def of(cls, rgb: Plane) -> InputColors:
        """(n, 3) sRGB samples in [0, 1]."""
        lab = oklab.srgb_to_oklab(rgb)
        colors = Colors(oklab.toe(lab[:, 0]), lab[:, 1], lab[:, 2])
        return cls(colors, reach(*colors.lch())[0])


def grade(given: InputColors, treatment: Treatment) -> Plane:
    """(n, 3) sRGB samples in [0, 1]: the given colours after `treatment`."""
    colors = balance(given.colors, treatment.palette)
    for band in treatment.hues:
        colors = shift_hues(colors, band)
    colors = apply_curve(colors, treatment.curve, treatment.tone)
    colors = saturate(colors, treatment.palette)
    colors = move_color(colors, treatment.color)
    colors = split_tone(colors, treatment.split)
    colors = fade(colors, treatment.curve)
    return to_srgb(given, colors)


def balance(colors: Colors, palette: Palette) -> Colors:
    """Warmth and tint.

    A von Kries white balance in Oklab's cone space moves greys in proportion to L, as here; the shift is held back
    towards white, so that highlights stay clean instead of turning to paper.
    """
    a = palette.warmth * WARMTH[0] + palette.tint * TINT[0]
    b = palette.warmth * WARMTH[1] + palette.tint * TINT[1]
    weight = oklab.toe_inverse(colors.x) * (1 - 0.6 * smoothstep(colors.x, 0.7, 1.0)) * not_colorful(colors)
    return colors.shifted(a * weight, b * weight)


def not_colorful(colors: Colors) -> Plane:
    """1 for greys, 0.4 for a strong red, 0.2 for the border of the gamut.

    So tints that would push pure colours beyond what sRGB has only bend them.
    """
    return np.asarray(np.exp(-((colors.chroma / 0.25) ** 2)))


def shift_hues(colors: Colors, band: HueBand) -> Colors:
    """Turn, gather, saturate or lighten the colours around one hue; weight is a raised cosine over the hue circle.

    More saturation goes to what has little, so that skin which is red already does not burn.
    """
    hue, chroma = np.arctan2(colors.b, colors.a), colors.chroma
    offset = (hue - math.radians(band.hue) + np.pi) % (2 * np.pi) - np.pi
    half = math.radians(band.width) / 2
    weight = np.where(np.abs(offset) < half, 0.5 + 0.5 * np.cos(np.pi * offset / half), 0.0) * not_colorful(colors)
    hue = hue + weight * (math.radians(band.shift) - band.gather * offset)
    spare = np.exp(-((chroma / 0.14) ** 2)) if band.saturation > 0 else 1.0
    chroma_after = chroma * (1 + band.saturation * weight * spare)
    colorful = chroma / (chroma + 0.04)  # greys have no hue: their lightness must not depend on it
    x = colors.x + 0.5 * band.lightness * weight * colorful * colors.x * (1 - colors.x)
    return Colors(x, chroma_after * np.cos(hue), chroma_after * np.sin(hue))


def apply_curve(colors: Colors, curve: Curve, tone: float) -> Colors:
    """Move lightness; chroma follows, so that a colour made darker keeps its saturation instead of turning garish."""
    x = lightness_curve(colors.x, curve, tone)
    ratio = (oklab.toe_inverse(x) + 0.05) / (oklab.toe_inverse(colors.x) + 0.05)
    return Colors(x, colors.a, colors.b).scaled(ratio**0.8)


def lightness_curve(x: Plane, curve: Curve, tone: float = 0.0) -> Plane:
    """The lightness curve without its black and white points: 0 stays 0, 1 stays 1 (unless free points move them).

    Each step is increasing on its own over the whole range of its setting, so the whole is.
    """
    if curve.points:
        x = np.clip(through_points(x, curve.points), 0, 1)
    x = bend(x, curve.exposure)
    x = bend_shadows(x, tone)
    x = x + curve.shadows * 0.75 * x * (1 - x) ** 3
    x = x + curve.highlights * 0.75 * x**3 * (1 - x)
    return x - 0.65 * curve.contrast * np.sin(2 * np.pi * x) / (2 * np.pi)


def bend(x: Plane, amount: float) -> Plane:
    """A hyperbola through (0, 0) and (1, 1); unlike a power it has a finite slope at black."""
    m = 0.9 * abs(amount)
    return x * (1 + m) / (1 + m * x) if amount >= 0 else x / (1 + m - m * x)


def bend_shadows(x: Plane, tone: float) -> Plane:
    """The tone axis: deepens or lifts shadows most (a third up), midtones less, highlights hardly."""
    return x + 0.11 * tone * 6.75 * x * (1 - x) ** 2


def saturate(colors: Colors, palette: Palette) -> Colors:
    """Saturation, vibrance and monochrome."""
    vibrance = 1 + palette.vibrance * little_color(colors.chroma)
    return colors.scaled((1 + palette.saturation) * vibrance * (1 - palette.monochrome))


def little_color(chroma: Plane) -> Plane:
    """1 for chroma that is low but meant, less for a cast on something white, and 0 for what is colourful already."""
    return np.asarray(np.exp(-((chroma / 0.12) ** 2)) * (1 - 0.7 * np.exp(-((chroma / 0.035) ** 2))))


def move_color(colors: Colors, color: float) -> Colors:
    """The colour axis: muted below 0, vivid above; vivid favours what has little chroma, so skin tones do not burn."""
    if color <= 0:
        return colors.scaled(1 + 0.7 * color)
    return colors.scaled(1 + color * (0.25 + 0.6 * little_color(colors.chroma)))


def split_tone(colors: Colors, split: Split) -> Colors:
    """Lay one hue over the shadows and one over the highlights; both leave black and white alone."""
    x, border, plain = colors.x, 0.5 - 0.2 * split.balance, not_colorful(colors)
    dark = smoothstep(x, 0.0, 0.3) * (1 - smoothstep(x, border - 0.35, border + 0.35))
    light = smoothstep(x, border - 0.35, border + 0.35) * (1 - 0.8 * smoothstep(x, 0.8, 1.0))
    for tint, weight in ((split.shadows, dark), (split.highlights, light)):
        angle, chroma = math.radians(tint.hue), SPLIT_CHROMA * tint.amount * plain
        colors = colors.shifted(chroma * math.cos(angle) * weight, chroma * math.sin(angle) * weight)
    return colors


def fade(colors: Colors, curve: Curve) -> Colors:
    """Black and white points. Chroma shrinks with the range: a faded print has no deep colours."""
    span = curve.white - curve.black
    return Colors(curve.black + span * colors.x, colors.a * span, colors.b * span)


def to_srgb(before: InputColors, after: Colors) -> Plane:
    """sRGB samples, brought into gamut along straight lines of one hue.

    How much is compressed depends on how much further out the treatment moved a colour: what it did not make more
    colourful stays exactly where it was, even on the border of the gamut.
    """
    lightness, chroma, hue = after.lch()
    lab = np.stack([lightness, after.a, after.b], axis=-1)
    near = np.flatnonzero(chroma > 0.5 * oklab.max_chroma(lightness, hue))  # no other can be beyond KNEE
    extent, anchor = reach(lightness[near], chroma[near], hue[near])
    scale = compress(extent, extent / before.extent[near]) / extent
    lab[near, 0] = anchor + (lightness[near] - anchor) * scale
    lab[near, 1:] *= scale[:, None]
    return oklab.oklab_to_srgb(lab)


def reach(lightness: Plane, chroma: Plane, hue: Plane) -> tuple[Plane, Plane]:
    """How far out colours are, 1 being the border of the gamut, on lines from anchors on the grey axis; the anchors.

    Anchors are Ottosson's adaptive L_0 with alpha 0.5 (https://bottosson.github.io/posts/gamutclipping/): a colour
    that is too bright to be so colourful gives up some of both, where keeping its lightness would turn it to pastel.
    Extents below 0.25 are given as 0.25.
    """
    off = lightness - 0.5
    e = 0.5 + np.abs(off) + 0.5 * chroma
    anchor = 0.5 * (1 + np.sign(off) * (e - np.sqrt(np.maximum(e * e - 2 * np.abs(off), 0))))

    def room(t: Plane) -> Plane:
        return oklab.max_chroma(np.clip(anchor + t * (lightness - anchor), 0, 1), hue) - t * chroma

    inside, outside = np.zeros_like(chroma), np.full_like(chroma, 4.0)
    for _ in range(7):
        middle = (inside + outside) / 2
        fits = room(middle) >= 0
        inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
    left, over = room(inside), room(outside)  # one secant step makes the bisection exact where the border is smooth
    border = inside + (outside - inside) * left / np.maximum(left - over, 1e-7)
    return 1 / np.clip(border, 1e-2, 4), anchor


def compress(relative: Plane, growth: Plane) -> Plane:
    """Distance relative to the gamut's border, and how often its old value that is -> compressed to at most 1.

    Below KNEE nothing changes, slope 1; a rational arc from there carries what was on the border (relative == growth)
    onto the border again. Where growth <= 1 all stays.
    """
    slope = np.maximum(growth - KNEE, 1 - KNEE) / (1 - KNEE)
    over = np.clip((relative - KNEE) / (1 - KNEE), 0, None)
    return np.where(over > 0, KNEE + (1 - KNEE) * over / (1 + (slope - 1) * over / slope), relative)


def smoothstep(x: Plane, low: float, high: float) -> Plane:
    """0 below `low`, 1 above `high`, the cubic Hermite step between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def through_points(x: Plane, points: tuple[tuple[float, float], ...]) -> Plane:
    """A monotone cubic through `points`, straight on beyond its ends.

    Fritsch and Carlson, SIAM J. Numer. Anal. 17, 1980; slopes by the weighted harmonic mean of Fritsch and Butland,
    1984.
    """
    px, py = (np.array(values, dtype=np.float64) for values in zip(*points, strict=True))
    slopes = _monotone_slopes(np.diff(px), np.diff(py) / np.diff(px))
    i = np.clip(np.searchsorted(px, x, side="right") - 1, 0, len(px) - 2)
    width = px[i + 1] - px[i]
    t = np.clip((x - px[i]) / width, 0, 1)
    inner = (
        py[i] * (1 + 2 * t) * (1 - t) ** 2
        + py[i + 1] * t * t * (3 - 2 * t)
        + width * (slopes[i] * t * (1 - t) ** 2 - slopes[i + 1] * t * t * (1 - t))
    )
    beyond = slopes[0] * np.minimum(x - px[0], 0) + slopes[-1] * np.maximum(x - px[-1], 0)
    return np.asarray(inner + beyond).astype(x.dtype)


def _monotone_slopes(widths: Plane, secants: Plane) -> Plane:
    slopes = np.concatenate([secants[:1], secants[:-1], secants[-1:]])[: len(secants) + 1].copy()
    for k in range(1, len(secants)):
        before, after = secants[k - 1], secants[k]
        first, second = 2 * widths[k] + widths[k - 1], widths[k] + 2 * widths[k - 1]
        flat = before <= 0 or after <= 0
        slopes[k] = 0 if flat else (first + second) / (first / before + second / after)
    slopes[-1] = secants[-1]
    return slopes
