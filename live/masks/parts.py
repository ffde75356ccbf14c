"""Which parts of a picture are segmented again: those with people who are too small for the model in the whole."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from livestyle.masks.crops import Crop, around, joined
from livestyle.masks.people import Head, Person

ENLARGED = 1.35
"""Times that a closer look must enlarge, at least; less would gain too little."""

LARGEST = 0.61
"""Share of the picture's sides up to which a part goes whose people show no faces: how large they are is a guess."""

SMALL_HEAD = 64.0
"""Height of a head in pixels of the network's input below which its person is looked at more closely."""

SHARED_HEAD = 48.0
"""Height of the smallest head below which people get parts of their own instead of one together."""

LARGE_HEAD = (90.0, 130.0)
"""Heights of a head between which seeing a picture at more than the network's own size becomes worse than at it."""

LARGE_PIECE = 0.3
"""Share of the picture's sides above which somebody or something without a face counts as close too."""

DETAIL = 0.7
"""Pixels of the picture for each of the network's input below which a look does not show more, but only larger."""

_SHRUNK = 0.6  # of a part: the people in it need less, so the part is planned again


@dataclass(frozen=True, slots=True)
class View:
    """How large a network sees a picture."""

    pixels: int  # of its input, whatever the aspect
    size: tuple[int, int]  # (width, height) of the picture

    @property
    def aspect(self) -> float:
        """The picture's width divided by its height."""
        return self.size[0] / self.size[1]

    def enlarged(self, crop: Crop) -> float:
        """How much larger a look at the crop shows things than one at the whole does."""
        return 1 / math.sqrt(crop.area)

    def head(self, height: float) -> float:
        """Pixels of the input that a head has in a look at the whole; `height`: its share of the picture's."""
        return height * self.size[1] * math.sqrt(self.pixels / (self.size[0] * self.size[1]))

    def detail(self, crop: Crop) -> float:
        """Pixels of the picture for each pixel of the input in a look at the crop."""
        return crop.area * self.size[0] * self.size[1] / self.pixels

    def is_small(self, head: Head | None) -> bool:
        """Whether a head is surely one that the network sees too small."""
        return head is not None and self.head(head.height) < SMALL_HEAD


@dataclass(eq=False, slots=True)
class Part:
    """A part of a picture that is looked at again and again."""

    crop: Crop
    people: tuple[int, ...]  # their numbers
    looked: float = -math.inf  # seconds of the picture of the newest look


def closer_parts(people: Iterable[Person], view: View, kept: Iterable[Part] = (), scale: float = 1.0) -> list[Part]:
    """The parts to look at: as few as show everybody large enough, those with the smallest people first.

    Parts of `kept` that still fit stay as they are, so that masks do not jitter with them. `scale`: times the network's
    own size at which the whole has been looked at.
    """
    waiting = [person for person in people if _is_small(person, view)]
    parts: list[Part] = []
    for part in kept:
        inside = [person for person in waiting if part.crop.contains(person.box)]
        if inside and _fits(part.crop, inside, view):
            part.people = tuple(person.number for person in inside)
            parts.append(part)
            waiting = [person for person in waiting if person not in inside]
    for group in _grouped([[person] for person in waiting], view):
        crop = _around(group, view)
        if _is_worth_it(crop, group, view, scale):
            parts.append(Part(crop, tuple(person.number for person in group)))
    return parts


def _is_small(person: Person, view: View) -> bool:
    if person.head is not None:
        return view.is_small(person.head)
    return _around([person], view).size <= LARGEST


def _is_worth_it(crop: Crop, group: list[Person], view: View, scale: float) -> bool:
    """Whether a look at the crop shows its people better than the whole does."""
    if any(person.head is None for person in group) and crop.size > LARGEST:
        return False
    return view.enlarged(crop) >= ENLARGED * (1.0 if view.detail(crop) >= DETAIL else scale)


def _around(group: list[Person], view: View) -> Crop:
    return around(joined([person.box for person in group]), view.aspect)


def _fits(crop: Crop, group: list[Person], view: View) -> bool:
    """Whether the part is neither too large for its people nor shows them too small together."""
    wanted = _around(group, view)
    return wanted.size > _SHRUNK * crop.size and (len(group) == 1 or _shows(group, crop, view, SHARED_HEAD / 1.2))


def _shows(group: list[Person], crop: Crop, view: View, height: float) -> bool:
    heads = [person.head.height for person in group if person.head is not None]
    return not heads or view.head(min(heads)) * view.enlarged(crop) >= height


def _grouped(groups: list[list[Person]], view: View) -> list[list[Person]]:
    """The groups with those put together of which one look shows enough; the largest saving first."""
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}  # by the people's numbers: a crowd has many pairs

    def saving_of(one: list[Person], other: list[Person]) -> float:
        pair = tuple(person.number for person in one), tuple(person.number for person in other)
        if pair not in known:
            known[pair] = _saving(one, other, view)
        return known[pair]

    while len(groups) > 1:
        savings = [
            (saving_of(one, other), first, second)
            for second, other in enumerate(groups)
            for first, one in enumerate(groups[:second])
        ]
        saving, first, second = max(savings)
        if saving <= 0:
            break
        together = groups[first] + groups[second]
        groups = [group for index, group in enumerate(groups) if index not in (first, second)] + [together]
    return groups


def _saving(one: list[Person], other: list[Person], view: View) -> float:
    """How much of a picture less has to be looked at when both are in one part; 0 where they should not be."""
    together = one + other
    crop, apart = _around(together, view), (_around(one, view), _around(other, view))
    if view.enlarged(crop) < ENLARGED:
        return 0.0
    if not _shows(together, crop, view, SHARED_HEAD) and crop.area > 1.15 * max(part.area for part in apart):
        return 0.0
    if any(person.head is None for person in together) and crop.area > sum(part.area for part in apart):
        return 0.0
    return max(sum(part.area for part in apart) - crop.area, 0.0) + 1e-6
