"""Fit coarse weights to the edges of the picture: the fast guided filter (He, Sun: "Fast Guided Filter", 2015).

Each weight is written as a linear function of colour in a window, w = a . rgb + b, whose coefficients are fitted at low
resolution (least squares with the ridge `epsilon`) and applied to a larger picture: where the picture has an edge, the
weight gets it too. Where colour explains little of the weight (a face before a patterned wall), the mask's own edge
is better than the picture's, and is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import REGIONS, PixelWeights, PlaneWeights
from livestyle.masks.compiled import COMPILED, NARROW
from livestyle.masks.flow import Plane, split, window_mean

Guide = npt.NDArray[np.float32]
"""(H, W, 3) RGB in [0, 1]: the picture that weights are fitted to."""

Refine = Callable[[PixelWeights, Guide], PlaneWeights]
"""(h, w, R) weights and a guide, at least as large -> (R, H, W) weights with its edges, at its size."""

WINDOW = 0.02
"""Half the window's side, as a share of the picture's longer side: about half a cell of a network with stride 16."""

EPSILON = 0.01**2
"""Ridge: colour contrast (of full scale, squared) below which a texture is not an edge."""

EXPLAINED = (0.3, 0.8)
"""Share of a weight's variance in the window up to which colour is ignored, and above which it alone counts."""

_CERTAIN = 0.99  # weight after sharpening beyond which a pixel is not an edge, unless there is one within the window
_LITTLE = 0.02  # a region whose weight is nowhere larger is not fitted
_VARIANCE = 1e-4  # of a weight in the window: below it there is nothing to explain
_RUN = 32  # pixels that live/masks/_masks.c works on at once: the part with edges begins at a multiple
_UNSURE = 0.6  # certainty between kept and changed in the middle of an area above which the style is applied in full
_KEPT = (REGIONS.index("hair"), REGIONS.index("skin"))


def refine(planes: PixelWeights, guide: Guide) -> PlaneWeights:
    """(h, w, R) weights and the (H, W, 3) guide, H >= h, W >= w -> (R, H, W) weights with its edges.

    Sides are at most 4096 pixels; larger ones raise ValueError where the compiled code does the work.

    Every value is in [0, 1] and the sum over R at most 1: where the weights are uncertain over a whole area between
    what a style keeps (hair, skin) and what it changes, it is less: the style fades there instead of breaking up.
    """
    weights = split(planes)
    sharp = _sharpened(weights)
    radius = _radius(planes)
    fade = _fade(sharp, radius)
    fit = _fitted(sharp, weights, guide, radius)
    return (_applied if COMPILED is None else _applied_compiled)(sharp, fade, fit, guide)


def unrefined(planes: PixelWeights, guide: Guide) -> PlaneWeights:
    """(h, w, R) weights -> (R, h, w): a cheaper `refine`, which leaves the guide's edges out."""
    sharp = _sharpened(split(planes))
    fade = _fade(sharp, _radius(planes))
    return PlaneWeights(np.stack(sharp) if fade is None else np.stack(sharp) * fade)


def _radius(planes: PixelWeights) -> int:
    return max(1, round(WINDOW * max(planes.shape[:2])))


Area = tuple[slice, slice]
"""Rows and columns of a part of a picture or plane."""


def _edges_within(sharp: list[Plane], radius: int, size: tuple[int, int]) -> Area | None:
    """The part of a picture of `size` (width, height) that contains every edge and the window around it."""
    edge = (reduce(cv2.max, sharp) < _CERTAIN).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(edge)
    if width == 0:
        return None
    across, down = size[0] / edge.shape[1], size[1] / edge.shape[0]
    rows = slice(max(0, int((top - radius) * down)), int((top + height + radius) * down) + 1)
    start = max(0, int((left - radius) * across)) // _RUN * _RUN
    return rows, slice(start, int((left + width + radius) * across) + 1)


class _Fit(NamedTuple):
    """What the guided filter found, on the weights' grid."""

    regions: tuple[int, ...]  # the regions that were fitted
    planes: npt.NDArray[np.float32]  # of each: slopes for r, g and b, and the offset; then how far colour explains them
    area: Area  # of the guide: elsewhere colour explains nothing


def _fitted(sharp: list[Plane], weights: list[Plane], guide: Guide, radius: int) -> _Fit:
    """How colour explains the regions that are present, in the part that has edges."""
    area, shape = _edges_within(sharp, radius, (guide.shape[1], guide.shape[0])), weights[0].shape
    if area is None:
        return _Fit((), np.zeros((1, *shape), np.float32), (slice(0, 0), slice(0, 0)))
    regions = tuple(region for region in range(1, len(weights)) if weights[region].max() > _LITTLE)
    part = _coarse(area, guide.shape, shape, radius)
    small = [plane[part] for plane in _shrunk(guide, shape)]
    found = np.zeros((4 * len(regions) + 1, *shape), np.float32)
    fit = _fit if COMPILED is None or small[0].shape[1] < NARROW else _fit_compiled
    found[:, part[0], part[1]] = fit([weights[region][part] for region in regions], small, radius)
    return _Fit(regions, found, area)


def _coarse(area: Area, fine: tuple[int, ...], coarse: tuple[int, ...], radius: int) -> Area:
    """The part of the coarse grid that affects the `area` of the fine one: two windows and a cell more."""
    margin, parts = 2 * radius + 1, []
    for part, large, small in zip(area, fine, coarse, strict=False):
        first, last = part.start * small // large - margin, -(-part.stop * small // large) + margin
        parts.append(slice(max(0, first), min(small, last)))
    return parts[0], parts[1]


def _applied_compiled(sharp: list[Plane], fade: Plane | None, fit: _Fit, guide: Guide) -> PlaneWeights:
    """As `_applied`, by live/masks/_masks.c."""
    assert COMPILED is not None
    result = PlaneWeights(np.empty((len(sharp), *guide.shape[:2]), np.float32))
    bounds = tuple(edge for part, side in zip(fit.area, guide.shape, strict=False) for edge in part.indices(side)[:2])
    COMPILED.refine(
        result,
        result.shape,
        np.ascontiguousarray(guide),
        np.stack(sharp if fade is None else [*sharp, fade]),
        fade is not None,
        fit.regions,
        fit.planes,
        sharp[0].shape,
        bounds,
    )
    return result


def _applied(sharp: list[Plane], fade: Plane | None, fit: _Fit, guide: Guide) -> PlaneWeights:
    """`sharp`, enlarged to the guide's size, mixed with the `fit` applied to the guide, and faded."""
    size = guide.shape[1::-1]
    result = PlaneWeights(np.stack([_enlarged(plane, size) for plane in sharp]))
    if fit.regions:
        _mix(result, fit, guide)
    if fade is not None:
        result *= _enlarged(fade, size)
    return result


def _mix(result: PlaneWeights, fit: _Fit, guide: Guide) -> None:
    area, size = fit.area, guide.shape[1::-1]
    colors = split(guide[area])
    found = np.zeros((len(result), *colors[0].shape), np.float32)
    *coefficients, share = (_enlarged(plane, size)[area] for plane in fit.planes)
    for k, region in enumerate(fit.regions):
        *slopes, offset = coefficients[4 * k : 4 * k + 4]
        # A linear model overshoots at its ends.
        np.clip(_dot(slopes, colors) + offset, 0, 1, out=found[region])
    # The filter is linear and the weights sum to 1, so the first region is what the others leave.
    np.clip(1 - found[1:].sum(axis=0), 0, 1, out=found[0])
    for region, refined in enumerate(_sharpened(list(found))):
        kept = result[region][area]
        np.maximum(kept + share * (refined - kept), 0, out=kept)  # rounding may leave a -1e-20


def _sharpened(planes: list[Plane]) -> list[Plane]:
    """Cubes, made to sum to 1: steepens the ramp between two regions and leaves where both are equal.

    A network's ramp is as wide as its cells, wider than any edge in the picture. Each pixel separately: nothing depends
    on what else is in the frame.
    """
    cubes = [plane * plane * plane for plane in planes]
    total = np.maximum(reduce(np.add, cubes), 1e-6)
    return [np.asarray(cube / total, np.float32) for cube in cubes]


def _fade(sharp: list[Plane], radius: int) -> Plane | None:
    """How certainly each pixel is kept or changed; an edge between the two is narrow and does not count as uncertain.

    None where everything is certain.
    """
    kept = sharp[_KEPT[0]] + sharp[_KEPT[1]]
    sure = np.abs(2 * kept - 1)
    side = 2 * radius + 1  # wider than the ramp of an edge: both of its sides are certain
    widely = cv2.dilate(cv2.erode(sure, np.ones((3, 3), np.uint8)), np.ones((side, side), np.uint8))
    if widely.min() >= _UNSURE:
        return None
    return np.asarray(cv2.blur(np.minimum(widely / np.float32(_UNSURE), 1), (side, side)), np.float32)


def _enlarged(plane: npt.NDArray[np.float32], size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _shrunk(guide: Guide, shape: tuple[int, ...]) -> Sequence[Plane]:
    """The three planes of an (H, W, 3) guide at (h, w) = `shape`: means of what each pixel covers."""
    whole = all(large % small == 0 for large, small in zip(guide.shape, shape, strict=False))
    if COMPILED is None or not whole:
        return split(np.asarray(cv2.resize(guide, shape[::-1], interpolation=cv2.INTER_AREA)))
    result = np.empty((3, *shape), np.float32)
    COMPILED.shrink(result, np.ascontiguousarray(guide), guide.shape[:2], shape)
    return list(result)


def _fit_compiled(weights: list[Plane], guide: list[Plane], radius: int) -> npt.NDArray[np.float32]:
    """As `_fit`, by live/masks/_masks.c."""
    assert COMPILED is not None
    height, width = guide[0].shape
    result = np.empty((4 * len(weights) + 1, height, width), np.float32)
    planes = np.stack([*weights, *guide])
    several = len(weights), height, width
    COMPILED.fit(
        result, planes[: len(weights)], planes[len(weights) :], several, radius, EPSILON, _VARIANCE, *EXPLAINED
    )
    return result


def _fit(weights: list[Plane], guide: list[Plane], radius: int) -> npt.NDArray[np.float32]:
    """For every weight: window means of the ridge regression's slopes for r, g, b, and its offset.

    After them, for all weights together, how far colour explains them: 0 below EXPLAINED, 1 above it.
    """
    mean = [window_mean(channel, radius) for channel in guide]
    inverse = _inverse_covariance(guide, mean, radius)
    fitted: list[Plane] = []
    explained, variance = np.zeros_like(guide[0]), np.full_like(guide[0], _VARIANCE)
    for weight in weights:
        mean_weight = window_mean(weight, radius)
        covariance = [
            window_mean(channel * weight, radius) - m * mean_weight for channel, m in zip(guide, mean, strict=True)
        ]
        slopes = [_dot(row, covariance) for row in inverse]
        fitted += [window_mean(plane, radius) for plane in (*slopes, mean_weight - _dot(slopes, mean))]
        explained += _dot(slopes, covariance)
        variance += window_mean(weight * weight, radius) - mean_weight * mean_weight
    low, high = EXPLAINED
    return np.stack([*fitted, np.clip((window_mean(explained / variance, radius) - low) / (high - low), 0, 1)])


def _inverse_covariance(guide: list[Plane], mean: list[Plane], radius: int) -> list[list[Plane]]:
    """3 x 3 planes: inverse of the window's colour covariance plus the ridge, by cofactors.

    In double precision: without colour in the picture they nearly cancel.
    """
    wide = [channel.astype(np.float64) for channel in mean]

    def entry(i: int, j: int) -> npt.NDArray[np.float64]:
        return window_mean(guide[i] * guide[j], radius) - wide[i] * wide[j] + (EPSILON if i == j else 0)

    rr, rg, rb, gg, gb, bb = entry(0, 0), entry(0, 1), entry(0, 2), entry(1, 1), entry(1, 2), entry(2, 2)
    i_rr, i_rg, i_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    i_gg, i_gb, i_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * i_rr + rg * i_rg + rb * i_rb)
    rows = [[i_rr, i_rg, i_rb], [i_rg, i_gg, i_gb], [i_rb, i_gb, i_bb]]
    return [[np.asarray(cofactor * scale, np.float32) for cofactor in row] for row in rows]


def _dot(first: list[Plane], second: list[Plane]) -> Plane:
    return np.asarray(first[0] * second[0] + first[1] * second[1] + first[2] * second[2], np.float32)
