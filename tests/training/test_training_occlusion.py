"""Hands over heads, and clothes in the colours of skin."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.training.augment import Augmentation, framed
from livestyle.training.backdrops import SKIN_TONES, Backdrops
from livestyle.training.classes import BACKGROUND, member_bits
from livestyle.training.disguise import disguised, in_skin_tones
from livestyle.training.hands import Hands, limbs_of
from livestyle.training.reader import Picture

HAIR, FACE, ARMS = (member_bits([name]) for name in ("hair", "face", "arms"))
CLOTHES, ACCESSORIES = member_bits(["clothes"]), member_bits(["accessories"])
ANYONE = 0xFF & ~BACKGROUND
GREY = Backdrops([np.full((90, 90, 3), 128, np.uint8)], textures=0)
ARM = np.array([200, 150, 120])


def _owner(arm: tuple[int, int, int] = (200, 150, 120)) -> Picture:
    """A head above an arm that hangs down from (100, 60) to (100, 150), on a strip of sleeve labelled as arm too."""
    members = np.full((200, 160), BACKGROUND, np.uint8)
    cv2.circle(members, (60, 30), 22, FACE, -1)
    members[60:150, 90:110] = ARMS
    pixels = np.full((200, 160, 3), 250, np.uint8)
    pixels[members == ARMS] = arm
    pixels[60:150, 90:93] = 10
    return Picture("owner", pixels, members)


def _sitter(head: int = FACE) -> tuple[np.ndarray, np.ndarray]:
    members = np.full((128, 128), BACKGROUND, np.uint8)
    cv2.circle(members, (64, 60), 30, head, -1)
    pixels = np.full((128, 128, 3), 30, np.uint8)
    pixels[members != BACKGROUND] = (120, 80, 60)
    return pixels, members


def test_a_limb_is_cut_out_without_the_sleeve_and_with_its_fingers_away_from_the_head() -> None:
    """Two pixels: the cut-out keeps a margin, and the ends are quantiles, not extremes."""
    (limb,) = limbs_of(_owner())
    np.testing.assert_array_equal(limb.color, ARM)
    inside = limb.alpha > 250
    assert (np.abs(limb.pixels[inside].astype(int) - ARM) <= 1).all()
    assert 85 * 12 < inside.sum() < 90 * 17
    assert limb.tip[1] > 80
    np.testing.assert_allclose(limb.along, (0, -1), atol=0.05)


@pytest.mark.parametrize("change", ["no head", "no arms", "two colours"])
def test_what_is_no_limb_of_a_visible_owner_is_left_alone(change: str) -> None:
    """A limb needs arms that are labelled, a head for its scale and a single colour; otherwise it is a sleeve or a
    mistake of the labels and is not pasted over faces."""
    owner = _owner()
    if change == "two colours":
        owner.pixels[60:100][owner.members[60:100] == ARMS] = (20, 60, 200)
    else:
        owner.members[owner.members == (FACE if change == "no head" else ARMS)] = BACKGROUND
    assert limbs_of(owner) == []


@pytest.mark.parametrize("head", [FACE, HAIR, ANYONE])
def test_a_hand_is_labelled_as_arms_where_it_lies_and_nothing_else_changes(head: int) -> None:
    """The head is known by its label, or is the top of what is surely a person."""
    hands, (pixels, members) = Hands(limbs_of(_owner()), holding=0), _sitter(head)
    touched = 0
    for seed in range(20):
        after, labels = hands.over(np.random.default_rng(seed), pixels, members, GREY)
        arm = labels == ARMS
        assert ((labels == members) | arm).all()
        far = cv2.dilate(arm.astype(np.uint8), np.ones((17, 17))) == 0
        np.testing.assert_array_equal(after[far], pixels[far])
        touched += bool((arm & (members == head)).any())
    assert touched > 10


def test_a_hand_takes_the_skin_tone_of_the_person_it_is_laid_over() -> None:
    """40 levels: a fifth of all hands keep their own colour, the rest vary a little."""
    hands, (pixels, members) = Hands(limbs_of(_owner()), holding=0), _sitter()
    near = []
    for seed in range(20):
        after, labels = hands.over(np.random.default_rng(seed), pixels, members, GREY)
        color = np.median(after[labels == ARMS], axis=0)
        near.append(np.abs(color - (120, 80, 60)).max() < 40)
    assert np.mean(near) > 0.6


def test_what_a_hand_holds_is_neither_hair_nor_skin() -> None:
    """A thing in a hand is labelled as background, clothes or accessories, without saying which: the model learns only
    that it is not the head behind it."""
    hands, (pixels, members) = Hands(limbs_of(_owner()), holding=1), _sitter()
    _, labels = hands.over(np.random.default_rng(1), pixels, members, GREY)
    thing = member_bits(["background", "clothes", "accessories"])
    assert (labels == thing).sum() > 50


def test_nobody_gets_no_hand() -> None:
    """Where nobody is, or no hand was cut out, picture and labels come back as they are, not even copied."""
    empty = np.full((64, 64), BACKGROUND, np.uint8)
    pixels = np.zeros((64, 64, 3), np.uint8)
    for hands in (Hands(limbs_of(_owner())), Hands([])):
        after, labels = hands.over(np.random.default_rng(0), pixels, empty, GREY)
        assert after is pixels
        assert labels is empty


def test_a_disguise_changes_colors_of_what_is_no_hair_or_skin_and_keeps_the_rest() -> None:
    """Each of the three is recoloured in some of 30 draws; one pixel of blur lies along the edge."""
    members = np.full((90, 90), BACKGROUND, np.uint8)
    members[20:40], members[40:70], members[70:] = FACE, CLOTHES, ACCESSORIES
    pixels = np.full((90, 90, 3), (60, 90, 160), np.uint8)
    changed = set()
    for seed in range(30):
        after = disguised(np.random.default_rng(seed), pixels, members)
        np.testing.assert_array_equal(after[22:38], pixels[22:38])
        changed |= {int(bits) for bits in np.unique(members) if (after[members == bits] != pixels[0, 0]).any(1).all()}
    assert changed == {BACKGROUND, CLOTHES, ACCESSORIES}


def test_disguised_clothes_have_a_color_of_skin_and_keep_their_folds() -> None:
    """60: tones vary by 12 (standard deviation) and up to a quarter of the old colour stays."""
    members = np.full((60, 60), CLOTHES, np.uint8)
    pixels = np.full((60, 60, 3), (40, 120, 200), np.uint8)
    pixels[:, ::10] //= 2
    draws = (disguised(np.random.default_rng(seed), pixels, members) for seed in range(20))
    after = next(image for image in draws if image is not pixels)  # what is not there to disguise returns as it was
    assert np.abs(SKIN_TONES - np.median(after, axis=(0, 1))).max(1).min() < 60
    assert after[:, 10].mean() < 0.8 * after[:, 15].mean()


def test_a_place_in_skin_tones_has_their_colors_and_keeps_its_pattern() -> None:
    """A place recoloured to skin is within 60 of one of SKIN_TONES (they vary by 12, and some of the old colour stays)
    and keeps its light and dark stripes: texture, not colour, must tell it from skin."""
    pixels = np.full((60, 60, 3), (40, 120, 200), np.uint8)
    pixels[:, ::10] //= 2
    for seed in range(8):
        after = in_skin_tones(np.random.default_rng(seed), pixels)
        assert np.abs(SKIN_TONES - np.median(after, axis=(0, 1))).max(1).min() < 60
        assert after[:, 10].mean() < 0.8 * after[:, 15].mean()


def test_a_far_crop_shows_people_smaller_and_no_mirror_images() -> None:
    """A crop that reaches beyond the picture shows the person smaller with other surroundings around it, labelled as
    background; reflecting the border instead would show people twice."""
    members = np.full((60, 60), FACE, np.uint8)
    picture = Picture("a", np.full((60, 60, 3), 200, np.uint8), members)
    how = Augmentation(flip=0, rotate=0, aspect=1, paste=0, surround=0, far=1)
    for seed in range(5):
        _, labels = framed(np.random.default_rng(seed), picture, (1.0, 1.0), 64, GREY, how)
        assert (labels == FACE).mean() < 0.995
        assert set(np.unique(labels)) <= {FACE, BACKGROUND}
