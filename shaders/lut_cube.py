"""`.cube` files, line by line."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from livestyle.errors import StyleError
from livestyle.shaders.lut import MAX_SIZE, MIN_SIZE
from livestyle.shaders.lut_text import BROKEN, numbers_of, shown

MAX_1D = 65536
VIDEO_BLACK, VIDEO_WHITE = 64 / 1023, 940 / 1023
"""Where video range has black and white, full scale 1."""

_VIDEO = ("LUT_IN_VIDEO_RANGE", "LUT_OUT_VIDEO_RANGE")


@dataclass
class Cube:
    """What a .cube file says, line by line.

    Format: Adobe, "Cube LUT Specification 1.0"; input ranges and video ranges: DaVinci Resolve's README on LUTs.
    Remarks may stand behind numbers; numbers may have decimal commas, or commas between them.
    """

    path: Path
    sizes: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, list[float]] = field(default_factory=dict)  # of the input, by keyword
    video: set[str] = field(default_factory=set)  # keywords of video range
    rows: int = 0
    lines: list[str] = field(default_factory=list)  # the rows that were taken one by one
    values: npt.NDArray[np.float64] | None = None  # the rows, where they were taken at once

    def add(self, number: int, line: str) -> None:
        """Take a line. Raises StyleError."""
        line = _without_remark(line)
        words = line.split()
        if not words or words[0].upper() == "TITLE":
            return
        keyword = words[0].upper()
        if keyword in _CUBE_KEYWORDS:
            self._add_keyword(number, keyword, _with_points(" ".join(words[1:])).split())
        elif keyword in _VIDEO:
            self._add_video_range(number, keyword, words[1:])
        elif numbers_of(_with_points(line)) is not None or numbers_of(_with_points(words[0])) is not None:
            self._add_row(number, _with_points(line))
        elif self.rows == 0 or self.rows < self.expected:
            raise self._unknown(number, line)

    def _unknown(self, number: int, line: str) -> StyleError:
        error = self.error(number, "a keyword of the .cube format or three numbers", line)
        if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", line.split(maxsplit=1)[0]):
            error.hint = "this keyword is not known here; export the LUT again, for Adobe or DaVinci Resolve"
        return error

    def _add_video_range(self, number: int, keyword: str, words: list[str]) -> None:
        if words:
            raise self.error(number, f"nothing after {keyword}", " ".join(words))
        if self.rows:
            raise self.error(number, f"{keyword} before the first row of numbers", keyword)
        self.video.add(keyword)

    def _add_keyword(self, number: int, keyword: str, words: list[str]) -> None:
        count, neutral = _CUBE_KEYWORDS[keyword]
        values = numbers_of(" ".join(words))
        if values is None or len(values) != count or not all(map(math.isfinite, values)):
            raise self.error(number, f"{count} number{'s' * (count > 1)} after {keyword}", " ".join(words))
        if self.rows:
            raise self.error(number, f"{keyword} before the first row of numbers", keyword)
        if keyword.endswith("SIZE"):
            self._add_size(number, keyword, words[0])
        elif values != neutral:
            self.ranges[keyword] = values

    def _add_size(self, number: int, keyword: str, word: str) -> None:
        largest = MAX_SIZE if "3D" in keyword else MAX_1D
        if not word.isdecimal() or not MIN_SIZE <= int(word) <= largest:
            raise self.error(number, f"{keyword} between {MIN_SIZE} and {largest}", word)
        if keyword in self.sizes:
            raise self.error(number, f"{keyword} once", "a second one")
        self.sizes[keyword] = int(word)

    def _add_row(self, number: int, line: str) -> None:
        values = numbers_of(line)
        if values is None or len(values) != 3 or not all(map(math.isfinite, values)):
            raise self.error(number, "three finite numbers", line)
        self.rows += 1
        if self.sizes and self.rows > self.expected:
            raise self.error(number, f"{self.expected} rows of numbers", "one more")
        self.lines.append(line)

    def add_all_rows(self, lines: list[str]) -> bool:
        """Take the rest of the file at once when all of it is right; otherwise `add` finds the line that is not."""
        if numbers_of(lines[0]) is None or not lines[0].split():
            return False
        try:
            values = np.loadtxt(lines, ndmin=2)
        except ValueError:
            return False
        if values.shape != (self.expected, 3) or not np.isfinite(values).all():
            return False
        self.rows, self.values = self.expected, values
        return True

    @property
    def expected(self) -> int:
        """How many rows of numbers there must be."""
        return self.sizes.get("LUT_1D_SIZE", 0) + self.sizes.get("LUT_3D_SIZE", 0) ** 3

    @property
    def text(self) -> str:
        """The plain file, for OpenColorIO: without title and remarks, video range in input ranges and numbers."""
        heads = [f"{keyword} {size}" for keyword, size in self.sizes.items()]
        heads += [f"{keyword} {' '.join(map(repr, values))}" for keyword, values in self._input_ranges().items()]
        rows = self.lines
        if self.values is not None or self.video:
            rows = [" ".join(map(repr, row)) for row in self._rows().tolist()]
        return "\n".join([*heads, *rows]) + "\n"

    @property
    def table(self) -> npt.NDArray[np.float64] | None:
        """(N, N, N, 3) indexed [r, g, b] when the file is a 3-D LUT over 0..1 and nothing else."""
        size = self.sizes.get("LUT_3D_SIZE")
        if size is None or len(self.sizes) > 1 or self._input_ranges():
            return None
        return self._rows().reshape(size, size, size, 3).transpose(2, 1, 0, 3)  # red runs fastest in the file

    def _rows(self) -> npt.NDArray[np.float64]:
        """All rows; those that give video range, the last of the LUTs in the file, with black at 0 and white at 1."""
        values = np.loadtxt(self.lines, ndmin=2) if self.values is None else self.values
        if "LUT_OUT_VIDEO_RANGE" not in self.video:
            return values
        first = self.sizes.get("LUT_1D_SIZE", 0) if "LUT_3D_SIZE" in self.sizes else 0
        scaled = (values[first:] - VIDEO_BLACK) / (VIDEO_WHITE - VIDEO_BLACK)
        return np.concatenate([values[:first], scaled])

    def _input_ranges(self) -> dict[str, list[float]]:
        """Those that change anything. A LUT that expects video range covers more than 0..1 of what it is given."""
        if "LUT_IN_VIDEO_RANGE" not in self.video:
            return self.ranges

        def given(values: list[float]) -> list[float]:
            return [(value - VIDEO_BLACK) / (VIDEO_WHITE - VIDEO_BLACK) for value in values]

        if any(keyword.startswith("DOMAIN") for keyword in self.ranges):
            lowest, highest = self.ranges.get("DOMAIN_MIN", [0.0] * 3), self.ranges.get("DOMAIN_MAX", [1.0] * 3)
            return {"DOMAIN_MIN": given(lowest), "DOMAIN_MAX": given(highest)}
        first = "LUT_1D_INPUT_RANGE" if "LUT_1D_SIZE" in self.sizes else "LUT_3D_INPUT_RANGE"
        return {**self.ranges, first: given(self.ranges.get(first, [0.0, 1.0]))}

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


def read_cube(path: Path, text: str) -> Cube:
    """The .cube file, checked. Raises StyleError."""
    cube, lines = Cube(path), text.rstrip().split("\n")
    for number, line in enumerate(lines, 1):
        if cube.sizes and not cube.rows and cube.add_all_rows(lines[number - 1 :]):
            break
        cube.add(number, line)
    cube.finish(len(lines))
    return cube


def _without_remark(line: str) -> str:
    """What stands before "#" or "//"; a title may hold both."""
    return line if line.lstrip()[:5].upper() == "TITLE" else re.split(r"#|//", line, maxsplit=1)[0].strip()


def _with_points(line: str) -> str:
    """Numbers with decimal points and spaces between them, of "0,5 0,25 1", "0,5;0,25;1" and "0.5, 0.25, 1"."""
    if "," not in line and ";" not in line:
        return line
    parts = line.replace(";", " ").split()
    if (
        "." not in line
        and len(parts) > 1
        and all(re.fullmatch(r"[-+]?\d+(,\d+)?([eE][-+]?\d+)?", part) for part in parts)
    ):
        return " ".join(parts).replace(",", ".")
    return line.replace(";", " ").replace(",", " ")
