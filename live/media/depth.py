"""Samples of 8 and of 16 bits, both at full scale: 255 and 65535 are white. The only home of the conversion.

Where speed counts more than half a level, `livestyle.masks` and GIF's palette take the upper byte instead.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Of any shape."""


def at_full_scale(samples: Samples, bits: int) -> Samples:
    """Samples of `bits` bits, 1..16, in 0..2^bits - 1, to 0..255 (8 bits and less) or 0..65535, rounded."""
    full = 65535 if bits > 8 else 255
    most = (1 << bits) - 1
    if most == full:
        return samples
    table = (np.arange(most + 1, dtype=np.uint32) * full + most // 2) // most
    return cast(Samples, table.astype(samples.dtype)[np.minimum(samples, most)])


def unmultiplied(colors: Samples, alpha: Samples) -> Samples:
    """(H, W, C) colours with the (H, W) alpha that is multiplied into them taken out; where it is 0 they stay."""
    cover = np.maximum(alpha, 1).astype(np.uint32)[..., None]
    full = 65535 if colors.dtype == np.uint16 else 255
    divided = np.minimum((colors.astype(np.uint32) * full + cover // 2) // cover, full)
    return cast(Samples, np.where(alpha[..., None] > 0, divided, colors).astype(colors.dtype))


def laid_on_white(colors: Samples, alpha: Samples) -> Samples:
    """(H, W, C) colours over white, by their (H, W) alpha, which has the same type; rounded."""
    full = 65535 if colors.dtype == np.uint16 else 255
    cover = alpha.astype(np.uint32)[..., None]
    return cast(Samples, ((colors * cover + full * (full - cover) + full // 2) // full).astype(colors.dtype))


def to_8_bit(samples: Samples) -> npt.NDArray[np.uint8]:
    """uint16 to the nearest uint8, x / 257 (never exactly between two); uint8 as it is."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=1 / 257), np.uint8).reshape(samples.shape)


def to_16_bit(samples: Samples) -> npt.NDArray[np.uint16]:
    """uint8 to uint16, 257 x, exactly; uint16 as it is."""
    if samples.dtype == np.uint16:
        return samples.astype(np.uint16, copy=False)
    return samples.astype(np.uint16) * np.uint16(257)
