"""What a run did, in numbers: counted in constant memory, shown as one line or as JSON."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

log = logging.getLogger("livestyle")

BIN_S = 1e-4  # latency is counted in bins of 0.1 ms …
BINS = 100_000  # … up to 10 s; the last bin holds everything beyond
RECENT_S = 2.0  # what "now" means for the overlay's frame rate


class Meter:
    """Counts frames and their latency. Memory does not grow with the length of the run."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._bins = np.zeros(BINS + 1, np.int64)
        self._recent: deque[tuple[float, float]] = deque(maxlen=240)
        self.out = 0
        self.held = 0
        self.first_out: float | None = None

    def wrote(self, captured: float) -> None:
        """One styled frame, captured at `captured` (time.monotonic seconds), has reached every sink."""
        now = time.monotonic()
        latency = max(0.0, now - captured)
        self._bins[min(int(latency / BIN_S), BINS)] += 1
        self._recent.append((now, latency))
        self.out += 1
        if self.first_out is None:
            self.first_out = now - self._started

    def held_card(self) -> None:
        """One hold card was sent in place of a frame."""
        self.held += 1

    @property
    def elapsed(self) -> float:
        """Seconds since the meter was made."""
        return time.monotonic() - self._started

    def percentile(self, percent: float) -> float:
        """Latency in seconds below which `percent` of the frames were written; upper edge of its 0.1 ms bin."""
        if self.out == 0:
            return 0.0
        rank = int(np.ceil(percent / 100 * self.out))
        return float((int(np.searchsorted(np.cumsum(self._bins), max(rank, 1))) + 1) * BIN_S)

    def now(self) -> tuple[float, float]:
        """(frames per second, mean latency in seconds) over the last two seconds."""
        horizon = time.monotonic() - RECENT_S
        recent = [(at, latency) for at, latency in self._recent if at >= horizon]
        if len(recent) < 2:
            return 0.0, 0.0
        span = recent[-1][0] - recent[0][0]
        rate = (len(recent) - 1) / span if span > 0 else 0.0
        return rate, sum(latency for _, latency in recent) / len(recent)


@dataclass(frozen=True, slots=True)
class OutputReport:
    """One output of a live run."""

    name: str  # a path, "virtual camera" or "window"
    frames: int  # styled frames that it took
    dropped: int  # that came while it was busy or away
    reopened: int  # how often it failed and came back
    latency_ms: dict[str, float]  # p50, p95, p99, from capture until it had the frame
    error: str | None = None  # why it ended early, or is away


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one run. Seconds are wall-clock, latencies in milliseconds.

    Latency runs from capture until the slower of window and virtual camera has the frame, where there is one of them.
    """

    source: str
    outputs: tuple[str, ...]
    style: str
    frames_in: int  # delivered by the source
    frames_out: int  # styled and written
    dropped: int  # replaced by a newer frame before they were styled (live only)
    held: int  # hold cards sent in place of a picture (live only)
    seconds: float
    fps: float
    first_frame_s: float | None  # from the start of the run to the first styled frame
    latency_ms: dict[str, float]  # p50, p95, p99
    masks: dict[str, Any]  # the stylist's own figures: rate, age, sync
    device: str  # really used for the masks, with its provider
    color: str  # the backend really used for the colour pass
    quality: dict[str, Any] | None = (
        None  # live with a budget: livestyle.governor.monitor's figures about the steps taken
    )
    error: str | None = None  # what ended the run early; the outputs hold every frame up to there
    hint: str = ""
    exit_code: int = 0
    by_output: tuple[OutputReport, ...] = ()  # live only
    warnings: tuple[str, ...] = ()  # what the run said about what is lost or changed, as on stderr
    interrupted: bool = False  # ended by Ctrl-C or SIGTERM: an output file is whole but shorter than its input

    def as_json(self) -> dict[str, Any]:
        """A dictionary for `json.dumps`."""
        return asdict(self)

    def line(self) -> str:
        """One line for people."""
        p = self.latency_ms
        if self.frames_in == 1 == self.frames_out:
            return f"{self.seconds:.1f} s · {self._masks_text()} · {self.device}, colour {self.color}"
        parts = [
            f"{self.frames_in} frames in, {self.frames_out} out, {self.dropped} dropped",
            f"{self.held} hold cards" if self.held else "",
            f"{self.seconds:.1f} s ({self.fps:.1f} frames/s)",
            *(f"{output.name}: {output.dropped} dropped" for output in self.by_output if output.dropped),
            f"latency p50 {p['p50']:.0f} p95 {p['p95']:.0f} p99 {p['p99']:.0f} ms",
            self._masks_text(),
            self._quality_text(),
            f"{self.device}, colour {self.color}",
        ]
        return " · ".join(part for part in parts if part)

    def _masks_text(self) -> str:
        count, rate = self.masks.get("masks"), self.masks.get("masks_per_s")
        if not count:
            return "no masks needed"
        return f"masks {rate:.1f}/s ({self.masks.get('sync')})" if rate else f"{count} mask"

    def _quality_text(self) -> str:
        changes = self.quality["changes"] if self.quality else 0
        if self.quality is None or not changes:
            return ""
        return f"quality step {self.quality['step']} after {changes} change{'s' if changes > 1 else ''}"


def latencies(meter: Meter) -> dict[str, float]:
    """The three percentiles of a report, in milliseconds."""
    return {name: round(meter.percentile(p) * 1e3, 1) for name, p in (("p50", 50), ("p95", 95), ("p99", 99))}


def slowest(handed_over: dict[str, float], outputs: Sequence[OutputReport]) -> dict[str, float]:
    """The percentiles of the slower one of window and virtual camera, else those of frames handed to the sinks.

    Nobody waits for a recording.
    """
    watched = [output.latency_ms for output in outputs if output.name in ("window", "virtual camera") and output.frames]
    return max([handed_over, *watched], key=lambda latency: latency["p95"]) if watched else handed_over


@contextmanager
def noted_warnings() -> Iterator[list[str]]:
    """A list to which every warning of the package is added until the `with` ends, from whichever thread."""
    noted: list[str] = []
    handler = _Noting(noted)
    log.addHandler(handler)
    try:
        yield noted
    finally:
        log.removeHandler(handler)


class _Noting(logging.Handler):
    def __init__(self, noted: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._noted = noted

    def emit(self, record: logging.LogRecord) -> None:
        self._noted.append(record.getMessage())
