"""--list-styles, --list-cameras and --list-devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from livestyle.cli.command import Listing
from livestyle.console.messages import answer, answer_json
from livestyle.console.terminal import printable, say

Row = dict[str, object]
"""One of them: field -> value, as in the JSON."""


def print_list(what: Listing, *, as_json: bool) -> None:
    """Print the styles, cameras or devices that there are."""
    rows = {"styles": _styles, "cameras": _cameras, "devices": _devices}[what]()
    if as_json:
        answer_json(rows)
    elif not rows:
        say(f"no {what} found")
    else:
        answer("\n".join(_aligned(rows)))
    if what == "cameras" and not as_json:
        _say_what_plugins_open()


def _say_what_plugins_open() -> None:
    from livestyle.plugins import schemes

    for scheme, package in schemes("livestyle.sources"):
        if not scheme.startswith("."):
            say(f"--camera {scheme}:NAME is opened by {package}")


def _aligned(rows: Sequence[Row]) -> list[str]:
    """A line for each row, the first column padded."""
    words = [[_word(value) for value in row.values()] for row in rows]
    width = max(len(first) for first, *_ in words)
    return [f"{first:<{width}}  {'  '.join(others)}".rstrip() for first, *others in words]


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else printable(str(value))


def _styles() -> list[Row]:
    from livestyle.shaders.library import list_recipes

    return [{"name": recipe.name, "description": recipe.description} for recipe in list_recipes()]


def _cameras() -> list[Row]:
    from livestyle.sources.camera import list_cameras

    return [asdict(camera) for camera in list_cameras()]


def _devices() -> list[Row]:
    from livestyle.compute.devices import list_devices

    return [asdict(device) for device in list_devices()]
