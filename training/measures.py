"""What is counted beside IoU where labels show it: hands, and people by how small they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.training.classes import Members, member_bits, region_bits, surely, surely_not
from livestyle.training.reader import Shown

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]

HEAD_HEIGHTS = (("< 24 px", 0.0), ("24 to 48 px", 24.0), ("> 48 px", 48.0))
"""Bins of head heights: name and smallest height in pixels of the picture."""

KEPT = ("hair", "skin")
"""The regions whose recall is counted by height of heads: those that a style leaves as they are."""

_ARMS = member_bits(["arms"])
_NEAR = 0.4  # of the square root of a hand's area: the farthest that the sets of hands label around a hand
_SEEN = 30  # pixels: somebody of whom less is to be seen counts as hidden


@dataclass(slots=True)
class HandCount:
    """Pixels of hands and around them, 0..1 once divided; NaN where there are none."""

    pictures: int = 0
    hand: int = 0  # pixels that are surely hand
    found: int = 0  # of those, called skin
    around: int = 0  # pixels near a hand that are surely neither hand nor arm
    arms: int = 0  # of those, called arms
    skin: int = 0  # of those, called skin; a face is some of them rightly
    tells_arms: bool = True  # whether the model tells arms from other skin

    def add(self, guess: Labels, classes: tuple[str, ...], regions: Mapping[str, str], members: Members) -> None:
        """Count one picture from the (H, W) numbers of the model's `classes`."""
        hand = surely(members, _ARMS)
        around = surely_not(members, _ARMS) & _near(hand)
        skin = np.isin(guess, [k for k, name in enumerate(classes) if regions[name] == "skin"])
        self.pictures += 1
        self.hand += int(hand.sum())
        self.found += int((hand & skin).sum())
        self.around += int(around.sum())
        self.skin += int((around & skin).sum())
        self.tells_arms = self.tells_arms and "arms" in classes
        if "arms" in classes:
            self.arms += int((around & (guess == classes.index("arms"))).sum())

    @property
    def recall(self) -> float:
        """Share of hands that is called skin."""
        return self.found / self.hand if self.hand else math.nan

    @property
    def spill(self) -> float:
        """Share of the surroundings that is called arms; NaN for a model that does not tell arms."""
        return self.arms / self.around if self.around and self.tells_arms else math.nan

    @property
    def skin_around(self) -> float:
        """Share of the surroundings that is called skin, to compare with models that do not tell arms."""
        return self.skin / self.around if self.around else math.nan

    def report(self) -> dict[str, float | None]:
        """The figures as JSON takes them."""
        shares = {"recall": self.recall, "spill": self.spill, "skin_around": self.skin_around}
        rounded = {name: None if math.isnan(value) else round(value, 4) for name, value in shares.items()}
        return {"pictures": self.pictures, **rounded}


def _near(hand: Mask) -> Mask:
    """Within _NEAR of a hand's size of it."""
    distance = cv2.distanceTransform((~hand).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(distance <= _NEAR * math.sqrt(hand.sum()))


def all_hands(by_person: Mapping[str, HandCount]) -> HandCount:
    """Several people's counts together."""
    counts = by_person.values()
    sums = {name: sum(getattr(count, name) for count in counts) for name in HandCount.__slots__}
    return HandCount(**{**sums, "tells_arms": all(count.tells_arms for count in counts)})


@dataclass(slots=True)
class HeadCount:
    """People of one range of head heights."""

    people: int = 0
    truth: dict[str, int] = field(default_factory=dict)  # region of KEPT -> pixels that surely are it
    found: dict[str, int] = field(default_factory=dict)  # of those, called so

    def recall(self, region: str) -> float:
        """Share of the pixels of a region that was found, 0..1; NaN where labels show none."""
        truth = self.truth.get(region, 0)
        return self.found[region] / truth if truth else math.nan

    def report(self) -> dict[str, object]:
        """The figures as JSON takes them."""
        recalls = {region: round(self.recall(region), 4) for region, truth in self.truth.items() if truth}
        return {"people": self.people, "recall": recalls}


def head_bin(height: float) -> str:
    """The bin of HEAD_HEIGHTS for a height in pixels."""
    return next(name for name, least in reversed(HEAD_HEIGHTS) if height >= least)


def visible(shown: Shown) -> list[int]:
    """Numbers of the people of whom something is to be seen."""
    pixels = np.bincount(shown.number.ravel(), minlength=len(shown.heads) + 1)
    return [person for person in range(1, len(shown.heads) + 1) if pixels[person] >= _SEEN]


def count_heads(counts: dict[str, HeadCount], guess: Mapping[str, Mask], members: Members, shown: Shown) -> None:
    """Count the people of one picture into `counts`, by bin; `guess`: where the model says each region of KEPT."""
    bins = {person: head_bin(shown.heads[person - 1]) for person in visible(shown)}
    for name in dict.fromkeys(bins.values()):
        count = counts.setdefault(name, HeadCount())
        inside = [person for person, its in bins.items() if its == name]
        count.people += len(inside)
        there = np.isin(shown.number, inside)
        for region in KEPT:
            true = there & surely(members, region_bits(region))
            count.truth[region] = count.truth.get(region, 0) + int(true.sum())
            count.found[region] = count.found.get(region, 0) + int((true & guess[region]).sum())
