"""Which parts of a picture are looked at again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from livestyle.masks.crops import Crop
from livestyle.masks.parts import ENLARGED, SHARED_HEAD, SMALL_HEAD, View, closer_parts
from livestyle.masks.people import Head, Person

VIEW = View(384 * 384, (1280, 720))
ASPECT = 1280 / 720


def person(number: int, x: float, y: float, pixels: float, *, tall: float = 7) -> Person:
    """Somebody `tall` heads tall whose head has so many pixels in a look at the whole."""
    head = pixels / VIEW.head(1)
    half = 1.2 * head / ASPECT
    box = Crop(x - half, y - head / 2, x + half, y + (tall - 0.5) * head).clipped()
    return Person(number, box, Head(x, y, head))


def test_nobody_and_people_close_by_need_no_part() -> None:
    """A head that the network sees well is a reason for nothing."""
    assert closer_parts([], VIEW) == []
    assert closer_parts([person(1, 0.5, 0.4, SMALL_HEAD + 1, tall=2)], VIEW) == []


def test_a_small_person_gets_a_part_that_shows_them_larger() -> None:
    """The part contains them with room around, and enlarges them."""
    one = person(1, 0.5, 0.3, 20)
    (part,) = closer_parts([one], VIEW)
    assert part.crop.contains(one.box)
    assert VIEW.enlarged(part.crop) >= ENLARGED
    assert part.people == (1,)


def test_a_row_of_people_shares_parts_that_show_everybody_large_enough() -> None:
    """As few parts as do: fewer than people, each person in one, no head too small in it."""
    row = [person(index, 0.1 + 0.1 * index, 0.5, 22, tall=3) for index in range(9)]
    parts = closer_parts(row, VIEW)
    assert 1 < len(parts) < len(row)
    assert sorted(number for part in parts for number in part.people) == list(range(9))
    for part in parts:
        assert 22 * VIEW.enlarged(part.crop) >= SHARED_HEAD
        assert all(part.crop.contains(row[number].box) for number in part.people)


def test_two_people_far_from_each_other_get_a_part_each() -> None:
    """One around both would show them no larger."""
    parts = closer_parts([person(1, 0.1, 0.3, 12), person(2, 0.9, 0.7, 12, tall=2)], VIEW)
    assert sorted(part.people for part in parts) == [(1,), (2,)]


def test_people_are_not_put_together_where_a_look_would_show_them_no_larger() -> None:
    """Two who stand apart, each tall: one look at both would be one at the whole."""
    parts = closer_parts([person(1, 0.25, 0.2, 36), person(2, 0.75, 0.2, 36)], VIEW)
    assert sorted(part.people for part in parts) == [(1,), (2,)]


def test_parts_stay_while_people_move_a_little_and_follow_when_they_move_far() -> None:
    """Masks do not jitter with the people, and nobody walks out of a part."""
    crops = []
    parts = closer_parts([person(1, 0.3, 0.3, 20)], VIEW)
    for step in range(40):
        one = person(1, 0.3 + 0.01 * step, 0.3, 20)
        parts = closer_parts([one], VIEW, parts)
        (part,) = parts
        assert part.crop.left < one.box.left
        assert one.box.right < part.crop.right
        crops.append(part.crop)
    changes = sum(before != after for before, after in pairwise(crops))
    assert 3 <= changes <= 20


def test_who_was_there_when_a_part_goes_on_is_told() -> None:
    """A newcomer inside a part that stays is one of its people; who leaves is not."""
    parts = closer_parts([person(1, 0.3, 0.3, 20)], VIEW)
    crop = parts[0].crop
    parts = closer_parts([person(1, 0.3, 0.3, 20), person(2, 0.305, 0.3, 20)], VIEW, parts)
    assert [(part.crop, part.people) for part in parts] == [(crop, (1, 2))]
    assert closer_parts([], VIEW, parts) == []


@pytest.mark.parametrize(("size", "parts"), [((400, 300), 0), ((1600, 1200), 1)])
def test_what_the_picture_does_not_have_is_not_looked_at_twice(size: tuple[int, int], parts: int) -> None:
    """After a look at twice the network's own size a part of a small picture shows nothing more."""
    view = View(384 * 384, size)
    one = Person(1, Crop(0.4, 0.2, 0.6, 0.55), Head(0.5, 0.22, 40 / view.head(1)))
    assert len(closer_parts([one], view, scale=2.0)) == parts


def test_people_without_faces_get_a_part_by_their_size() -> None:
    """Where a model does not name faces: who takes a small part of the picture."""
    small, large = Crop(0.4, 0.4, 0.5, 0.6), Crop(0.2, 0.1, 0.8, 1)
    assert len(closer_parts([Person(1, small, None)], VIEW)) == 1
    assert closer_parts([Person(1, large, None)], VIEW) == []
