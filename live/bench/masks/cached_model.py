"""The same model outputs for every method, and live inference that runs in the film's own time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Generic, Protocol, runtime_checkable

import numpy as np

from livestyle.bench.sequences import Moment
from livestyle.bench.stopwatch import Stopwatch
from livestyle.frame import Picture, Probabilities
from livestyle.masks.inference import Result, T
from livestyle.masks.roi import Mask
from livestyle.protocols import ResizableSegmenter, Segmenter


@runtime_checkable
class ShownSegmenter(Segmenter, Protocol):
    """A segmenter that must be shown every moment of a film before it segments its frame."""

    def see(self, moment: Moment) -> None:
        """Learn the truth about a moment."""


class CachedModel:
    """Runs a segmenter once for each picture, however many methods need it. Implements ShownSegmenter.

    Calls count for the stage "inference" of `watch`; `seconds` has the cost of each new picture.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._known: dict[bytes, Probabilities] = {}
        self.watch = Stopwatch()
        self.seconds: list[float] = []

    @property
    def classes(self) -> tuple[str, ...]:
        """As the segmenter's own."""
        return self._segmenter.classes

    @property
    def regions(self) -> Mapping[str, str]:
        """As the segmenter's own."""
        return self._segmenter.regions

    @property
    def input_size(self) -> tuple[int, int]:
        """As the segmenter's own."""
        return self._segmenter.input_size

    @property
    def device(self) -> str:
        """As the segmenter's own."""
        return self._segmenter.device

    def see(self, moment: Moment) -> None:
        """Show the moment to a segmenter that wants to see it."""
        if isinstance(self._segmenter, ShownSegmenter):
            self._segmenter.see(moment)

    def __call__(self, pixels: Picture, /) -> Probabilities:
        """As the segmenter's own; the same array for the same picture."""
        with self.watch.stage("inference"):
            key = blake2b(np.ascontiguousarray(pixels).data, person=str(pixels.shape).encode()[:16]).digest()
            if key not in self._known:
                start = time.process_time()
                self._known[key] = self._segmenter(pixels)
                self._known[key].flags.writeable = False
                self.seconds.append(time.process_time() - start)
            return self._known[key]


class ResizableCachedModel(CachedModel):
    """The same for a segmenter that can run at another size. Implements livestyle.protocols.ResizableSegmenter."""

    def __init__(self, segmenter: ResizableSegmenter) -> None:
        super().__init__(segmenter)
        self._resizable = segmenter
        self._sizes: dict[float, ResizableCachedModel] = {}

    def resized(self, share: float) -> ResizableSegmenter:
        """As the segmenter's own; the same one each time, whose calls count for the same watch."""
        if share not in self._sizes:
            self._sizes[share] = ResizableCachedModel(self._resizable.resized(share))
        other = self._sizes[share]
        other.watch = self.watch
        return other


def cached(segmenter: Segmenter) -> CachedModel:
    """The segmenter, run once for each picture."""
    return ResizableCachedModel(segmenter) if isinstance(segmenter, ResizableSegmenter) else CachedModel(segmenter)


class SimulatedInference(Generic[T]):
    """Implements livestyle.masks.inference.Inference: it takes `latency` seconds of the stream's own time.

    So every run gives the same masks. Like the threaded one it segments one picture at a time and goes on with the
    newest offered; but nothing runs beside the loop, and a frame that has to wait for its mask does not make the next
    one late.
    """

    def __init__(self, segment: Callable[[T], Mask], latency: float) -> None:
        self._segment, self._latency = segment, latency
        self._pending: tuple[T, float] | None = None
        self._running: tuple[T, float, float] | None = None  # with the second at which it is done
        self._done: Result | None = None

    def offer(self, picture: T, seconds: float) -> None:
        """As the protocol says; what is due by `seconds` is done first."""
        while self._running is not None and self._running[2] <= seconds + 1e-9:
            self._finish()
        self._pending = picture, seconds
        if self._running is None:
            self._start(seconds)

    def result(self) -> Result | None:
        """As the protocol says."""
        done, self._done = self._done, None
        return done

    def wait(self, patience: float) -> Result:
        """The next mask, whenever it is due, whatever the patience."""
        if self._done is None:
            self._finish()
        result = self.result()
        assert result is not None
        return result

    def close(self) -> None:
        """Nothing runs."""

    def _start(self, now: float) -> None:
        if self._pending is not None:
            self._running = (*self._pending, now + self._latency)
            self._pending = None

    def _finish(self) -> None:
        assert self._running is not None  # a picture was offered
        picture, seconds, due = self._running
        self._done = Result(self._segment(picture), seconds, time.monotonic())
        self._running = None
        self._start(due)
