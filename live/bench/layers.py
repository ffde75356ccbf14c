"""Pictures that can be laid over one another, each knowing what region its pixels are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import REGIONS

Image = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Planes = npt.NDArray[np.float32]

BACKGROUND = REGIONS.index("background")

_RIM = 0.015  # of a person's width, by which labels may be off: so near the outline colours decide
_CONTRAST = 30.0  # of 255, distance of two colours below which a mixture of them tells nothing


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One picture with a soft outline and its regions, as far as its labels say for certain."""

    pixels: Image  # (H, W, 3) RGB; under a soft outline, what the thing itself would look like there
    cover: Plane  # (H, W) in [0, 1]: how much of a pixel the layer hides
    least: Planes  # (H, W, R) in [0, 1]: share of a pixel that surely is each region
    most: Planes  # (H, W, R): share that may be; equal to `least` where the label is certain

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.cover.shape[1], self.cover.shape[0]


def flat(pixels: Image, region: int = BACKGROUND) -> Layer:
    """A layer without outline that is all of one region."""
    height, width = pixels.shape[:2]
    planes = np.zeros((height, width, len(REGIONS)), np.float32)
    planes[..., region] = 1
    return Layer(pixels, np.ones((height, width), np.float32), planes, planes)


def cut_out(pixels: Image, person: npt.NDArray[np.bool_], sure: Planes, maybe: Planes, height: int) -> Layer:
    """`person`, a part of `pixels`, cut out, cropped to itself and enlarged to `height` pixels.

    `sure` and `maybe`: (H, W, R) of {0, 1}, the regions that a pixel surely is and may be. The outline is the label's
    less what has the colour of the old surroundings, and as soft as the picture itself: labels are some pixels off, and
    whoever follows the edges of the picture would be called wrong for leaving out a rim of another place.
    """
    x, y, width, tall = cv2.boundingRect(person.astype(np.uint8))
    part = np.s_[y : y + tall, x : x + width]
    inside = np.ascontiguousarray(person[part], np.uint8)
    size = max(1, round(width * height / tall)), height
    matte = np.ascontiguousarray(_matte(pixels, person.astype(np.uint8))[part])
    core = (matte > 0.9).astype(np.uint8)
    cover = _softened(matte, size)
    least = _carried_on(sure[part], inside, size)
    most = least if np.array_equal(sure[part], maybe[part]) else _carried_on(maybe[part], inside, size)
    colors = _beyond_edge(np.ascontiguousarray(pixels[part]), core)
    return Layer(np.asarray(cv2.resize(colors, size, interpolation=cv2.INTER_CUBIC), np.uint8), cover, least, most)


def _matte(pixels: Image, inside: Image) -> Plane:
    """(H, W) in [0, 1]: how much of each labelled pixel is person.

    Near the outline a colour is taken for a mixture of the person's further in and of the surroundings' further out;
    where the two hardly differ nothing can be told, and the label holds, a pixel tighter.
    """
    tight, rim = _shrunk(inside, 1).astype(np.float32), max(1, round(_RIM * cv2.boundingRect(inside)[2]))
    core = _shrunk(inside, rim)
    (person, have), (around, see) = (_local_mean(pixels, one, rim) for one in (core, _shrunk(1 - inside, 2)))
    apart = person - around
    contrast = (apart**2).sum(axis=2)
    share = ((pixels - around) * apart).sum(axis=2) / np.maximum(contrast, 1)
    telling = (contrast > _CONTRAST**2) & (have > 0) & (see > 0) & (core == 0)
    matte = np.where(telling, np.clip((share - 0.2) / 0.5, 0, 1), 1) * tight
    matte = np.where(_holes(matte <= 0.5, tight == 0), tight, matte)
    return np.asarray(matte * _largest(matte > 0.5), np.float32)


def _holes(gone: npt.NDArray[np.bool_], outside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The parts of `gone` that are not connected with `outside`: nothing shines through there."""
    count, parts = cv2.connectedComponents(gone.astype(np.uint8), connectivity=4)
    open_ = np.zeros(count, bool)
    open_[parts[outside & gone]] = True
    return np.asarray(gone & ~open_[parts])


def _shrunk(mask: Image, by: int) -> Image:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    return np.asarray(cv2.erode(mask, disc, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _local_mean(pixels: Image, where: Image, rim: int) -> tuple[Planes, Plane]:
    """Mean colour of the nearby pixels in `where`, and how many of the nearby pixels these are."""
    side, weight = (4 * rim + 1, 4 * rim + 1), where.astype(np.float32)
    share = np.asarray(cv2.blur(weight, side), np.float32)
    mean = cv2.blur(pixels * weight[..., np.newaxis], side) / np.maximum(share, 1e-6)[..., np.newaxis]
    return np.asarray(mean, np.float32), share


def _largest(mask: npt.NDArray[np.bool_]) -> Plane:
    """1 on the largest connected part of `mask` and the pixels that touch it."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else 0
    return np.asarray(cv2.dilate((parts == largest).astype(np.float32), np.ones((3, 3), np.uint8)))


def _softened(matte: Plane, size: tuple[int, int]) -> Plane:
    soft = cv2.GaussianBlur(matte, (0, 0), 0.8, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(cv2.resize(soft, size, interpolation=cv2.INTER_CUBIC) * 1.6 - 0.3, 0, 1), np.float32)


def _carried_on(planes: Planes, inside: Image, size: tuple[int, int]) -> Planes:
    spread = np.dstack([_spread(plane, inside) for plane in cv2.split(planes)])
    soft = cv2.resize(cv2.GaussianBlur(spread, (0, 0), 0.6), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(soft, 0, 1), np.float32)


def _spread(plane: Any, inside: Image) -> Plane:
    """`plane` as it is inside, and beyond the outline as at the nearest place inside."""
    weight = inside.astype(np.float32)
    near = cv2.blur(plane * weight, (9, 9)) / np.maximum(cv2.blur(weight, (9, 9)), 1e-6)
    return np.where(inside > 0, plane, near).astype(np.float32)


def _beyond_edge(pixels: Image, core: Image) -> Image:
    """`pixels` inside `core`; around it its own colours carried on, where the old surroundings were."""
    weight = core.astype(np.float32)[..., np.newaxis]
    around = pixels.astype(np.float32)
    for side in (31, 7):
        mean = cv2.blur(weight, (side, side))[..., np.newaxis]
        near = cv2.blur(pixels * weight, (side, side)) / np.maximum(mean, 1e-6)
        around = np.where(mean > 0.02, near, around)
    return np.where(weight > 0, pixels, np.clip(around, 0, 255)).astype(np.uint8)
