"""Stepping through styles and strengths with the window's keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from livestyle.errors import StyleError
from livestyle.settings import Settings
from livestyle.shaders.recipe import lut_recipe
from livestyle.studio import KEPT_GRADES, Studio

PIXELS = np.random.default_rng(4).integers(0, 256, (8, 8, 3), np.uint8)
BACKGROUND = np.stack([np.full((2, 2), value, np.float32) for value in (1, 0, 0, 0)])


def test_stepping_forward_and_back_comes_home():
    studio = Studio(Settings(style="vivid"))
    before = studio.grade()(PIXELS, BACKGROUND)
    studio.step_style(1)
    assert studio.recipe.name != "Vivid"
    studio.step_style(-1)
    assert np.array_equal(studio.grade()(PIXELS, BACKGROUND), before)


def test_stepping_goes_round():
    studio = Studio(Settings(style="vivid"))
    for _ in studio.recipes:
        studio.step_style(1)
    assert studio.recipe.name == "Vivid"


def test_the_strength_stays_between_nothing_and_all():
    studio = Studio(Settings(style="vivid", intensity=0.95))
    studio.step_intensity(1)
    assert studio.intensity == 1.0
    studio.step_intensity(-20)
    assert studio.intensity == 0.0
    assert studio.grade().is_identity


def test_the_users_settings_stay_when_the_style_changes():
    """Skin held back by hand is held back in the next style too."""
    studio = Studio(Settings(style="vivid", strengths={"background": 0.0, "clothes": 0.0}))
    studio.step_style(1)
    assert np.array_equal(studio.grade()(PIXELS, BACKGROUND), PIXELS)


def test_a_style_whose_lut_is_broken_is_passed_over(tmp_path, caplog):
    """A key pressed during a call must not end it, because some file in the styles' folder is damaged."""
    (tmp_path / "broken.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n")
    studio = Studio(Settings(style="vivid"))
    studio.recipes.insert(
        1 + [recipe.name for recipe in studio.recipes].index("Vivid"), lut_recipe(tmp_path / "broken.cube")
    )
    after = studio.recipes[2 + [recipe.name for recipe in studio.recipes].index("Vivid")]
    studio.step_style(1)
    assert studio.recipe == after
    assert "broken.cube" in caplog.text
    studio.step_style(-1)
    assert studio.recipe.name == "Vivid"


def test_a_file_called_like_a_built_in_style_is_not_taken_for_it(tmp_path):
    """The first style worn is the file; stepped away from and back, it is the built-in one of that name."""
    file = tmp_path / "Vivid.toml"
    file.write_text('version = 1\nname = "Vivid"\n[palette]\nmonochrome = 1\n', "utf-8")
    studio = Studio(Settings(style=str(file)))
    from_file = studio.grade()(PIXELS, BACKGROUND)
    studio.step_style(1)
    studio.step_style(-1)
    built_in = Studio(Settings(style="vivid")).grade()(PIXELS, BACKGROUND)
    assert not np.array_equal(from_file, built_in)
    assert np.array_equal(studio.grade()(PIXELS, BACKGROUND), built_in)


def test_the_compiled_styles_kept_are_bounded():
    """A long session of trying styles must not fill the memory."""
    studio = Studio(Settings(style="vivid"))
    for percent in range(2 * KEPT_GRADES):
        studio.adjust = replace(studio.adjust, intensity=percent / 100)
        studio.grade()
    assert len(studio._grades) == KEPT_GRADES


def test_an_unknown_style_is_refused_at_once():
    with pytest.raises(StyleError):
        Studio(Settings(style="no such style"))
