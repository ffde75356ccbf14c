"""Text on its way to a terminal, and JSON on its way to a program: safe whatever the names in it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestyle.console.progress import BarSink
from livestyle.console.terminal import TerminalHandler, json_text, printable, printable_lines, say, say_lines
from livestyle.media.text import draw_text, text_size

ANYTHING = st.text(st.characters())  # with halves of surrogate pairs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;gone\x07", r"\x1b]0;gone\x07"),
        ("two\nlines\r\tand a tab", r"two\x0alines\x0d\x09and a tab"),
        ("\x7f\x9b31m", r"\x7f\x9b31m"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("a\u200bb\u2028c\ufeff", r"a\u200bb\u2028c\ufeff"),
        ("a\u200db", r"a\u200db"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_written_out(text, shown):
    """C0, DEL, C1, bidirectional and zero-width characters, line separators, bytes that are no text."""
    assert printable(text) == shown


@pytest.mark.parametrize(
    "name", ["Zoë 日本語.png", "نمی‌خواهم", "👨‍👩‍👧.jpg", r"C:\photos\x1b.png", "[bold]a[/bold]", "a\u202fb"]
)
def test_other_names_are_shown_as_they_are(name):
    """Any script, emoji with their joiners, the space of macOS's screenshots, brackets, backslashes."""
    assert printable(name) == name


@given(ANYTHING)
def test_printable_text_is_one_line_that_any_terminal_shows(text):
    """It encodes, has no control and no direction, and what is printable stays printable."""
    shown = printable(text)
    shown.encode()
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0x202A <= ord(char) <= 0x202E for char in shown)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert printable_lines(text) == "\n".join(printable(line) for line in text.split("\n"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_subnormal=False) | ANYTHING,
        lambda inner: st.lists(inner) | st.dictionaries(ANYTHING, inner),
        max_leaves=6,
    )
)
def test_json_is_one_valid_line_whatever_is_in_it(value):
    """It parses strictly, and a terminal may show it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = json_text(value)
    json.loads(text.encode(), parse_constant=refuse)
    assert printable(text) == text
    indented = json_text(value, indent=1)
    assert json.loads(indented) == json.loads(text)
    assert printable_lines(indented) == indented


def test_json_keeps_names_and_says_what_it_cannot():
    """Escape sequences come back as they were; bytes that are not UTF-8 are named; NaN is null."""
    value = {"name": "a\x1b\u202e", "bytes": os.fsdecode(b"\xc3\xa9\xff"), "nan": float("nan"), "n": np.float32(0.5)}
    assert json.loads(json_text(value)) == {"name": "a\x1b\u202e", "bytes": "é\\xff", "nan": None, "n": 0.5}


class _Broken(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, _: str) -> int:
        raise self.error


@pytest.mark.parametrize("stream", [None, _Broken(OSError(28, "full")), _Broken(ValueError("closed file"))])
def test_a_stderr_that_is_not_there_costs_nothing(monkeypatch, stream):
    """Closed before the start, full, closed on the way: the line is lost, and that is all."""
    monkeypatch.setattr(sys, "stderr", stream)
    say("hello")
    say_lines("a\nb")
    TerminalHandler().handle(logging.makeLogRecord({"msg": "hello"}))


def test_text_is_written_in_an_encoding_that_lacks_its_characters(monkeypatch):
    """A locale without UTF-8 gets escapes, not an error."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii", errors="strict"))
    say("Zoë")
    assert raw.getvalue() == b"Zo\\xeb\n"


def test_log_records_are_one_line_each(capsys):
    """A forged message inside a name stays inside the name; a traceback keeps its lines and no escapes."""
    try:
        raise ValueError("\x1b[31mred\nlivestyle: fine")
    except ValueError:
        record = logging.makeLogRecord({"msg": "%s is odd", "args": ("a\nlivestyle: b",), "exc_info": sys.exc_info()})
    TerminalHandler().handle(record)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == r"livestyle: a\x0alivestyle: b is odd"
    assert lines[1].startswith("Traceback")
    assert lines[-2] == r"ValueError: \x1b[31mred"


def test_a_record_whose_arguments_do_not_fit_is_shown_without_them(capsys):
    """Logging never prints a report about itself."""
    TerminalHandler().handle(logging.makeLogRecord({"msg": "%d frames", "args": ("many",)}))
    assert capsys.readouterr().err == "livestyle: %d frames\n"


def test_names_are_no_markup_in_the_bar():
    """rich would take [bold] for a style, and show an escape sequence as it is."""
    from fractions import Fraction

    from rich.console import Console

    from livestyle.frame import StreamInfo
    from livestyle.media.color import SRGB

    sink = BarSink(StreamInfo("x", (8, 8), Fraction(1), None, SRGB, frames=1), "[bold]a[/bold]\x1b[2J[/x]")
    try:
        console = Console(file=io.StringIO(), width=200, force_terminal=False)
        console.print(sink._bar)
        assert r"[bold]a[/bold]\x1b[2J[/x]" in console.file.getvalue()
    finally:
        sink.close()


@pytest.mark.parametrize("text", ["a\nb", "\ud800\udcff", "\x1b[31m", "x" * 100_000])
def test_any_text_can_be_drawn(text):
    """Pillow measures no line feed and encodes no surrogate; a picture has room for so much only."""
    width, height = text_size(text, 12)
    assert 0 < width < 300 * 24
    draw_text(np.zeros((height, 64, 3), np.uint8), text, (0, 0), 12)


@pytest.mark.skipif(sys.platform == "win32", reason="handles of closed streams are a POSIX matter")
def test_files_never_take_the_numbers_of_closed_streams(tmp_path):
    """What a library prints on stderr would be written into the first file that is opened."""
    code = (
        "import os, sys\n"
        "from livestyle.console.terminal import occupy_standard_streams\n"
        "occupy_standard_streams()\n"
        f"sys.exit(os.open({str(tmp_path / 'x')!r}, os.O_CREAT | os.O_WRONLY))"
    )
    shell = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(shell, timeout=60).returncode >= 3
