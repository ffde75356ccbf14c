"""sRGB and Oklab: the space in which styles are designed, and the borders of the sRGB gamut in it.

Oklab and its lightness with a toe are Björn Ottosson's: https://bottosson.github.io/posts/oklab/ (matrices) and
https://bottosson.github.io/posts/colorpicker/ (toe). The sRGB transfer function is IEC 61966-2-1.
All functions take and give float arrays (..., 3) unless they say otherwise, and keep the dtype of their argument.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

_LMS_FROM_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB_FROM_LMS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_RGB_FROM_LMS = np.linalg.inv(_LMS_FROM_RGB)
_LMS_FROM_LAB = np.linalg.inv(_LAB_FROM_LMS)

_TOE_K1, _TOE_K2 = 0.206, 0.03
_TOE_K3 = (1 + _TOE_K1) / (1 + _TOE_K2)


def srgb_decode(encoded: Floats) -> Floats:
    """sRGB samples in [0, 1] -> linear light in [0, 1]."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4)


def srgb_encode(linear: Floats) -> Floats:
    """Linear light in [0, 1] -> sRGB samples in [0, 1]. Values below 0 stay on the line through 0."""
    curved = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, curved)


def linear_to_oklab(rgb: Floats) -> Floats:
    """Linear sRGB -> Oklab: L in [0, 1], a (green to red) and b (blue to yellow) about -0.4..0.4."""
    lms = rgb @ _LMS_FROM_RGB.T.astype(rgb.dtype)
    return np.cbrt(lms) @ _LAB_FROM_LMS.T.astype(rgb.dtype)


def oklab_to_linear(lab: Floats) -> Floats:
    """Oklab -> linear sRGB; outside [0, 1] for colours that sRGB does not have."""
    lms = lab @ _LMS_FROM_LAB.T.astype(lab.dtype)
    return (lms * lms * lms) @ _RGB_FROM_LMS.T.astype(lab.dtype)


def srgb_to_oklab(encoded: Floats) -> Floats:
    """sRGB samples in [0, 1] -> Oklab."""
    return linear_to_oklab(srgb_decode(encoded))


def oklab_to_srgb(lab: Floats) -> Floats:
    """Oklab -> sRGB samples, clipped to [0, 1]: bring the colour into gamut first to keep its hue."""
    return srgb_encode(np.clip(oklab_to_linear(lab), 0.0, 1.0))


def toe(lightness: Floats) -> Floats:
    """Oklab L -> Ottosson's L_r in [0, 1], close to CIELAB's L*/100, any shape.

    L is a cube root, infinitely steep at black: a curve that lifts blacks would blow up shadow noise. L_r is not.
    """
    k = _TOE_K3 * lightness - _TOE_K1
    return np.asarray(0.5 * (k + np.sqrt(k * k + 4 * _TOE_K2 * _TOE_K3 * lightness)))


def toe_inverse(lightness_r: Floats) -> Floats:
    """Ottosson's L_r -> Oklab L, any shape."""
    return np.asarray(lightness_r * (lightness_r + _TOE_K1) / (_TOE_K3 * (lightness_r + _TOE_K2)))


def max_chroma(lightness: Floats, hue: Floats) -> Floats:
    """The largest chroma that sRGB has at an Oklab L in [0, 1] and a hue in radians; any one shape.

    Interpolated in a table, so about 1 % off (below, mostly) next to the cusp of a hue.
    """
    table = _chroma_table()
    rows, columns = table.shape[0] - 1, table.shape[1] - 1
    y = np.clip(lightness, 0, 1) * rows
    x = (hue / (2 * np.pi) % 1.0) * columns
    y0 = np.minimum(np.floor(y), rows - 1)
    x0 = np.minimum(np.floor(x), columns - 1)
    fy, fx = y - y0, x - x0
    corner = (y0 * (columns + 1) + x0).astype(np.intp)
    flat = table.reshape(-1)
    upper = flat[corner] * (1 - fx) + flat[corner + 1] * fx
    corner += columns + 1
    lower = flat[corner] * (1 - fx) + flat[corner + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


@cache
def _chroma_table() -> npt.NDArray[np.float32]:
    """(129, 721) largest chroma over L (rows, 0..1) and hue (columns, 0..2 pi, the last repeats the first).

    Half a degree a column, because the gamut has a thin spike at blue.
    """
    lightness = np.linspace(0, 1, 129, dtype=np.float32)[:, None]
    hue = np.linspace(0, 2 * np.pi, 721, dtype=np.float32)[None, :]
    directions = np.cos(hue), np.sin(hue)
    low = np.zeros((129, 721), np.float32)
    high = np.full_like(low, 0.34)  # sRGB's most colourful point, magenta, has 0.323
    for _ in range(12):
        middle = (low + high) / 2
        inside = _in_gamut(lightness, middle * directions[0], middle * directions[1])
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    low[0] = low[-1] = 0
    return low


def _in_gamut(lightness: Floats, a: Floats, b: Floats) -> npt.NDArray[np.bool_]:
    """Whether sRGB has the colours; a little below 0 counts as in.

    Along blue's hue the red dips to -0.0006 on the way from grey to pure blue, where a search for the border would
    otherwise stop 15 % short of it.
    """
    below = -np.minimum(0.02 * lightness**3, 0.0015)[..., None]
    rgb = oklab_to_linear(np.stack(np.broadcast_arrays(lightness, a, b), axis=-1))
    inside: npt.NDArray[np.bool_] = ((rgb >= below) & (rgb <= 1 + 1e-5)).all(axis=-1)
    return inside
