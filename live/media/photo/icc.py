"""ICC profiles: what is read of those that a photo brings, and profiles for colour that it describes in other ways.

Source: ICC.1:2022 (profile version 4.4).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Curve = Callable[[FloatArray], FloatArray]
"""Encoded values in 0..1 -> light in 0..1."""

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""CIE 1931 x and y of red, green, blue and white."""

D50 = (0.9642, 1.0, 0.8249)  # X, Y, Z of the profile connection space
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_CURVE_POINTS = 4096


def space_of(profile: bytes) -> str:
    """What the profile describes: "RGB", "GRAY", "CMYK", "Lab" …; "" for what is no profile."""
    return profile[16:20].decode("latin-1").strip() if profile[36:40] == b"acsp" else ""


def grey_curve(profile: bytes) -> Curve | None:
    """How light grows with the values of a grey profile; None where the profile is damaged or of another kind.

    With Lab as connection space the curve gives lightness, with XYZ luminance.
    """
    try:
        values = _tone_curve(_tag(profile, b"kTRC"))
    except (struct.error, ValueError, KeyError, IndexError, ZeroDivisionError):
        return None
    if profile[20:24] != b"Lab ":
        return values
    return lambda encoded: _luminance(values(encoded))


def rgb_curve(profile: bytes) -> Curve | None:
    """The tone curve of an RGB profile whose three channels share one; None where they do not.

    Raises KeyError for a profile without curves, and ValueError, struct.error and the like for a damaged one.
    """
    red, green, blue = (_tag(profile, name) for name in (b"rTRC", b"gTRC", b"bTRC"))
    return _tone_curve(red) if red == green == blue else None


def srgb_encoded(light: FloatArray) -> FloatArray:
    """Light in 0..1 as sRGB values in 0..1 (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)


def matrix_profile(name: str, colors: Chromaticities, curve: Curve) -> bytes:
    """An RGB display profile of these primaries, white and tone curve, version 4.3; `name` in ASCII."""
    columns = _to_d50(colors)
    tone = _sampled(curve)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("CC0"),
        b"wtpt": _xyz(D50),
        b"chad": _fixed(b"sf32", _adaptation(_white(colors)).flatten()),
        **{kind: _xyz(columns[:, index]) for index, kind in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone),
    }
    return _assembled(tags)


def gamma_curve(gamma: float) -> Curve:
    """light = encoded ** gamma."""
    return lambda encoded: np.power(encoded, gamma)


def srgb_curve(encoded: FloatArray) -> FloatArray:
    """The curve of sRGB."""
    return np.where(encoded <= 0.04045, encoded / 12.92, np.power((encoded + 0.055) / 1.055, 2.4))


# ---- reading ---------------------------------------------------------------------------------------------------------


def _tag(profile: bytes, name: bytes) -> bytes:
    (count,) = struct.unpack(">I", profile[128:132])
    for index in range(min(count, 200)):
        kind, offset, size = struct.unpack(">4sII", profile[132 + 12 * index : 144 + 12 * index])
        if kind == name:
            return profile[offset : offset + size]
    raise KeyError(name)


def _tone_curve(tag: bytes) -> Curve:
    """The types curveType and parametricCurveType."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack(">I", tag[8:12])
        if count == 0:
            return gamma_curve(1.0)
        values = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return gamma_curve(float(values[0]) / 256)
        return lambda encoded: np.interp(encoded, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para":
        raise ValueError("not a curve")
    (form,) = struct.unpack(">H", tag[8:10])
    numbers = np.frombuffer(tag, ">i4", (1, 3, 4, 5, 7)[form], 12) / 65536
    return _parametric(form, [float(number) for number in numbers])


def _parametric(form: int, numbers: Sequence[float]) -> Curve:
    """ICC.1, table 68: (a x + b)^g + e from d on, c x + f below."""
    g, a, b, c, d, e, f = (*numbers, *(0.0,) * (7 - len(numbers)))
    if form == 0:
        return gamma_curve(g)
    if form in (1, 2):  # Y = (a x + b)^g [+ c] from -b/a on, 0 [c] below
        shift = c if form == 2 else 0.0
        c, d, e, f = 0.0, -b / a, shift, shift

    def curve(encoded: FloatArray) -> FloatArray:
        return np.where(encoded >= d, np.power(np.maximum(a * encoded + b, 0), g) + e, c * encoded + f)

    return curve


def _luminance(lightness: FloatArray) -> FloatArray:
    """CIE L* in 0..1 -> Y in 0..1."""
    root = (lightness * 100 + 16) / 116
    return np.where(root > 6 / 29, root**3, 3 * (6 / 29) ** 2 * (root - 4 / 29))


# ---- making ----------------------------------------------------------------------------------------------------------


def _white(colors: Chromaticities) -> FloatArray:
    x, y = colors[3]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_d50(colors: Chromaticities) -> FloatArray:
    """(3, 3): the XYZ of red, green and blue as columns, adapted to the profile connection space."""
    primaries = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in colors[:3]]).T
    white = _white(colors)
    return np.asarray(_adaptation(white) @ (primaries * np.linalg.solve(primaries, white)))


def _adaptation(white: FloatArray) -> FloatArray:
    """The linear Bradford transform from `white` to D50 (ICC.1, annex E)."""
    gains = (_BRADFORD @ np.array(D50)) / (_BRADFORD @ white)
    return np.asarray(np.linalg.solve(_BRADFORD, np.diag(gains) @ _BRADFORD))


def _sampled(curve: Curve) -> bytes:
    values = np.round(np.clip(curve(np.linspace(0, 1, _CURVE_POINTS)), 0, 1) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + values.tobytes()


def _fixed(kind: bytes, numbers: Sequence[float] | FloatArray) -> bytes:
    return kind + bytes(4) + struct.pack(f">{len(numbers)}i", *(round(float(number) * 65536) for number in numbers))


def _xyz(numbers: Sequence[float] | FloatArray) -> bytes:
    return _fixed(b"XYZ ", numbers)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    """The header and the tags; equal ones are stored once."""
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    places: dict[bytes, int] = {}
    for name, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    white = struct.pack(">3i", *(round(value * 65536) for value in D50))
    header = struct.pack(">I4sI4s4s4s12s4s", start + len(body), bytes(4), 0x04300000, b"mntr", b"RGB ", b"XYZ ",
                         struct.pack(">6H", 2020, 1, 1, 0, 0, 0), b"acsp")  # fmt: skip
    return header.ljust(68, b"\0") + white + bytes(48) + table + body
