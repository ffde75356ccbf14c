"""Reading LUT files: everything OpenColorIO reads, and look-up pictures.

Plain `.cube` files and look-up pictures are read here. OpenColorIO reads the others in a child process
(livestyle.shaders.lut_ocio), for a damaged file can keep its readers busy for ever.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np

from livestyle.errors import StyleError
from livestyle.shaders.lut import Lut3D
from livestyle.shaders.lut_checks import checked_text
from livestyle.shaders.lut_cube import read_cube
from livestyle.shaders.lut_pictures import PICTURE_SUFFIXES, read_picture
from livestyle.shaders.lut_text import BROKEN, decode, no_copy
from livestyle.system.child import ChildFailure, Limits, run_child
from livestyle.system.reading import read_file

log = logging.getLogger("livestyle")

BINARY_SUFFIXES = (".icc", ".icm", ".pf")
TEXT_SUFFIXES = (
    *(".3dl", ".cc", ".ccc", ".cdl", ".clf", ".csp", ".ctf", ".cub", ".cube", ".itx", ".look", ".lut", ".m3d", ".mga"),
    *(".spi1d", ".spi3d", ".spimtx", ".vf"),
)
LUT_SUFFIXES = frozenset((*TEXT_SUFFIXES, *BINARY_SUFFIXES, *PICTURE_SUFFIXES))
"""The endings `read_lut` understands: OpenColorIO 2.4's, and those of look-up pictures."""

MAX_BYTES = 64 << 20  # the largest LUT OpenColorIO takes, 129 points along an axis, is about 60 MB of text
LARGEST_HERE = 8 << 20  # bytes of text that this process takes apart: 65 points along an axis

CHILD_MEMORY = 2 << 30  # bytes of address space; 129 points along an axis as text need about half
CHILD_S = 3  # seconds of processor time, and as many times this of wall time on a busy machine:
CHILD_PATIENCE = 5
CHILD_BYTES_S = 1 << 20  # bytes for which it gets a second more


def read_lut(path: Path) -> Lut3D:
    """The LUT in a file: a format of OpenColorIO's by its ending, or a look-up picture (8 or 16 bit).

    A single 3-D LUT over 0..1 is kept at its own size, exactly. Anything else (1-D curves, shapers, domains,
    matrices, chains of them) is sampled at 33 points along an axis, or 65, or 129, the first at which no colour of
    20,000 probed ones is off by more than half a step of 8 bits; where none is, the closest, and the log says by how
    much. Raises StyleError with file, line and what was expected, also for a file that takes seconds per megabyte.
    """
    path = Path(path)
    data = _read(path)
    try:
        return read_picture(path, data) if path.suffix.lower() in PICTURE_SUFFIXES else _read_table(path, data)
    except ValueError as error:
        if isinstance(error, StyleError):
            raise
        raise StyleError(f"{path}: {error}") from error  # Lut3D refuses it
    except MemoryError as error:
        raise StyleError(f"{path} needs more memory than there is", hint="use a LUT of fewer points") from error


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise StyleError(f"{path} is a folder, not a LUT file", hint="name a file in it")
    if path.suffix.lower() not in LUT_SUFFIXES:
        raise StyleError(f"{path}: LUT files do not end in '{path.suffix}'", hint=_suffix_hint())
    try:
        data = read_file(path, MAX_BYTES)
    except FileNotFoundError as error:
        raise StyleError(f"there is no LUT file {path}") from error
    except OSError as error:
        raise StyleError(f"{path} cannot be read: {error.strerror}") from error
    if not data.strip():
        raise StyleError(f"{path}:1: the file is empty", hint="export or download the LUT again")
    return data


def _suffix_hint() -> str:
    return "known endings: " + " ".join(sorted(LUT_SUFFIXES))


def _read_table(path: Path, data: bytes) -> Lut3D:
    suffix = path.suffix.lower()
    if suffix in BINARY_SUFFIXES:
        return _read_in_child(path, data, check=False)
    if len(data) > LARGEST_HERE:
        return _read_in_child(path, data, check=True)
    if suffix != ".cube":
        return _read_in_child(path, checked_text(path, decode(path, data)).encode(), check=False)
    cube = read_cube(path, decode(path, data))
    table = cube.table
    return (
        Lut3D(table.astype(np.float32)) if table is not None else _read_in_child(path, cube.text.encode(), check=False)
    )


def _read_in_child(path: Path, data: bytes, *, check: bool) -> Lut3D:
    """By OpenColorIO. `check`: the data is text that nobody has looked at yet."""
    processor = CHILD_S + len(data) // CHILD_BYTES_S
    limits = Limits(CHILD_MEMORY, processor, float(processor * CHILD_PATIENCE))
    try:
        with tempfile.TemporaryDirectory(prefix="livestyle-lut-") as folder:
            request = {"path": str(path), "check": check, "folder": folder}
            said, table = run_child("livestyle.shaders.lut_ocio", request, data, limits)
    except ChildFailure as error:
        raise StyleError(f"{path}: not a {path.suffix} LUT: {error}", hint=BROKEN) from error
    except OSError as error:
        raise no_copy(path, error) from error
    if "error" in said:
        raise StyleError(said["error"], hint=said["hint"])
    if said["note"]:
        log.info("%s", said["note"])
    size = said["size"]
    return Lut3D(np.frombuffer(table, np.float32).reshape(size, size, size, 3))
