"""The colour pass on a CPU: `CpuGrade`, by compiled code where it was built and by NumPy where it was not."""

from __future__ import annotations

import functools
import importlib
import itertools
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import REGIONS, Pixels, PlaneWeights
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice


def _import_compiled() -> ModuleType | None:
    try:
        return importlib.import_module("livestyle.shaders._grade")
    except ImportError:  # an optional extension: installing without a C compiler leaves it out
        return None


_compiled = _import_compiled()
log = logging.getLogger("livestyle")

MASK_ONE = 32767  # what a weight of 1 is to the compiled code
NEGLIGIBLE = 16  # of MASK_ONE: on 8 bits a region this faint moves no colour by more than an eighth of a step
MAX_THREADS = 8
ROWS_PER_THREAD = 64  # below this, handing rows to a thread costs more than it saves

_Shares = npt.NDArray[np.float32]  # (L, h, w) in [0, 1], by LUT: the weights of its regions together
_Backend = Callable[[Pixels, _Shares], Pixels]


class CpuGrade:
    """`livestyle.protocols.Grade` for a look, over integer pixels.

    `backend` is "compiled" or "numpy"; None takes the compiled code where there is any. `threads` is how many share
    the rows of a frame (None: as many as processors, at most 8); the result does not depend on it. `variant` names the
    compiled code's instruction set ("plain", "avx2", "avx512"), for tests.

    For LUTs inside 0..1, uint8 stays within 0.55/255 of the float64 reference compiled (0.95/255 where weights lie
    between 0 and 1/2048: they count as 0) and 0.7/255 on numpy, uint16 within 10/65535. Thread-safe. Raises
    ValueError for a backend or a variant that is not there.
    """

    def __init__(
        self, look: Look, *, backend: str | None = None, threads: int | None = None, variant: str | None = None
    ) -> None:
        self._shares = look.regions_by_lut()
        self.backend = backend or _default_backend()
        luts = list(self._shares)
        self._run = _backend(self.backend, luts, threads or _processors(), variant)

    @property
    def is_identity(self) -> bool:
        """True when no pixel can change; the caller may then skip segmentation."""
        return not self._shares

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        """(H, W, 3) uint8 or uint16 and (R, h, w) weights in 0..1 -> new pixels of the same shape and dtype.

        Raises ValueError for other shapes and types.
        """
        check_arguments(pixels, weights)
        if self.is_identity or pixels.size == 0:
            return pixels.copy()
        shares = np.stack([weights[list(regions)].sum(axis=0) for regions in self._shares.values()])
        return self._run(cast(Pixels, np.ascontiguousarray(pixels)), np.clip(shares, 0, 1, dtype=np.float32))


def check_arguments(pixels: Pixels, weights: PlaneWeights) -> None:
    """Raises ValueError for what no grade takes."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels must be (H, W, 3) uint8 or uint16, not {pixels.shape} {pixels.dtype}")
    if weights.ndim != 3 or len(weights) != len(REGIONS) or weights.size == 0:
        raise ValueError(f"weights must be ({len(REGIONS)}, h, w), not {weights.shape}")


@functools.cache
def _default_backend() -> str:
    if _compiled is not None:
        return "compiled"
    log.info(
        "The compiled colour pass is not there, so numpy does its work, several times slower; "
        "installing livestyle again where a C compiler is found builds it."
    )
    return "numpy"


def _backend(name: str, luts: Sequence[Lut3D], threads: int, variant: str | None) -> _Backend:
    if name == "compiled":
        return _Compiled(luts, threads, variant)
    if name == "numpy":
        return _Numpy(luts)
    raise ValueError(f'the backend of a CPU grade is "compiled" or "numpy", not "{name}"')


def _processors() -> int:
    return min(os.cpu_count() or 1, MAX_THREADS)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """One pool for every grade of the process: the threads only run the compiled code, which never waits."""
    return ThreadPoolExecutor(_processors(), thread_name_prefix="livestyle-grade")


# ---- compiled --------------------------------------------------------------------------------------------------------


class _Compiled:
    """Hands bands of rows to shaders/_grade.c, whose head explains the numbers."""

    def __init__(self, luts: Sequence[Lut3D], threads: int, variant: str | None) -> None:
        self._code = _load_compiled()
        changes = [lut.table - lattice(lut.size) for lut in luts]
        self._doubled = any(np.abs(change).max() > 1 for change in changes)
        unit = MASK_ONE / 2 if self._doubled else MASK_ONE
        self._lattices = tuple(_pack(change, unit) for change in changes)
        self._threads = threads
        self._variant = -1 if variant is None else self._code.variants().index(variant)

    def __call__(self, pixels: Pixels, shares: _Shares) -> Pixels:
        out = np.empty_like(pixels)
        height, width = pixels.shape[:2]
        masks = np.rint(shares * np.float32(MASK_ONE)).astype(np.uint16)
        if pixels.dtype == np.uint8:  # probabilities are hardly ever 0, so without this no look-up would be skipped
            masks[masks < NEGLIGIBLE] = 0
        size = (height, width, 8 * pixels.itemsize)

        def grade(first: int, last: int) -> None:
            rows = (first, last)
            self._code.grade(
                pixels, out, size, masks, masks.shape[1:], self._lattices, self._doubled, rows, self._variant
            )

        bands = _bands(height, self._threads)
        others = [_pool().submit(grade, *band) for band in bands[1:]]
        grade(*bands[0])
        for other in others:
            other.result()
        return out


def _load_compiled() -> ModuleType:
    if _compiled is None:
        raise ValueError("the compiled colour pass was not built when livestyle was installed")
    return _compiled


def _pack(change: npt.NDArray[np.float32], unit: float) -> npt.NDArray[np.int16]:
    """(N, N, N, 3) differences from the identity -> (N, N, N, 4) int16: one 64-bit load for a lattice point."""
    packed = np.zeros((*change.shape[:3], 4), np.int16)
    packed[..., :3] = np.rint(change * np.float32(unit)).clip(-32767, 32767)
    return packed


def _bands(height: int, threads: int) -> list[tuple[int, int]]:
    count = max(1, min(threads, height // ROWS_PER_THREAD))
    edges = [height * band // count for band in range(count + 1)]
    return list(itertools.pairwise(edges))


# ---- numpy -----------------------------------------------------------------------------------------------------------


class _Numpy:
    """The same formula without compiled code."""

    def __init__(self, luts: Sequence[Lut3D]) -> None:
        self._luts = luts
        self._memos: list[_Memo] = []

    def __call__(self, pixels: Pixels, shares: _Shares) -> Pixels:
        out = np.empty_like(pixels)
        height, width = pixels.shape[:2]
        enlarged = [_enlarge(share, (width, height)) for share in shares]
        for first in range(0, height, ROWS_PER_THREAD):  # bands keep the floats in the processor's cache
            rows = slice(first, first + ROWS_PER_THREAD)
            out[rows] = self._grade(pixels[rows], [share[rows] for share in enlarged])
        return out

    def _grade(self, pixels: Pixels, shares: Sequence[npt.NDArray[np.float32]]) -> Pixels:
        before = pixels.astype(np.float32)
        after = before.copy()
        for number, share in enumerate(shares):
            if share.any():
                after += share[..., None] * (self._look(number, pixels) - before)
        return cast(Pixels, np.rint(after).clip(0, np.iinfo(pixels.dtype).max).astype(pixels.dtype))

    def _look(self, number: int, pixels: Pixels) -> npt.NDArray[np.float32]:
        """LUT `number` over pixels, in the pixels' own units."""
        if pixels.dtype == np.uint8:
            if not self._memos:
                self._memos = [_Memo(lut) for lut in self._luts]
            return self._memos[number](pixels)
        full_scale = np.float32(65535)
        return self._luts[number].apply(pixels / full_scale) * full_scale


def _enlarge(share: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(share, size, interpolation=cv2.INTER_LINEAR), np.float32)


class _Memo:
    """A LUT's output for each of the 2^24 colours, computed when a colour is first seen.

    A scene uses few of them, so after its first frames a look-up is one `take`. The table takes 64 MiB of address
    space, of which the system backs what was written. Ten bits a channel, spread over the range of the LUT's values,
    and a bit that says the entry is there. Two threads may fill the same entry: they write the same number.
    """

    KNOWN = np.uint32(1 << 30)
    LEVELS = 1023

    def __init__(self, lut: Lut3D) -> None:
        self._lut = lut
        self._low = float(lut.table.min())
        self._span = max(float(lut.table.max()) - self._low, 1e-6)
        self._entries = np.zeros(1 << 24, np.uint32)

    def __call__(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """(H, W, 3) uint8 -> (H, W, 3) float32 in 0..255."""
        wide = pixels.astype(np.uint32)
        colors = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
        found = self._entries[colors]
        missing = found == 0
        if missing.any():
            self._fill(np.unique(colors[missing]))
            found = self._entries[colors]
        return self._unpack(found)

    def _fill(self, colors: npt.NDArray[np.uint32]) -> None:
        rgb = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=-1) / 255
        levels = np.rint((self._lut.apply(rgb) - self._low) * (self.LEVELS / self._span)).astype(np.uint32)
        self._entries[colors] = self.KNOWN | levels[:, 0] << 20 | levels[:, 1] << 10 | levels[:, 2]

    def _unpack(self, entries: npt.NDArray[np.uint32]) -> npt.NDArray[np.float32]:
        values = np.empty((*entries.shape, 3), np.float32)
        for channel, shift in enumerate((20, 10, 0)):
            values[..., channel] = entries >> np.uint32(shift) & np.uint32(self.LEVELS)
        values *= np.float32(self._span / self.LEVELS * 255)
        values += np.float32(self._low * 255)
        return values
