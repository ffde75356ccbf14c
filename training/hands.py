"""Hands and forearms over faces, bodies and empty rooms, cut out of the sets whose labels tell arms or hands apart.

People at a webcam touch their face, push back their hair, hold up a cup, wave; hardly any set has a label for that.
Sets of hands label the hand and, around it, what is surely none of it; what lies between is decided by colour here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.training.backdrops import Backdrops
from livestyle.training.classes import ANY, BACKGROUND, Members, member_bits, region_bits, surely, surely_not
from livestyle.training.reader import LabelledSet, Picture, gathered

Image = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float64]

ARMS = member_bits(["arms"])
_HEAD = member_bits(["hair", "face"])
_SKIN = region_bits("skin")
_THING = member_bits(["background", "clothes", "accessories"])  # a cup, a phone: neither hair nor skin

_SMALLEST = 700  # pixels of a limb: of less, too little is left of the fingers
_REACH = 0.55  # of a hand's length: how much of what lies around it is kept, for the wrist
_HEAD_OF_HAND = 1.1  # square root of a head's area in units of a hand's length
_ROUNDS = 3  # iterations of GrabCut


@dataclass(frozen=True, slots=True)
class Limb:
    """A hand with as much of its arm as a picture shows."""

    pixels: Image  # (H, W, 3) RGB
    alpha: Image  # (H, W): 255 on the limb
    sure: npt.NDArray[np.bool_]  # (H, W): where labels say that it is one; elsewhere its colour does
    tip: Vector  # (x, y) of its far end, the fingers
    along: Vector  # unit vector from the fingers towards the elbow
    head: float  # square root of the area in pixels of its owner's head
    color: Vector  # (3,) median RGB


def _cleaned(pixels: Image, part: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """`part` without the strips of sleeve and wall that labels made by a machine leave along its edge."""
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.int16)
    away = np.abs(lab - np.median(lab[part], axis=0).astype(np.int16))
    like = part & (away[..., 0] < 70) & (away[..., 1:].max(-1) < 14)
    return np.asarray(cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0)


def _axis(points: Vector, head: Vector) -> tuple[Vector, Vector]:
    """The end farther from the head, and the unit vector from there along the longest extent, for points (N, 2)."""
    middle = points.mean(0)
    direction = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    along = (points - middle) @ direction
    ends = [middle + np.quantile(along, q) * direction for q in (0.03, 0.97)]
    near, far = sorted(ends, key=lambda end: float(np.hypot(*(end - head))))
    return far, (near - far) / max(float(np.hypot(*(near - far))), 1e-6)


def _limb(picture: Picture, part: npt.NDArray[np.bool_], head: Vector, size: float) -> Limb | None:
    """The limb on the pixels of `part`, or None where they are too few or of too many colours to be one."""
    clean = _cleaned(picture.pixels, part)
    if clean.sum() < max(_SMALLEST, 0.75 * part.sum()):
        return None
    points = np.argwhere(clean)[:, ::-1].astype(np.float64)
    tip, along = _axis(points, head)
    (x, y), (right, bottom) = (points.min(0).astype(int) - 2).clip(0), points.max(0).astype(int) + 3
    pixels = np.ascontiguousarray(picture.pixels[y:bottom, x:right])
    inside = np.ascontiguousarray(clean[y:bottom, x:right])
    alpha = np.asarray(cv2.blur(inside.astype(np.uint8) * 255, (3, 3)), np.uint8)
    return Limb(pixels, alpha, inside, tip - (x, y), along, size, np.median(pixels[inside], axis=0))


def limbs_of(picture: Picture) -> list[Limb]:
    """The arms of a picture that also shows whose they are; none where labels do not tell arms."""
    head = np.argwhere(surely(picture.members, _HEAD))[:, ::-1]
    arms = surely(picture.members, ARMS)
    if len(head) < 100 or arms.sum() < _SMALLEST:
        return []
    _, parts, stats, _ = cv2.connectedComponentsWithStats(arms.astype(np.uint8))
    large = [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] >= _SMALLEST]
    found = [_limb(picture, parts == k, head.mean(0), float(np.sqrt(len(head)))) for k in large]
    return [limb for limb in found if limb is not None]


def _grown(region: npt.NDArray[np.bool_], pixels: int) -> npt.NDArray[np.bool_]:
    return np.asarray(cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=pixels) > 0)


def _wrist(around: npt.NDArray[np.bool_], hand: npt.NDArray[np.bool_], length: float) -> Vector | None:
    """Unit vector from a hand towards its wrist, where the ring of what is surely no hand has its gap."""
    near, closest = (_grown(hand, max(2, int(share * length))) for share in (0.25, 0.1))
    gap = np.argwhere(near & ~around & ~closest)[:, ::-1]
    if len(gap) < 10:
        return None
    towards = gap.mean(0) - np.argwhere(hand)[:, ::-1].mean(0)
    reach = float(np.hypot(*towards))
    return towards / reach if reach > 0.03 * length else None


def _cut_by_color(pixels: Image, hand: npt.NDArray[np.bool_], around: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The hand with its edge and wrist: GrabCut (Rother, Kolmogorov, Blake 2004) where labels leave it open."""
    trimap = np.where(around, np.uint8(cv2.GC_BGD), np.uint8(cv2.GC_PR_BGD))
    trimap[_grown(hand, 3) & ~around] = cv2.GC_PR_FGD
    trimap[hand] = cv2.GC_FGD
    cv2.setRNGSeed(0)  # GrabCut clusters colours from random starts
    models = np.zeros((2, 1, 65))
    cv2.grabCut(pixels[..., ::-1].copy(), trimap, None, models[0], models[1], _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = ((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts = cv2.connectedComponents(found)
    return np.asarray(np.isin(parts, np.unique(parts[hand])) & (found > 0))


def _hand(picture: Picture, part: npt.NDArray[np.bool_]) -> Limb | None:
    """The hand on the pixels of `part`, or None where it is too small or its wrist cannot be told."""
    points = np.argwhere(part)[:, ::-1]
    (x, y), (right, bottom) = points.min(0), points.max(0) + 1
    length = float(max(right - x, bottom - y))
    margin = int(_REACH * length)
    cut = (slice(max(y - margin, 0), bottom + margin), slice(max(x - margin, 0), right + margin))
    pixels, hand = np.ascontiguousarray(picture.pixels[cut]), part[cut]
    around = surely_not(picture.members[cut], ARMS)
    along = _wrist(around, hand, length)
    if along is None or not around.any():
        return None
    found = _cut_by_color(pixels, hand, around)
    if found.sum() > 2.5 * hand.sum():  # the wall has the colour of the hand
        return None
    alpha = np.asarray(cv2.blur(found.astype(np.uint8) * 255, (3, 3)), np.uint8)
    inside = np.argwhere(hand)[:, ::-1].astype(np.float64)
    tip = inside[np.argmin((inside - inside.mean(0)) @ along)]
    return Limb(pixels, alpha, hand, tip, along, _HEAD_OF_HAND * length, np.median(pixels[hand], axis=0))


def hands_of(picture: Picture) -> list[Limb]:
    """The hands of a picture whose labels tell hands and what surrounds them, and leave the rest open."""
    sure = surely(picture.members, ARMS)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(sure.astype(np.uint8))
    large = [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] >= _SMALLEST]
    found = [_hand(picture, parts == k) for k in large]
    return [hand for hand in found if hand is not None]


def find_limbs(sets: list[LabelledSet], limit: int, threads: int = 1) -> list[Limb]:
    """Up to `limit` limbs, in equal shares of the sets that have a label for arms or hands."""
    sources = [labelled for labelled in sets if ARMS in labelled.described.labels.values()]
    limbs: list[Limb] = []
    for labelled in sources:
        of = hands_of if ANY in labelled.described.labels.values() else limbs_of
        order = np.random.default_rng(0).permutation(len(labelled)).tolist()  # neighbours often show the same person
        limbs += gathered(labelled, order, of, -(-limit // len(sources)), threads)
    return limbs


def _place(rng: np.random.Generator, members: Members) -> tuple[Vector, float] | None:
    """Where fingers may be, and the square root of the head's area there, in pixels; None where nobody is.

    Where labels tell no head, the upper part of what is surely a person stands for it.
    """
    small = members[::4, ::4]
    found = np.argwhere(surely(small, _HEAD | _SKIN))
    size = 4.0 * np.sqrt(len(found))
    if len(found) < 0.004 * small.size:
        found = np.argwhere(surely_not(small, BACKGROUND))
        size = 1.6 * np.sqrt(len(found))
        found = found[: max(1, 2 * len(found) // 5)]  # argwhere goes from top to bottom
    if len(found) < 0.004 * small.size:
        return None
    row, column = found[rng.integers(len(found))] * 4.0
    return np.array([column, row]) + rng.normal(0, 0.2 * size, 2), float(size)


def _motion(rng: np.random.Generator, limb: Limb, target: Vector, size: float) -> npt.NDArray[np.float64]:
    """(2, 3) map of the limb's pixels to the sample's: fingers at `target`, the elbow somewhere below."""
    # Hands before the face are nearer to the camera than it is.
    scale = float(np.clip(size / limb.head * np.exp(rng.uniform(-0.25, 0.45)), 0.3, 4.0))
    flip = np.diag([-1.0 if rng.random() < 0.5 else 1.0, 1.0])
    now, wanted = np.arctan2(*(flip @ limb.along)[::-1]), np.pi / 2 + rng.normal(0, 0.7)
    turn = np.array(
        [
            [np.cos(wanted - now), -np.sin(wanted - now)],
            [np.sin(wanted - now), np.cos(wanted - now)],
        ]
    )
    linear = scale * turn @ flip
    return np.column_stack([linear, target - linear @ limb.tip])


def _tinted(rng: np.random.Generator, limb: Limb, pixels: Image, members: Members) -> Image:
    """The limb in the light and skin tone of the person it is laid over, where labels show the skin."""
    skin = pixels[::4, ::4][surely(members[::4, ::4], _SKIN)]
    wanted = np.median(skin, axis=0) if len(skin) > 20 and rng.random() < 0.8 else limb.color
    gain = np.clip((wanted + 4) / (limb.color + 4), 0.2, 2.0) * np.exp(rng.normal(0, 0.05, 3) + rng.normal(0, 0.1))
    table = np.clip(np.arange(256)[:, None, None] * gain, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(limb.pixels, table), np.uint8)


def _laid(under: Image, over: Image, alpha: Image) -> Image:
    """`over` on `under`, with the faint shadow that it throws around itself."""
    shadow = cv2.blur(alpha, (len(under) // 16 | 1,) * 2)
    weight, shade = alpha[..., None].astype(np.uint16), 255 - shadow[..., None].astype(np.uint16) // 3
    return ((over * weight + under * shade // 255 * (255 - weight)) // 255).astype(np.uint8)


def _thing(rng: np.random.Generator, target: Vector, head: float, size: int) -> Image:
    """(size, size) alpha of a rounded box about as large as a phone or a cup."""
    box = (head * np.exp(rng.uniform(-1.4, -0.3, 2))).clip(3, size / 2)
    corners = cv2.boxPoints((tuple(target), tuple(box), float(rng.normal(0, 25))))
    alpha = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(alpha, np.rint(corners).astype(np.int32), 255)
    cv2.polylines(alpha, [np.rint(corners).astype(np.int32)], True, 255, max(1, int(box.min() / 6)))
    return np.asarray(cv2.blur(alpha, (3, 3)), np.uint8)


def _swept(image: Image, length: int, angle: float) -> Image:
    """`image` as it looks when it moves by `length` pixels at `angle` radians while the shutter is open."""
    kernel = np.zeros((length, length), np.float32)
    middle, reach = (length - 1) / 2, length / 2 * np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(np.rint(middle + sign * reach).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


class Hands:
    """Lays hands, some of them holding something, some moving fast, over people and empty places."""

    def __init__(self, limbs: list[Limb], holding: float = 0.3, fast: float = 0.2) -> None:
        self._limbs = limbs
        self._holding = holding
        self._fast = fast

    def over(
        self, rng: np.random.Generator, pixels: Image, members: Members, backdrops: Backdrops
    ) -> tuple[Image, Members]:
        """A (size, size, 3) sample and its labels with a hand at the head; as it was where nobody is."""
        place = _place(rng, members)
        if place is None or not self._limbs:
            return pixels, members
        target, head = place
        limb, size = self._limbs[rng.integers(len(self._limbs))], len(pixels)
        tinted = _tinted(rng, limb, pixels, members)
        if rng.random() < self._holding:
            alpha = _thing(rng, target, head, size)
            pixels = _laid(pixels, backdrops.draw(rng, size), alpha)
            members = np.where(alpha < 128, members, np.uint8(_THING))
        return self._lay(rng, pixels, members, limb, tinted, _motion(rng, limb, target, head))

    def alone(self, rng: np.random.Generator, pixels: Image, members: Members) -> tuple[Image, Members]:
        """A picture of a place with a hand that reaches into it from outside: whose it is cannot be seen."""
        if not self._limbs:
            return pixels, members
        limb, size = self._limbs[rng.integers(len(self._limbs))], len(pixels)
        head = size * float(np.exp(rng.uniform(np.log(0.1), np.log(0.7))))
        motion = _motion(rng, limb, np.array([0.0, 0.0]), head)
        placed = np.argwhere(limb.alpha > 127)[:, ::-1] @ motion[:, :2].T + motion[:, 2]
        x = rng.uniform(0.1, 0.9) * size - placed[:, 0].mean()
        y = size * rng.uniform(1.0, 1.1) - placed[:, 1].max()  # no arm ends inside the picture
        motion[:, 2] += x, y
        if rng.random() < 0.6:  # not from below but from the side
            turn = np.array([[0.0, -1.0], [1.0, 0.0]]) if rng.random() < 0.5 else np.array([[0.0, 1.0], [-1.0, 0.0]])
            middle = np.array([size / 2, size / 2])
            motion = np.column_stack([turn @ motion[:, :2], turn @ (motion[:, 2] - middle) + middle])
        return self._lay(rng, pixels, members, limb, limb.pixels, motion)

    def _lay(
        self,
        rng: np.random.Generator,
        pixels: Image,
        members: Members,
        limb: Limb,
        tinted: Image,
        motion: npt.NDArray[np.float64],
    ) -> tuple[Image, Members]:
        size = len(pixels)
        alpha = np.asarray(cv2.warpAffine(limb.alpha, motion, (size, size)), np.uint8)
        arm = np.asarray(cv2.warpAffine(tinted, motion, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        if rng.random() < self._fast:
            length, angle = int(rng.uniform(0.01, 0.06) * size) | 1, float(rng.uniform(0, np.pi))
            if length > 1:
                alpha, arm = (_swept(image, length, angle) for image in (alpha, arm))
        return _laid(pixels, arm, alpha), np.where(alpha < 128, members, np.uint8(ARMS))
