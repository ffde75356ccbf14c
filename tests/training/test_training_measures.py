"""Hands and small people are counted as they would be by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from livestyle.frame import REGIONS
from livestyle.training.classes import ANY, BACKGROUND, CLASSES, REGION_OF, member_bits
from livestyle.training.measures import HandCount, HeadCount, all_hands, count_heads, head_bin, visible
from livestyle.training.reader import Shown

ARMS, FACE, HAIR = (member_bits([name]) for name in ("arms", "face", "hair"))
NO_ARMS = ANY & ~ARMS


def _hand() -> np.ndarray:
    """A hand of 20 x 20 pixels with a ring of 5 around it of which all is known but whether it is an arm."""
    members = np.full((60, 60), ANY, np.uint8)
    members[15:45, 15:45] = NO_ARMS
    members[20:40, 20:40] = ARMS
    return members


def _count(guess: np.ndarray, members: np.ndarray) -> HandCount:
    count = HandCount()
    count.add(guess, CLASSES, REGION_OF, members)
    return count


def test_arms_everywhere_find_every_hand_and_spill_everywhere() -> None:
    """A model that says nothing but arms has recall 1, which is worth nothing: its spill is 1 too."""
    count = _count(np.full((60, 60), CLASSES.index("arms")), _hand())
    assert (count.pictures, count.hand, count.around) == (1, 400, 900 - 400)
    assert (count.recall, count.spill, count.skin_around) == (1, 1, 1)


def test_the_truth_finds_every_hand_and_spills_nowhere() -> None:
    """A hand called arms exactly where it is: recall 1, spill 0. Called a face it is kept as well, and found."""
    hand = _hand() == ARMS
    for name in ("arms", "face"):
        count = _count(np.where(hand, CLASSES.index(name), 0), _hand())
        assert (count.recall, count.spill, count.skin_around) == (1, 0, 0)


def test_a_face_beside_a_hand_is_skin_around_but_no_spill() -> None:
    """Half of the hand is found; of the ring, 30 of 500 pixels are called arms and as many a face."""
    guess = np.zeros((60, 60), int)
    guess[20:30, 20:40] = CLASSES.index("arms")
    guess[15, 15:45] = CLASSES.index("arms")
    guess[44, 15:45] = CLASSES.index("face")
    count = _count(guess, _hand())
    assert count.recall == 0.5
    assert count.spill == pytest.approx(30 / 500)
    assert count.skin_around == pytest.approx(60 / 500)


def test_only_what_is_near_a_hand_is_its_surroundings() -> None:
    """On a picture that is labelled all over, an arm called so far away from the hand is no spill of the hand: 0.4 of
    a hand of 20 pixels are 8."""
    members = np.full((60, 60), BACKGROUND, np.uint8)
    members[20:40, 20:40] = ARMS
    guess = np.zeros((60, 60), int)
    guess[:12] = guess[48:] = CLASSES.index("arms")
    assert _count(guess, members).spill == 0
    guess[:13] = CLASSES.index("arms")
    near = _count(guess, members)
    assert near.arms == 20  # the row at a distance of 8 or less, as wide as the hand is
    assert near.around < 36 * 36 - 400


def test_a_model_that_does_not_tell_arms_has_no_spill_but_skin_around() -> None:
    """Its skin around hands can still be compared with that of others."""
    count = HandCount()
    count.add(np.full((60, 60), REGIONS.index("skin")), REGIONS, {name: name for name in REGIONS}, _hand())
    assert (count.recall, count.skin_around) == (1, 1)
    assert math.isnan(count.spill)
    assert count.report() == {"pictures": 1, "recall": 1.0, "spill": None, "skin_around": 1.0}


def test_people_are_counted_together_by_their_pixels() -> None:
    """Two people of 400 pixels of hand each, of whom one is found: half."""
    found, lost = (_count(np.full((60, 60), guess), _hand()) for guess in (CLASSES.index("arms"), 0))
    together = all_hands({"a": found, "b": lost})
    assert (together.pictures, together.recall, together.spill) == (2, 0.5, 0.5)


def test_heads_fall_into_bins_by_their_height() -> None:
    """Below 24 pixels, up to 48, above."""
    assert [head_bin(height) for height in (12, 23.9, 24, 47.9, 48, 120)] == [
        "< 24 px", "< 24 px", "24 to 48 px", "24 to 48 px", "> 48 px", "> 48 px"]  # fmt: skip


def test_recall_is_told_by_the_height_of_heads() -> None:
    """Of a small and a large person, a model that finds the large one's face and no hair has recall 0 for the small one
    and 1 and 0 for the large; somebody who is hidden counts for neither."""
    members = np.full((40, 40), BACKGROUND, np.uint8)
    number = np.zeros((40, 40), np.uint8)
    number[:10, :10], number[20:, 20:] = 1, 2
    members[:10, :10] = FACE
    members[20:30, 20:], members[30:, 20:] = HAIR, FACE
    shown = Shown(number, (12.0, 60.0, 30.0))
    assert visible(shown) == [1, 2]
    counts: dict[str, HeadCount] = {}
    large = np.zeros((40, 40), bool)
    large[30:, 20:] = True
    count_heads(counts, {"skin": large, "hair": ~large & False}, members, shown)
    assert set(counts) == {"< 24 px", "> 48 px"}
    small, big = counts["< 24 px"], counts["> 48 px"]
    assert (small.people, small.recall("skin")) == (1, 0)
    assert math.isnan(small.recall("hair"))
    assert (big.people, big.recall("skin"), big.recall("hair")) == (1, 1, 0)
    assert big.report() == {"people": 1, "recall": {"hair": 0.0, "skin": 1.0}}
