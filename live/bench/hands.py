"""Hands that can be raised before people: drawn ones, and those of the labelled sets, on a sleeve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.bench.layers import Image, Layer, Planes, cut_out
from livestyle.frame import REGIONS

Color = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

HAND = 0.42
"""Of a raised arm's height: the hand with its wrist; the rest is sleeve."""

SETS = ("hands", "webcam_hands")
_EACH = 8  # hands taken from a set at most
_LEAST = 80  # pixels of a hand's height: of less, fingers cannot be told
_HIDDEN = 0.12  # of a hand's height: so much of the wrist is in the sleeve
_AROUND = (120, 120, 120)
_SKIN, _CLOTHES = REGIONS.index("skin"), REGIONS.index("clothes")


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """A hand with its fingers upwards."""

    pixels: Image  # (H, W, 3) RGB
    inside: Mask  # (H, W): the hand
    sure: Mask  # (H, W): what is certainly skin; the rest of the hand may be anything


def raised(hand: Hand, height: int, owner: Layer | None) -> Layer:
    """The hand on a sleeve, `height` pixels high in all, in the skin tone and clothes of `owner` where known."""
    tall, wide = hand.inside.shape
    rows = round(tall / HAND)
    columns = 2 * max(wide, rows // 3)
    middle, width = _wrist(hand.inside)
    left = columns // 2 - middle
    across = slice(max(left, 0), min(left + wide, columns))
    of = slice(across.start - left, across.stop - left)
    pixels = np.full((rows, columns, 3), _AROUND, np.uint8)
    inside, sure, sleeve = (np.zeros((rows, columns), np.uint8) for _ in range(3))
    pixels[:tall, across] = _toned(hand, owner)[:, of]
    inside[:tall, across], sure[:tall, across] = hand.inside[:, of], hand.sure[:, of]
    cv2.fillConvexPoly(sleeve, _sleeve(columns // 2, width, round(tall * (1 - _HIDDEN)), rows), 1)
    pixels[sleeve > 0] = _cloth(owner)
    return cut_out(pixels, (inside | sleeve) > 0, *_regions(inside > 0, sure > 0, sleeve > 0), height)


def _wrist(inside: Mask) -> tuple[int, int]:
    """Column of the middle and width of the hand where the sleeve begins."""
    found = np.flatnonzero(inside[round(len(inside) * (1 - _HIDDEN))])
    if len(found) == 0:
        return inside.shape[1] // 2, inside.shape[1] // 2
    return int(found.mean()), int(np.ptp(found)) + 1


def _sleeve(middle: int, width: int, top: int, bottom: int) -> npt.NDArray[np.int32]:
    """Corners of a sleeve that is somewhat wider than the wrist and wider still at the elbow."""
    return np.array([[middle - 0.65 * width, top], [middle + 0.65 * width, top],
                     [middle + 0.95 * width, bottom], [middle - 0.95 * width, bottom]], np.int32)  # fmt: skip


def _regions(inside: Mask, sure: Mask, sleeve: Mask) -> tuple[Planes, Planes]:
    """(H, W, R) of {0, 1}: the regions that each pixel surely is and may be."""
    surely = np.zeros((*inside.shape, len(REGIONS)), np.float32)
    surely[..., 0] = ~(inside | sleeve)
    surely[..., _SKIN], surely[..., _CLOTHES] = sure & ~sleeve, sleeve
    unknown = inside & ~sure & ~sleeve
    return surely, np.maximum(surely, unknown[..., np.newaxis])


def _toned(hand: Hand, owner: Layer | None) -> Image:
    """The hand in the skin tone of the `owner`, if that is to be seen."""
    wanted = _median(owner, _SKIN)
    if wanted is None:
        return hand.pixels
    gain = np.clip((wanted + 4) / (np.median(hand.pixels[hand.sure], axis=0) + 4), 0.3, 3)
    return np.clip(hand.pixels * gain, 0, 255).astype(np.uint8)


def _cloth(owner: Layer | None) -> Color:
    wanted = _median(owner, _CLOTHES)
    return np.array((70, 74, 90), np.float32) if wanted is None else wanted


def _median(owner: Layer | None, region: int) -> Color | None:
    """The median colour of what surely is the region; None where that is too little."""
    if owner is None:
        return None
    there = (owner.least[..., region] > 0.95) & (owner.cover > 0.95)
    return np.asarray(np.median(owner.pixels[there], axis=0), np.float32) if there.sum() > 200 else None


def drawn(texture: npt.NDArray[np.float32], color: tuple[int, int, int]) -> Hand:
    """A drawn hand with spread fingers, as large as the (H, W) `texture`; all of it is certain."""
    height, width = texture.shape
    mask = np.zeros((height, width), np.uint8)
    palm, middle = (width // 2, round(0.62 * height)), width // 2
    cv2.ellipse(mask, palm, (round(0.24 * width), round(0.2 * height)), 0, 0, 360, 1, -1)
    cv2.rectangle(mask, (middle - round(0.13 * width), palm[1]), (middle + round(0.13 * width), height - 1), 1, -1)
    for lean, reach in ((-0.75, 0.42), (-0.28, 0.54), (-0.04, 0.58), (0.2, 0.55), (0.42, 0.46)):
        tip = round(middle + lean * reach * width), round(palm[1] - reach * height * (1 - 0.35 * abs(lean)))
        root = round(middle + 0.42 * lean * width), round(palm[1] - 0.06 * height)
        cv2.line(mask, root, tip, 1, max(3, round(0.1 * width)))
    pixels = np.asarray(color, np.float32) + texture[..., np.newaxis]
    pixels[mask == 0] = _AROUND
    return Hand(np.clip(pixels, 0, 255).astype(np.uint8), mask > 0, mask > 0)


@lru_cache(maxsize=2)
def labelled_hands(data: Path) -> list[Hand]:
    """Hands of the validation people of SETS in the folder `data`. Raises what opening a set raises."""
    from livestyle.training.hands import hands_of
    from livestyle.training.reader import LabelledSet
    from livestyle.training.sets import find_set

    by_set: list[list[Hand]] = []
    for name in SETS:
        labelled = LabelledSet(find_set(name), data, validation=True, keep=False)
        found: list[Hand] = []
        for index in np.random.default_rng(0).permutation(len(labelled)).tolist():
            picture = labelled.picture(index)
            limbs = hands_of(picture) if picture is not None and len(found) < _EACH else []
            hands = [_upright(limb.pixels, limb.alpha > 127, limb.sure, limb.along) for limb in limbs]
            found += [hand for hand in hands if _usable(hand)]
        by_set.append(found[:_EACH])
    return [hand for turn in zip(*by_set, strict=False) for hand in turn]


def _usable(hand: Hand) -> bool:
    """Large enough, mostly where labels say so, and with a wrist to put into a sleeve."""
    tall, wide = hand.inside.shape
    wrist = _wrist(hand.inside)[1] / wide
    return tall >= _LEAST and hand.sure.sum() > 0.5 * hand.inside.sum() and 0.25 < wrist < 0.9


def _upright(pixels: Image, inside: Mask, sure: Mask, along: npt.NDArray[np.float64]) -> Hand:
    """Turned so that `along`, the direction from the fingers to the elbow, points down; cropped to the hand."""
    height, width = inside.shape
    side = int(np.ceil(np.hypot(height, width)))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.degrees(np.arctan2(along[1], along[0]))) - 90, 1)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    colors = cv2.warpAffine(pixels, turn, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    hand, skin = (cv2.warpAffine(one.astype(np.uint8), turn, (side, side), flags=cv2.INTER_NEAREST) > 0
                  for one in (inside, sure))  # fmt: skip
    x, y, wide, tall = cv2.boundingRect(hand.astype(np.uint8))
    part = np.s_[y : y + tall, x : x + wide]
    return Hand(np.ascontiguousarray(colors[part], np.uint8), hand[part], skin[part])
