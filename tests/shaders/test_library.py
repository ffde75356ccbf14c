"""Styles by name, by file and from the user's folder."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from livestyle.errors import StyleError
from livestyle.shaders.library import builtin_recipes, find_recipe, list_recipes, user_styles_folder

NO_FOLDER = Path("no such folder")


def write(folder: Path, file: str, name: str, more: str = "") -> Path:
    """A recipe of that name in a file in `folder`, with `more` lines; its path."""
    path = folder / file
    path.write_text(f'version = 1\nname = "{name}"\n{more}')
    return path


@pytest.mark.parametrize("name", ["Rose Gold", "rose-gold", "ROSE_GOLD", " rose  gold "])
def test_case_spaces_and_hyphens_do_not_matter(name: str) -> None:
    """A style is found however its name is typed: in any case, with hyphens, underscores or several spaces."""
    assert find_recipe(name, NO_FOLDER).name == "Rose Gold"


@pytest.mark.parametrize(
    ("typo", "meant"), [("vivd", "Vivid"), ("rose", "Rose Gold"), ("teal-orange", "Teal and Orange")]
)
def test_an_unknown_name_is_answered_with_the_nearest(typo: str, meant: str) -> None:
    """The hint of the error names the style that was probably meant, by spelling or because the word is part of its
    name."""
    with pytest.raises(StyleError, match=f'no style called "{typo}"') as caught:
        find_recipe(typo, NO_FOLDER)
    assert f'"{meant}"' in caught.value.hint


def test_a_name_like_no_other_points_to_the_list() -> None:
    """Where no style is near, the hint says how to list them instead of guessing."""
    with pytest.raises(StyleError) as caught:
        find_recipe("qqqqqq", NO_FOLDER)
    assert "--list-styles" in caught.value.hint


def test_a_user_s_style_takes_the_place_of_the_built_in_one(tmp_path: Path) -> None:
    """A user's style replaces the built-in one of its name, at the same place in menus, and can be found by its file's
    name too."""
    write(tmp_path, "mine.toml", "vivid", "tone = 0.5")
    names = [recipe.name for recipe in list_recipes(tmp_path)]
    assert names.index("vivid") == [recipe.name for recipe in builtin_recipes()].index("Vivid")
    assert find_recipe("Vivid", tmp_path).tone == 0.5
    assert find_recipe("mine", tmp_path).tone == 0.5


def test_a_user_s_new_styles_and_luts_follow_the_built_in_ones(tmp_path: Path) -> None:
    """Other styles of the user's come after the built-in ones in the order of their files.

    A LUT file is a style by the name of the file; a file of any other kind is ignored.
    """
    write(tmp_path, "b.toml", "Brand New")
    (tmp_path / "Kodak 5218.cube").write_text("any")
    (tmp_path / "notes.txt").write_text("not a style")
    assert [r.name for r in list_recipes(tmp_path)][len(builtin_recipes()) :] == ["Kodak 5218", "Brand New"]
    assert find_recipe("kodak-5218", tmp_path).lut == tmp_path / "Kodak 5218.cube"


def test_a_broken_user_style_is_left_out_but_told_when_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in one file costs that style only: the list leaves it out with a warning that names file and line.

    Asked for by name it is an error, never another style.
    """
    write(tmp_path, "bad.toml", "Bad", "tone = 3")
    with caplog.at_level(logging.WARNING, "livestyle"):
        assert [r.name for r in list_recipes(tmp_path)] == [r.name for r in builtin_recipes()]
    assert "bad.toml:3" in caplog.text
    with pytest.raises(StyleError, match=r"bad\.toml:3"):
        find_recipe("bad", tmp_path)


def test_a_path_names_a_recipe_or_any_lut_file(tmp_path: Path) -> None:
    """A path, as text or as Path, gives the recipe or the LUT style in that file; the user's folder is not read."""
    recipe = write(tmp_path, "evening.toml", "Evening")
    assert find_recipe(str(recipe)).name == "Evening"
    hald = tmp_path / "look.png"
    hald.write_bytes(b"any")
    assert find_recipe(str(hald)).lut == hald
    assert find_recipe(hald).name == "look"


@pytest.mark.parametrize("name", ["missing.toml", "missing.cube", "a/b"])
def test_a_missing_file_is_told_as_a_file(name: str) -> None:
    """What has the ending of a style file or a slash in it is meant as a path, so the error speaks of a missing file,
    not of an unknown name."""
    with pytest.raises(StyleError, match="there is no style file"):
        find_recipe(name)


def test_a_folder_and_a_binary_file_are_no_styles(tmp_path: Path) -> None:
    """Both are refused as a StyleError that names the path, not as what the operating system or the decoder raises."""
    with pytest.raises(StyleError, match="is a folder"):
        find_recipe(tmp_path)
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StyleError, match=r"x\.toml:1: not a text file"):
        find_recipe(tmp_path / "x.toml")


def test_the_user_s_folder_is_in_the_platform_s_configuration_folder() -> None:
    """Own styles belong into livestyle/styles, beside the config file, as the documentation tells users."""
    assert user_styles_folder().parts[-2:] == ("livestyle", "styles")


def test_a_name_inside_a_file_wins_over_the_name_of_a_file(tmp_path: Path) -> None:
    """A style goes by the name that it states; the name of its file counts only where no style is called so.

    A file natural.toml with a style "Mine" therefore does not hide "Natural".
    """
    write(tmp_path, "natural.toml", "Mine")
    assert find_recipe("natural", tmp_path).name == "Natural"
    assert find_recipe("mine", tmp_path).name == "Mine"
