"""Augmentation and the sequence of samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from livestyle.errors import InputError
from livestyle.training.augment import Augmentation, crop_matrix, framed, lit
from livestyle.training.backdrops import Backdrops, empty_pictures, largest_empty_rectangle, texture
from livestyle.training.classes import BACKGROUND, member_bits
from livestyle.training.reader import Picture, open_sets
from livestyle.training.samples import Samples
from livestyle.training.sets import find_set

HAIR, SKIN, CLOTHES = member_bits(["hair"]), member_bits(["face", "neck"]), member_bits(["clothes"])
RED = np.array([255, 0, 0])


def _samples(drawn: Path, seed: int = 1, **changes: float) -> Samples:
    sets = open_sets([find_set(str(drawn / "drawn.toml"))], drawn, validation=False)
    return Samples(sets, Augmentation(**changes), seed)  # type: ignore[arg-type]


def test_a_sample_is_a_function_of_seed_and_number(drawn: Path) -> None:
    """Sample n of a seed is the same whatever was drawn before it, and in any process: that makes resumed runs and
    several workers exact."""
    one, other = _samples(drawn), _samples(drawn)
    other.sample(3, 64)  # what was drawn before must not matter
    for number in (0, 17, 10**9):
        np.testing.assert_array_equal(one.sample(number, 64).pixels, other.sample(number, 64).pixels)
        np.testing.assert_array_equal(one.sample(number, 64).members, other.sample(number, 64).members)
    assert (one.sample(0, 64).pixels != _samples(drawn, seed=2).sample(0, 64).pixels).any()


def test_labels_move_with_the_pixels(drawn: Path) -> None:
    """Without changes of light every label keeps its colour, whatever crop, turn, mirror or backdrop was drawn.

    90 %: interpolation mixes colours along edges, which are long where a ring of hair is a few pixels wide.
    """
    samples = _samples(drawn, disguise=0, light=0, dark=0, grey=0, blur=0, noise=0, jpeg=0)
    colors = {HAIR: (60, 40, 20), SKIN: (220, 170, 140), CLOTHES: (180, 30, 40)}
    seen = set()
    for number in range(40):
        sample = samples.sample(number, 96)
        for bits, color in colors.items():
            inside = sample.members == bits
            if inside.sum() > 200:
                seen.add(bits)
                near = np.abs(sample.pixels[inside].astype(int) - color).max(axis=1) < 60
                assert near.mean() > 0.9
    assert seen == set(colors)


def test_about_the_wanted_share_of_samples_shows_nobody(drawn: Path) -> None:
    """Binomial with n = 300 and p = 0.3: four standard deviations are 0.106."""
    sets = open_sets([find_set(str(drawn / "drawn.toml"))], drawn, validation=False)
    samples = Samples(sets, Augmentation(), 1, empty=0.3)
    empty = [s for s in (samples.sample(i, 32) for i in range(300)) if s.origin == "empty"]
    assert len(empty) / 300 == pytest.approx(0.3, abs=0.106)
    assert all((s.members == BACKGROUND).all() for s in empty)


def test_pictures_of_places_are_half_of_all_backgrounds(
    drawn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Binomial with n = 200 and p = 0.5 × 0.85 (the rest are textures): four standard deviations are 0.14."""
    (tmp_path / "deep").mkdir()
    cv2.imwrite(str(tmp_path / "deep" / "green.png"), np.full((900, 1200, 3), (0, 255, 0), np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with caplog.at_level("WARNING"):
        places = empty_pictures(tmp_path)
    assert "left out 1" in caplog.text
    assert [place.shape for place in places] == [(480, 640, 3)]
    street = [np.zeros((100, 100, 3), np.uint8)]
    backdrops, rng = Backdrops(street, places), np.random.default_rng(1)
    green = [(backdrops.draw(rng, 8) == (0, 255, 0)).all() for _ in range(200)]
    assert np.mean(green) == pytest.approx(0.425, abs=0.14)
    sets = open_sets([find_set(str(drawn / "drawn.toml"))], drawn, validation=False)
    samples = Samples(sets, Augmentation(light=0, dark=0, grey=0, blur=0, noise=0, jpeg=0), 1, empty=0.9, places=places)
    drawn_samples = [samples.sample(i, 16) for i in range(20)]
    assert any((s.pixels == (0, 255, 0)).all() for s in drawn_samples if s.origin == "empty")


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    """Places that were asked for and are not there are an error that names the folder."""
    with pytest.raises(InputError, match=tmp_path.name):
        empty_pictures(tmp_path)


def _person(cutout: bool) -> Picture:
    members = np.full((60, 60), BACKGROUND, np.uint8)
    members[20:40, 20:40] = HAIR
    pixels = np.where((members == HAIR)[..., None], RED, 255).astype(np.uint8)
    return Picture("a", pixels, members, np.where(members == HAIR, 255, 0).astype(np.uint8) if cutout else None)


def test_a_person_that_can_be_cut_out_gets_another_background() -> None:
    """The person and the labels stay, everything around comes from a backdrop; what is left of the old one along the
    edge is small (240 of 255 on average)."""
    how = Augmentation(flip=0, rotate=0, aspect=1, aim=0, far=0, paste=1)
    blue = Backdrops([np.full((90, 90, 3), (0, 0, 255), np.uint8)], textures=0)
    pixels, members = framed(np.random.default_rng(0), _person(True), (1.0, 1.0), 60, blue, how)
    assert (pixels[members == BACKGROUND].mean(axis=0)[2] > 240).all()
    assert (pixels[25:35, 25:35] == RED).all()
    assert (members[25:35, 25:35] == HAIR).all()
    assert (pixels[3:10, 3:10] == (0, 0, 255)).all()


def test_what_lies_outside_the_picture_is_background() -> None:
    """A crop twice as wide as the picture is filled with a backdrop, three quarters of it, and labelled as background
    there: nobody is where no picture was."""
    how = Augmentation(flip=0, rotate=0, aspect=1, aim=0, far=0, paste=0, surround=1)
    blue = Backdrops([np.full((90, 90, 3), (0, 0, 255), np.uint8)], textures=0)
    pixels, members = framed(np.random.default_rng(0), _person(False), (2.0, 2.0), 60, blue, how)
    outside = (pixels == (0, 0, 255)).all(axis=2)
    assert outside.mean() == pytest.approx(0.75, abs=0.06)
    assert (members[outside] == BACKGROUND).all()


def test_an_aimed_crop_shows_the_head() -> None:
    """A head of 8 pixels in a picture of 400: a crop of a quarter would show it rarely if it were not aimed."""
    members = np.full((400, 400), BACKGROUND, np.uint8)
    members[80:88, 320:328] = HAIR
    picture = Picture("a", np.zeros((400, 400, 3), np.uint8), members)
    rng, hits = np.random.default_rng(0), 0
    for _ in range(50):
        matrix = crop_matrix(rng, picture, (0.25, 0.25), 64, Augmentation(aim=1.0))
        x, y = np.linalg.inv(matrix[:, :2]) @ (np.array([324.0, 84.0]) - matrix[:, 2])
        hits += 0 <= x < 64 and 0 <= y < 64
    assert hits > 45


def test_light_changes_pixels_but_not_their_number() -> None:
    """Changes of light keep size and type, and can be switched off entirely; labels then fit as before."""
    rng, pixels = np.random.default_rng(0), np.full((32, 32, 3), 120, np.uint8)
    always = Augmentation(light=1, dark=1, grey=1, blur=1, noise=1, jpeg=1)
    found = lit(rng, pixels, always)
    assert found.shape == pixels.shape
    assert found.dtype == np.uint8
    assert found.mean() < 90  # low light
    never = Augmentation(light=0, dark=0, grey=0, blur=0, noise=0, jpeg=0)
    np.testing.assert_array_equal(lit(rng, pixels, never), pixels)


def test_the_largest_empty_rectangle_is_the_largest() -> None:
    """Against trying every rectangle, on a grid of single pixels."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        members = np.where(rng.random((7, 9)) < 0.7, BACKGROUND, HAIR).astype(np.uint8)
        best = max(
            ((b - t) * (r - le) for t in range(7) for b in range(t + 1, 8) for le in range(9) for r in range(le + 1, 10)
             if (members[t:b, le:r] == BACKGROUND).all()), default=0,
        )  # fmt: skip
        x, y, width, height = largest_empty_rectangle(members, step=1)
        # One row and column less: on a coarser grid the pixels between two cells are not known to be empty.
        assert (width + 1) * (height + 1) == best
        assert (members[y : y + height + 1, x : x + width + 1] == BACKGROUND).all()


def test_some_pictures_without_people_are_in_the_colors_of_skin(drawn: Path) -> None:
    """All places here are blue; disguises at their most make nearly all of them skin-coloured: red above blue."""
    sets = open_sets([find_set(str(drawn / "drawn.toml"))], drawn, validation=False)
    places = [np.full((90, 90, 3), (40, 60, 200), np.uint8)]
    plain = {"light": 0.0, "dark": 0.0, "grey": 0.0, "blur": 0.0, "noise": 0.0, "jpeg": 0.0}
    reddish = {}
    for disguise in (0.0, 0.25):
        samples = Samples(sets, Augmentation(disguise=disguise, **plain), 1, empty=1.0, places=places, backdrops=0)
        drawn_pixels = [samples.sample(i, 32).pixels.reshape(-1, 3).mean(0) for i in range(60)]
        reddish[disguise] = sum(bool(color[0] > color[2]) for color in drawn_pixels)
    assert reddish[0.0] < 12  # textures, whatever their colour
    assert reddish[0.25] > 40


def test_textures_differ_from_each_other() -> None:
    """Every made surrounding is a new one, so that a model cannot learn them by heart."""
    rng = np.random.default_rng(0)
    one, other = texture(rng, 48), texture(rng, 48)
    assert one.shape == (48, 48, 3)
    assert (one != other).any()
