"""Stepping through styles and strengths with the window's keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livestyle.current_style import KEPT_GRADES, CurrentStyle
from livestyle.errors import StyleError
from livestyle.settings import Settings
from livestyle.shaders.recipe import lut_recipe

PIXELS = np.random.default_rng(4).integers(0, 256, (8, 8, 3), np.uint8)
BACKGROUND = np.stack([np.full((2, 2), value, np.float32) for value in (1, 0, 0, 0)])


def test_stepping_forward_and_back_comes_home():
    style = CurrentStyle(Settings(style="vivid"))
    before = style.grade()(PIXELS, BACKGROUND)
    style.step_style(1)
    assert style.recipe.name != "Vivid"
    style.step_style(-1)
    assert np.array_equal(style.grade()(PIXELS, BACKGROUND), before)


def test_stepping_goes_round():
    style = CurrentStyle(Settings(style="vivid"))
    for _ in style.recipes:
        style.step_style(1)
    assert style.recipe.name == "Vivid"


def test_the_strength_stays_between_nothing_and_all():
    style = CurrentStyle(Settings(style="vivid", intensity=0.95))
    style.step_intensity(1)
    assert style.intensity == 1.0
    style.step_intensity(-20)
    assert style.intensity == 0.0
    assert style.grade().is_identity


def test_the_users_settings_stay_when_the_style_changes():
    """Skin held back by hand is held back in the next style too."""
    style = CurrentStyle(Settings(style="vivid", strengths={"background": 0.0, "clothes": 0.0}))
    style.step_style(1)
    assert np.array_equal(style.grade()(PIXELS, BACKGROUND), PIXELS)


def test_a_style_whose_lut_is_broken_is_passed_over(tmp_path, caplog):
    """A key pressed during a call must not end it, because some file in the styles' folder is damaged."""
    (tmp_path / "broken.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n")
    style = CurrentStyle(Settings(style="vivid"))
    style.recipes.insert(
        1 + [recipe.name for recipe in style.recipes].index("Vivid"), lut_recipe(tmp_path / "broken.cube")
    )
    after = style.recipes[2 + [recipe.name for recipe in style.recipes].index("Vivid")]
    style.step_style(1)
    assert style.recipe == after
    assert "broken.cube" in caplog.text
    style.step_style(-1)
    assert style.recipe.name == "Vivid"


def test_a_file_called_like_a_built_in_style_is_not_taken_for_it(tmp_path):
    """The first style applied is the file; stepped away from and back, it is the built-in one of that name."""
    file = tmp_path / "Vivid.toml"
    file.write_text('version = 1\nname = "Vivid"\n[palette]\nmonochrome = 1\n', "utf-8")
    style = CurrentStyle(Settings(style=str(file)))
    from_file = style.grade()(PIXELS, BACKGROUND)
    style.step_style(1)
    style.step_style(-1)
    built_in = CurrentStyle(Settings(style="vivid")).grade()(PIXELS, BACKGROUND)
    assert not np.array_equal(from_file, built_in)
    assert np.array_equal(style.grade()(PIXELS, BACKGROUND), built_in)


def test_the_compiled_styles_kept_are_bounded():
    """A long session of trying styles must not fill the memory."""
    style = CurrentStyle(Settings(style="vivid"))
    for percent in range(2 * KEPT_GRADES):
        style.adjust = replace(style.adjust, intensity=percent / 100)
        style.grade()
    assert len(style._grades) == KEPT_GRADES


def test_an_unknown_style_is_refused_at_once():
    with pytest.raises(StyleError):
        CurrentStyle(Settings(style="no such style"))
