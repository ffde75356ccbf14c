"""The endless sequence of training samples: sample i is a function of the seed and i alone.

That makes a resumed run read exactly what an uninterrupted one would have read, and lets every process of a
distributed run take its share without talking to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livestyle.training.augment import Augmentation, framed, lit
from livestyle.training.backdrops import Backdrops, Image, empty_parts
from livestyle.training.classes import BACKGROUND, Members
from livestyle.training.disguise import disguised, in_skin_tones
from livestyle.training.groups import Groups, find_people
from livestyle.training.hands import Hands, find_limbs
from livestyle.training.reader import LabelledSet, Picture

_SKIN_TONED = 4  # times as often as something on a person's picture is disguised, a picture without people is


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample."""

    pixels: npt.NDArray[np.uint8]  # (size, size, 3) RGB
    members: Members  # (size, size)
    origin: str  # name of the set, "empty" for a picture without people


class Samples:
    """Samples by number. `empty` is the share of pictures without people, 0..1; `places` are such pictures."""

    def __init__(
        self,
        sets: list[LabelledSet],
        how: Augmentation,
        seed: int,
        *,
        empty: float = 0.04,
        places: Sequence[Image] = (),
        backdrops: int = 2400,
        limbs: int = 600,
        people: int = 3000,
        threads: int = 1,
    ) -> None:
        self._sets = sets
        self._how = how
        self._seed = seed
        weights = np.array([s.described.weight for s in sets])
        self._bounds = np.append(np.cumsum(weights / weights.sum() * (1 - empty)), 1.0)
        sources = [s for s in sets if s.described.backdrops]
        parts = [p for s in sources for p in empty_parts(s, backdrops // len(sources))]
        self._backdrops = Backdrops(parts, places)
        self._hands = Hands(find_limbs(sets, limbs, threads) if how.hands else [])
        self._groups = Groups(find_people(sets, people, threads) if how.groups else [])

    def _picture(self, rng: np.random.Generator, labelled: LabelledSet) -> Picture:
        for _ in range(100):
            picture = labelled.picture(int(rng.integers(len(labelled))))
            if picture is not None:
                return picture
        raise RuntimeError(f"{labelled.described.name}: a hundred rows in a row cannot be used")

    def sample(self, number: int, size: int) -> Sample:
        """Sample `number` >= 0 at (size, size) pixels."""
        rng = np.random.default_rng((self._seed, number))
        chosen = int(np.searchsorted(self._bounds, rng.random(), side="right"))
        if chosen >= len(self._sets):
            pixels = self._backdrops.draw(rng, size)
            if rng.random() < _SKIN_TONED * self._how.disguise:
                pixels = in_skin_tones(rng, pixels)
            members: Members = np.full((size, size), BACKGROUND, np.uint8)
            if rng.random() < self._how.hands:
                pixels, members = self._hands.alone(rng, pixels, members)
            return Sample(lit(rng, pixels, self._how), members, "empty")
        if self._groups and rng.random() < self._how.groups:
            pixels, members = self._varied(rng, *self._groups.draw(rng, size, self._backdrops))
            return Sample(lit(rng, pixels, self._how), members, "groups")
        labelled = self._sets[chosen]
        pixels, members = self._varied(
            rng,
            *framed(rng, self._picture(rng, labelled), labelled.described.zoom, size, self._backdrops, self._how),
        )
        return Sample(lit(rng, pixels, self._how), members, labelled.described.name)

    def _varied(
        self, rng: np.random.Generator, pixels: npt.NDArray[np.uint8], members: Members
    ) -> tuple[npt.NDArray[np.uint8], Members]:
        """A view with what the sets do not show: colours that mislead, hands before faces."""
        if rng.random() < self._how.disguise:
            pixels = disguised(rng, pixels, members)
        if rng.random() < self._how.hands:
            pixels, members = self._hands.over(rng, pixels, members, self._backdrops)
        return pixels, members
