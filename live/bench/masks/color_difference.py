"""CIEDE2000, the difference that people see between two colours; about 1 is just noticeable side by side.

Sharma, Wu, Dalal: "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
mathematical observations", Color Research and Application 30 (2005), equations 2 to 22.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_25_7 = 25.0**7


def delta_e(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> Values:
    """(N,) differences of two (N, 3) arrays of sRGB colours, 0..255, seen under D65."""
    return delta_e_lab(_lab(first), _lab(second))


def _lab(colors: npt.NDArray[np.uint8]) -> Values:
    encoded = np.ascontiguousarray(colors, np.float32).reshape(-1, 1, 3) / 255
    return np.asarray(cv2.cvtColor(encoded, cv2.COLOR_RGB2LAB), np.float64).reshape(-1, 3)


def delta_e_lab(first: Values, second: Values) -> Values:
    """(N,) differences of two (N, 3) arrays of CIE L*a*b* colours, L* in 0..100."""
    (l1, a1, b1), (l2, a2, b2) = first.T, second.T
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + _25_7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    hue = np.where(grey, h1 + h2, (h1 + (h2 - h1) / 2 + np.where(np.abs(h1 - h2) > 180, 180, 0)) % 360)
    chroma = (c1 + c2) / 2
    lightness, saturation = (l2 - l1) / _weigh_lightness((l1 + l2) / 2), (c2 - c1) / (1 + 0.045 * chroma)
    tint = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2) / (1 + 0.015 * chroma * _weigh_hue(hue))
    return np.sqrt(lightness**2 + saturation**2 + tint**2 + _rotation(chroma, hue) * saturation * tint)


def _weigh_lightness(lightness: Values) -> Values:
    away = (lightness - 50) ** 2
    return 1 + 0.015 * away / np.sqrt(20 + away)


def _weigh_hue(hue: Values) -> Values:
    terms = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    return 1 + sum((k * np.cos(np.radians(n * hue + at)) for k, n, at in terms), np.zeros_like(hue))


def _rotation(chroma: Values, hue: Values) -> Values:
    blue = 30 * np.exp(-(((hue - 275) / 25) ** 2))
    return -np.sin(np.radians(2 * blue)) * 2 * np.sqrt(chroma**7 / (chroma**7 + _25_7))
