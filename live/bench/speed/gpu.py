"""How fast a torch device styles: against its memory bandwidth, frames that stay on it, and frames to it and back.

Every figure is a throughput over frames queued one after the other, timed from the host between two synchronisations;
the median and the 5th percentile of several such batches are given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

import numpy as np
import torch

from livestyle.bench.speed.pictures import Size, natural, noise, soft_weights
from livestyle.compute.gpu_frames import GpuStylist
from livestyle.frame import Pixels, PlaneWeights
from livestyle.models.segmenter import read_model
from livestyle.models.torch_segmenter import TorchSegmenter
from livestyle.shaders.compile import compile_look
from livestyle.shaders.cpu import CpuGrade
from livestyle.shaders.library import find_recipe
from livestyle.shaders.recipe import Adjust
from livestyle.shaders.reference import reference_grade
from livestyle.shaders.torch_grade import TorchGrade

FRAMES = 8
"""Different frames in turn: together at 4K they are larger than any cache."""

RVM_HD = 172
"""Frames a second that Robust Video Matting (Lin et al. 2022) publishes for HD in half precision, on an RTX 3090."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing measured."""

    what: str
    size: Size  # (width, height) of a frame
    per_s: float  # frames a second, median of the batches
    slow_per_s: float  # 5th percentile
    ratio: float | None  # to what `against` names
    against: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What to measure, and on what."""

    device: str
    large: Size = (3840, 2160)
    medium: Size = (1920, 1080)
    style: str = "vivid"
    model: str | None = None
    seconds: float = 0.3  # that a batch should take at least
    batches: int = 9


def measure(setting: Setting) -> Iterator[Line]:
    """The lines of the table, each as soon as it is there. Raises DeviceError, ModelError, StyleError."""
    clock = Clock(torch.device(setting.device), setting.seconds, setting.batches)
    look = compile_look(find_recipe(setting.style), Adjust())
    grade = TorchGrade(look, setting.device)
    copies = _copies(clock, setting.large)
    yield Line("copy on the device", setting.large, *copies, None, "")
    for name, frames in (("natural", natural(setting.large)), ("noise", noise(setting.large))):
        yield _against(f"colour pass, {name}", setting.large, _resident_color(clock, grade, frames), copies, "the copy")
    yield from _segmented(clock, setting, grade)
    there_and_back = _host_to_host(clock, grade, setting.large)
    on_cpu = _host_to_host(clock, CpuGrade(look), setting.large)
    yield Line("CPU, host to host", setting.large, *on_cpu, None, "")
    yield _against("host to host", setting.large, there_and_back, on_cpu, "the CPU")


def largest_error(setting: Setting) -> float:
    """Of the device's colour pass against float64, in steps of 1/255, over a natural and a noise frame."""
    look = compile_look(find_recipe(setting.style), Adjust())
    grade, weights = TorchGrade(look, setting.device), soft_weights()
    frames = [next(make((320, 180))) for make in (natural, noise)]
    return max(float(np.abs(grade(frame, weights) - reference_grade(frame, weights, look)).max()) for frame in frames)


class Clock:
    """Times work that a device does asynchronously."""

    def __init__(self, device: torch.device, seconds: float, batches: int) -> None:
        self.device = device
        self._seconds, self._batches = seconds, batches

    def __call__(self, work: Callable[[], object]) -> tuple[float, float]:
        """Calls of `work` a second: median and 5th percentile of the batches."""
        self._batch(work, 3)  # kernels are compiled and chosen
        count = max(1, round(self._seconds / self._batch(work, 3) * 3))
        rates = [count / self._batch(work, count) for _ in range(self._batches)]
        return float(np.median(rates)), float(np.percentile(rates, 5))

    def _batch(self, work: Callable[[], object], count: int) -> float:
        self._wait()
        start = time.perf_counter()
        for _ in range(count):
            work()
        self._wait()
        return max(time.perf_counter() - start, 1e-9)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


def _against(what: str, size: Size, rates: tuple[float, float], other: tuple[float, float], name: str) -> Line:
    return Line(what, size, *rates, rates[0] / other[0], name)


def _copies(clock: Clock, size: Size) -> tuple[float, float]:
    """A frame's bytes read and written, as the colour pass must: the most that memory allows."""
    frames = [torch.zeros((size[1], size[0], 3), dtype=torch.uint8, device=clock.device) for _ in range(FRAMES)]
    targets = [torch.empty_like(frame) for frame in frames]
    pairs = cycle(zip(frames, targets, strict=True))

    def copy() -> None:
        source, target = next(pairs)
        target.copy_(source)

    return clock(copy)


def _resident_color(clock: Clock, grade: TorchGrade, frames: Iterator[Pixels]) -> tuple[float, float]:
    there = cycle([torch.tensor(next(frames), device=clock.device) for _ in range(FRAMES)])
    weights = torch.tensor(soft_weights(), device=clock.device)
    return clock(lambda: grade.on_device(next(there), weights))


def _segmented(clock: Clock, setting: Setting, grade: TorchGrade) -> Iterator[Line]:
    card, model, _ = read_model(setting.model)
    segmenter = TorchSegmenter(card, model, setting.device)
    frames = natural(setting.medium)
    there = cycle([torch.tensor(next(frames), device=clock.device) for _ in range(FRAMES)])
    matting = (float(RVM_HD), float(RVM_HD))
    for what, refined in (("model and colours", False), ("model, refined edges, colours", True)):
        rates = clock(_next_styled(GpuStylist(segmenter, grade, refined=refined), there))
        yield _against(f"{card.name}: {what}", setting.medium, rates, matting, "RVM, published")
    yield Line(f"{card.name}: model alone", setting.medium, *clock(lambda: segmenter.on_device(next(there))), None, "")


def _next_styled(stylist: GpuStylist, frames: Iterator[torch.Tensor]) -> Callable[[], torch.Tensor]:
    return lambda: stylist(next(frames))


def _host_to_host(clock: Clock, grade: Callable[[Pixels, PlaneWeights], Pixels], size: Size) -> tuple[float, float]:
    made, weights = natural(size), soft_weights()
    frames = cycle([next(made) for _ in range(FRAMES)])
    return clock(lambda: grade(next(frames), weights))


# ---- words -----------------------------------------------------------------------------------------------------------


def device_name(device: str) -> str:
    """The device's own name."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device


def bandwidth(line: Line) -> float:
    """GB/s read and written by what moves a frame once: the copy and the colour pass."""
    return 2 * 3 * line.size[0] * line.size[1] * line.per_s / 1e9


def text(line: Line) -> str:
    """A line of the table."""
    ratio = "" if line.ratio is None else f"{line.ratio:8.2f} x {line.against}"
    size = f"{line.size[0]}x{line.size[1]}"
    return f"{line.what:<42}{size:>10}{line.per_s:>12.1f}/s{line.slow_per_s:>12.1f}/s{ratio}"


def as_json(line: Line) -> dict[str, Any]:
    """The same for programs."""
    return {**asdict(line), "gb_per_s": round(bandwidth(line), 2)}
