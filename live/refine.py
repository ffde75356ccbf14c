"""Fit coarse weights to the edges of the picture: the fast guided filter (He, Sun: "Fast Guided Filter", 2015).

Each weight is written as a linear function of colour in a window, w = a . rgb + b, whose coefficients are fitted at low
resolution (least squares with the ridge `epsilon`) and applied to a larger picture: where the picture has an edge, the
weight gets it too.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]

WINDOW = 0.028
"""Half the window's side, as a share of the picture's longer side: about the blur of a network with stride 16."""

EPSILON = 0.03**2
"""Ridge: colour contrast (of full scale, squared) below which a texture is not an edge."""

_COARSE = 2  # the coefficients are fitted at 1 / _COARSE of the guide's resolution


def refine(planes: Planes, guide: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(h, w, R) weights and the (h, w, 3) uint8 picture of the same size -> (R, h, w) weights with its edges.

    The sum over R stays 1 and every value in [0, 1]. A picture without edges gives the weights back, a little blurred.
    """
    height, width = guide.shape[:2]
    size = max(1, width // _COARSE), max(1, height // _COARSE)
    coarse_guide = _shrunk(guide, size).astype(np.float32) / 255
    slope, offset = _fit(_shrunk(planes, size), coarse_guide, max(1, round(WINDOW * max(size))))
    result = _apply(slope, offset, guide.astype(np.float32) / 255)
    # A linear model overshoots at its ends. The filter is linear in the weights, so the sum was kept until here.
    np.clip(result, 0, 1, out=result)
    result /= result.sum(axis=0)
    return result


def _shrunk(values: npt.NDArray[np.generic], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _fit(planes: Planes, guide: Planes, radius: int) -> tuple[npt.NDArray[np.float32], Planes]:
    """Window means of the ridge regression's coefficients: slope (h, w, R * 3) and offset (h, w, R)."""
    mean_guide, mean_planes = _mean(guide, radius), _mean(planes, radius)
    inverse = _inverse_covariance(guide, mean_guide, radius)
    slopes = []
    for region in range(planes.shape[2]):
        weight = planes[..., region : region + 1]
        covariance = _mean(guide * weight, radius) - mean_guide * mean_planes[..., region : region + 1]
        slopes.append(np.einsum("hwij,hwj->hwi", inverse, covariance))
    slope = np.concatenate(slopes, axis=2)
    projected = (slope.reshape(*planes.shape, 3) * mean_guide[:, :, np.newaxis]).sum(axis=3)
    return _mean(slope, radius), _mean(mean_planes - projected, radius)


def _inverse_covariance(guide: Planes, mean: Planes, radius: int) -> npt.NDArray[np.float32]:
    """(h, w, 3, 3): inverse of the window's colour covariance plus the ridge, by cofactors (numpy's is 20 x slower)."""
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    products = np.stack([guide[..., i] * guide[..., j] for i, j in pairs], axis=2)
    moments = _mean(products, radius)
    rr, rg, rb, gg, gb, bb = (
        moments[..., k] - mean[..., i] * mean[..., j] + (EPSILON if i == j else 0) for k, (i, j) in enumerate(pairs)
    )
    i_rr, i_rg, i_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    i_gg, i_gb, i_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * i_rr + rg * i_rg + rb * i_rb
    rows = [i_rr, i_rg, i_rb, i_rg, i_gg, i_gb, i_rb, i_gb, i_bb]
    stacked = np.stack(rows, axis=2) / determinant[..., np.newaxis]
    return np.asarray(stacked.reshape(*guide.shape, 3), np.float32)


def _apply(slope: npt.NDArray[np.float32], offset: Planes, guide: Planes) -> npt.NDArray[np.float32]:
    height, width = guide.shape[:2]
    both = np.concatenate([slope, offset], axis=2)
    both = np.asarray(cv2.resize(both, (width, height), interpolation=cv2.INTER_LINEAR))
    regions = offset.shape[2]
    result = np.empty((regions, height, width), np.float32)
    for region in range(regions):
        colours = both[..., 3 * region : 3 * region + 3]
        result[region] = (colours * guide).sum(axis=2) + both[..., 3 * regions + region]
    return result


def _mean(values: npt.NDArray[np.float32], radius: int) -> npt.NDArray[np.float32]:
    side = 2 * radius + 1
    result = np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)
    return result if result.ndim == values.ndim else result[..., np.newaxis]
