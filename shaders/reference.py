"""The colour pass in float64, written for reading: what every grade is measured against.

out = in + sum over regions r of w_r * (look_r(in) - in)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livestyle.frame import Pixels, PlaneWeights
from livestyle.shaders.look import Look

Float64 = npt.NDArray[np.float64]


def reference_grade(pixels: Pixels, weights: PlaneWeights, look: Look) -> Float64:
    """(H, W, 3) uint8 or uint16 and (R, h, w) weights -> (H, W, 3) float64 in the same units, not rounded.

    The sum is clipped to what the pixels' type can hold, 0..255 or 0..65535.
    """
    full_scale = float(np.iinfo(pixels.dtype).max)
    before = pixels / full_scale
    after = before.copy()
    for weight, lut in zip(weights, look.luts, strict=True):
        if lut is not None:
            share = enlarge(weight.astype(np.float64), before.shape[:2])[..., None]
            after += share * (lut.apply(before) - before)
    return np.asarray(np.clip(after, 0, 1) * full_scale)


def enlarge(plane: Float64, shape: tuple[int, int]) -> Float64:
    """(h, w) -> (H, W) bilinearly, pixel centres aligned, edges clamped: the geometry of cv2.INTER_LINEAR."""
    y0, y1, fy = _neighbours(plane.shape[0], shape[0])
    x0, x1, fx = _neighbours(plane.shape[1], shape[1])
    rows = plane[y0] * (1 - fy)[:, None] + plane[y1] * fy[:, None]
    return np.asarray(rows[:, x0] * (1 - fx) + rows[:, x1] * fx)


def _neighbours(small: int, large: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Float64]:
    position = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    lower = position.astype(np.intp)
    return lower, np.minimum(lower + 1, small - 1), position - lower
