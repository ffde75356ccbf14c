"""Settings are typed and checked before anything starts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from livestyle.errors import UsageError
from livestyle.training.sets import BUILTIN, find_set
from livestyle.training.settings import RecipeSettings, Settings, parse_settings, to_toml

RECIPES = BUILTIN.parent

GOOD = "[recipe]\nsteps = 10\n"


def test_settings_survive_being_written_and_read() -> None:
    """A run's settings.toml gives the same settings again, with quotes, backslashes and numbers as they were: a run can
    be repeated from its folder."""
    settings = parse_settings(
        GOOD + 'sizes = [64, 96]\nuntil = [0.5, 1]\n[run]\nfolder = "a \\"b\\" \\\\ c"\n', "s.toml"
    )
    assert settings.run.folder == 'a "b" \\ c'
    assert settings.recipe.until == (0.5, 1.0)
    assert parse_settings(to_toml(settings), "again") == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[recipe]\n", "steps"),
        ("[recipe]\nsteps = 1\nminutes = 1\n", "steps"),
        ("[recipe]\nsteps = 1.5\n", "recipe.steps"),
        ("[recipe]\nsteps = true\n", "recipe.steps"),
        (GOOD + "speed = 1\n", "recipe.speed"),
        (GOOD + "[recipes]\n", "recipes"),
        (GOOD + "batch = 1\n", "recipe.batch"),
        (GOOD + "sizes = [100]\nuntil = [1.0]\n", "multiples of 32"),
        (GOOD + "sizes = [64]\n", "recipe.until"),
        (GOOD + "sizes = [64, 96]\nuntil = [0.9, 0.5]\n", "recipe.until"),
        (GOOD + 'sizes = ["a"]\n', "recipe.sizes"),
        (GOOD + "ema = 1.0\n", "recipe.ema"),
        (GOOD + "rate = 0\n", "recipe.rate"),
        (GOOD + '[model]\nsize = "huge"\n', "model.size"),
        (GOOD + 'optimizer = "sgd"\n', "recipe.optimizer"),
        (GOOD + '[model]\nsize = "mobilenetv2"\nbackbone = "nosuch.pt"\n', "nosuch.pt"),
        (GOOD + '[model]\nsize = "mobilenetv2"\n', "model.backbone"),
        (GOOD + f'[model]\nsize = "mobilenetv2"\nstart = "a"\nbackbone = {json.dumps(__file__)}\n', "model.start"),
        (GOOD + f"[model]\nbackbone = {json.dumps(__file__)}\n", "model.backbone"),
        (GOOD + '[run]\nprecision = "fp8"\n', "run.precision"),
        (GOOD + "[augment]\nflip = 2\n", "augment.flip"),
        (GOOD + "[data]\nsets = []\n", "data.sets"),
        (GOOD + '[data]\nplaces = "nowhere"\n', "nowhere"),
        ("recipe = 3\n", "recipe"),
        ("[recipe", "s.toml"),
    ],
)
def test_wrong_settings_say_what_is_wrong(text: str, message: str) -> None:
    """An unknown key, a wrong type, a value out of range or settings that contradict each other are a UsageError with
    the key, before a run of days begins."""
    with pytest.raises(UsageError) as caught:
        parse_settings(text, "s.toml")
    assert message in str(caught.value)


def test_every_default_but_the_length_is_usable() -> None:
    """Only the length of a run has no default; with it alone the settings are those of the dataclasses."""
    settings = parse_settings(GOOD, "s.toml")
    assert settings == Settings(recipe=dataclasses.replace(RecipeSettings(), steps=10))


def test_the_settings_of_the_test_run_are_valid(settings_text: Callable[..., str]) -> None:
    """The settings that the other tests of training use are read as they stand: where this fails, the others' failures
    mean nothing."""
    assert parse_settings(settings_text(), "s.toml").recipe.steps == 4


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_come_along_are_valid(path: Path) -> None:
    """lite.toml needs a file that its user names."""
    backbone = f'size = "efficientnet-lite2"\nbackbone = {json.dumps(__file__)}'
    text = path.read_text(encoding="utf-8").replace('size = "efficientnet-lite2"', backbone)
    settings = parse_settings(text, str(path))
    assert all(find_set(name) for name in settings.data.sets)
