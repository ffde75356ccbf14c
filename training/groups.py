"""Groups and people in the distance, composed of people cut out of the sets.

The sets show one person a picture, near the camera. In a meeting room or a family photo there are many, with faces of
a few dozen pixels, one partly before the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.training.augment import composite
from livestyle.training.backdrops import Backdrops
from livestyle.training.classes import BACKGROUND, Members, member_bits, surely, surely_not
from livestyle.training.reader import LabelledSet, Picture, Shown, gathered

Image = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]  # x, y, width, height

_FACE, _HEAD = member_bits(["face"]), member_bits(["hair", "face"])

_KEPT_HEAD = 132  # pixels of a head's height to which people are shrunk: the largest that a group shows, and a little
_SMALLEST_HEAD = 24  # pixels: of less, too little is left to be shrunk again
_HEADS_TALL = 7.2  # heights of a head in the height of a standing adult


@dataclass(frozen=True, slots=True)
class Framing:
    """How near and how many the people of a composed picture are."""

    heads: tuple[float, float] = (14 / 384, 120 / 384)  # heights of heads in the first row, shares of the picture's
    rows: tuple[int, int] = (1, 3)  # rows of people: least, most
    across: int = 8  # people in a row at most
    table: float = 0.7  # probability of something in front where pictures of people ended


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody cut out, cropped to what is shown of them."""

    pixels: Image  # (H, W, 3) RGB
    members: Members  # (H, W)
    alpha: Image  # (H, W): 255 on the person
    head: float  # height of the head in pixels, about
    whole: bool  # down to the feet: nothing has to hide where the picture ended


def _bounds(region: npt.NDArray[np.bool_]) -> Box:
    x, y, width, height = cv2.boundingRect(region.astype(np.uint8))
    return x, y, width, height


def _alpha(picture: Picture) -> Image | None:
    """Where the people are, 0 or 255; None where labels leave it open."""
    if picture.cutout is not None:
        return picture.cutout
    background, people = picture.members == BACKGROUND, surely_not(picture.members, BACKGROUND)
    decided = (background | people).mean() > 0.97
    return np.where(background, 0, 255).astype(np.uint8) if decided and people.any() else None


def _head_height(members: Members, box: Box, ends: bool) -> float:
    """About the height of the head: from its labels, or from how tall or wide the person is."""
    head = surely(members, _HEAD)
    if surely(members, _FACE).sum() > 100 and head.any():
        return float(_bounds(head)[3])
    _, _, width, height = box
    return height / _HEADS_TALL if ends and height > 2 * width else 0.5 * min(width, height)


def person_of(picture: Picture) -> Person | None:
    """The largest person of a picture whose labels tell people from the rest, or None."""
    alpha = _alpha(picture)
    if alpha is None or not alpha.any():
        return None
    _, parts, stats, _ = cv2.connectedComponentsWithStats((alpha > 127).astype(np.uint8))
    largest = parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else alpha > 127
    if largest.mean() < 0.03:
        return None
    x, y, width, height = _bounds(largest)
    whole = y + height < len(alpha) - 2
    head = _head_height(picture.members, (x, y, width, height), whole)
    if head < _SMALLEST_HEAD:
        return None
    cut = (slice(y, y + height), slice(x, x + width))
    cropped = np.where(largest, np.uint8(255), np.uint8(0))[cut]
    person = Person(picture.pixels[cut], picture.members[cut], cropped, head, whole)
    return _resized(person, _KEPT_HEAD) if head > _KEPT_HEAD else person


def _mirrored(person: Person) -> Person:
    return replace(person, pixels=person.pixels[:, ::-1], members=person.members[:, ::-1], alpha=person.alpha[:, ::-1])


def _resized(person: Person, head: float) -> Person:
    height, width = person.alpha.shape
    size = max(1, round(width * head / person.head)), max(1, round(height * head / person.head))
    kind = cv2.INTER_AREA if head < person.head else cv2.INTER_LINEAR
    return Person(
        np.asarray(cv2.resize(person.pixels, size, interpolation=kind), np.uint8),
        np.asarray(cv2.resize(person.members, size, interpolation=cv2.INTER_NEAREST), np.uint8),
        np.asarray(cv2.resize(person.alpha, size, interpolation=kind), np.uint8),
        head,
        person.whole,
    )


def find_people(sets: list[LabelledSet], limit: int, threads: int = 1) -> list[Person]:
    """Up to `limit` people, in equal shares of the sets that people can be cut out of."""
    sources = [labelled for labelled in sets if labelled.described.cutout or labelled.described.backdrops]
    people: list[Person] = []
    for labelled in sources:
        people += gathered(labelled, range(len(labelled)), _people, -(-limit // len(sources)), threads)
    return people


def _people(picture: Picture) -> list[Person]:
    person = person_of(picture)
    return [] if person is None else [person]


def _shaded(rng: np.random.Generator, pixels: Image) -> Image:
    """Each in a light of their own, a little."""
    gain = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.03, 3))
    table = np.clip(np.arange(256)[:, None, None] * gain, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A picture in the making."""

    pixels: Image
    members: Members
    number: Image
    heads: list[float]


def _put(canvas: _Canvas, person: Person, left: int, top: int) -> None:
    """Lay a person over a picture, in place."""
    pixels, members, size = canvas.pixels, canvas.members, len(canvas.pixels)
    height, width = person.alpha.shape
    y0, y1, x0, x1 = max(top, 0), min(top + height, size), max(left, 0), min(left + width, size)
    if y0 >= y1 or x0 >= x1:
        return
    source = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    target = (slice(y0, y1), slice(x0, x1))
    alpha = np.asarray(cv2.blur(person.alpha, (3, 3)), np.uint8)[source]
    pixels[target] = composite(person.pixels[source], pixels[target], alpha)
    members[target] = np.where(alpha < 128, members[target], person.members[source])
    canvas.heads.append(person.head)
    canvas.number[target][alpha >= 128] = len(canvas.heads)


class Groups:
    """Draws samples of one to some twenty people before one background."""

    def __init__(self, people: list[Person], framing: Framing | None = None) -> None:
        self._people = people
        self._framing = framing or Framing()

    def __bool__(self) -> bool:
        return bool(self._people)

    def draw(self, rng: np.random.Generator, size: int, backdrops: Backdrops) -> tuple[Image, Members]:
        """A (size, size, 3) sample and its labels: rows of people, those in front larger and lower."""
        pixels, members, _ = self.compose(rng, size, backdrops)
        return pixels, members

    def compose(self, rng: np.random.Generator, size: int, backdrops: Backdrops) -> tuple[Image, Members, Shown]:
        """As `draw`, and who is where."""
        pixels = np.ascontiguousarray(backdrops.draw(rng, size))
        members = np.full((size, size), BACKGROUND, np.uint8)
        canvas = _Canvas(pixels, members, np.zeros((size, size), np.uint8), [])
        head = float(np.exp(rng.uniform(*np.log(self._framing.heads)))) * size
        top = rng.uniform(-0.3, 3) * head if head > 0.12 * size else rng.uniform(0.02, 0.6) * size
        for _ in range(int(rng.integers(self._framing.rows[0], self._framing.rows[1] + 1))):
            bottom = self._row(rng, canvas, head, top)
            head, top = head * rng.uniform(1.05, 1.3), top + head * rng.uniform(1.0, 2.2)
        if bottom < size and rng.random() < self._framing.table:
            self._table(rng, canvas, int(bottom), backdrops)
        return pixels, members, Shown(canvas.number, tuple(canvas.heads))

    def _row(self, rng: np.random.Generator, canvas: _Canvas, head: float, top: float) -> float:
        """A row of people side by side; returns the row of pixels above which they are whole."""
        size = len(canvas.pixels)
        spacing = head * rng.uniform(1.2, 3.0)
        count = int(rng.integers(1, 1 + max(1, min(self._framing.across, round(1.2 * size / spacing)))))
        start = rng.uniform(0, max(size - count * spacing, 0) + 1) + spacing / 2
        lowest = float(size)
        for place in rng.permutation(count):
            person = self._people[rng.integers(len(self._people))]
            person = _resized(person, max(head * float(np.exp(rng.normal(0, 0.12))), 5.0))
            if rng.random() < 0.5:
                person = _mirrored(person)
            x = start + place * spacing + rng.normal(0, 0.15) * spacing - person.alpha.shape[1] / 2
            y = top + rng.normal(0, 0.3) * head
            _put(canvas, replace(person, pixels=_shaded(rng, person.pixels)), round(x), round(y))
            if not person.whole:
                lowest = min(lowest, y + len(person.alpha))
        return lowest

    def _table(self, rng: np.random.Generator, canvas: _Canvas, top: int, backdrops: Backdrops) -> None:
        """Something in front from `top` downwards, where pictures of people ended."""
        top = max(top - 2, 1)
        canvas.pixels[top:] = backdrops.draw(rng, len(canvas.pixels))[top:]
        canvas.members[top:] = BACKGROUND
        canvas.number[top:] = 0
