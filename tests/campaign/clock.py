"""A number in the picture itself, as stripes that survive styles, MJPEG and H.264: which moment a frame shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BITS = 32
_CELLS = BITS + 2  # a white one before and a black one after, so that a picture without stripes is not read as one
LEVEL = 128

Pixels = npt.NDArray[Any]


def burn(pixels: Pixels, number: int) -> Pixels:
    """`number` (0 … 2**32-1) into the top of (H, W, 3) `pixels`, in place: a row of stripes, below it its negative."""
    height, cell = _measures(pixels)
    bits = [1, *(number >> bit & 1 for bit in range(BITS)), 0]
    for at, bit in enumerate(bits):
        pixels[:height, at * cell : (at + 1) * cell] = 255 * bit
        pixels[height : 2 * height, at * cell : (at + 1) * cell] = 255 * (1 - bit)
    return pixels


def read(plane: Pixels) -> int | None:
    """The number in one plane (H, W) of a picture; None where there are no stripes or they cannot be read."""
    height, cell = _measures(plane)
    middles = [at * cell + cell // 2 for at in range(_CELLS)]
    upper, lower = plane[height // 2, middles] > LEVEL, plane[height + height // 2, middles] > LEVEL
    if not upper[0] or upper[-1] or np.any(upper == lower):
        return None
    return sum(1 << bit for bit in range(BITS) if upper[1 + bit])


def _measures(pixels: Pixels) -> tuple[int, int]:
    """Height of one row of stripes and width of one stripe, pixels."""
    return max(8, pixels.shape[0] // 20), max(1, pixels.shape[1] // _CELLS)
