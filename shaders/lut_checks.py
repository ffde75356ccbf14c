"""What OpenColorIO does not check in the text of LUT files, or takes for right.

Numbers that are not finite, counts, and parts without an end are found here, with file and line.
"""

from __future__ import annotations

import math
from pathlib import Path

from livestyle.errors import StyleError
from livestyle.shaders.lut_cube import read_cube
from livestyle.shaders.lut_text import BROKEN, numbers_of


def checked_text(path: Path, text: str) -> str:
    """The text of a LUT file as OpenColorIO may have it. Raises StyleError with file, line and what was expected."""
    suffix = path.suffix.lower()
    if suffix == ".cube":
        return read_cube(path, text).text
    _check_numbers(path, text)
    if suffix == ".spi3d":
        _check_spi3d(path, text)
    _check_csp_metadata(path, text)
    return text


def _check_numbers(path: Path, text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        values = numbers_of(line)
        if values and not all(map(math.isfinite, values)):
            raise StyleError(f"{path}:{number}: expected finite numbers, found '{line.strip()}'")


def _check_spi3d(path: Path, text: str) -> None:
    """OpenColorIO ignores entries beyond the size, and entries given twice in place of others that are missing."""
    lines = [line.split() for line in text.rstrip().split("\n")]
    sizes = next((words for words in lines[2:3] if len(words) == 3 and all(map(str.isdecimal, words))), None)
    if sizes is None:
        return  # OpenColorIO says what it expected there
    expected = math.prod(map(int, sizes))
    found = {tuple(words[:3]) for words in lines[3:] if words}
    entries = sum(bool(words) for words in lines[3:])
    if not len(found) == entries == expected:
        raise StyleError(f"{path}:{len(lines)}: expected {expected} entries, each once, found {entries}", hint=BROKEN)


def _check_csp_metadata(path: Path, text: str) -> None:
    """OpenColorIO reads on for ever behind the end of a file whose part of metadata has no end."""
    lines = [line.strip() for line in text.split("\n")] if "BEGIN METADATA" in text else []
    for number, line in enumerate(lines, 1):
        if line == "BEGIN METADATA" and "END METADATA" not in lines[number:]:
            raise StyleError(f"{path}:{number}: BEGIN METADATA without an END METADATA behind it", hint=BROKEN)
