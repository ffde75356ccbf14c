"""People composed into groups, hands cut out of sets of hands, and labels that a model fills in."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.training.backdrops import Backdrops
from livestyle.training.classes import ANY, BACKGROUND, CLASSES, member_bits
from livestyle.training.groups import Groups, person_of
from livestyle.training.hands import Hands, hands_of
from livestyle.training.reader import Picture, Row, decode_mask
from livestyle.training.sets import find_set, parse_set
from livestyle.training.teach import taught, with_taught_labels

HAIR, FACE, ARMS, CLOTHES = (member_bits([name]) for name in ("hair", "face", "arms", "clothes"))
ANYONE = ANY & ~BACKGROUND
GREEN = (0, 160, 0)
WALL = Backdrops([np.full((90, 90, 3), GREEN, np.uint8)], textures=0)
COLOR = {HAIR: (60, 40, 20), FACE: (220, 170, 140), CLOTHES: (180, 30, 40)}


def _standing() -> Picture:
    """Somebody 160 pixels wide and 400 high, with a head of 60 pixels, in the middle of a grey wall."""
    members = np.full((480, 320), BACKGROUND, np.uint8)
    cv2.rectangle(members, (80, 100), (239, 439), CLOTHES, -1)
    cv2.rectangle(members, (130, 40), (189, 99), HAIR, -1)
    cv2.rectangle(members, (140, 60), (179, 99), FACE, -1)
    pixels = np.full((480, 320, 3), 128, np.uint8)
    for bits, color in COLOR.items():
        pixels[members == bits] = color
    return Picture("standing", pixels, members)


def test_a_person_is_cropped_to_their_outline_with_the_height_of_their_head() -> None:
    """The bounds are those drawn: 160 x 400 pixels, and a head of 60 from hair to chin."""
    person = person_of(_standing())
    assert person is not None
    assert person.alpha.shape == (400, 160)
    assert person.head == 60
    assert person.whole
    np.testing.assert_array_equal(person.alpha == 255, person.members != BACKGROUND)


def test_nobody_is_cut_out_of_a_picture_whose_labels_leave_open_who_is_background() -> None:
    """Pasted elsewhere, such a person would bring a piece of wall along that is labelled as a person."""
    picture = _standing()
    open_ = np.where(picture.members == BACKGROUND, np.uint8(ANY & ~HAIR), picture.members)
    assert person_of(Picture("open", picture.pixels, open_)) is None


@pytest.mark.parametrize("number", range(6))
def test_labels_of_a_group_lie_where_its_people_are(number: int) -> None:
    """Colours tell the truth: away from edges, which are blended, a pixel is green exactly where no one is labelled.

    Eight levels: an edge that was shrunk and then blurred may fade out over three pixels.
    """
    person = person_of(_standing())
    assert person is not None
    pixels, members = Groups([person]).draw(np.random.default_rng((3, number)), 384, WALL)
    someone = (members != BACKGROUND).astype(np.uint8)
    inside = cv2.erode(someone, np.ones((5, 5))) > 0
    outside = cv2.dilate(someone, np.ones((5, 5))) == 0
    assert inside.any()
    assert not (pixels[inside] == GREEN).all(axis=-1).any()
    assert np.abs(pixels[outside].astype(int) - GREEN).max() <= 8


def test_groups_show_people_of_many_sizes_and_numbers() -> None:
    """From the distance to the table: hair, face and clothes of one to many people, also of 14-pixel heads."""
    person = person_of(_standing())
    assert person is not None
    faces = []
    for number in range(60):
        _, members = Groups([person]).draw(np.random.default_rng((4, number)), 384, WALL)
        faces.append(int((members == FACE).sum()))
    assert np.median(faces) > 50
    assert min(faces) < 500
    assert max(faces) > 5000


def test_a_group_is_a_function_of_its_generator() -> None:
    """A resumed run must read what an uninterrupted one would have read."""
    person = person_of(_standing())
    assert person is not None
    first, second = (Groups([person]).draw(np.random.default_rng(9), 192, WALL) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def _raised_hand() -> tuple[Picture, np.ndarray]:
    """A palm of radius 60 on an arm that comes from below, before a blue wall, labelled as the sets of hands are."""
    true = np.zeros((320, 320), np.uint8)
    cv2.circle(true, (160, 120), 60, 1, -1)
    cv2.rectangle(true, (130, 120), (190, 319), 1, -1)
    pixels = np.full((320, 320, 3), (30, 60, 160), np.uint8)
    pixels[true > 0] = (210, 160, 130)
    pixels = np.clip(pixels + np.random.default_rng(0).normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
    members = np.full((320, 320), ANY, np.uint8)
    ring = np.zeros((320, 320), np.uint8)
    cv2.circle(ring, (160, 120), 75, 1, 20)
    ring[150:, 125:196] = 0
    members[ring > 0] = ANY & ~ARMS
    cv2.circle(members, (160, 120), 54, ARMS, -1)
    return Picture("raised", pixels, members), true > 0


def test_a_hand_is_cut_out_along_its_true_edge_with_its_wrist_behind_it() -> None:
    """The label ends six pixels inside the hand; the cut-out is nowhere off by more than two pixels."""
    picture, true = _raised_hand()
    (limb,) = hands_of(picture)
    np.testing.assert_allclose(limb.along, (0, 1), atol=0.2)
    # Where the crop lies in the picture is found by its pixels, not by the code that cut it.
    match = cv2.matchTemplate(picture.pixels, limb.pixels, cv2.TM_SQDIFF)
    _, _, (x, y), _ = cv2.minMaxLoc(match)
    found = limb.alpha > 127
    truth = true[y : y + found.shape[0], x : x + found.shape[1]].astype(np.uint8)
    upper = slice(0, 170 - y)
    assert not (found[upper] & (cv2.dilate(truth, np.ones((5, 5)))[upper] == 0)).any()
    assert not (~found[upper] & (cv2.erode(truth, np.ones((5, 5)))[upper] > 0)).any()


def test_a_hand_alone_reaches_into_an_empty_place_and_is_labelled() -> None:
    """Nobody's face is needed: skin-coloured pixels appear, and away from the blended edge they are called arms."""
    (limb,) = hands_of(_raised_hand()[0])
    seen = 0
    for number in range(8):
        rng = np.random.default_rng((5, number))
        empty = np.full((192, 192, 3), (30, 60, 160), np.uint8), np.full((192, 192), BACKGROUND, np.uint8)
        pixels, members = Hands([limb], fast=0).alone(rng, *empty)
        skin = (pixels[..., 0] > 150).astype(np.uint8)
        core, around = cv2.erode(skin, np.ones((5, 5))) > 0, cv2.dilate(skin, np.ones((5, 5))) > 0
        assert (members[core] == ARMS).all()
        assert (members[~around] == BACKGROUND).all()
        seen += bool(core.any())
    assert seen >= 6


def test_people_who_are_held_out_validate_whatever_their_hash() -> None:
    """The built-in set of hands has three people: one must be left to measure by."""
    described = find_set("hands")
    assert described.held == ("p2",)
    assert find_set("webcam_hands").held == ()


class Sure:
    """A model that is sure of hair on dark pixels and of a face on bright ones, in mirror images too."""

    classes = CLASSES

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """(C, H, W): hair where the red of a pixel is low, face elsewhere."""
        left = pixels[..., 0] < 100
        planes = np.zeros((len(CLASSES), *left.shape), np.float32)
        planes[CLASSES.index("hair")] = left
        planes[CLASSES.index("face")] = ~left
        return planes


def test_a_teacher_fills_in_only_what_labels_leave_open() -> None:
    """Background stays background, and the description written with them reads the new ids as classes."""
    labelled = '[labels]\n"0" = ["background"]\n"1" = ["hair", "face", "arms"]\n"2" = ["arms"]\n'
    text = f'name = "x"\nfile = "x.parquet"\n{labelled}'
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, 20:] = 200
    labels = np.zeros((40, 40), np.uint8)
    labels[10:] = 1
    labels[30:] = 2
    row = Row("a", cv2.imencode(".png", pixels)[1].tobytes(), cv2.imencode(".png", labels)[1].tobytes())
    found = taught(row, parse_set(text, "x"), Sure())
    members = parse_set(with_taught_labels(text), "x").table()[decode_mask(found)]
    assert (members[:10] == BACKGROUND).all()
    assert (members[10:30, :20] == HAIR).all()
    assert (members[10:30, 20:] == FACE).all()
    assert (members[30:] == ARMS).all()
