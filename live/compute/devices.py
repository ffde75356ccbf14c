"""Where the model and the colour pass run: chosen once and logged, and left only under "auto".

Where a device's memory is full, the next backend takes over ("auto"), or it is an error (a named device). A device or
driver that fails during a stream is always an error; the next frame opens it again, so that a live run, which shows a
hold card meanwhile, recovers with its driver, and a file ends with what was finished.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from livestyle.errors import DeviceError, DeviceMemoryError
from livestyle.frame import Picture, Pixels, PlaneWeights, Probabilities
from livestyle.models import segmenter as onnx_models
from livestyle.models.segmenter import Device, load_segmenter, read_model
from livestyle.protocols import Grade, ResizableSegmenter
from livestyle.shaders.cpu import CpuGrade
from livestyle.shaders.look import Look

T = TypeVar("T")
R = TypeVar("R")

FEW_ROWS = 32
"""Of a picture on the device at once where all of it does not fit."""

log = logging.getLogger("livestyle")


class Backend(NamedTuple, Generic[T]):
    """What can do a job."""

    name: str  # what messages call it: "on cuda", "on the CPU"
    open: Callable[[], T]  # raises DeviceError


@dataclass(slots=True)
class BackendIndex:
    """Which of its backends a job uses. Jobs that share a device's memory share it."""

    at: int = 0


class Backends(Generic[T]):
    """A job that can be done by several backends, the best first. Thread-safe.

    Where memory is full the next backend takes over permanently, which is logged; the last one raises
    DeviceMemoryError. After another DeviceError the backend in use is opened again for the next call.
    """

    def __init__(
        self, what: str, backends: Sequence[Backend[T]], describe: Callable[[T], str], index: BackendIndex | None = None
    ) -> None:
        self.description = ""  # of the backend in use, or last in use
        self._what, self._backends, self._describe = what, backends, describe
        self._index = index or BackendIndex()
        self._lock = threading.Lock()
        self._opened: tuple[int, T] | None = None

    @property
    def current(self) -> T:
        """The backend in use, opened if necessary. Raises DeviceError."""
        with self._lock:
            if self._opened is None or self._opened[0] != self._index.at:
                self._opened = None  # first, for its memory
                self._opened = self._index.at, self._backends[self._index.at].open()
                self.description = self._describe(self._opened[1])
            return self._opened[1]

    def use(self, call: Callable[[T], R]) -> R:
        """The result of `call` with the backend in use.

        Raises what it raises, except DeviceMemoryError where there is another backend.
        """
        while True:
            index = self._index.at
            try:
                return call(self.current)
            except DeviceMemoryError as error:
                self._step_down(index, error)
            except DeviceError:
                self._forget()
                raise

    def _forget(self) -> None:
        with self._lock:
            self._opened = None

    def _step_down(self, index: int, error: DeviceMemoryError) -> None:
        self._forget()
        if index + 1 == len(self._backends):
            raise error
        if self._index.at == index:  # else another thread or job was first
            self._index.at = index + 1
            log.warning("%s. From now on %s runs %s.", error.message, self._what, self._backends[index + 1].name)


# ---- the model -------------------------------------------------------------------------------------------------------


class FallbackSegmenter:
    """`livestyle.protocols.ResizableSegmenter` over several backends for one model."""

    def __init__(self, backends: Backends[ResizableSegmenter], share: float = 1) -> None:
        self._backends, self._share = backends, share
        self._sized: tuple[ResizableSegmenter, ResizableSegmenter] | None = None  # in use, and at `share` of its size
        first = self._at_size(backends.current)
        self.classes, self.regions, self.input_size = first.classes, first.regions, first.input_size

    @property
    def device(self) -> str:
        """The one really used, now or last."""
        return self._backends.description

    def resized(self, share: float) -> FallbackSegmenter:
        """As the protocol says; `share` is of the model's own size. Both use one device and its memory."""
        return FallbackSegmenter(self._backends, share)

    def __call__(self, picture: Picture, /) -> Probabilities:
        """As the protocol says. Raises DeviceError, and DeviceMemoryError with no backend left."""
        return self._backends.use(lambda segmenter: self._at_size(segmenter)(picture))

    def _at_size(self, segmenter: ResizableSegmenter) -> ResizableSegmenter:
        if self._share == 1:
            return segmenter
        if self._sized is None or self._sized[0] is not segmenter:
            self._sized = segmenter, segmenter.resized(self._share)
        return self._sized[1]


def open_segmenter(
    name_or_path: str | Path | None = None, device: str = "auto", *, threads: int | None = None
) -> FallbackSegmenter:
    """A model, on the device that was named or, with "auto", on CUDA where it really runs and else on the CPU.

    As `livestyle.models.segmenter.load_segmenter`, and on torch too: that is taken for CUDA where it is installed, and
    for "mps" where ONNX Runtime has no CoreML. Raises ModelError and DeviceError.
    """
    load = partial(load_segmenter, name_or_path, threads=threads)
    on_cpu: Backend[ResizableSegmenter] = Backend("on the CPU", partial(load, "cpu"))
    if device != "auto":
        return _with_fallbacks([Backend(f"on {device}", _named(name_or_path, device, threads))])
    if not torch_has("cuda"):
        first = load("auto")
        chosen: Backend[ResizableSegmenter] = Backend(f"on {first.device}", _once(first, partial(load, first.device)))
        return _with_fallbacks([chosen] if first.device == "cpu" else [chosen, on_cpu])
    try:
        fallback = _with_fallbacks([Backend("on cuda", _named(name_or_path, "cuda", threads)), on_cpu])
    except DeviceError as error:
        log.info("No CUDA after all: %s.", error.message)
        return _with_fallbacks([on_cpu])
    log.info("Masks are computed on the device 'cuda' (chosen by 'auto').")
    return fallback


def _with_fallbacks(backends: Sequence[Backend[ResizableSegmenter]]) -> FallbackSegmenter:
    return FallbackSegmenter(Backends("the model", backends, lambda segmenter: segmenter.device))


def _once(first: T, again: Callable[[], T]) -> Callable[[], T]:
    """Returns what is open already, and from the second call on opens another."""
    waiting = [first]
    return lambda: waiting.pop() if waiting else again()


def _named(name_or_path: str | Path | None, device: str, threads: int | None) -> Callable[[], ResizableSegmenter]:
    """Opens a model on a device by torch or by ONNX Runtime, whichever serves it better."""
    if device == "cuda" and torch_has("cuda"):
        return partial(_on_torch, name_or_path, device)
    if device == "mps" and torch_has("mps") and not onnx_models.has_provider("mps"):
        return partial(_on_torch, name_or_path, device)
    return partial(load_segmenter, name_or_path, device, threads=threads)


def _on_torch(name_or_path: str | Path | None, device: str) -> ResizableSegmenter:
    from livestyle.models.torch_segmenter import TorchSegmenter

    card, model, _ = read_model(name_or_path)
    return TorchSegmenter(card, model, device)


# ---- the colour pass -------------------------------------------------------------------------------------------------


class FallbackGrade:
    """`livestyle.protocols.Grade` over several backends for one look."""

    def __init__(self, look: Look, backends: Backends[Grade]) -> None:
        self.is_identity = look.is_identity
        self._backends = backends
        # Opened at once: a style that cannot be applied must be an error before the first frame.
        assert backends.current is not None

    @property
    def backend(self) -> str:
        """What does the work, now or last: "compiled", "numpy", "triton", "metal", "torch"."""
        return self._backends.description

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        """As the protocol says. Raises DeviceError, and DeviceMemoryError with no backend left."""
        return self._backends.use(lambda grade: grade(pixels, weights))


class Colors:
    """Makes the grades of one run, all on one device.

    With "cuda" and "tensorrt" they run on CUDA, with "mps" on Metal, where torch (the extra `gpu`) finds the device;
    otherwise, and for any other device, on the CPU, which is logged once. "auto" takes CUDA where torch has it.
    """

    def __init__(self, device: str = "auto") -> None:
        self._index = BackendIndex()
        wanted = {"auto": "cuda", "cuda": "cuda", "tensorrt": "cuda", "mps": "mps"}.get(device)
        self._device = wanted if wanted is not None and torch_has(wanted) else None
        self._may_step_down = device == "auto"
        if self._device is None and wanted is not None and device != "auto":
            log.info("Colours are computed on the CPU: torch, which the extra `gpu` brings, has no %s.", wanted)

    def grade(self, look: Look) -> FallbackGrade:
        """A look, ready on the device. Raises DeviceError."""
        backends = Backends("the colour pass", self._backends(look), lambda grade: grade.backend, self._index)
        return FallbackGrade(look, backends)

    def _backends(self, look: Look) -> list[Backend[Grade]]:
        on_cpu: Backend[Grade] = Backend("on the CPU", partial(CpuGrade, look))
        if self._device is None:
            return [on_cpu]
        whole: Backend[Grade] = Backend(f"on {self._device}", partial(_torch_grade, look, self._device))
        in_parts: Backend[Grade] = Backend(
            f"on {self._device} in parts", partial(_torch_grade, look, self._device, FEW_ROWS)
        )
        return [whole, in_parts, on_cpu] if self._may_step_down else [whole]


def _torch_grade(look: Look, device: str, rows_at_once: int | None = None) -> Grade:
    from livestyle.shaders.torch_grade import ROWS_AT_ONCE, TorchGrade

    return TorchGrade(look, device, rows_at_once=rows_at_once or ROWS_AT_ONCE)


# ---- what there is ---------------------------------------------------------------------------------------------------


@cache
def torch_has(device: str) -> bool:
    """Whether torch is installed and finds a "cuda" or "mps" device.

    torch takes seconds to import, so it is not imported without NVIDIA's driver, or on other systems than macOS.
    """
    there = _nvidia_driver_is_there() if device == "cuda" else sys.platform == "darwin"
    if not there or find_spec("torch") is None or find_spec("onnx") is None:
        return False
    import torch

    return bool(torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available())


def _nvidia_driver_is_there() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def list_devices() -> list[Device]:
    """Every device livestyle knows, and what runs the default model there."""
    return [_with_torch(device) for device in onnx_models.list_devices()]


def _with_torch(device: Device) -> Device:
    if device.name not in ("cuda", "mps") or not torch_has(device.name):
        return device
    if device.available and device.name == "mps":
        return replace(device, detail=f"{device.detail}; colours by torch")
    try:
        _on_torch(None, device.name)
    except DeviceError as error:
        return Device(device.name, False, error.message)
    return Device(device.name, True, "torch, masks and colours")
