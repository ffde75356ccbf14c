"""Who is on the pictures: people cut out of labelled pictures, and places without anybody to put them.

Only validation pictures are used: no model of this project has learnt from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.bench.hands import labelled_hands, raised
from livestyle.bench.layers import Image, Layer, Planes, cut_out, flat
from livestyle.errors import SourceError
from livestyle.frame import REGIONS

PORTRAITS = ("celebamask", "eg1800")
FIGURES = ("ccp",)

PLACES = """
    ccp_0113 ccp_0063 ccp_0787 ccp_0967 ccp_0199 ccp_0793 ccp_0310 ccp_0385 ccp_0448 ccp_0639 ccp_0922 ccp_0020
    ccp_0119 ccp_0320 ccp_0527 ccp_0596 ccp_0608 ccp_0615 ccp_0735 ccp_0772 ccp_0909 ccp_0915 ccp_0944 ccp_0352
    ccp_0404 ccp_0533 ccp_0539 eg1800_00766 eg1800_00538 eg1800_01021 eg1800_02307 eg1800_00749
""".split()  # noqa: SIM905 (thirty names in quotes are not easier to read)
"""Pictures whose largest empty part really shows nobody: the labels name the person in front only, so people who pass
behind count as background there, and these were chosen by eye."""


class People(Protocol):
    """Where people and places come from. The same number always gives the same one."""

    def portrait(self, number: int, height: int) -> Layer:
        """Head and shoulders of person `number` >= 0, `height` pixels high, cut off straight at the bottom only."""

    def figure(self, number: int, height: int) -> Layer:
        """A whole person from head to foot, `height` pixels high."""

    def hand(self, number: int, height: int, owner: Layer | None) -> Layer:
        """A hand on its sleeve, fingers upwards, `height` pixels high in all, in the colours of `owner`."""

    def place(self, number: int, size: tuple[int, int]) -> Layer:
        """A place without people that fills `size` (width, height)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A labelled picture that somebody can be cut out of."""

    pixels: Image
    person: npt.NDArray[np.bool_]
    sure: Planes
    maybe: Planes

    def layer(self, height: int) -> Layer:
        return cut_out(self.pixels, self.person, self.sure, self.maybe, height)


class Labelled:
    """People of the data sets in the folder `data`. Needs the extra `train`."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._portraits = _alternating([_people(data, name, _is_portrait) for name in PORTRAITS])
        self._figures = _alternating([_people(data, name, _is_figure) for name in FIGURES])
        self._places = _places(data)
        if not (self._portraits and self._figures and self._places):
            raise SourceError(f"{data} has no picture that a person can be cut out of", hint="see training/README.md")

    def portrait(self, number: int, height: int) -> Layer:
        """Sets take turns: even numbers know all regions, odd ones only the background for certain."""
        return self._portraits[number % len(self._portraits)].layer(height)

    def figure(self, number: int, height: int) -> Layer:
        """A whole person."""
        return self._figures[number % len(self._figures)].layer(height)

    def hand(self, number: int, height: int, owner: Layer | None) -> Layer:
        """A hand of the sets of hands, which are read when one is first wanted. Raises SourceError without any."""
        hands = labelled_hands(self._data)
        if not hands:
            raise SourceError(
                f"{self._data} has no picture that a hand can be cut out of", hint="see training/README.md"
            )
        return raised(hands[number // 2 % len(hands)], height, owner)  # numbers are odd or even for a whole film

    def place(self, number: int, size: tuple[int, int]) -> Layer:
        """A place, mirrored at its edges where it is too narrow to be enlarged."""
        return flat(_filling(self._places[number % len(self._places)], size))


def _alternating(groups: list[list[_Found]]) -> list[_Found]:
    shortest = min(len(group) for group in groups)
    return [group[at] for at in range(shortest) for group in groups]


@lru_cache(maxsize=8)
def _people(data: Path, name: str, usable: object) -> list[_Found]:
    from livestyle.training.reader import open_sets
    from livestyle.training.sets import find_set

    (labelled,) = open_sets([find_set(name)], data, validation=True, keep=False)
    found = []
    for index in range(len(labelled)):
        picture = labelled.picture(index)
        if picture is not None and (one := _found(picture.pixels, picture.members, picture.cutout)) is not None:
            found.append(one)
    assert callable(usable)
    return [one for one in found if usable(one.person)]


def _found(pixels: Image, members: npt.NDArray[np.uint8], cutout: Image | None) -> _Found | None:
    from livestyle.training.classes import BACKGROUND, region_bits, surely, surely_not

    person = _largest_part(members != BACKGROUND if cutout is None else cutout > 0)
    if person is None:
        return None
    bits = [region_bits(region) for region in REGIONS]
    sure = np.dstack([surely(members, b) for b in bits]).astype(np.float32)
    maybe = 1 - np.dstack([surely_not(members, b) for b in bits]).astype(np.float32)
    return _Found(pixels, person, sure, maybe)


def _largest_part(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return None
    return np.asarray(parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _is_portrait(person: npt.NDArray[np.bool_]) -> bool:
    """Cut off at the bottom only: at the top or the sides a straight edge would stand in the open."""
    height = person.shape[0]
    sides = person[: round(height * 0.9), [0, -1]].any()
    return not (person[0].any() or sides) and bool(person[-1].mean() > 0.25) and float(person.mean()) > 0.2


def _is_figure(person: npt.NDArray[np.bool_]) -> bool:
    height = person.shape[0]
    rows = np.flatnonzero(person.any(axis=1))
    edges = person[[0, -1]].any() or person[:, [0, -1]].any()
    return not edges and bool(np.ptp(rows) > 0.6 * height)


@lru_cache(maxsize=2)
def _places(data: Path) -> list[Image]:
    from livestyle.training.backdrops import largest_empty_rectangle
    from livestyle.training.reader import open_sets
    from livestyle.training.sets import find_set

    parts = {}
    for labelled in open_sets([find_set(name) for name in ("ccp", "eg1800")], data, validation=True, keep=False):
        for index, name in enumerate(labelled.names()):
            if name in PLACES and (picture := labelled.picture(index)) is not None:
                x, y, width, height = largest_empty_rectangle(picture.members)
                parts[name] = picture.pixels[y : y + height, x : x + width]
    return [parts[name] for name in PLACES if name in parts]


def _filling(part: Image, size: tuple[int, int]) -> Image:
    """`part` enlarged to cover `size`; mirrored first until enlarging it does not have to more than triple it."""
    while part.shape[1] * 3 < size[0]:
        part = np.hstack([part, part[:, ::-1]])
    while part.shape[0] * 3 < size[1]:
        part = np.vstack([part, part[::-1]])
    scale = max(size[0] / part.shape[1], size[1] / part.shape[0])
    large = cv2.resize(part, None, fx=scale + 0.01, fy=scale + 0.01, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[: size[1], : size[0]], np.uint8)
