"""A camera at 30 frames/s styled for a while: what was dropped, how late frames were, whether memory grew."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.current_style import CurrentStyle
from livestyle.errors import BackendError
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.job import AWAY, Job, open_styling
from livestyle.report import Meter, Report
from livestyle.settings import Settings
from livestyle.system.stop import Stop

RATE = 30
SETTLED_S = 1.0  # frames dropped before that are not counted: the model has its first run
SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class Live:
    """How a live run went."""

    report: Report
    dropped_at: list[float]  # seconds of the stream, without those of its first second
    memory_mb: float | None  # taken at the end; None where the system does not say
    grown_mb: float | None  # since a tenth of the run

    def line(self) -> str:
        """For people."""
        dropped = f"{len(self.dropped_at)} dropped after the first second"
        latency = " ".join(f"{name} {ms:.1f}" for name, ms in self.report.latency_ms.items())
        memory = "" if self.memory_mb is None else f"; {self.memory_mb:.0f} MB, {self.grown_mb or 0:+.1f} MB"
        return (
            f"live {SIZE[0]}x{SIZE[1]}, {RATE} frames/s, {self.report.seconds:.0f} s: {self.report.frames_in} in, "
            f"{self.report.frames_out} out, {dropped}; latency {latency} ms; "
            f"{self.report.masks.get('masks_per_s') or 0:.1f} masks/s{memory}"
        )

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        figures = {"memory_mb": self.memory_mb, "grown_mb": self.grown_mb, "dropped_at_s": self.dropped_at}
        return {**self.report.as_json(), "dropped_after_1_s": len(self.dropped_at), **figures}


class MadeCamera:
    """A camera that sends the same MJPEG pictures again and again, each decoded when it is due as a webcam's are."""

    def __init__(self, pictures: list[bytes], seconds: float) -> None:
        self.info = StreamInfo("a made camera", SIZE, Fraction(1, 1_000_000), Fraction(RATE), is_live=True)
        self._pictures, self._count = pictures, round(seconds * RATE)
        self._closing = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        """RATE frames a second."""
        started = time.monotonic()
        for number in range(self._count):
            due = started + number / RATE
            if self._closing.wait(max(0.0, due - time.monotonic())):
                return
            packed = np.frombuffer(self._pictures[number % len(self._pictures)], np.uint8)
            pixels = np.asarray(cv2.cvtColor(cv2.imdecode(packed, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)
            yield Frame(read_only(pixels), _microseconds(number), captured=due)

    def close(self) -> None:
        """End the iteration. Twice is fine."""
        self._closing.set()


class _Watch:
    """A sink that costs nothing and records which frames came."""

    closed = False

    def __init__(self, seconds: float) -> None:
        self.arrived: set[int] = set()  # microseconds of the stream
        self.early_mb: float | None = None
        self._early = seconds / 10

    def write(self, frame: Frame) -> None:
        self.arrived.add(frame.pts)
        if self.early_mb is None and frame.pts >= self._early * 1e6:
            self.early_mb = memory_mb()

    def idle(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing is open."""


def measure(settings: Settings, seconds: float) -> Live:
    """Style a made camera for so many seconds, as `livestyle --camera` does. Raises what the run raises."""
    sink = _Watch(seconds)
    source, style, meter = MadeCamera(made_pictures(), seconds), CurrentStyle(settings), Meter()
    with ExitStack() as stack:
        styling = open_styling(stack, source, style, settings, live=True)
        report = Job(style=style, styling=styling, sinks=[sink], meter=meter, hold_text=AWAY).run(Stop())
    if report.error is not None:
        raise BackendError(report.error, hint=report.hint)
    due = (_microseconds(number) for number in range(round(SETTLED_S * RATE), round(seconds * RATE)))
    dropped = [pts / 1e6 for pts in due if pts not in sink.arrived]
    now = memory_mb()
    grown = None if now is None or sink.early_mb is None else now - sink.early_mb
    return Live(report, dropped, now, grown)


def _microseconds(number: int) -> int:
    return round(number / RATE * 1e6)


def made_pictures(seconds: float = 3.0) -> list[bytes]:
    """A drawn person who talks, as JPEG pictures."""
    from livestyle.bench.drawn_people import DrawnPeople
    from livestyle.bench.sequences import make_film

    film = make_film("talk", DrawnPeople(), rate=RATE, size=SIZE, seed=0, seconds=seconds)
    return [_jpeg(np.asarray(moment.pixels, np.uint8)) for moment in film.moments]


def _jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return bytes(data)


def memory_mb() -> float | None:
    """Memory that this process holds now; None where the system does not say."""
    if sys.platform != "linux":
        return None
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
