"""Defaults of the options from the configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from livestyle.cli.config_file import Accepts
from livestyle.cli.context import CONFIG_PATH
from livestyle.cli.parameter_types import Number, Seconds, Wait
from livestyle.console.messages import Messages

NOT_FOR_CONFIG = {
    "inputs",
    "config",
    "help",
    "version",
    "completion",
    "list_styles",
    "list_cameras",
    "list_devices",
    "demo",
    "rescue",
    "keep",
    "replace",
}


def key_of(name: str) -> str:
    """What the configuration file calls an option."""
    return "json" if name == "as_json" else name.replace("_", "-")


def load_config(ctx: click.Context, path: Path | None) -> None:
    """Read the file, by default the usual one, into the defaults of the options. Raises UsageError."""
    from livestyle.cli.config_file import config_path, read_config

    known = {
        param.name: accepted_by(param) for param in ctx.command.params if param.name not in (None, *NOT_FOR_CONFIG)
    }
    names = {"as_json": "json"}
    path, must_exist = (path or config_path()), path is not None
    ctx.meta[CONFIG_PATH] = path
    accepts = {names.get(name, name): kind for name, kind in known.items() if name is not None}
    values = read_config(path, accepts, must_exist=must_exist)
    ctx.default_map = {("as_json" if name == "json" else name): value for name, value in values.items()}
    if (messages := ctx.find_object(Messages)) is not None:  # errors in the other options are reported in this way too
        messages.as_json |= values.get("json") is True
        messages.debug |= values.get("debug") is True


def accepted_by(param: click.Parameter) -> Accepts:
    """What the configuration file may give for an option."""
    if isinstance(param, click.Option) and param.is_flag:
        return Accepts((bool,), "true or false")
    if isinstance(param.type, Number):
        return Accepts((int, float), "a number")
    if isinstance(param.type, click.IntRange):
        return Accepts((int,), "a whole number")
    if isinstance(param.type, Wait):
        return Accepts((bool, int, float, str), 'true, false, or seconds such as 30 or "0:01:00"')
    if isinstance(param.type, Seconds):
        return Accepts((int, float, str), 'seconds, or a string such as "0:00:12.5"')
    if param.name == "camera":
        return Accepts((int, str), "an index or a string")
    return Accepts((str,), "a string")
