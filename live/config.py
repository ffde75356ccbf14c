"""The configuration file: the command line's long options as TOML keys, so that nobody types them twice."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from livestyle.errors import UsageError


def config_path() -> Path:
    """config.toml in the platform's configuration folder for livestyle."""
    from platformdirs import user_config_path

    return user_config_path("livestyle") / "config.toml"


def read_config(path: Path, known: Collection[str], *, must_exist: bool) -> dict[str, Any]:
    """Option name (with underscores) -> value, for `click`'s default_map. Values are checked by the options themselves.

    Raises UsageError for a file that cannot be read, is not TOML, or has a key that is no option.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if must_exist:
            raise UsageError(f"no configuration file {path}", hint="check the path given to --config") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the configuration file {path} cannot be read: {error}") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    return {_option(key, known, text, path): value for key, value in values.items()}


def _option(key: str, known: Collection[str], text: str, path: Path) -> str:
    name = key.replace("-", "_")
    if name in known:
        return name
    lines = enumerate(text.splitlines(), 1)
    line = next((number for number, row in lines if row.lstrip(" \t[\"'").startswith(key)), 1)
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0].replace('_', '-')}?" if close else "the keys are livestyle's long options"
    raise UsageError(f"{path}:{line}: unknown option {key}", hint=hint)
