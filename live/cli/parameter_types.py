"""Values as the command line takes them: times, sizes, numbers in a range, paths, styles."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from livestyle.cli.context import MEANS_FOLDER
from livestyle.console.terminal import printable
from livestyle.plugins import Output, sink_address

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

NAMED_SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}


class Seconds(click.ParamType[float]):
    """Seconds, or H:MM:SS with decimals."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`"1:02.5"` -> 62.5."""
        total = 0.0
        try:
            for at, part in enumerate(str(value).split(":")):
                if at and not 0 <= float(part) < 60:
                    raise ValueError(part)
                total = total * 60 + float(part)
        except ValueError:
            self.fail(f"{value!r} is not a valid time: write seconds (12.5) or H:MM:SS (0:00:12.5)", param, ctx)
        if not 0 <= total < float("inf"):
            self.fail(f"{value!r} is out of range: a time is 0 or more seconds", param, ctx)
        return total


class Wait(click.ParamType[float | None]):
    """Seconds as `Seconds` has them, or "" for ever; a configuration file may say true and false, too."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """`""` -> inf."""
        if isinstance(value, bool) or value in ("", math.inf):
            return None if value is False else math.inf
        return Seconds().convert(value, param, ctx)


class Size(click.ParamType[tuple[int, int]]):
    """WIDTHxHEIGHT, or a name such as 720p."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """`"1280x720"` or `"720p"` -> (1280, 720)."""
        if isinstance(value, tuple):
            return value
        text = str(value).lower()
        if text in NAMED_SIZES:
            return NAMED_SIZES[text]
        width, _, height = text.partition("x")
        sides = [int(side) if side.isdecimal() and len(side) < 9 else 0 for side in (width, height)]
        if not all(16 <= side <= 16384 for side in sides):
            self.fail(f"{value!r} is not a valid size: write 1280x720, or one of {', '.join(NAMED_SIZES)}", param, ctx)
        return sides[0], sides[1]


class Number(click.ParamType[float]):
    """A finite number in a closed range. Unlike click's FloatRange it refuses NaN."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.name = f"{low:g}..{high:g}"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`"0.5"` -> 0.5."""
        try:
            number = float(value if isinstance(value, int | float) else str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a number: give one from {self._low:g} to {self._high:g}", param, ctx)
        if not self._low <= number <= self._high:
            self.fail(f"{value} is out of range: give a number from {self._low:g} to {self._high:g}", param, ctx)
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The range itself."""
        return self.name


class NamedPath(click.Path):
    """A path that is not empty: `Path("")` is the current folder, which no unset variable was meant to name."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """`"a.mp4"` -> Path("a.mp4")."""
        if not os.fspath(value):
            self.fail("an empty name; the current folder is written .", param, ctx)
        return super().convert(value, param, ctx)


class OutputPath(click.ParamType[Output]):
    """A path that is not empty, or the address of a plugin's sink.

    That a path ended in a separator, which `Path` forgets, is kept in `ctx.meta`.
    """

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        """`"styled/"` -> Path("styled"), noted as a folder."""
        if not str(value):
            self.fail("the output has no name: write -o FILE or -o FOLDER/", param, ctx)
        if (address := sink_address(str(value))) is not None:
            return address
        if ctx is not None:
            ctx.meta[MEANS_FOLDER] = str(value).endswith(("/", "\\"))
        return Path(str(value))


class StyleName(click.ParamType[str]):
    """A style's name or a file; completes the names."""

    name = "style"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names of the styles there are, then files."""
        from click.shell_completion import CompletionItem

        from livestyle.shaders.library import list_recipes

        names = [recipe.name.lower().replace(" ", "-") for recipe in list_recipes()]
        can_be_typed = (name for name in names if name == printable(name))
        found = [CompletionItem(name) for name in can_be_typed if name.startswith(incomplete.lower())]
        return found or [CompletionItem(incomplete, type="file")]
