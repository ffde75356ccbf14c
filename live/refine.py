"""Fit coarse weights to the edges of the picture: the fast guided filter (He, Sun: "Fast Guided Filter", 2015).

Each weight is written as a linear function of colour in a window, w = a . rgb + b, whose coefficients are fitted at low
resolution (least squares with the ridge `epsilon`) and applied to a larger picture: where the picture has an edge, the
weight gets it too.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

WINDOW = 0.02
"""Half the window's side, as a share of the picture's longer side: about half a cell of a network with stride 16."""

EPSILON = 0.01**2
"""Ridge: colour contrast (of full scale, squared) below which a texture is not an edge."""

SHARPNESS = 2
"""Exponent that steepens the ramp between two regions, where both are equal it stays so: a network's ramp is as wide
as its cells, wider than any edge in the picture."""

_COARSE = 2  # the coefficients are fitted at 1 / _COARSE of the guide's resolution


def refine(planes: npt.NDArray[np.float32], guide: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(h, w, R) weights and the (h, w, 3) uint8 picture of the same size -> (R, h, w) weights with its edges.

    The sum over R stays 1 and every value in [0, 1]. Each pixel is sharpened by itself, never by what else is there.
    """
    height, width = guide.shape[:2]
    size = max(1, width // _COARSE), max(1, height // _COARSE)
    fitted = _fit(_split(_shrunk(planes, size)), _split(_shrunk(guide, size)), max(1, round(WINDOW * max(size))))
    result = np.empty((planes.shape[2], height, width), np.float32)
    _apply(fitted, _split(guide), result[1:])
    # A linear model overshoots at its ends.
    np.clip(result[1:], 0, 1, out=result[1:])
    # The filter is linear and the weights sum to 1, so the first region is what the others leave.
    np.subtract(1, result[1:].sum(axis=0), out=result[0])
    np.clip(result[0], 0, 1, out=result[0])
    np.power(result, SHARPNESS, out=result)
    result /= result.sum(axis=0)
    return result


def _shrunk(values: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _split(values: npt.NDArray[Any]) -> list[Plane]:
    """The channels as contiguous float32 planes in [0, 1]: arithmetic on them is several times faster."""
    scale = 1 / 255 if values.dtype == np.uint8 else 1
    return [np.asarray(plane, np.float32) * np.float32(scale) for plane in cv2.split(values)]


def _fit(weights: list[Plane], guide: list[Plane], radius: int) -> list[list[Plane]]:
    """For every region but the first: window means of the ridge regression's slopes for r, g, b, and its offset."""
    mean = [_mean(channel, radius) for channel in guide]
    inverse = _inverse_covariance(guide, mean, radius)
    fitted = []
    for weight in weights[1:]:
        mean_weight = _mean(weight, radius)
        covariance = [_mean(channel * weight, radius) - m * mean_weight for channel, m in zip(guide, mean, strict=True)]
        slopes = [_dot(row, covariance) for row in inverse]
        fitted.append([_mean(plane, radius) for plane in (*slopes, mean_weight - _dot(slopes, mean))])
    return fitted


def _inverse_covariance(guide: list[Plane], mean: list[Plane], radius: int) -> list[list[Plane]]:
    """3 x 3 planes: inverse of the window's colour covariance plus the ridge, by cofactors."""

    def entry(i: int, j: int) -> Plane:
        return _mean(guide[i] * guide[j], radius) - mean[i] * mean[j] + np.float32(EPSILON if i == j else 0)

    rr, rg, rb, gg, gb, bb = entry(0, 0), entry(0, 1), entry(0, 2), entry(1, 1), entry(1, 2), entry(2, 2)
    i_rr, i_rg, i_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    i_gg, i_gb, i_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * i_rr + rg * i_rg + rb * i_rb)
    rows = [[i_rr, i_rg, i_rb], [i_rg, i_gg, i_gb], [i_rb, i_gb, i_bb]]
    return [[np.asarray(cofactor * scale, np.float32) for cofactor in row] for row in rows]


def _apply(fitted: list[list[Plane]], guide: list[Plane], out: npt.NDArray[np.float32]) -> None:
    height, width = guide[0].shape
    for region, coefficients in zip(out, fitted, strict=True):
        *slopes, offset = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in coefficients)
        np.add(_dot(slopes, guide), offset, out=region)


def _dot(first: list[Plane], second: list[Plane]) -> Plane:
    return np.asarray(first[0] * second[0] + first[1] * second[1] + first[2] * second[2], np.float32)


def _mean(plane: Plane, radius: int) -> Plane:
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)
