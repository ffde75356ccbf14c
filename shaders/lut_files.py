"""Reading LUT files: everything OpenColorIO reads, and HALD pictures.

OpenColorIO evaluates a file; this module checks what it does not (numbers that are not finite, counts, binary data),
names file and line in every error, and samples the result on one lattice.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import StyleError
from livestyle.frame import Pixels
from livestyle.shaders.lut import BOUND, MAX_SIZE, MIN_SIZE, Lut3D, interpolate, lattice

log = logging.getLogger("livestyle")

BINARY_SUFFIXES = (".icc", ".icm", ".pf")
TEXT_SUFFIXES = (
    *(".3dl", ".cc", ".ccc", ".cdl", ".clf", ".csp", ".ctf", ".cub", ".cube", ".itx", ".look", ".lut", ".m3d", ".mga"),
    *(".spi1d", ".spi3d", ".spimtx", ".vf"),
)
LUT_SUFFIXES = frozenset((*TEXT_SUFFIXES, *BINARY_SUFFIXES, ".png"))
"""The endings `read_lut` understands: OpenColorIO 2.4's, and .png for HALD pictures."""

MAX_BYTES = 256 << 20  # the largest LUT OpenColorIO takes, 129 points along an axis, is about 60 MB of text
MAX_1D = 65536
DEFAULT_SIZE = 33
HALD_SIZE = 65
BAKE_SIZES = (33, 65, MAX_SIZE)
BAKE_TOLERANCE = 0.5 / 255
PROBES = 20000

Float32 = npt.NDArray[np.float32]


def read_lut(path: Path) -> Lut3D:
    """The LUT in a file: a format of OpenColorIO's by its ending, or a HALD picture (.png, 8 or 16 bit).

    A single 3-D LUT over 0..1 is kept at its own size, exactly. Anything else (1-D curves, shapers, domains,
    matrices, chains of them) is sampled at 33 points along an axis, or 65, or 129, the first at which no colour of
    20,000 probed ones is off by more than half a step of 8 bits; where none is, the closest, and the log says by how
    much. Raises StyleError with file, line and what was expected.
    """
    path = Path(path)
    data = _read(path)
    try:
        return _read_hald(path, data) if path.suffix.lower() == ".png" else _read_with_ocio(path, data)
    except ValueError as error:
        if isinstance(error, StyleError):
            raise
        raise StyleError(f"{path}: {error}") from error  # Lut3D refuses it


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise StyleError(f"{path} is a folder, not a LUT file", hint="name a file in it")
    if path.suffix.lower() not in LUT_SUFFIXES:
        raise StyleError(f"{path}: LUT files do not end in '{path.suffix}'", hint=_suffix_hint())
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StyleError(f"{path} has {path.stat().st_size >> 20} MiB, more than a LUT can have")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise StyleError(f"there is no LUT file {path}") from error
    except OSError as error:
        raise StyleError(f"{path} cannot be read: {error.strerror}") from error
    if not data.strip():
        raise StyleError(f"{path}:1: the file is empty", hint="export or download the LUT again")
    return data


def _suffix_hint() -> str:
    return "known endings: " + " ".join(sorted(LUT_SUFFIXES))


# ---- text ------------------------------------------------------------------------------------------------------------


def _decode(path: Path, data: bytes) -> str:
    """Text with `\\n` line ends and no byte-order mark. Old files hold Latin-1 in their comments."""
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
class _Cube:
    """What a .cube file says, line by line. Format: Adobe, "Cube LUT Specification 1.0"; input ranges: DaVinci Resolve.

    `plain` is the file without title, comments and the domains that change nothing, which is what OpenColorIO gets.
    """

    path: Path
    sizes: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    plain: list[str] = field(default_factory=list)

    def add(self, number: int, line: str) -> None:
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
        self.rows = self.expected
        self.plain += lines
        return True

    @property
    def expected(self) -> int:
        return self.sizes.get("LUT_1D_SIZE", 0) + self.sizes.get("LUT_3D_SIZE", 0) ** 3

    def finish(self, last: int) -> str:
        if not self.sizes:
            raise self.error(last, "LUT_3D_SIZE or LUT_1D_SIZE", "neither")
        if self.rows != self.expected:
            raise self.error(last, f"{self.expected} rows of numbers", f"only {self.rows}")
        return "\n".join(self.plain) + "\n"

    def error(self, number: int, expected: str, found: str) -> StyleError:
        return StyleError(f"{self.path}:{number}: expected {expected}, found {_shown(found)}", hint=_BROKEN)


_BROKEN = "the file is damaged or cut off; export or download it again"

_CUBE_KEYWORDS: dict[str, tuple[int, list[float]]] = {  # how many numbers follow, and those that change nothing
    "LUT_1D_SIZE": (1, []),
    "LUT_3D_SIZE": (1, []),
    "DOMAIN_MIN": (3, [0, 0, 0]),
    "DOMAIN_MAX": (3, [1, 1, 1]),
    "LUT_1D_INPUT_RANGE": (2, [0, 1]),
    "LUT_3D_INPUT_RANGE": (2, [0, 1]),
}


def _shown(text: str, longest: int = 60) -> str:
    text = text.strip() or "nothing"
    return text if len(text) <= longest else text[:longest] + "…"


def _plain_cube(path: Path, text: str) -> str:
    """The .cube file checked and reduced to what matters. Raises StyleError."""
    cube, lines = _Cube(path), text.rstrip().split("\n")
    for number, line in enumerate(lines, 1):
        if cube.sizes and not cube.rows and cube.add_all_rows(lines[number - 1 :]):
            break
        cube.add(number, line)
    return cube.finish(len(lines))


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
        raise StyleError(f"{path}:{len(lines)}: expected {expected} entries, each once, found {entries}", hint=_BROKEN)


# ---- OpenColorIO -----------------------------------------------------------------------------------------------------


def _read_with_ocio(path: Path, data: bytes) -> Lut3D:
    with _quiet_ocio() as ocio, tempfile.TemporaryDirectory(prefix="livestyle-lut-") as folder:
        # A copy under a fresh name: OpenColorIO keeps what it read by path, and would not see that a file was edited.
        copy = Path(folder) / ("lut" + path.suffix.lower())
        copy.write_bytes(_checked(path, data))
        return _bake(path, _Processor(ocio, path, copy))


def _checked(path: Path, data: bytes) -> bytes:
    suffix = path.suffix.lower()
    if suffix in BINARY_SUFFIXES:
        return data
    text = _decode(path, data)
    if suffix == ".cube":
        return _plain_cube(path, text).encode()
    _check_numbers(path, text)
    if suffix == ".spi3d":
        _check_spi3d(path, text)
    return text.encode()


@contextlib.contextmanager
def _quiet_ocio() -> Iterator[Any]:
    """PyOpenColorIO with its messages to stderr off; what is wrong is in its exceptions."""
    import PyOpenColorIO as ocio

    level = ocio.GetLoggingLevel()
    ocio.SetLoggingLevel(ocio.LOGGING_LEVEL_NONE)
    try:
        yield ocio
    finally:
        ocio.SetLoggingLevel(level)


class _Processor:
    """The colour transform of a file as OpenColorIO evaluates it."""

    def __init__(self, ocio: Any, path: Path, copy: Path) -> None:
        transform = ocio.FileTransform(str(copy), interpolation=ocio.INTERP_BEST)  # tetrahedral for 3-D, linear for 1-D
        try:
            processor = ocio.Config.CreateRaw().getProcessor(transform)
            self._steps = list(processor.createGroupTransform())
            # OPTIMIZATION_NONE: the default replaces some steps by approximations.
            self._cpu = processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_NONE)
        except ocio.Exception as error:
            raise _mapped(path, copy, str(error)) from error
        except UnicodeDecodeError as error:  # OpenColorIO quotes bytes of the file that are not text
            raise StyleError(f"{path}: expected a {path.suffix} file, found other data", hint=_BROKEN) from error

    @property
    def own_size(self) -> int | None:
        """The lattice size when the file is a single 3-D LUT over 0..1, so that sampling there is exact."""
        sizes = self.grid_sizes
        return sizes[0] if len(self._steps) == 1 and sizes and sizes[0] <= MAX_SIZE else None

    @property
    def grid_sizes(self) -> list[int]:
        return [int(step.getGridSize()) for step in self._steps if hasattr(step, "getGridSize")]

    def __call__(self, rgb: Float32) -> Float32:
        """(..., 3) -> the same shape."""
        values = np.array(rgb, np.float32, order="C")
        self._cpu.applyRGB(values)
        return values


def _mapped(path: Path, copy: Path, message: str) -> StyleError:
    """OpenColorIO's report in the words of the one of its readers that got furthest, with the line where it says so."""
    _, _, reports = message.partition("failed with: ")
    reasons = re.split(r"\s{4}'[^']+' failed with: ", (reports or message).replace(str(copy), path.name))
    line, reason = max(map(_line_and_reason, reasons), key=lambda each: 2 if each[0] is None else each[0])
    where = str(path) if line is None else f"{path}:{line}"
    return StyleError(f"{where}: not a {path.suffix} LUT: {_shown(reason, 120)}", hint=_BROKEN)


def _line_and_reason(report: str) -> tuple[int | None, str]:
    report = re.sub(r"^Error parsing .*?file( \(.*?\))?\.?\s+", "", " ".join(report.split()))
    found = re.search(r"\b(?:at )?line \(?(\d+)\)?[:.]*", report, re.IGNORECASE)
    return (int(found[1]), report.replace(found[0], "")) if found else (None, report)


# ---- sampling --------------------------------------------------------------------------------------------------------


def _bake(path: Path, processor: _Processor) -> Lut3D:
    if processor.own_size:
        return _sample(processor, processor.own_size)
    first = max([DEFAULT_SIZE, *processor.grid_sizes])
    probes = _probes()
    truth = np.clip(processor(probes), *BOUND)
    tried: list[tuple[float, Lut3D]] = []
    for size in [first, *(size for size in BAKE_SIZES if size > first)]:
        lut = _sample(processor, size)
        tried.append((float(np.abs(lut.apply(probes) - truth).max()), lut))
        if tried[-1][0] <= BAKE_TOLERANCE:
            return lut
    error, lut = min(tried, key=lambda each: each[0])
    log.info(
        "%s is too steep for a lattice of %d points: colours are off by up to %.1f/255.", path, lut.size, error * 255
    )
    return lut


def _sample(processor: _Processor, size: int) -> Lut3D:
    return Lut3D(processor(lattice(size)))


def _probes() -> Float32:
    """Colours where sampling is tested: noise over the cube, and 4096 greys, where steep curves do most harm."""
    noise = np.random.default_rng(0).random((PROBES - 4096, 3), np.float32)
    greys = np.repeat(np.linspace(0, 1, 4096, dtype=np.float32)[:, None], 3, axis=1)
    return np.concatenate([noise, greys])


# ---- HALD ------------------------------------------------------------------------------------------------------------


def _read_hald(path: Path, data: bytes) -> Lut3D:
    """A picture of level L is L^3 pixels square and holds a lattice of L^2 points along an axis, red fastest.

    Source: Eskil Steenberg, "CLUT" (quelsolaar.com/technology/clut.html).
    """
    pixels = _decode_png(path, data)
    height, width = pixels.shape[:2]
    level = round(width ** (1 / 3))
    if width != height or level**3 != width or level < 2:
        raise StyleError(
            f"{path}: expected a HALD picture (8x8, 27x27, 64x64, 125x125 … pixels), found {width}x{height}",
            hint="a HALD picture must be kept at its own size, without scaling or cropping",
        )
    size = level * level
    values = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    table: Float32 = np.ascontiguousarray(values.reshape(size, size, size, 3).transpose(2, 1, 0, 3))
    return Lut3D(table if size <= MAX_SIZE else _resampled(table))


def _resampled(table: Float32) -> Float32:
    """A lattice of more than 129 points along an axis (HALD level 12 and up) on one of 65."""
    points = lattice(HALD_SIZE)
    flat = interpolate(table, points.reshape(-1, 3))
    return np.asarray(flat.reshape(points.shape), np.float32)


def _decode_png(path: Path, data: bytes) -> Pixels:
    """(H, W, 3) RGB. Pillow checks the file, for it raises where OpenCV prints; OpenCV keeps 16 bits."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise StyleError(f"{path}: expected a PNG picture: {_shown(str(error), 120)}", hint=_BROKEN) from error
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        raise StyleError(f"{path}: expected a picture in colour, found grey")
    return cast(Pixels, pixels[..., 2::-1])
