"""Where styles come from: the ones that are built in, the user's own, and files that are named outright."""

from __future__ import annotations

import difflib
import logging
import re
from functools import cache
from importlib import resources
from pathlib import Path

from livestyle.errors import StyleError
from livestyle.shaders.recipe import Recipe, lut_recipe, parse_recipe
from livestyle.system.paths import kind_of_path
from livestyle.system.reading import read_file

MAX_RECIPE = 1 << 20  # bytes; those that come with livestyle have about a thousand

log = logging.getLogger("livestyle")


def user_styles_folder() -> Path:
    """The folder in the platform's configuration folder that holds the user's styles; it need not exist."""
    import platformdirs

    return platformdirs.user_config_path("livestyle") / "styles"


def find_recipe(name_or_path: str | Path, user_folder: Path | None = None) -> Recipe:
    """The style of that name (case, spaces, hyphens and underscores do not matter), or the one in that file.

    A path is a recipe (.toml) or any LUT file. The user's styles come before built-in ones of the same name; the
    folder is `user_styles_folder()` unless given. Raises StyleError for a file that is missing or broken and for an
    unknown name, with the nearest names as a hint.
    """
    path = _with_home(Path(name_or_path))
    if isinstance(name_or_path, Path) or _means_file(str(name_or_path), path):
        return load_recipe(path)
    wanted = _plain(str(name_or_path))
    # Loaded before the list is made: when the file of that name is broken the user must hear it, not get another style.
    files = _user_files(user_folder)
    by_file_name = [load_recipe(file) for file in files if _plain(file.stem) == wanted]
    recipes = {_plain(recipe.name): recipe for recipe in _recipes_with(files)}
    if wanted in recipes:
        return recipes[wanted]
    if by_file_name:
        return by_file_name[0]
    raise StyleError(f'there is no style called "{name_or_path}"', hint=_nearest(wanted, recipes))


def list_recipes(user_folder: Path | None = None) -> list[Recipe]:
    """All styles by name: built-in ones in the order of their files, an override in its place, then the user's others.

    A user's file that is broken is left out with a warning, so that one typo does not take away every other style.
    """
    return _recipes_with(_user_files(user_folder))


def _recipes_with(user_files: list[Path]) -> list[Recipe]:
    recipes = {_plain(recipe.name): recipe for recipe in builtin_recipes()}
    for file in user_files:
        try:
            recipe = load_recipe(file)
        except StyleError as error:
            log.warning("A style is left out: %s", error)
            continue
        recipes[_plain(recipe.name)] = recipe
    return list(recipes.values())


def load_recipe(path: Path) -> Recipe:
    """The recipe in a .toml file, or the style that a LUT file is. Raises StyleError."""
    kind = kind_of_path(path, StyleError)
    if kind == "folder":
        raise StyleError(f"{path} is a folder, not a style", hint="name a recipe (.toml) or a LUT file in it")
    if kind == "other":
        raise StyleError(f"{path} is not an ordinary file", hint="name a recipe (.toml) or a LUT file")
    if kind is None:
        raise StyleError(f"there is no style file {path}", hint="livestyle --list-styles names the styles there are")
    if path.suffix.lower() != ".toml":
        return lut_recipe(path)
    try:
        text = read_file(path, MAX_RECIPE).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StyleError(f"{path}:1: not a text file in UTF-8", hint="a recipe is a TOML file") from error
    except OSError as error:
        raise StyleError(f"{path} cannot be read: {error.strerror}") from error
    return parse_recipe(text, path)


@cache
def builtin_recipes() -> tuple[Recipe, ...]:
    """The styles that come with livestyle, in the order of their file names, whose numbers make the order of menus."""
    folder = resources.files("livestyle.shaders") / "builtin"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(parse_recipe(f.read_text(encoding="utf-8"), f"builtin/{f.name}") for f in files)


def _user_files(folder: Path | None) -> list[Path]:
    folder = user_styles_folder() if folder is None else folder
    try:
        return sorted(f for f in folder.iterdir() if _is_style_file(f))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        log.warning("Your own styles are left out: %s cannot be read: %s", folder, error.strerror)
        return []


def _with_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # "~nobody": it is a name like any other
        return path


def _means_file(text: str, path: Path) -> bool:
    return (
        _is_style_file(path)
        or "/" in text
        or "\\" in text
        or (bool(path.suffix) and kind_of_path(path, StyleError) == "file")
    )


def _is_style_file(path: Path) -> bool:
    """By its ending alone: there need not be such a file."""
    from livestyle.shaders.lut_files import LUT_SUFFIXES  # brings in numpy, which names need not wait for

    return path.suffix.lower() == ".toml" or path.suffix.lower() in LUT_SUFFIXES


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def _nearest(wanted: str, recipes: dict[str, Recipe]) -> str:
    near = [recipes[key].name for key in difflib.get_close_matches(wanted, recipes, n=3, cutoff=0.5)]
    near += [r.name for key, r in recipes.items() if wanted in key and r.name not in near]
    if near:
        return "did you mean " + " or ".join(f'"{name}"' for name in near[:3]) + "?"
    return "livestyle --list-styles names the styles there are"
