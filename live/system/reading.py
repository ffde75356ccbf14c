"""Whole files into memory, when they are ordinary files of a bounded size; and TOML of a bounded depth."""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEEPEST_KEY = 64  # parts, as in a.b.c
LARGEST_INTEGER = 4096  # bits; Python prints none of more than 4300 decimal digits

_PART = r"(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')"
_DEEP_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{DEEPEST_KEY}}}")


def read_file(path: Path, most: int) -> bytes:
    """The content of `path`, at most `most` bytes of it.

    Raises OSError, whose `strerror` is a phrase for people, also for a file that is larger, for what is not an ordinary
    file (a pipe or a device could be waited for without end) and for a name that no file can have.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except ValueError as error:  # a NUL or half of a surrogate pair
        raise OSError(errno.EINVAL, "no file can have this name") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file")
        # What the system says of a size is not always true (/proc): so one byte more than allowed is asked for.
        data = b"" if status.st_size > most else file.read(most + 1)
    if max(status.st_size, len(data)) > most:
        raise OSError(errno.EFBIG, f"it is larger than the {in_megabytes(most)} that are allowed")
    return data


def parse_toml(text: str) -> dict[str, Any]:
    """The values in TOML text.

    Raises ValueError, whose message ends in "(at line 3, column 5)", also for a key of more than DEEPEST_KEY parts:
    tomllib's time and memory grow with the square of their number, and 100,000 fit in 200 kB; and for an integer of
    more than LARGEST_INTEGER bits, which no message could show.
    """
    deep = _DEEP_KEY.search(text)
    if deep:
        line = text.count("\n", 0, deep.start()) + 1
        raise ValueError(f"A key of more than {DEEPEST_KEY} parts (at line {line}, column 1)")
    try:
        values = tomllib.loads(text)
    except RecursionError as error:  # lists in lists in lists
        raise ValueError("Values in values in values, too deep (at end of document)") from error
    if any(isinstance(value, int) and value.bit_length() > LARGEST_INTEGER for value in _each(values)):
        raise ValueError("An integer is too large (at end of document)")
    return values


def _each(values: dict[str, Any]) -> Iterator[object]:
    """Every value, those in lists and tables too; without recursion."""
    waiting: list[object] = [values]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def shortened(text: str, longest: int = 60) -> str:
    """A word of a file for a message: what has more characters than `longest` is cut."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def in_megabytes(size: float) -> str:
    """Bytes for people: "64 MB", "1.5 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.3g} MB"
