"""Promises that every built-in style keeps, and those of its kind."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from livestyle.frame import REGIONS
from livestyle.shaders import oklab
from livestyle.shaders.compile import SIZE, compile_look
from livestyle.shaders.library import builtin_recipes, find_recipe
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice
from livestyle.shaders.recipe import Adjust, Recipe

STYLES = builtin_recipes()
UNDERTONES = ("Cool Rose", "Neutral", "Rose Gold", "Gold", "Amber")
EVERYDAY = ("Natural", "Rich", "Vivid", "Warm", "Cool", "Soft")
MONO = ("Soft Mono", "Stark Mono")
# Median colours of skin in sRGB, dark to light, from hundreds of portraits.
SKIN = np.array([(70, 45, 35), (105, 70, 54), (150, 105, 82), (190, 145, 120), (226, 185, 164)], np.float32) / 255

every_style = pytest.mark.parametrize("recipe", STYLES, ids=lambda r: r.name)


def main_lut(recipe: Recipe) -> Lut3D:
    """The LUT of the region that the style is about."""
    return next(lut for lut in compile_look(recipe).luts if lut is not None)


def look_of(name: str) -> Look:
    """The look of a built-in style at its own intensity and strengths."""
    return compile_look(find_recipe(name))


def test_there_are_at_least_sixteen_with_unlike_names() -> None:
    """At least sixteen styles, among them all that the tests below hold to promises of their kind.

    Names differ in more than case, because a style is found whatever the case.
    """
    assert len(STYLES) >= 16
    assert len({recipe.name.casefold() for recipe in STYLES}) == len(STYLES)
    assert {*UNDERTONES, *EVERYDAY, *MONO} <= {recipe.name for recipe in STYLES}


@every_style
def test_it_says_what_it_does_in_one_line(recipe: Recipe) -> None:
    """A description is one line of 10 to 90 characters, so that it fits a line of `--list-styles`."""
    assert 10 <= len(recipe.description) <= 90
    assert "\n" not in recipe.description


@every_style
def test_intensity_0_changes_nothing(recipe: Recipe) -> None:
    """Intensity 0 leaves no LUT in any region: a frame then passes through bit for bit, whatever the style."""
    assert compile_look(recipe, Adjust(intensity=0)).luts == (None,) * len(REGIONS)


@every_style
def test_greys_rise_in_every_channel_without_a_jump(recipe: Recipe) -> None:
    """No folding and no banding: from one lattice point to the next the step changes by less than 5 % of full scale
    (the first step from a lifted black is the largest)."""
    for lut in compile_look(recipe).luts:
        if lut is not None:
            index = np.arange(SIZE)
            grey = lut.table[index, index, index]
            assert np.diff(grey, axis=0).min() > 0
            assert np.abs(np.diff(grey, n=2, axis=0)).max() < 0.05


@every_style
def test_ordinary_colors_change_smoothly(recipe: Recipe) -> None:
    """Second differences over colours of up to moderate saturation, where skies, walls and skin lie; a lattice step is
    0.031, so 0.03 means that the slope changes by 1 from one cell to the next. Only the few points on the border of
    the gamut, bright cyan and yellow, may bend more."""
    inputs = lattice(SIZE)
    strongest, weakest = inputs.max(axis=-1), inputs.min(axis=-1)
    mild = (strongest - weakest < 0.5 * strongest) & (strongest > 0.1)
    table = main_lut(recipe).table
    for axis in range(3):
        bend = np.abs(np.diff(table, n=2, axis=axis)).max(axis=-1)
        inner = np.take(mild, range(1, SIZE - 1), axis=axis)
        assert bend[inner].max() < 0.08
        assert np.quantile(bend[inner], 0.995) < 0.03


@every_style
def test_black_and_white_stay_black_and_white_ish(recipe: Recipe) -> None:
    """No style takes a picture's contrast: in every channel black stays below 0.1 and white above 0.9 of full scale.

    The tenth is the room that a faded, matte look may use.
    """
    table = main_lut(recipe).table
    assert table[0, 0, 0].max() < 0.1
    assert table[-1, -1, -1].min() > 0.9


@every_style
def test_skin_and_hair_are_changed_gently_if_at_all(recipe: Recipe) -> None:
    """By itself a style gives skin at most a quarter of its effect and hair a half: keeping them true is what users
    choose livestyle for. Undertones, which are about skin, have limits of their own below."""
    if recipe.name not in UNDERTONES:
        _, hair, skin, _ = recipe.strengths
        assert skin <= 0.25
        assert hair <= 0.5


def test_no_two_look_alike() -> None:
    """Mean distance in Oklab over colours of moderate saturation (over skin colours for undertones); 0.01 is about one
    just noticeable difference of a large patch."""
    muted = 0.25 + 0.5 * lattice(9).reshape(-1, 3)

    @cache
    def colors(recipe: Recipe) -> npt.NDArray[np.float32]:
        return oklab.srgb_to_oklab(main_lut(recipe).apply(SKIN if recipe.name in UNDERTONES else muted))

    for kind in (True, False):
        for one, other in itertools.combinations([r for r in STYLES if (r.name in UNDERTONES) is kind], 2):
            distance = np.linalg.norm(colors(one) - colors(other), axis=-1).mean()
            assert distance > (0.004 if kind else 0.01), (one.name, other.name)


@pytest.mark.parametrize("name", UNDERTONES)
def test_undertones_change_skin_only(name: str) -> None:
    """An undertone is a choice about skin: background, hair and clothes have no LUT and stay bit for bit."""
    background, hair, skin, clothes = look_of(name).luts
    assert background is hair is clothes is None
    assert skin is not None


@pytest.mark.parametrize("name", UNDERTONES)
def test_undertones_turn_skin_gently_and_keep_its_lightness_dark_or_light(name: str) -> None:
    """On each skin tone an undertone moves the colour by 0.003 to 0.04 in Oklab.

    The lower limit means that it does something for dark and light skin alike, the upper one, about four just
    noticeable differences, that skin still looks natural.
    """
    skin = look_of(name).luts[2]
    assert skin is not None
    before, after = oklab.srgb_to_oklab(SKIN), oklab.srgb_to_oklab(skin.apply(SKIN))
    assert np.abs(after - before)[:, 0].max() < 0.012  # of 1: invisible
    moved = np.linalg.norm(after - before, axis=1)
    assert moved.min() > 0.003
    assert moved.max() < 0.04


def test_undertones_leave_eyes_and_teeth_alone() -> None:
    """Greys from 0.3 upwards stay within half an 8-bit step, because eyes and teeth lie in the skin mask too."""
    greys = np.linspace(0.3, 1, 8, dtype=np.float32)[:, None].repeat(3, axis=1)
    for name in UNDERTONES:
        skin = look_of(name).luts[2]
        assert skin is not None
        np.testing.assert_allclose(skin.apply(greys), greys, atol=0.5 / 255)


def test_undertones_stand_in_the_order_of_their_names_from_rose_to_gold() -> None:
    """The hue of every skin tone rises from Cool Rose over Rose Gold and Amber to Gold, as the names promise."""

    def hue(name: str) -> npt.NDArray[np.float32]:
        skin = look_of(name).luts[2]
        assert skin is not None
        lab = oklab.srgb_to_oklab(skin.apply(SKIN))
        return np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))

    rose, rose_gold, amber, gold = (hue(name) for name in ("Cool Rose", "Rose Gold", "Amber", "Gold"))
    assert (rose < rose_gold).all()
    assert (rose_gold < amber).all()
    assert (amber < gold).all()


@pytest.mark.parametrize("name", MONO)
def test_black_and_whites_leave_skin_and_hair_in_color(name: str) -> None:
    """Background and clothes share one LUT without colour, skin and hair keep theirs.

    A chroma of 2e-3 in Oklab is a fifth of what can be noticed.
    """
    background, hair, skin, clothes = look_of(name).luts
    assert hair is skin is None
    assert background is clothes
    assert background is not None
    lab = oklab.srgb_to_oklab(background.table)
    assert np.hypot(lab[..., 1], lab[..., 2]).max() < 2e-3


@pytest.mark.parametrize("name", EVERYDAY)
def test_everyday_styles_are_moderate_and_leave_skin_and_hair(name: str) -> None:
    """A style for every day does nothing to skin and hair, and moves the colours of the cube by less than 0.06 in Oklab
    on average, about six just noticeable differences."""
    background, hair, skin, _ = look_of(name).luts
    assert hair is skin is None
    assert background is not None
    lab = oklab.srgb_to_oklab(background.table) - oklab.srgb_to_oklab(lattice(SIZE))
    assert np.linalg.norm(lab, axis=-1).mean() < 0.06
