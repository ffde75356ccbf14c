"""The text of LUT files: what OpenColorIO does not check, and `.cube` files, which are read here.

Numbers that are not finite, counts, binary data and parts without an end are found here, with file and line.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from livestyle.errors import StyleError
from livestyle.shaders.lut import MAX_SIZE, MIN_SIZE

MAX_1D = 65536
BROKEN = "the file is damaged or cut off; export or download it again"


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


def decode(path: Path, data: bytes) -> str:
    r"""Text with `\n` line ends and no byte-order mark. Old files hold Latin-1 in their comments."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    strange = re.search(r"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f\x7f-\x9f]", text)
    if strange:
        raise StyleError(f"{path}:{_line_at(text, strange.start())}: expected text, found binary data")
    return text


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _numbers(line: str) -> list[float] | None:
    """The line's numbers; None when anything on it is not one. "nan" and "inf" are numbers here."""
    if "_" in line:  # Python allows it within digits
        return None
    try:
        return [float(token) for token in line.split()]
    except ValueError:
        return None


def _check_numbers(path: Path, text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        values = _numbers(line)
        if values and not all(map(math.isfinite, values)):
            raise StyleError(f"{path}:{number}: expected finite numbers, found '{line.strip()}'")


# ---- .cube -----------------------------------------------------------------------------------------------------------


@dataclass
class Cube:
    """What a .cube file says, line by line. Format: Adobe, "Cube LUT Specification 1.0"; input ranges: DaVinci Resolve.

    `plain` is the file without title, comments and the domains that change nothing.
    """

    path: Path
    sizes: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    plain: list[str] = field(default_factory=list)
    unit: bool = True  # the input range is 0..1
    values: npt.NDArray[np.float64] | None = None  # the rows, where they were taken at once

    def add(self, number: int, line: str) -> None:
        """Take a line. Raises StyleError."""
        words = line.split()
        if not words or words[0].startswith("#") or words[0].upper() == "TITLE":
            return
        keyword = words[0].upper()
        if keyword in _CUBE_KEYWORDS:
            self._add_keyword(number, keyword, words[1:])
        elif _numbers(words[0]) is None:
            raise self.error(number, "a keyword of the .cube format or three numbers", line)
        else:
            self._add_row(number, line)

    def _add_keyword(self, number: int, keyword: str, words: list[str]) -> None:
        count, neutral = _CUBE_KEYWORDS[keyword]
        values = _numbers(" ".join(words))
        if values is None or len(values) != count or not all(map(math.isfinite, values)):
            raise self.error(number, f"{count} number{'s' * (count > 1)} after {keyword}", " ".join(words))
        if self.rows:
            raise self.error(number, f"{keyword} before the first row of numbers", keyword)
        if keyword.endswith("SIZE"):
            self._add_size(number, keyword, words[0])
        if values != neutral:
            self.unit &= keyword.endswith("SIZE")
            self.plain.append(" ".join([keyword, *words]))

    def _add_size(self, number: int, keyword: str, word: str) -> None:
        largest = MAX_SIZE if "3D" in keyword else MAX_1D
        if not word.isdecimal() or not MIN_SIZE <= int(word) <= largest:
            raise self.error(number, f"{keyword} between {MIN_SIZE} and {largest}", word)
        if keyword in self.sizes:
            raise self.error(number, f"{keyword} once", "a second one")
        self.sizes[keyword] = int(word)

    def _add_row(self, number: int, line: str) -> None:
        values = _numbers(line)
        if values is None or len(values) != 3 or not all(map(math.isfinite, values)):
            raise self.error(number, "three finite numbers", line)
        self.rows += 1
        if self.sizes and self.rows > self.expected:
            raise self.error(number, f"{self.expected} rows of numbers", "one more")
        self.plain.append(line)

    def add_all_rows(self, lines: list[str]) -> bool:
        """Take the rest of the file at once when all of it is right; otherwise `add` finds the line that is not."""
        if _numbers(lines[0]) is None or not lines[0].split():
            return False
        try:
            values = np.loadtxt(lines, ndmin=2)
        except ValueError:
            return False
        if values.shape != (self.expected, 3) or not np.isfinite(values).all():
            return False
        self.rows, self.values = self.expected, values
        self.plain += lines
        return True

    @property
    def expected(self) -> int:
        """How many rows of numbers there must be."""
        return self.sizes.get("LUT_1D_SIZE", 0) + self.sizes.get("LUT_3D_SIZE", 0) ** 3

    @property
    def text(self) -> str:
        """The plain file, for OpenColorIO."""
        return "\n".join(self.plain) + "\n"

    @property
    def table(self) -> npt.NDArray[np.float64] | None:
        """(N, N, N, 3) indexed [r, g, b] when the file is a 3-D LUT over 0..1 and nothing else."""
        size = self.sizes.get("LUT_3D_SIZE")
        if size is None or len(self.sizes) > 1 or not self.unit:
            return None
        values = np.loadtxt(self.plain[1:], ndmin=2) if self.values is None else self.values
        return values.reshape(size, size, size, 3).transpose(2, 1, 0, 3)  # red runs fastest in the file

    def finish(self, last: int) -> None:
        """Raise StyleError unless everything is there; `last` is the number of the file's last line."""
        if not self.sizes:
            raise self.error(last, "LUT_3D_SIZE or LUT_1D_SIZE", "neither")
        if self.rows != self.expected:
            raise self.error(last, f"{self.expected} rows of numbers", f"only {self.rows}")

    def error(self, number: int, expected: str, found: str) -> StyleError:
        """What is wrong in a line."""
        return StyleError(f"{self.path}:{number}: expected {expected}, found {shown(found)}", hint=BROKEN)


_CUBE_KEYWORDS: dict[str, tuple[int, list[float]]] = {  # how many numbers follow, and those that change nothing
    "LUT_1D_SIZE": (1, []),
    "LUT_3D_SIZE": (1, []),
    "DOMAIN_MIN": (3, [0, 0, 0]),
    "DOMAIN_MAX": (3, [1, 1, 1]),
    "LUT_1D_INPUT_RANGE": (2, [0, 1]),
    "LUT_3D_INPUT_RANGE": (2, [0, 1]),
}


def no_copy(path: Path, error: OSError) -> StyleError:
    """The error for a LUT of which OpenColorIO gets no copy."""
    return StyleError(
        f"{path}: no temporary copy of it can be made: {error.strerror or error}",
        hint="free some space, or name another folder for temporary files in TMPDIR",
    )


def shown(text: str, longest: int = 60) -> str:
    """What a message quotes of a file."""
    text = text.strip() or "nothing"
    return text if len(text) <= longest else text[:longest] + "…"


def read_cube(path: Path, text: str) -> Cube:
    """The .cube file, checked. Raises StyleError."""
    cube, lines = Cube(path), text.rstrip().split("\n")
    for number, line in enumerate(lines, 1):
        if cube.sizes and not cube.rows and cube.add_all_rows(lines[number - 1 :]):
            break
        cube.add(number, line)
    cube.finish(len(lines))
    return cube


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
