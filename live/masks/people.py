"""Who is in a picture, and who of them was in the pictures before.

A person is found by the head: the model names faces. Whoever shows none, and everybody where a model does not name
faces, is found as a piece of the picture that is surely no background.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.masks.crops import Crop, Plane

MISSED = 2
"""Looks in a row without a person, after which the person is gone."""

_SPECK = 0.0004  # of the picture: fewer connected pixels are not a person
_SURE, _SURELY = 0.9, 0.1  # a piece is a person where a weight above the first covers this share of it
_SURE_FACE = 0.6  # the most that a face's pixels must reach
_HEAD = 1.35  # heights of a face in that of a head with its hair
_ARMS = 1.9  # heights of a head from its middle to where the arms of a person among others may be
_ABOVE = 0.7  # heights of a head from the middle of the face to the top of the hair, with a little air
_TALL = 8.0  # heights of a head in a person, at most
_STEP = 1.5  # heights of a head by which a person has moved from one look to the next, at most
_GAP = 0.7  # heights of a head of nothing but background below which the person has ended

_Mask = npt.NDArray[np.bool_]
_Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of a mask


class Head(NamedTuple):
    """Where a head is: shares of the picture's width (x) and height (y, height)."""

    x: float  # the middle of the face
    y: float
    height: float  # from chin to hair


class Sighting(NamedTuple):
    """A person in one mask."""

    box: Crop  # what is shown of them
    head: Head | None  # None: no face was seen

    def outward(self, part: Crop) -> Sighting:
        """The same, seen in the part, in shares of the picture."""
        head = self.head
        if head is not None:
            at = part.outward(Crop(head.x, head.y, head.x, head.y))
            head = Head(at.left, at.top, head.height * (part.bottom - part.top))
        return Sighting(part.outward(self.box), head)


class Person(NamedTuple):
    """A person over time."""

    number: int  # stays as long as the person is followed; never given twice
    box: Crop
    head: Head | None
    missed: int = 0  # looks in a row that did not find them
    small: bool = False  # found by a look at a part: the whole may not show them


class _Face(NamedTuple):
    x: float  # the middle, in pixels
    y: float
    bottom: float
    head: float  # height of the head, in pixels


def sightings(background: Plane, faces: Plane | None) -> list[Sighting]:
    """The people who are certainly in a mask, those with the largest heads first.

    `background`, `faces`: (h, w) float32 in [0, 1], how likely each pixel is either; None where a model does not name
    faces. What the model is uncertain about is nobody: half a car that fills the picture becomes a person when it is
    enlarged.
    """
    boxes, pieces = _sure_pieces(background)
    known = [] if faces is None else _faces(faces)
    found: list[Sighting] = []
    for piece, box in boxes.items():
        inside = [face for face in known if pieces[int(face.y), int(face.x)] == piece]
        if len(inside) < 2:
            found.append(_sighting(box, inside[0] if inside else None, pieces.shape))
        else:
            found += [_sighting(_body(face, pieces == piece), face, pieces.shape) for face in inside]
    return sorted(found, key=lambda one: -_size(one))


def _size(one: Sighting | Person) -> float:
    return 0.0 if one.head is None else one.head.height


def _sighting(box: _Box, face: _Face | None, shape: tuple[int, ...]) -> Sighting:
    height, width = shape
    left, top, right, bottom = box
    crop = Crop(left / width, top / height, right / width, bottom / height).clipped()
    return Sighting(crop, None if face is None else Head(face.x / width, face.y / height, face.head / height))


def _sure_pieces(background: Plane) -> tuple[dict[int, _Box], npt.NDArray[np.int32]]:
    """The connected pieces that are people, with their numbers, and each pixel's number."""
    shown = (background < 0.5).astype(np.uint8)
    total, pieces, found, _ = cv2.connectedComponentsWithStats(shown)
    sure = np.bincount(pieces[background < 1 - _SURE], minlength=total)
    areas = found[:, cv2.CC_STAT_AREA]
    taken = np.flatnonzero((areas >= max(2, _SPECK * shown.size)) & (sure >= _SURELY * areas)).tolist()
    boxes = {
        piece: (float(x), float(y), float(x + width), float(y + height))
        for piece, (x, y, width, height, _) in enumerate(found.tolist())
        if piece and piece in taken
    }
    return boxes, np.asarray(pieces, np.int32)


def _faces(plane: Plane) -> list[_Face]:
    """The faces that are sure, the largest first; one for each head."""
    _, _, found, _ = cv2.connectedComponentsWithStats((plane > 0.5).astype(np.uint8))
    faces: list[_Face] = []
    for x, y, width, height, _ in sorted(found[1:].tolist(), key=lambda one: -max(one[2:4])):
        if plane[y : y + height, x : x + width].max() < _SURE_FACE:
            continue
        face = _Face(x + width / 2, y + height / 2, y + height, _HEAD * max(width, height))
        # Glasses and hands cut a face in two.
        if all(max(abs(face.x - other.x), abs(face.y - other.y)) > 0.6 * other.head for other in faces):
            faces.append(face)
    return faces


def _body(face: _Face, piece: _Mask) -> _Box:
    """About where the person with that face is, one of several in a piece."""
    half = _ARMS * face.head
    return face.x - half, face.y - _ABOVE * face.head, face.x + half, _feet(face, piece)


def _feet(face: _Face, piece: _Mask) -> float:
    """The row at which what is below a face ends."""
    height, width = piece.shape
    left, right = max(0, int(face.x - 0.8 * face.head)), min(width, int(face.x + 0.8 * face.head) + 1)
    top, bottom = int(face.bottom), min(height, int(face.bottom + _TALL * face.head))
    empty = 0
    for row, shown in enumerate(np.asarray(piece[top:bottom, left:right].any(axis=1)), top):
        empty = 0 if shown else empty + 1
        if empty > _GAP * face.head:
            return row - empty + 1
    return bottom


class People:
    """Follows the people of a stream, and gives them numbers that stay theirs. Not thread-safe."""

    def __init__(self) -> None:
        self._people: list[Person] = []
        self._numbers = count(1)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people)

    def __len__(self) -> int:
        return len(self._people)

    def forget(self) -> None:
        """Nobody is known any more: another scene. The numbers go on."""
        self._people = []

    def see(self, found: list[Sighting], aspect: float) -> None:
        """Take in what a look at the whole picture found; the picture is `aspect` times as wide as high.

        People found by a closer look are kept: they may be too small to be found in the whole.
        """
        people, new = self._matched(found, aspect)
        self._people = [
            *(_at_a_distance(person, match) for person, match in people if match or person.small or _lasts(person)),
            *(self._newcomer(one, small=False) for one in new),
        ]

    def see_closer(self, found: list[Sighting], aspect: float, part: Crop, numbers: tuple[int, ...]) -> None:
        """Take in what a look at a part found, the boxes in shares of the whole picture.

        The look was for the people with these `numbers`: of others it may have seen pieces only.
        """
        people, new = self._matched(found, aspect)
        self._people = [
            *(
                _close_by(person, match) if person.number in numbers else person
                for person, match in people
                if match or person.number not in numbers or _lasts(person)
            ),
            *(self._newcomer(one, small=True) for one in new if not _cut(one, part, aspect)),
        ]

    def find(self, found: list[Sighting], aspect: float, part: Crop) -> None:
        """Take in who is new among those whose faces a look at a part found; nobody else changes."""
        _, new = self._matched(found, aspect)
        self._people += [
            self._newcomer(one, small=True) for one in new if one.head is not None and not _cut(one, part, aspect)
        ]

    def _matched(
        self, found: list[Sighting], aspect: float
    ) -> tuple[list[tuple[Person, Sighting | None]], list[Sighting]]:
        """Everybody known, with where they are now; and who is new."""
        new = list(found)
        people: list[tuple[Person, Sighting | None]] = []
        for person in sorted(self._people, key=lambda person: -_size(person)):
            distances = [_distance(person, one, aspect) for one in new]
            near = bool(distances) and min(distances) < 1
            people.append((person, new.pop(distances.index(min(distances))) if near else None))
        return people, new

    def _newcomer(self, one: Sighting, *, small: bool) -> Person:
        return Person(next(self._numbers), one.box, one.head, small=small)


def _lasts(person: Person) -> bool:
    """Whether a look that misses the person leaves them known."""
    return person.missed + 1 < MISSED


def _at_a_distance(person: Person, match: Sighting | None) -> Person:
    """After a look at the whole, in which people who are small may be joined to others."""
    if match is None:
        return person if person.small else person._replace(missed=person.missed + 1)
    if person.small and person.head is not None and match.head is None:
        return person
    return person._replace(box=match.box, head=match.head, missed=0, small=False)


def _close_by(person: Person, match: Sighting | None) -> Person:
    if match is None:
        return person._replace(missed=person.missed + 1)
    return person._replace(box=match.box, head=match.head or person.head, missed=0, small=True)


def _cut(one: Sighting, part: Crop, aspect: float) -> bool:
    """Whether an edge of the part, not the picture's, may cut off what would tell who this is."""
    if one.head is None:
        return not part.contains(one.box)
    x, y, height = one.head
    return not part.contains(Crop(x - height / 2 / aspect, y - height / 2, x + height / 2 / aspect, y + height / 2))


def _distance(person: Person, other: Sighting, aspect: float) -> float:
    """How far apart they are: 0 at the same place, below 1 they may be the same person."""
    if person.head is not None and other.head is not None:
        x, y = (person.head.x - other.head.x) * aspect, person.head.y - other.head.y
        return math.hypot(x, y) / (_STEP * max(person.head.height, other.head.height))
    together = person.box.common(other.box).area
    return 1.2 * (1 - together / max(min(person.box.area, other.box.area), 1e-9))
