"""Text output: made safe to show on a terminal; a failed write never stops the work.

File names, styles, cameras and errors of libraries may contain anything: escape sequences that retitle a
window, a line feed and a forged message, bytes that are not text. All of it is printed through this module.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

# C0, DEL and C1 controls; what breaks lines (U+2028, U+2029), turns the direction of text, or takes no room; halves of
# surrogate pairs, which is how Python holds the bytes of a name that is not UTF-8.
_UNSAFE = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f"
)
# Joiners are part of Persian, Indic scripts and emoji; next to ASCII, or at an end, they only hide.
_JOINER = r"(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
_HIDDEN = re.compile(f"[{_UNSAFE}]|{_JOINER}")
_HIDDEN_IN_LINES = re.compile(f"(?!\n)[{_UNSAFE}]|{_JOINER}")


def printable(text: str) -> str:
    r"""`text` on one line, with control and invisible characters escaped: ESC is `\x1b`, U+202E `\u202e`.

    A byte of a name that is not UTF-8 is written as that byte, `\xff`. All else stays, a backslash too.
    """
    return _HIDDEN.sub(_written_out, text)


def printable_lines(text: str) -> str:
    """The same for text of several lines, which stay."""
    return _HIDDEN_IN_LINES.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found.group())
    if 0xDC80 <= code <= 0xDCFF:  # a byte that the file system's encoding does not know
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_text(value: object, *, indent: int | None = None) -> str:
    r"""`value` as JSON, on one line unless `indent` is given, that is valid UTF-8 and holds no control character.

    What JSON cannot represent is replaced: NaN and infinities by null, bytes that are not UTF-8 by `\xNN` in the
    string, anything unknown by its `str`.
    """
    text = json.dumps(_for_json(value), ensure_ascii=False, allow_nan=False, indent=indent)
    hidden = _HIDDEN if indent is None else _HIDDEN_IN_LINES
    return hidden.sub(lambda found: json.dumps(found.group())[1:-1], text)  # they stand inside strings only


def _for_json(value: object) -> object:
    if isinstance(value, Mapping):
        return {_valid(str(key)): _for_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_for_json(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    as_python = getattr(value, "tolist", None)  # NumPy's numbers are not Python's
    return _for_json(as_python()) if as_python is not None else _valid(str(value))


def _valid(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that represents no byte
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def say(line: str) -> None:
    """Print one line on stderr. Where that is closed, full or gone the line is lost, and the work goes on."""
    with suppress(OSError, ValueError):
        _write(sys.stderr, printable(line))


def say_lines(text: str) -> None:
    """Print several lines, such as a traceback, on stderr."""
    for line in text.rstrip("\n").split("\n"):
        say(line)


def write_out(text: str) -> None:
    """Print text of one or more lines on stdout. Raises OSError where that is closed, full or nobody reads it."""
    _write(sys.stdout, printable_lines(text))


def write_json(value: object) -> None:
    """Print one line of JSON on stdout, as UTF-8 whatever the locale. Raises OSError."""
    stream = sys.stdout
    raw = getattr(stream, "buffer", None)
    if raw is None:
        _write(stream, json_text(value))
        return
    try:
        stream.flush()
        raw.write(json_text(value).encode() + b"\n")
        raw.flush()
    except (OSError, ValueError) as error:
        raise _abandoned(stream, error) from error


def _write(stream: IO[str] | None, text: str) -> None:
    if stream is None:  # closed before Python started: a service, pythonw
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except (OSError, ValueError) as error:
        raise _abandoned(stream, error) from error


def _abandoned(stream: IO[str], error: OSError | ValueError) -> OSError:
    """The failure as an OSError; nothing is written to the stream's file any more.

    It still holds what it could not write, and Python would fail once more, and exit with 120, on trying at its end.
    """
    with suppress(OSError, ValueError, AttributeError):
        handle = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, handle)
        os.close(null)
    if isinstance(error, OSError):
        return error
    return OSError(errno.EBADF, os.strerror(errno.EBADF))  # a stream that was closed in Python


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it was closed
        return False


def occupy_standard_streams() -> None:
    """Open the null device on each of the handles 0, 1 and 2 that is closed.

    The next file to be opened would get that number, and whatever a library prints would be written into it.
    """
    with suppress(OSError):
        while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(handle, True)
        os.close(handle)


class TerminalHandler(logging.Handler):
    """Shows log records as lines on stderr, each after `prefix`, and tracebacks below them. Never fails."""

    def __init__(self, level: int = logging.NOTSET, *, prefix: str = "livestyle: ") -> None:
        super().__init__(level)
        self._prefix = prefix

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit the format
            message = str(record.msg)
        say(f"{self._prefix}{message}")
        if record.exc_info:
            say_lines(logging.Formatter().formatException(record.exc_info))


def start_logging(*, quiet: bool, debug: bool) -> None:
    """Messages of this program go to stderr; those of libraries only with `debug`."""
    log = logging.getLogger("livestyle")
    log.handlers[:] = [TerminalHandler()]
    log.propagate = False
    log.setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)
    logging.raiseExceptions = False
    logging.lastResort = TerminalHandler(logging.WARNING if debug else logging.CRITICAL + 1)
    logging.captureWarnings(True)
