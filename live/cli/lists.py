"""--list-styles, --list-cameras and --list-devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from livestyle.console.messages import answer, answer_json
from livestyle.console.terminal import printable, say


def print_list(what: str, *, as_json: bool) -> None:
    """The styles, cameras or devices that there are."""
    rows = {"styles": _styles, "cameras": _cameras, "devices": _devices}[what]()
    if as_json:
        answer_json(rows)
    elif not rows:
        say(f"no {what} found")
    else:
        answer("\n".join(_aligned(rows)))


def _aligned(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each row, the first column padded."""
    words = [[printable({True: "yes", False: "no"}.get(value, str(value))) for value in row.values()] for row in rows]
    width = max(len(first) for first, *_ in words)
    return [f"{first:<{width}}  {'  '.join(others)}".rstrip() for first, *others in words]


def _styles() -> list[dict[str, Any]]:
    from livestyle.shaders.library import list_recipes

    return [{"name": recipe.name, "description": recipe.description} for recipe in list_recipes()]


def _cameras() -> list[dict[str, Any]]:
    from livestyle.sources.camera import list_cameras

    return [asdict(camera) for camera in list_cameras()]


def _devices() -> list[dict[str, Any]]:
    from livestyle.compute.devices import list_devices

    return [asdict(device) for device in list_devices()]
