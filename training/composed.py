"""Test sets of what no labelled set shows: groups, people far away, hands without a face, hands in fast motion.

Each is composed from validation people before places of the validation side, so training has seen none of it. A picture
is a function of the name of its set and of its number alone.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from livestyle.errors import UsageError
from livestyle.training.backdrops import Backdrops, empty_pictures
from livestyle.training.classes import BACKGROUND
from livestyle.training.groups import Framing, Groups, Person, find_people
from livestyle.training.hands import ARMS, Hands, Limb, find_limbs
from livestyle.training.measures import visible
from livestyle.training.reader import BadRows, LabelledSet, Picture
from livestyle.training.sets import SetDescription, find_set

log = logging.getLogger("livestyle")

PEOPLE = ("celebamask", "ccp", "fashionista", "iskin")
"""Sets out of which people with hair or skin can be cut."""

HANDS = ("hands", "webcam_hands")
"""Sets out of which hands can be cut."""

PLACES = "rooms.parquet"
"""The file of places in the data folder that is used unless another is named."""

SIZE = 640  # pixels of a picture's side
_LIMBS, _MOST_PEOPLE = 160, 2000
_TRIES = 40  # draws until a picture shows what it is to show
_HAND = (0.004, 0.5)  # least and largest share of a picture that hands cover

Draw = Callable[[np.random.Generator], Picture | None]
"""A picture, or None where chance has hidden what it is to show."""


class ValidationSet(Protocol):
    """Pictures to measure by: the validation side of a data set, or composed ones."""

    described: SetDescription
    bad: BadRows
    composed: bool  # of people and hands that other sets show too

    def __len__(self) -> int: ...

    def names(self) -> list[str]:
        """Names of the pictures."""

    def picture(self, index: int) -> Picture | None:
        """The picture at `index`, or None where it cannot be used."""


class ComposedSet:
    """`count` pictures, composed on first use and then kept. Implements ValidationSet."""

    composed = True

    def __init__(self, described: SetDescription, count: int, draw: Draw) -> None:
        self.described = described
        self.bad = BadRows()
        self._draw, self._count = draw, count
        self._pictures: dict[int, Picture | None] = {}

    def __len__(self) -> int:
        return self._count

    def names(self) -> list[str]:
        """The set's name with the number of the picture."""
        return [f"{self.described.name}_{index}" for index in range(self._count)]

    def picture(self, index: int) -> Picture | None:
        """The picture at `index`."""
        if index not in self._pictures:
            self._pictures[index] = self._composed(index)
        return self._pictures[index]

    def _composed(self, index: int) -> Picture | None:
        rng = np.random.default_rng((zlib.crc32(self.described.name.encode()), index))
        for _ in range(_TRIES):
            if (picture := self._draw(rng)) is not None:
                return picture
        self.bad.add(self.described.name, "composed in vain")
        return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of composed pictures."""

    about: str
    count: int
    sources: tuple[str, ...]  # the sets that must be there
    hands: bool = False


KINDS: Mapping[str, Kind] = {
    "groups": Kind("two to some twenty people, heads of 12 to 120 px", 80, PEOPLE),
    "far": Kind("one person far away, heads of 12 to 36 px", 60, PEOPLE),
    "hands_alone": Kind("hands without a face", 60, HANDS, hands=True),
    "fast_hands": Kind("hands in fast motion, alone and before people", 60, (*HANDS, *PEOPLE), hands=True),
}
"""Every kind by its name."""


def kinds_named(text: str) -> list[str]:
    """The kinds in `text`, with commas between. Raises UsageError for one that there is not."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in KINDS:
            raise UsageError(f"There is no kind of composed pictures {name}.", hint=f"There are {', '.join(KINDS)}.")
    return names


def composed_sets(
    names: Sequence[str], opened: Sequence[LabelledSet], data: Path, places: Path | None, limit: int | None = None
) -> list[ComposedSet]:
    """The kinds called `names`, at most `limit` pictures of each; one whose sources `data` lacks is left out, logged.

    Sets among `opened` are not read again. Without `places` those in `data` are behind, or textures. Raises KeyError.
    """
    known = {labelled.described.name: labelled for labelled in opened}
    wanted = [name for name in names if _available(name, data)]
    needed = dict.fromkeys(source for name in wanted for source in KINDS[name].sources)
    sources = {name: known.get(name) or LabelledSet(find_set(name), data, validation=True) for name in needed}
    people = find_people([sources[name] for name in PEOPLE if name in sources], _MOST_PEOPLE)
    limbs = find_limbs([sources[name] for name in HANDS if name in sources], _LIMBS)
    backdrops = _backdrops(data, places) if wanted else Backdrops([])
    draws = _draws(people, limbs, backdrops)
    counts = {name: min(limit or KINDS[name].count, KINDS[name].count) for name in wanted}
    return [ComposedSet(_described(name), counts[name], draws[name]) for name in wanted]


def _available(name: str, data: Path) -> bool:
    missing = [source for source in KINDS[name].sources if not (data / find_set(source).file).is_file()]
    if missing:
        log.warning("%s is not measured: %s has no %s.", name, data, " and no ".join(missing))
    return not missing


def _described(name: str) -> SetDescription:
    return SetDescription(name, {}, KINDS[name].about, hands=KINDS[name].hands)


def _backdrops(data: Path, places: Path | None) -> Backdrops:
    """Places of the validation side; textures where there are none."""
    if places is None and not (data / PLACES).is_file():
        return Backdrops([])
    return Backdrops([], empty_pictures(places or data / PLACES, validation=True))


def _draws(people: list[Person], limbs: list[Limb], backdrops: Backdrops) -> dict[str, Draw]:
    whole = [person for person in people if person.whole]
    heads = 12 / SIZE, 120 / SIZE
    groups = Groups(whole, Framing(heads)), Groups(people, Framing(heads, table=1.0))
    far = Groups(whole, Framing((12 / SIZE, 36 / SIZE), rows=(1, 1), across=1))
    near = Groups(people, Framing((60 / SIZE, 125 / SIZE), rows=(1, 1), across=1, table=1.0))
    return {
        "groups": partial(_people, groups, backdrops, 2),
        "far": partial(_people, (far,), backdrops, 1),
        "hands_alone": partial(_hand_alone, Hands(limbs, holding=0, fast=0), backdrops),
        "fast_hands": partial(_fast_hand, Hands(limbs, holding=0, fast=1), near, backdrops),
    }


def _people(ways: tuple[Groups, ...], backdrops: Backdrops, least: int, rng: np.random.Generator) -> Picture | None:
    """A picture in one of the `ways` on which at least so many people are to be seen."""
    pixels, members, shown = ways[int(rng.integers(len(ways)))].compose(rng, SIZE, backdrops)
    return Picture("", pixels, members, shown=shown) if len(visible(shown)) >= least else None


def _hand_alone(hands: Hands, backdrops: Backdrops, rng: np.random.Generator) -> Picture | None:
    pixels, members = backdrops.draw(rng, SIZE), np.full((SIZE, SIZE), BACKGROUND, np.uint8)
    return _with_hand(*hands.alone(rng, pixels, members))


def _fast_hand(hands: Hands, near: Groups, backdrops: Backdrops, rng: np.random.Generator) -> Picture | None:
    if rng.random() < 0.5:
        return _hand_alone(hands, backdrops, rng)
    return _with_hand(*hands.over(rng, *near.draw(rng, SIZE, backdrops), backdrops))


def _with_hand(pixels: np.ndarray, members: np.ndarray) -> Picture | None:
    share = float((members == ARMS).mean())
    return Picture("", np.ascontiguousarray(pixels), members) if _HAND[0] <= share <= _HAND[1] else None
