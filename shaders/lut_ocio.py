"""LUT files as OpenColorIO evaluates them. Run as a child process: its readers may loop, crash or take all memory.

`python -m livestyle.shaders.lut_ocio` is started by `livestyle.shaders.lut_files` through `livestyle.system.child`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livestyle.errors import StyleError
from livestyle.shaders.lut import BOUND, MAX_SIZE, Lut3D, lattice
from livestyle.shaders.lut_checks import checked_text
from livestyle.shaders.lut_text import BROKEN, decode, no_copy, shown
from livestyle.system.child import Answer, serve

DEFAULT_SIZE = 33
BAKE_SIZES = (33, 65, MAX_SIZE)
BAKE_TOLERANCE = 0.5 / 255
PROBES = 20000

Float32 = npt.NDArray[np.float32]


def answer(request: Mapping[str, Any], data: bytes) -> Answer:
    """The content of the file at `request["path"]` -> its table, float32, of `size` points an axis, and `note`.

    `request["folder"]` is the parent's, for a copy: this process may be ended at any moment, and then removes nothing.
    """
    path = Path(request["path"])
    plain = checked_text(path, decode(path, data)).encode() if request["check"] else data
    # OpenColorIO reads files only, and chooses its reader by their ending.
    copy = Path(request["folder"]) / ("lut" + path.suffix.lower())
    try:
        copy.write_bytes(plain)
    except OSError as error:
        raise no_copy(path, error) from error
    del plain
    with _quiet_ocio() as ocio:
        processor = _Processor(ocio, path, copy)
    lut, note = _bake(path, processor)
    return {"size": lut.size, "note": note}, lut.table.tobytes()


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
            raise StyleError(f"{path}: expected a {path.suffix} file, found other data", hint=BROKEN) from error

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
    return StyleError(f"{where}: not a {path.suffix} LUT: {shown(reason, 120)}", hint=BROKEN)


def _line_and_reason(report: str) -> tuple[int | None, str]:
    report = re.sub(r"^Error parsing .*?file( \(.*?\))?\.?\s+", "", " ".join(report.split()))
    found = re.search(r"\b(?:at )?line \(?(\d+)\)?[:.]*", report, re.IGNORECASE)
    return (int(found[1]), report.replace(found[0], "")) if found else (None, report)


# ---- sampling --------------------------------------------------------------------------------------------------------


def _bake(path: Path, processor: _Processor) -> tuple[Lut3D, str]:
    """The LUT, and what is to be said about it."""
    if processor.own_size:
        return _sample(processor, processor.own_size), ""
    first = max([DEFAULT_SIZE, *processor.grid_sizes])
    probes = _probes()
    truth = np.clip(processor(probes), *BOUND)
    tried: list[tuple[float, Lut3D]] = []
    for size in [first, *(size for size in BAKE_SIZES if size > first)]:
        lut = _sample(processor, size)
        tried.append((float(np.abs(lut.apply(probes) - truth).max()), lut))
        if tried[-1][0] <= BAKE_TOLERANCE:
            return lut, ""
    error, lut = min(tried, key=lambda each: each[0])
    off = f"colours are off by up to {error * 255:.1f}/255"
    return lut, f"{path} is too steep for a lattice of {lut.size} points: {off}."


def _sample(processor: _Processor, size: int) -> Lut3D:
    return Lut3D(processor(lattice(size)))


def _probes() -> Float32:
    """Colours where sampling is tested: noise over the cube, and 4096 greys, where steep curves do most harm."""
    noise = np.random.default_rng(0).random((PROBES - 4096, 3), np.float32)
    greys = np.repeat(np.linspace(0, 1, 4096, dtype=np.float32)[:, None], 3, axis=1)
    return np.concatenate([noise, greys])


if __name__ == "__main__":
    serve(answer)
