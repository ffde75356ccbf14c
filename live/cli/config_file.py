"""The configuration file: the command line's long options as TOML keys, so that they need not be typed each time."""

from __future__ import annotations

import datetime
import difflib
import errno
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from livestyle.console.terminal import say
from livestyle.errors import UsageError
from livestyle.system.paths import kind_of_path
from livestyle.system.reading import parse_toml, read_file, shortened

MAX_BYTES = 1 << 20
"""More is not a configuration file; nothing larger is read."""

_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "true/false"),
    (int, "a number"),
    (float, "a number"),
    (str, "a string"),
    (list, "a list"),
    (dict, "a table"),
    (datetime.date, "a date"),
    (datetime.time, "a time of day"),
)


@dataclass(frozen=True, slots=True)
class Accepts:
    """The values that an option takes in TOML."""

    types: tuple[type, ...]
    words: str  # the same for people: "a number"

    def __contains__(self, value: object) -> bool:
        """A boolean does not count as a number here, although it is an int in Python."""
        return isinstance(value, self.types) and (bool in self.types or not isinstance(value, bool))


def config_path() -> Path:
    """config.toml in the platform's configuration folder for livestyle."""
    from platformdirs import user_config_path

    return user_config_path("livestyle") / "config.toml"


def read_config(path: Path, known: Mapping[str, Accepts], *, must_exist: bool) -> dict[str, object]:
    """Option name (with underscores) -> value, for `click`'s default_map. Ranges are checked by the options themselves.

    Raises UsageError for a file that cannot be read, is not TOML, or has a key that is not an option or a value that
    its option does not take. A folder of configuration that may not be searched belongs to another user: a message
    says so, and there is no configuration.
    """
    text = _read(path, must_exist=must_exist)
    try:
        values = parse_toml(text)
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    return {_option(key, known, text, path): _checked(key, value, known, path) for key, value in values.items()}


def _read(path: Path, *, must_exist: bool) -> str:
    try:
        kind = kind_of_path(path, UsageError)
    except UsageError as error:
        if must_exist or not isinstance(error.__cause__, PermissionError):
            raise
        say(f"livestyle: there is no configuration: {error.message}")
        return ""
    if kind is None:
        if must_exist:
            raise UsageError(f"no configuration file {path}", hint="check the path given to --config")
        return ""
    if str(path) == os.devnull:
        return ""
    if kind != "file":
        what = "a folder" if kind == "folder" else "a pipe or a device"
        raise UsageError(f"{path} is {what}, not a configuration file", hint="give a file to --config")
    return _text_of(path)


def _text_of(path: Path) -> str:
    try:
        return read_file(path, MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise UsageError(f"{path} is larger than {MAX_BYTES >> 20} MiB: not a configuration file") from error
        raise UsageError(f"the configuration file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the configuration file {path} is not text in UTF-8", hint="save it as UTF-8") from error


def _option(key: str, known: Collection[str], text: str, path: Path) -> str:
    name = key.replace("-", "_")
    if name in known:
        return name
    lines = enumerate(text.splitlines(), 1)
    line = next((number for number, row in lines if row.lstrip(" \t[\"'").startswith(key)), 1)
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0].replace('_', '-')}?" if close else "the keys are livestyle's long options"
    raise UsageError(f"{path}:{line}: unknown option {shortened(key)}", hint=hint)


def _checked(key: str, value: object, known: Mapping[str, Accepts], path: Path) -> object:
    accepts = known[key.replace("-", "_")]
    if value not in accepts:
        raise UsageError(f"{path}: {key}: expected {accepts.words}, not {_type_name(value)}")
    if isinstance(value, str) and "\0" in value:
        raise UsageError(f"{path}: {key}: a NUL character cannot be part of it")
    return value


def _type_name(value: object) -> str:
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), type(value).__name__)
