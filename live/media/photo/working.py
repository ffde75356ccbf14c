"""Photos whose values are light, or close to it, are styled with the tone curve of sRGB and get their own back.

Styles and models are made for values as displays take them. The usual curves (gamma 1.8 to 2.6) are close enough, and
such values stay untouched; a linear photo would be styled as if it were far too dark.
"""

from __future__ import annotations

import struct
from typing import cast

import numpy as np
import numpy.typing as npt

from livestyle.frame import Pixels
from livestyle.media.photo.icc import rgb_curve, srgb_encoded
from livestyle.media.photo.stored import Notes

_USUAL = 0.1  # how far a curve may be from that of sRGB, of full scale 1: gamma 1.8 is 0.07 off, light itself 0.29

Table = npt.NDArray[np.uint16]
"""Stored value -> value with the curve of sRGB, 16 bits."""


def table_of(notes: Notes, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Table | None:
    """For the photo's samples of that type; None where its own curve is usual or not known."""
    profile = notes.color.profile
    try:
        curve = None if profile is None else rgb_curve(profile)
    except (struct.error, ValueError, KeyError, IndexError, ZeroDivisionError):
        return None  # no such curves, or a damaged profile: the values stay
    if curve is None:
        return None
    values = np.linspace(0, 1, int(np.iinfo(dtype).max) + 1)
    shown = srgb_encoded(curve(values))
    if np.abs(shown - values).max() < _USUAL or (np.diff(shown) < 0).any():
        return None
    return np.round(shown * 65535).astype(np.uint16)


def with_usual_curve(pixels: Pixels, table: Table) -> npt.NDArray[np.uint16]:
    """The pixels to style."""
    return table[pixels]


def with_own_curve(styled: Pixels, table: Table, original: Pixels) -> Pixels:
    """Styled pixels as the photo's samples; those that the style left alone are bit for bit the `original`."""
    levels = np.arange(65536)
    after = np.clip(np.searchsorted(table, levels), 1, len(table) - 1)
    nearest = np.where(levels - table[after - 1] < table[after] - levels, after - 1, after).astype(original.dtype)
    if styled.shape != original.shape:
        return cast(Pixels, nearest[styled])
    return cast(Pixels, np.where(styled == table[original], original, nearest[styled]))
