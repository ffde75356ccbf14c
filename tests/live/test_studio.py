"""Stepping through styles and strengths with the window's keys."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.errors import StyleError
from livestyle.settings import Settings
from livestyle.studio import Studio

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


def test_an_unknown_style_is_refused_at_once():
    with pytest.raises(StyleError):
        Studio(Settings(style="no such style"))
