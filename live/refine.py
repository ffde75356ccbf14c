"""Fit coarse weights to the edges of the picture: the fast guided filter (He, Sun: "Fast Guided Filter", 2015).

Each weight is written as a linear function of colour in a window, w = a . rgb + b, whose coefficients are fitted at low
resolution (least squares with the ridge `epsilon`) and applied to a larger picture: where the picture has an edge, the
weight gets it too. Where colour explains little of the weight (a face before a motley wall), the mask knows the edge
better than the picture, and is kept.
"""

from __future__ import annotations

import importlib
from functools import reduce
from types import ModuleType
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import REGIONS, Weights

try:
    _compiled: ModuleType | None = importlib.import_module("livestyle._refine")
except ImportError:  # an optional extension: installing without a C compiler leaves it out
    _compiled = None

Plane = npt.NDArray[np.float32]

WINDOW = 0.02
"""Half the window's side, as a share of the picture's longer side: about half a cell of a network with stride 16."""

EPSILON = 0.01**2
"""Ridge: colour contrast (of full scale, squared) below which a texture is not an edge."""

EXPLAINED = (0.3, 0.8)
"""Share of a weight's variance in the window that colour must explain to have a say, and to have the only one."""

_CERTAIN = 0.99  # weight after sharpening beyond which a pixel is no edge, unless there is one within the window
_LITTLE = 0.02  # a region that is nowhere weightier is not fitted
_VARIANCE = 1e-4  # of a weight in the window: below it there is nothing to explain
_UNSURE = 0.6  # how surely kept and changed must be told apart in the middle of an area to wear all of the style
_KEPT = (REGIONS.index("hair"), REGIONS.index("skin"))


def refine(planes: npt.NDArray[np.float32], guide: npt.NDArray[np.float32]) -> Weights:
    """(h, w, R) weights and the (H, W, 3) picture in [0, 1], H >= h, W >= w -> (R, H, W) weights with its edges.

    Every value is in [0, 1] and the sum over R at most 1: where the weights waver over a whole area between what a
    style keeps (hair, skin) and what it changes, it is less, so that the style fades there instead of tearing.
    """
    height, width = guide.shape[:2]
    sharp = _sharpened([np.asarray(plane) for plane in cv2.split(planes)])
    result = np.stack([_enlarged(plane, (width, height)) for plane in sharp])
    radius = _radius(planes)
    box = _edges_within(sharp, radius, (width, height))
    if box is not None:
        _fit_and_apply(_split(planes), guide, radius, result, box)
    return _faded(result, sharp, radius)


def unrefined(planes: npt.NDArray[np.float32], guide: npt.NDArray[np.float32]) -> Weights:
    """(h, w, R) weights -> (R, h, w): as `refine`, without the picture's edges. For where there is no time for them."""
    sharp = _sharpened([np.asarray(plane) for plane in cv2.split(planes)])
    return _faded(np.stack(sharp), sharp, _radius(planes))


def _radius(planes: npt.NDArray[np.float32]) -> int:
    return max(1, round(WINDOW * max(planes.shape[:2])))


Box = tuple[slice, slice]
"""Rows and columns of a part of the picture."""


def _edges_within(sharp: list[Plane], radius: int, size: tuple[int, int]) -> Box | None:
    """The part of a picture of `size` (width, height) that holds every edge and the window around it."""
    edge = (reduce(cv2.max, sharp) < _CERTAIN).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(edge)
    if width == 0:
        return None
    across, down = size[0] / edge.shape[1], size[1] / edge.shape[0]
    rows = slice(max(0, int((top - radius) * down)), int((top + height + radius) * down) + 1)
    return rows, slice(max(0, int((left - radius) * across)), int((left + width + radius) * across) + 1)


def _fit_and_apply(
    weights: list[Plane], guide: npt.NDArray[np.float32], radius: int, result: Weights, box: Box
) -> None:
    """Replaces `result` in the `box` by what the guided filter says, as far as colour explains it."""
    regions = [region for region in range(1, len(weights)) if weights[region].max() > _LITTLE]
    fit = _fit_within(_coarse(box, guide.shape, weights[0].shape, radius), regions, weights, guide, radius)
    apply = _apply if _compiled is None else _apply_compiled
    apply(fit, guide, result, box)


class _Fit(NamedTuple):
    """What the guided filter found, on the weights' grid."""

    regions: list[int]  # the regions that were fitted
    coefficients: npt.NDArray[np.float32]  # of each: slopes for r, g and b, and the offset; (regions, 4, h, w)
    explained: Plane  # how far colour explains them


def _coarse(box: Box, fine: tuple[int, ...], coarse: tuple[int, ...], radius: int) -> Box:
    """The part of the coarse grid that has a say in the `box` of the fine one: two windows and a cell more."""
    margin, parts = 2 * radius + 1, []
    for part, large, small in zip(box, fine, coarse, strict=False):
        first, last = part.start * small // large - margin, -(-part.stop * small // large) + margin
        parts.append(slice(max(0, first), min(small, last)))
    return parts[0], parts[1]


def _fit_within(
    box: Box, regions: list[int], weights: list[Plane], guide: npt.NDArray[np.float32], radius: int
) -> _Fit:
    """The fit in a part of the coarse grid; elsewhere colour explains nothing."""
    shape = weights[0].shape
    fit = _Fit(regions, np.zeros((len(regions), 4, *shape), np.float32), np.zeros(shape, np.float32))
    small = _split(np.asarray(_shrunk(guide, shape[::-1]))[box])
    fitted, explained = _fit([np.ascontiguousarray(weights[r][box]) for r in regions], small, radius)
    for target, planes in zip(fit.coefficients, fitted, strict=True):
        for k, plane in enumerate(planes):
            target[k][box] = plane
    fit.explained[box] = explained
    return fit


def _apply_compiled(fit: _Fit, guide: npt.NDArray[np.float32], result: Weights, box: Box) -> None:
    """As `_apply`, by live/_refine.c."""
    assert _compiled is not None
    bounds = tuple(edge for part, side in zip(box, guide.shape, strict=False) for edge in part.indices(side)[:2])
    _compiled.apply(
        result,
        result.shape,
        np.ascontiguousarray(guide),
        tuple(fit.regions),
        fit.coefficients,
        fit.explained,
        fit.explained.shape,
        bounds,
    )


def _apply(fit: _Fit, guide: npt.NDArray[np.float32], result: Weights, box: Box) -> None:
    """Mixes what the coefficients of the fitted regions say of the guide into `result`, in the `box`."""
    size = guide.shape[1::-1]
    colours = [np.ascontiguousarray(channel) for channel in _split(guide[box])]
    found = np.zeros((len(result), *colours[0].shape), np.float32)
    for region, coefficients in zip(fit.regions, fit.coefficients, strict=True):
        *slopes, offset = (_enlarged(plane, size)[box] for plane in coefficients)
        # A linear model overshoots at its ends.
        np.clip(_dot(slopes, colours) + offset, 0, 1, out=found[region])
    # The filter is linear and the weights sum to 1, so the first region is what the others leave.
    np.clip(1 - found[1:].sum(axis=0), 0, 1, out=found[0])
    share = _enlarged(fit.explained, size)[box]
    for region, refined in enumerate(_sharpened(list(found))):
        kept = result[region][box]
        np.maximum(kept + share * (refined - kept), 0, out=kept)  # rounding may leave a -1e-20


def _sharpened(planes: list[Plane]) -> list[Plane]:
    """Cubes, made to sum to 1: steepens the ramp between two regions and leaves where both are equal.

    A network's ramp is as wide as its cells, wider than any edge in the picture. Each pixel by itself: nothing depends
    on what else is in the frame.
    """
    cubes = [plane * plane * plane for plane in planes]
    total = np.maximum(reduce(np.add, cubes), 1e-6)
    return [np.asarray(cube / total, np.float32) for cube in cubes]


def _faded(result: Weights, sharp: list[Plane], radius: int) -> Weights:
    """`result` times how surely each place is kept or changed; an edge between the two is narrow, and no doubt."""
    kept = sharp[_KEPT[0]] + sharp[_KEPT[1]]
    sure = np.abs(2 * kept - 1)
    side = 2 * radius + 1  # wider than the ramp of an edge: its sides are sure
    widely = cv2.dilate(cv2.erode(sure, np.ones((3, 3), np.uint8)), np.ones((side, side), np.uint8))
    if widely.min() >= _UNSURE:
        return result
    fade = _enlarged(cv2.blur(np.minimum(widely / _UNSURE, 1), (side, side)), result.shape[:0:-1])
    result *= fade
    return result


def _enlarged(plane: npt.NDArray[np.float32], size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _shrunk(values: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _split(values: npt.NDArray[Any]) -> list[Plane]:
    """The channels as contiguous planes: arithmetic on them is several times faster."""
    return [np.asarray(plane, np.float32) for plane in cv2.split(values)]


def _fit(weights: list[Plane], guide: list[Plane], radius: int) -> tuple[list[list[Plane]], Plane]:
    """For every weight: window means of the ridge regression's slopes for r, g, b, and its offset.

    Beside them, for all weights together, how far colour explains them: 0 below EXPLAINED, 1 above it.
    """
    mean = [_mean(channel, radius) for channel in guide]
    inverse = _inverse_covariance(guide, mean, radius)
    fitted, explained, variance = [], np.zeros_like(guide[0]), np.full_like(guide[0], _VARIANCE)
    for weight in weights:
        mean_weight = _mean(weight, radius)
        covariance = [_mean(channel * weight, radius) - m * mean_weight for channel, m in zip(guide, mean, strict=True)]
        slopes = [_dot(row, covariance) for row in inverse]
        fitted.append([_mean(plane, radius) for plane in (*slopes, mean_weight - _dot(slopes, mean))])
        explained += _dot(slopes, covariance)
        variance += _mean(weight * weight, radius) - mean_weight * mean_weight
    low, high = EXPLAINED
    return fitted, np.clip((_mean(explained / variance, radius) - low) / (high - low), 0, 1)


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


def _dot(first: list[Plane], second: list[Plane]) -> Plane:
    return np.asarray(first[0] * second[0] + first[1] * second[1] + first[2] * second[2], np.float32)


def _mean(plane: Plane, radius: int) -> Plane:
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)
