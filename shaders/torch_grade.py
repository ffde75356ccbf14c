"""The colour pass on torch: a Triton kernel on CUDA, a Metal kernel on Apple GPUs, plain torch operations anywhere.

A picture crosses between host and device twice, in bands of rows, so that one band is uploaded while the one
before is downloaded.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from livestyle.errors import DeviceMemoryError, device_failures
from livestyle.frame import REGIONS, Pixels, PlaneWeights
from livestyle.shaders.cpu import check_arguments
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice

ROWS_AT_ONCE = 270
"""Of a picture in one band: an eighth of 4K. Smaller bands overlap better, larger ones cost fewer launches."""

log = logging.getLogger("livestyle")

_STREAMS = 3  # one band is uploaded, one styled, one downloaded
_PLAIN_PIXELS = 1 << 18  # whose floats plain torch operations hold at once: some 30 MiB


class _Pass(Protocol):
    """One way to style rows on a device. Tensors are uint8, or int16 that hold the bits of uint16."""

    def masks(self, weights: torch.Tensor) -> torch.Tensor:
        """(R, h, w) float32 region weights -> the form in which `rows` takes them."""

    def rows(self, pixels: torch.Tensor, out: torch.Tensor, masks: torch.Tensor, first: int, height: int) -> None:
        """Style (rows, W, 3) `pixels`, the rows from `first` on of a picture of `height` rows, into `out`."""


class TorchGrade:
    """`livestyle.protocols.Grade` for a look on a torch device ("cuda", "cuda:1", "mps", "cpu" …).

    `backend` is "triton" (CUDA), "metal" (MPS) or "torch" (any device); None takes the fastest that works there.
    `rows_at_once` bounds the memory taken on the device: two bands of so many rows for each of three streams.

    For LUTs inside 0..1, uint8 stays within 0.7/255 of the float64 reference, uint16 within 0.25/255. Raises ValueError
    for a backend that cannot be had, DeviceMemoryError where the device's memory is full, and DeviceError where the
    device or its driver fails; the object cannot be used any more then.
    """

    def __init__(
        self,
        look: Look,
        device: str = "cpu",
        *,
        backend: str | None = None,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        self.device = torch.device(device)
        self.backend = backend or _fastest(self.device)
        self._rows_at_once = rows_at_once
        served = look.regions_by_lut()
        self.is_identity = not served
        with self._failures():
            self._pass = None if self.is_identity else _pass(self.backend, served, self.device)
            self._streams = [torch.cuda.Stream(self.device) for _ in range(_STREAMS)] if self._on_cuda else []

    @property
    def _on_cuda(self) -> bool:
        return self.device.type == "cuda"

    def _failures(self) -> AbstractContextManager[None]:
        return device_failures("the colour pass", str(self.device))

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        """(H, W, 3) uint8 or uint16 and (R, h, w) weights in 0..1 -> new pixels of the same shape and dtype.

        Raises ValueError for other shapes and types, DeviceMemoryError and DeviceError.
        """
        check_arguments(pixels, weights)
        if self._pass is None or pixels.size == 0:
            return pixels.copy()
        through = self._through_cuda if self._on_cuda else self._through
        with self._failures():
            planes = PlaneWeights(np.ascontiguousarray(weights, np.float32))
            return through(cast(Pixels, np.ascontiguousarray(pixels)), planes)

    def on_device(self, pixels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The same for tensors that are on the device already, without a copy: (H, W, 3) uint8 and (R, h, w) float32.

        On CUDA the work is queued on the current stream. Raises DeviceMemoryError and DeviceError.
        """
        with self._failures():
            if self._pass is None:
                return pixels.clone()
            out = torch.empty_like(pixels)
            self._pass.rows(pixels, out, self._pass.masks(weights), 0, len(pixels))
            return out

    def _through(self, pixels: Pixels, weights: PlaneWeights) -> Pixels:
        out = np.empty_like(pixels, order="C")
        masks = self._masks(weights)
        for first, last in self._bands(len(pixels)):
            there = torch.tensor(_signed(pixels[first:last]), device=self.device)
            _signed(out[first:last])[:] = self._styled(there, masks, first, len(pixels)).cpu().numpy()
        return out

    def _through_cuda(self, pixels: Pixels, weights: PlaneWeights) -> Pixels:
        """As above, with the copies on streams of their own; torch keeps pinned memory until its copies are done."""
        source = _signed(pixels)
        out = torch.empty(source.shape, dtype=_DTYPES[source.dtype], pin_memory=True)
        with torch.cuda.stream(self._streams[0]):
            masks = self._masks(weights)
        for stream in self._streams[1:]:
            stream.wait_stream(self._streams[0])
        streams = itertools.cycle(self._streams)
        for first, last in self._bands(len(source)):
            with torch.cuda.stream(next(streams)):
                pinned = torch.empty((last - first, *source.shape[1:]), dtype=out.dtype, pin_memory=True)
                pinned.numpy()[:] = source[first:last]
                there = pinned.to(self.device, non_blocking=True)
                out[first:last].copy_(self._styled(there, masks, first, len(source)), non_blocking=True)
        for stream in self._streams:
            stream.synchronize()
        return cast(Pixels, out.numpy().view(pixels.dtype))

    def _masks(self, weights: PlaneWeights) -> torch.Tensor:
        assert self._pass is not None
        return self._pass.masks(torch.tensor(weights, device=self.device))

    def _styled(self, there: torch.Tensor, masks: torch.Tensor, first: int, height: int) -> torch.Tensor:
        assert self._pass is not None
        out = torch.empty_like(there)
        self._pass.rows(there, out, masks, first, height)
        return out

    def _bands(self, height: int) -> Iterator[tuple[int, int]]:
        for first in range(0, height, self._rows_at_once):
            yield first, min(first + self._rows_at_once, height)


_DTYPES = {np.dtype(np.uint8): torch.uint8, np.dtype(np.int16): torch.int16}


def _signed(pixels: Pixels) -> npt.NDArray[np.uint8] | npt.NDArray[np.int16]:
    """The same bits with a type that every device of torch has: unsigned 16-bit numbers are missing on some."""
    return cast(npt.NDArray[np.uint8], pixels) if pixels.dtype == np.uint8 else pixels.view(np.int16)


def _fastest(device: torch.device) -> str:
    if device.type == "cuda" and find_spec("triton") is not None and _does("triton", str(device)):
        return "triton"
    if device.type == "mps" and hasattr(torch.mps, "compile_shader") and _does("metal", str(device)):
        return "metal"
    return "torch"


@cache
def _does(backend: str, device: str) -> bool:
    """Whether a kernel compiles, runs and gives the right colours here; if not, that is logged.

    A driver may be too old for it, and Triton wants a C compiler. Raises DeviceMemoryError.
    """
    try:
        wrong = _largest_difference(backend, device)
    except DeviceMemoryError:
        raise
    except Exception as error:  # compilers have exceptions of every kind
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning("The %s kernel does not run on %s (%s); torch does its work, slower.", backend, device, reason)
        return False
    if wrong > 1 / 255:
        log.warning("The %s kernel gives wrong colours on %s; torch does its work, slower.", backend, device)
    return wrong <= 1 / 255


def _largest_difference(backend: str, device: str) -> float:
    """Between a kernel and plain torch on the processor, over a small picture of both depths; full scale is 1."""
    draw = np.random.default_rng(0)
    look = Look((Lut3D(lattice(5) ** 2), Lut3D(1 - lattice(3)), None, Lut3D(lattice(33) ** 0.5)))
    weights = PlaneWeights(draw.dirichlet(np.ones(len(REGIONS)), (3, 5)).transpose(2, 0, 1).astype(np.float32))
    worst = 0.0
    for full, dtype in ((255, np.uint8), (65535, np.uint16)):
        pixels = cast(Pixels, draw.integers(0, full + 1, (9, 140, 3)).astype(dtype))
        right, found = (
            TorchGrade(look, place, backend=name)(pixels, weights).astype(np.int64)
            for place, name in (("cpu", "torch"), (device, backend))
        )
        worst = max(worst, float(np.abs(right - found).max()) / full)
    return worst


def _pass(name: str, served: dict[Lut3D, list[int]], device: torch.device) -> _Pass:
    if name not in _PASSES:
        raise ValueError(f"the backend of a torch grade is one of {', '.join(_PASSES)}, not {name!r}")
    members = torch.zeros(len(served), len(REGIONS))
    for number, regions in enumerate(served.values()):
        members[number, regions] = 1
    return _PASSES[name](list(served), members.to(device), device)


def _changes(lut: Lut3D) -> torch.Tensor:
    """(N³, 3) float32: the LUT minus the identity, which makes a weight of 0 leave a pixel alone exactly."""
    return torch.from_numpy(lut.table - lattice(lut.size)).reshape(-1, 3)


def _lattices(luts: Sequence[Lut3D], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(P, 4) float16 points of all LUTs in a row, and (L, 2) int32: where each begins, and its size.

    A point is four numbers so that one load fetches it. Behind each LUT stand zeros, as many as a look-up at the far
    corner of the cube reaches beyond it.
    """
    rows, table, begin = [], [], 0
    for lut in luts:
        size = lut.size
        points = torch.zeros(size**3 + size**2 + size + 1, 4)
        points[: size**3, :3] = _changes(lut)
        rows.append(points)
        table.append((begin, size))
        begin += len(points)
    return torch.cat(rows).half().to(device), torch.tensor(table, dtype=torch.int32, device=device)


# ---- Triton ----------------------------------------------------------------------------------------------------------


class _Triton:
    def __init__(self, luts: Sequence[Lut3D], members: torch.Tensor, device: torch.device) -> None:
        from livestyle.shaders import triton_grade

        self._kernels = triton_grade
        self._members = members
        self._points, self._table = _lattices(luts, device)

    def masks(self, weights: torch.Tensor) -> torch.Tensor:
        quads = torch.empty((len(self._members), *weights.shape[1:], 4), dtype=torch.float16, device=weights.device)
        with torch.cuda.device_of(quads):  # Triton runs on the current device, whatever its arguments
            self._kernels.pack_masks(weights.contiguous(), self._members, quads)
        return quads

    def rows(self, pixels: torch.Tensor, out: torch.Tensor, masks: torch.Tensor, first: int, height: int) -> None:
        with torch.cuda.device_of(pixels):
            self._kernels.grade_rows(pixels, out, masks, self._points, self._table, first, height)


# ---- Metal -----------------------------------------------------------------------------------------------------------


class _Metal:
    def __init__(self, luts: Sequence[Lut3D], members: torch.Tensor, device: torch.device) -> None:
        from livestyle.shaders.metal_grade import compiled_shader

        self._shader = compiled_shader()
        self._members = members
        self._device = device
        self._points, self._table = _lattices(luts, device)
        self._numbers = lru_cache(maxsize=64)(self._on_device)

    def masks(self, weights: torch.Tensor) -> torch.Tensor:
        return _shares(self._members, weights)

    def rows(self, pixels: torch.Tensor, out: torch.Tensor, masks: torch.Tensor, first: int, height: int) -> None:
        width = pixels.shape[1]
        luts, mask_height, mask_width = masks.shape
        numbers = self._numbers((width, height, first, mask_width, mask_height, luts))
        kernel = self._shader.grade8 if pixels.dtype == torch.uint8 else self._shader.grade16
        kernel(pixels, out, masks, self._points, self._table, numbers, threads=(width, len(pixels)))

    def _on_device(self, numbers: tuple[int, ...]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.int32, device=self._device)


# ---- plain torch -----------------------------------------------------------------------------------------------------


class _Plain:
    """The formula in operations that every device of torch has, a million floats at a time."""

    def __init__(self, luts: Sequence[Lut3D], members: torch.Tensor, device: torch.device) -> None:
        self._lattices = [(lut.size, _changes(lut).to(device)) for lut in luts]
        self._members = members

    def masks(self, weights: torch.Tensor) -> torch.Tensor:
        return _shares(self._members, weights)

    def rows(self, pixels: torch.Tensor, out: torch.Tensor, masks: torch.Tensor, first: int, height: int) -> None:
        step = max(1, _PLAIN_PIXELS // pixels.shape[1])
        for at in range(0, len(pixels), step):
            band = pixels[at : at + step]
            share = _enlarged(masks, (first + at, len(band), height), band.shape[1])
            out[at : at + step] = self._graded(band, share)

    def _graded(self, pixels: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        full = 255 if pixels.dtype == torch.uint8 else 65535
        before = (pixels.int() & full).float()
        after = before.clone()
        for share, (size, points) in zip(shares, self._lattices, strict=True):
            after += share[..., None] * (full * _interpolated(points, size, before / full))
        rounded = after.round().clamp(0, full).int()
        return rounded.to(torch.uint8) if full == 255 else _as_int16(rounded)


def _as_int16(values: torch.Tensor) -> torch.Tensor:
    """int32 in 0..65535 -> int16 of the same low bits, without relying on how a device casts what does not fit."""
    return torch.where(values > 32767, values - 65536, values).to(torch.int16)


def _shares(members: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(R, h, w) region weights -> (L, h, w): the share of each LUT."""
    return torch.tensordot(members, weights, dims=1).clamp(0, 1).contiguous()


def _enlarged(masks: torch.Tensor, rows: tuple[int, int, int], width: int) -> torch.Tensor:
    """(L, h, w) -> (L, count, width): `rows` is first, count, height. The geometry of cv2.INTER_LINEAR."""
    first, count, height = rows
    top, bottom, down = _neighbours(first, count, height, masks.shape[1], masks.device)
    left, right, across = _neighbours(0, width, width, masks.shape[2], masks.device)
    tall = masks[:, top] * (1 - down)[:, None] + masks[:, bottom] * down[:, None]
    return tall[:, :, left] * (1 - across) + tall[:, :, right] * across


def _neighbours(first: int, count: int, large: int, small: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    at = torch.arange(first, first + count, dtype=torch.float32, device=device)
    position = ((at + 0.5) * (small / large) - 0.5).clamp(0, small - 1)
    lower = position.floor()
    return lower.long(), (lower + 1).clamp(max=small - 1).long(), position - lower


def _interpolated(points: torch.Tensor, size: int, rgb: torch.Tensor) -> torch.Tensor:
    """(N³, 3) differences at (..., 3) colours in 0..1, tetrahedrally, as `livestyle.shaders.lut.interpolate` has it."""
    position = rgb * (size - 1)
    cell = position.floor().clamp(max=size - 2)
    red, green, blue = (position - cell).unbind(-1)
    lowest = (cell[..., 0] * size + cell[..., 1]) * size + cell[..., 2]  # exact: below 2^24
    largest = torch.maximum(torch.maximum(red, green), blue)
    smallest = torch.minimum(torch.minimum(red, green), blue)
    middle = torch.maximum(torch.minimum(red, green), torch.minimum(torch.maximum(red, green), blue))
    first, last = _outer_strides(red, green, blue, size)
    highest = lowest + (size * size + size + 1)
    corners = ((lowest, 1 - largest), (lowest + first, largest - middle), (highest - last, middle - smallest),
               (highest, smallest))  # fmt: skip
    return sum(weight[..., None] * points[corner.long()] for corner, weight in corners)


def _outer_strides(
    red: torch.Tensor, green: torch.Tensor, blue: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Strides of the axes with the largest and the smallest fraction; never the same axis, whatever is equal."""
    red_step, green_step, blue_step = (torch.full_like(red, step) for step in (size * size, size, 1))
    first = torch.where((red >= green) & (red >= blue), red_step, torch.where(green >= blue, green_step, blue_step))
    last = torch.where((blue <= red) & (blue <= green), blue_step, torch.where(green <= red, green_step, red_step))
    return first, last


_PASSES: dict[str, Callable[[Sequence[Lut3D], torch.Tensor, torch.device], _Pass]] = {
    "triton": _Triton,
    "metal": _Metal,
    "torch": _Plain,
}
