"""A recipe is read to the letter; each mistake is reported with its line. One valid sample, one mistake each."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestyle.errors import StyleError, UsageError
from livestyle.shaders.recipe import Adjust, HueBand, Tint, find_line, parse_recipe

SAMPLE = """\
version = 1
name = "Evening"
description = "Warm and low."
intensity = 0.9
tone = 0.1
color = -0.2

[curve]
contrast = 0.3
points = [[0, 0], [0.5, 0.4], [1, 1]]

[palette]
warmth = 0.2
saturation = 0.5

[split]
shadows = {hue = 250, amount = 0.3}
balance = 0.1

[[hues]]
hue = 140
saturation = -0.3

[[hues]]
hue = 20
width = 80
shift = 10

[regions]
skin = 0.2

[skin.palette]
warmth = -0.1
"""


def test_everything_in_a_recipe_arrives() -> None:
    """Each kind of key, single values, curve points, tints, hue bands and strengths, ends up in its own field."""
    recipe = parse_recipe(SAMPLE, "evening.toml")
    assert (recipe.name, recipe.description, recipe.intensity) == ("Evening", "Warm and low.", 0.9)
    assert (recipe.tone, recipe.color) == (0.1, -0.2)
    assert recipe.strengths == (1.0, 0.0, 0.2, 1.0)
    assert recipe.look.curve.points == ((0, 0), (0.5, 0.4), (1, 1))
    assert recipe.look.split.shadows == Tint(hue=250, amount=0.3)
    assert recipe.look.hues == (HueBand(hue=140, saturation=-0.3), HueBand(hue=20, width=80, shift=10))


def test_a_region_s_table_replaces_single_values_for_that_region() -> None:
    """`[skin.palette]` replaces the values that it names for skin and no others; what it does not name, and every other
    region, stays as the recipe's own tables say."""
    background, hair, skin, clothes = parse_recipe(SAMPLE, "evening.toml").treatments
    assert background == hair == clothes
    assert (background.palette.warmth, skin.palette.warmth) == (0.2, -0.1)
    assert skin.palette.saturation == 0.5
    assert skin.curve == background.curve


def test_skin_and_hair_are_protected_unless_the_recipe_says_otherwise() -> None:
    """A recipe without `[regions]` styles background and clothes fully, skin and hair not at all."""
    assert parse_recipe('version = 1\nname = "x"', "x.toml").strengths == (1.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("contrast = 0.3", "contrst = 0.3", 9, ['unknown key "contrst" in [curve]', 'did you mean "contrast"']),
        ("tone = 0.1", "tones = 0.1", 5, ['unknown key "tones"', 'did you mean "tone"']),
        ("tone = 0.1", "tone = 1.5", 5, ['"tone" is 1.5', "from -1 to 1"]),
        ("tone = 0.1", "tone = nan", 5, ['"tone" is nan', "from -1 to 1"]),
        ("tone = 0.1", "tone = true", 5, ["true/false", "expected a number"]),
        ("intensity = 0.9", 'intensity = "much"', 4, ["a string ('much')", "from 0 to 1"]),
        ("warmth = 0.2", "warmth = -2", 13, ['"warmth" is -2', "from -1 to 1"]),
        ("skin = 0.2", "skin = 7", 30, ['"skin" is 7', "from 0 to 1"]),
        ("skin = 0.2", "skn = 0.2", 30, ['unknown key "skn" in [regions]', 'did you mean "skin"']),
        ("hue = 250", "hue = 400", 17, ['"hue" is 400', "from 0 to 360"]),
        ("amount = 0.3", "amout = 0.3", 17, ['unknown key "amout"', 'did you mean "amount"']),
        ("width = 80", "width = 30", 27, ['"shift" is 10', "quarter of width, 7.5"]),
        ("hue = 20\n", "", 24, ["needs a hue"]),
        ("[[hues]]\nhue = 140", "[hues]\nhue = 140", 24, ["not TOML"]),
        ("[0.5, 0.4]", "[0.5, 1.4]", 10, ["points", "from 0 to 1"]),
        ("[0.5, 0.4]", "[0.0, 0.4]", 10, ["points", "in rising"]),
        ("version = 1", "version = 2", 1, ["version 2 is not known; expected 1"]),
        ("version = 1\n", "", 1, ["needs a version"]),
        ('name = "Evening"', "name = 5", 2, ["expected a string"]),
        ('name = "Evening"\n', "", 1, ["needs a name"]),
        ("[palette]", "[palette", 12, ["not TOML"]),
        ("[palette]", "[palete]", 12, ['unknown key "palete"', 'did you mean "palette"']),
        ("[skin.palette]", "[skin.palete]", 32, ['unknown key "palete" in [skin]', "palette"]),
        ("warmth = -0.1", "warmth = 3", 33, ['"warmth" is 3']),
        ('description = "Warm and low."', 'lut = "none.cube"', 3, ["there is no file", "none.cube"]),
        ("[regions]\nskin = 0.2", "", 0, []),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, line: int, words: list[str]) -> None:
    """Nothing is guessed or ignored: an unknown key, a wrong type or a value out of range is refused with file and
    line, and the message or its hint says what was expected."""
    assert SAMPLE.count(old) >= 1
    text = SAMPLE.replace(old, new, 1)
    if not line:  # the control: a change that is no mistake
        assert parse_recipe(text, "evening.toml").strengths == (1.0, 0.0, 0.0, 1.0)
        return
    with pytest.raises(StyleError) as caught:
        parse_recipe(text, "evening.toml")
    assert str(caught.value).startswith(f"evening.toml:{line}: ")
    for word in words:
        assert word in f"{caught.value} {caught.value.hint}"


def test_a_missing_end_is_told_with_the_last_line() -> None:
    """Where the text breaks off the TOML parser names no line; the last one is where the user has to look."""
    with pytest.raises(StyleError, match=r"^x\.toml:2: not TOML"):
        parse_recipe('version = 1\nname = "x', "x.toml")


def test_a_table_where_a_number_belongs_and_the_other_way_round() -> None:
    """Both are refused as mistakes of that key and line, not as an exception from the code that uses the value."""
    with pytest.raises(StyleError, match=r':3: "curve" is a number \(5\); expected a table'):
        parse_recipe('version = 1\nname = "x"\ncurve = 5', "x.toml")
    with pytest.raises(StyleError, match=r':3: "tone" is a table'):
        parse_recipe('version = 1\nname = "x"\n[tone]\ncontrast = 1', "x.toml")


def test_a_lut_is_relative_to_the_recipe(tmp_path: Path) -> None:
    """A recipe and its LUT can be moved together: the path counts from the recipe's folder, not from where livestyle
    was started."""
    (tmp_path / "my.cube").write_text("any")
    recipe = parse_recipe('version = 1\nname = "x"\nlut = "my.cube"', tmp_path / "x.toml")
    assert recipe.lut == tmp_path / "my.cube"


def test_find_line_knows_dotted_keys_arrays_and_inline_tables() -> None:
    """Error messages find their line by a key's path, in each way in which TOML can write one; for a key that is not
    there it is the line of its table."""
    text = "a.b = 1\n[c]\n'd e' = {f = 1}\n[[g]]\nh = 1\n[[g]]\nh = 2 # [x]\n"
    assert find_line(text, ("a", "b")) == 1
    assert find_line(text, ("c", "d e", "f")) == 3
    assert find_line(text, ("g", 0, "h")) == 5
    assert find_line(text, ("g", 1, "h")) == 7
    assert find_line(text, ("g", 1, "k")) == 6
    assert find_line(text, ()) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"intensity": 1.5}, "intensity is 1.5, but must be from 0 to 1"),
        ({"tone": -2}, "tone is -2, but must be from -1 to 1"),
        ({"color": float("nan")}, "color is nan"),
        ({"strengths": {"skin": -0.1}}, "skin is -0.1"),
        ({"strengths": {"nose": 1}}, '"nose" is not a region'),
    ],
)
def test_a_setting_out_of_range_is_a_usage_error(settings: dict[str, object], words: str) -> None:
    """What a caller sets is checked as strictly as a recipe, NaN and unknown regions included, but as a UsageError: the
    mistake is in the call, not in a file."""
    with pytest.raises(UsageError, match=words):
        Adjust(**settings)  # type: ignore[arg-type]
