"""Who is in a mask, drawn pixel by pixel, and who stays who over several."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.masks.crops import Crop
from livestyle.masks.people import MISSED, Head, People, Sighting, sightings

HEIGHT, WIDTH = 180, 320
ASPECT = WIDTH / HEIGHT


def planes() -> tuple[np.ndarray, np.ndarray]:
    """Background and faces of an empty picture."""
    return np.ones((HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)


def put(
    background: np.ndarray, faces: np.ndarray, x: int, y: int, face: int, *, legs: int = 0, surely: float = 1.0
) -> None:
    """A person with a square face whose middle is at x, y, on a body twice as wide down to the row `legs`."""
    half = face // 2
    background[y + half : max(legs, y + half), x - face : x + face] = 0
    background[y - half : y + half, x - half : x + half] = 0
    faces[y - half : y + half, x - half : x + half] = surely


def test_a_speck_is_nobody() -> None:
    """A few pixels are not a person."""
    background, _ = planes()
    background[50, 60:63] = 0
    assert sightings(background, None) == []
    background[100:120, 80:96] = 0
    assert [one.box for one in sightings(background, None)] == [Crop(80 / 320, 100 / 180, 96 / 320, 120 / 180)]


@pytest.mark.parametrize(("sure", "somebody"), [(0.05, False), (0.15, True)])
def test_what_the_model_is_uncertain_about_is_nobody(sure: float, somebody: bool) -> None:
    """A piece at 0.75 is a person where a tenth of it is sure."""
    background, _ = planes()
    background[60:100, 100:140] = 0.25
    background[60:100, 100 : 100 + round(sure * 40)] = 0.05
    assert bool(sightings(background, None)) is somebody


def test_a_face_tells_how_large_the_head_is() -> None:
    """One person: the box is the whole piece, the head a third higher than its face."""
    background, faces = planes()
    put(background, faces, 160, 50, 20, legs=150)
    (one,) = sightings(background, faces)
    assert one.box == Crop(140 / WIDTH, 40 / HEIGHT, 180 / WIDTH, 150 / HEIGHT)
    assert one.head == pytest.approx((160 / WIDTH, 50 / HEIGHT, 1.35 * 20 / HEIGHT))


def test_people_who_touch_are_told_apart_by_their_faces() -> None:
    """Two faces in one piece are two people, each down to where the piece ends below."""
    background, faces = planes()
    put(background, faces, 140, 50, 20, legs=150)
    put(background, faces, 180, 54, 16, legs=110)
    found = sightings(background, faces)
    assert [round(one.head.x * WIDTH) for one in found if one.head] == [140, 180]
    assert [round(one.box.bottom * HEIGHT) for one in found] == [150, 110]
    assert found[0].box.right < 180 / WIDTH < found[1].box.right


def test_glasses_do_not_make_two_people() -> None:
    """A face that a bar cuts in two is one head."""
    background, faces = planes()
    put(background, faces, 160, 60, 30, legs=150)
    faces[58:62] = 0
    assert len(sightings(background, faces)) == 1


def test_an_unsure_face_is_no_head() -> None:
    """The piece is somebody, but of what size is not known."""
    background, faces = planes()
    put(background, faces, 160, 60, 30, legs=150, surely=0.55)
    assert [one.head for one in sightings(background, faces)] == [None]


def at(x: float, y: float = 0.3, head: float = 0.05) -> Sighting:
    """Somebody seven heads tall."""
    half = head / ASPECT
    return Sighting(Crop(x - half, y - head / 2, x + half, y + 6.5 * head), Head(x, y, head))


def test_numbers_stay_while_people_walk_and_are_never_given_twice() -> None:
    """Two people who pass each other at a distance keep their numbers; who comes later gets another one."""
    people = People()
    for step in range(40):
        people.see([at(0.1 + 0.02 * step, 0.2), at(0.9 - 0.02 * step, 0.6)], ASPECT)
    found = {person.number: person.head.x for person in people if person.head}
    assert found == pytest.approx({1: 0.88, 2: 0.12})
    for _ in range(MISSED):
        people.see([], ASPECT)
    assert len(people) == 0
    people.see([at(0.5)], ASPECT)
    assert [person.number for person in people] == [3]


def test_one_look_without_a_person_loses_nobody() -> None:
    """Somebody turns round: gone only after MISSED looks in a row."""
    people = People()
    for index in range(6):
        people.see([at(0.5)] if index % 2 == 0 else [], ASPECT)
        assert [person.number for person in people] == [1]


def test_the_whole_loses_nobody_whom_a_closer_look_has_found() -> None:
    """They may be too small for it; a closer look that does not find them loses them."""
    people, part = People(), Crop(0.4, 0.2, 0.6, 0.8)
    people.see_closer([at(0.5)], ASPECT, part, ())
    for _ in range(2 * MISSED):
        people.see([], ASPECT)
    assert [person.number for person in people] == [1]
    for _ in range(MISSED):
        people.see_closer([], ASPECT, part, (1,))
    assert len(people) == 0


def test_a_closer_look_says_nothing_about_those_at_its_edge() -> None:
    """Half a neighbour neither moves the neighbour nor is somebody new."""
    people, part = People(), Crop(0.3, 0.1, 0.5, 0.9)
    people.see([at(0.4), at(0.505)], ASPECT)
    before = {person.number: person.box for person in people}
    half = Sighting(Crop(0.48, 0.275, 0.5, 0.6), Head(0.49, 0.3, 0.05))
    people.see_closer([at(0.4), half], ASPECT, part, (1,))
    assert {person.number: person.box for person in people} == before
    people.forget()
    people.see_closer([half], ASPECT, part, ())
    assert len(people) == 0


def test_a_search_finds_only_faces_and_only_new_ones() -> None:
    """What is already known stays as it is; a piece without a face may be anything."""
    people, tile = People(), Crop(0, 0, 0.6, 1)
    people.see([at(0.3)], ASPECT)
    before = list(people)
    people.find([at(0.31), at(0.1, head=0.02), Sighting(Crop(0.4, 0.6, 0.5, 0.8), None)], ASPECT, tile)
    assert list(people)[:1] == before
    assert [person.head.x for person in people if person.head] == [0.3, 0.1]
