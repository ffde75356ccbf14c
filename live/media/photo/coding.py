"""Colour described by code points of ITU-T H.273 (cICP in PNG, nclx in HEIF and AVIF), by gamma and chromaticities.

JPEG, TIFF and WebP know only ICC profiles, so one is made of each description.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livestyle.errors import ColorError
from livestyle.media.color import HDR_TRANSFERS, PRIMARIES, TRANSFERS
from livestyle.media.photo.icc import Chromaticities, Curve, FloatArray, gamma_curve, matrix_profile, srgb_curve

Chunk = tuple[bytes, bytes]
"""Name and data of a PNG chunk."""

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_SRGB: Chromaticities = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_SMPTE170: Chromaticities = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
_CHROMATICITIES: dict[int, Chromaticities] = {  # H.273, table 2
    1: _SRGB,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _SMPTE170,
    7: _SMPTE170,
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_ADOBE_RGB: Chromaticities = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)  # Adobe RGB (1998), 4.3.1.1
_ADOBE_GAMMA = 563 / 256
_UNSPECIFIED = 2
_SRGB_TRANSFER = 13
_USUAL_GAMMA = 0.45455  # of gAMA: 1 / 2.2, which stands for sRGB


@dataclass(frozen=True, slots=True)
class ColorDescription:
    """What the RGB values of a photo mean, as far as it is not sRGB."""

    profile: bytes | None = None  # ICC, of RGB values
    chunks: tuple[Chunk, ...] = ()  # the same as chunks of a PNG file, where the photo had it so


def coded(primaries: int, transfer: int, name: str) -> ColorDescription:
    """For code points of H.273; `name` is the file, for the message. Raises ColorError for HDR and unknown ones."""
    refuse_hdr(transfer, name)
    if primaries in (1, _UNSPECIFIED) and transfer in (_SRGB_TRANSFER, _UNSPECIFIED):
        return ColorDescription()
    colors = _CHROMATICITIES.get(1 if primaries == _UNSPECIFIED else primaries)
    curve = _curve(_SRGB_TRANSFER if transfer == _UNSPECIFIED else transfer)
    if colors is None or curve is None:
        unknown = f"primaries {primaries}" if colors is None else f"transfer {transfer}"
        raise ColorError(f"{name} encodes colour in a way that cannot be kept right here ({unknown} of H.273)",
                         hint="export it with an ICC profile")  # fmt: skip
    title = f"{PRIMARIES.get(primaries, 'bt709')} {TRANSFERS.get(transfer, 'iec61966-2-1')}"
    return ColorDescription(matrix_profile(title, colors, curve))


def adobe_rgb() -> ColorDescription:
    """For photos whose EXIF data say Adobe RGB."""
    return ColorDescription(matrix_profile("Adobe RGB (1998) compatible", _ADOBE_RGB, gamma_curve(_ADOBE_GAMMA)))


def refuse_hdr(transfer: int, name: str) -> None:
    """Raise ColorError for the code points of PQ and HLG."""
    kind = HDR_TRANSFERS.get(TRANSFERS.get(transfer, ""))
    if kind:
        raise ColorError(
            f"{name} is an HDR photo ({kind}), whose colours livestyle would crush",
            hint="export it as an SDR photo first",
        )


def described(
    gamma: float | None, colors: Chromaticities | None, chunks: tuple[Chunk, ...] = (), curve: Curve | None = None
) -> ColorDescription:
    """For values of gAMA (light = encoded ** (1 / gamma)) and cHRM, or a `curve` in place of gamma.

    `chunks`: those of a PNG file that say so. What is missing is that of sRGB.
    """
    usual = curve is None and (gamma is None or abs(gamma - _USUAL_GAMMA) < 0.001)
    if usual and (colors is None or np.allclose(colors, _SRGB, atol=0.002)):
        return ColorDescription(None, chunks)
    if curve is None:
        curve = srgb_curve if usual or gamma is None else gamma_curve(1 / gamma)
    title = "described colour" if gamma is None else f"gamma {1 / gamma:.3g}"
    return ColorDescription(matrix_profile(title, colors or _SRGB, curve), chunks)


def is_plausible(colors: Chromaticities) -> bool:
    """Whether primaries span a triangle with the white inside, as far as a profile needs it."""
    points = np.array(colors)
    (red, green, blue) = points[:3]
    area = (green[0] - red[0]) * (blue[1] - red[1]) - (green[1] - red[1]) * (blue[0] - red[0])
    return bool((points[:, 1] > 0.001).all() and (points >= 0).all() and (points <= 1).all() and abs(area) > 0.01)


def _curve(transfer: int) -> Curve | None:
    """Encoded values to light, H.273, table 3."""
    if transfer in (1, 6, 11, 12, 14, 15):
        return lambda encoded: _with_toe(encoded, 0.099, 0.081, 4.5, 0.45)
    if transfer == 7:
        return lambda encoded: _with_toe(encoded, 0.1115, 0.0913, 4.0, 0.45)
    if transfer == _SRGB_TRANSFER:
        return srgb_curve
    gamma = {4: 2.2, 5: 2.8, 8: 1.0}.get(transfer)
    return None if gamma is None else gamma_curve(gamma)


def _with_toe(encoded: FloatArray, offset: float, knee: float, slope: float, power: float) -> FloatArray:
    """The inverse of: slope * light below the knee, (1 + offset) * light ** power - offset above."""
    return np.where(
        encoded < knee, encoded / slope, np.power((np.maximum(encoded, 0) + offset) / (1 + offset), 1 / power)
    )
