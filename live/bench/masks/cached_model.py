"""The same model outputs for every method, and live inference whose clock is the film's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

from livestyle.bench.stopwatch import Stopwatch
from livestyle.frame import Weights
from livestyle.masks.inference import Inference, Result, T
from livestyle.masks.pyramid import Picture
from livestyle.protocols import Segmenter


class CachedModel:
    """A segmenter that is asked once for each picture, however many methods want to know.

    What is asked is told to `watch` as the stage "inference"; each new picture's cost to `seconds`.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._known: dict[bytes, Weights] = {}
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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segmenter, name)

    def __call__(self, pixels: Picture, /) -> Weights:
        """As the segmenter's own; the same array for the same picture."""
        with self.watch.stage("inference"):
            key = blake2b(np.ascontiguousarray(pixels).data, person=str(pixels.shape).encode()[:16]).digest()
            if key not in self._known:
                start = time.process_time()
                self._known[key] = self._segmenter(pixels)
                self._known[key].flags.writeable = False
                self.seconds.append(time.process_time() - start)
            return self._known[key]


class SimulatedInference(Inference[T]):
    """Inference that takes `latency` seconds of the stream's own time, so that every run gives the same masks.

    Like the threaded one it works on one picture at a time and goes on with the newest offered; unlike it nothing runs
    beside the loop, and a frame that has to wait for its mask does not make the next one late.
    """

    def __init__(self, segment: Callable[[T], Weights], latency: float) -> None:
        # The thread of the base class is not wanted: every method that would talk to it stands here.
        self._segment_now, self._latency = segment, latency
        self._pending: tuple[T, float] | None = None
        self._running: tuple[T, float, float] | None = None  # with the second at which it is done
        self._done: Result | None = None

    def offer(self, picture: T, seconds: float) -> None:
        """Put `picture` up as the next to segment; what is due by `seconds` is done first."""
        while self._running is not None and self._running[2] <= seconds + 1e-9:
            self._finish()
        self._pending = picture, seconds
        if self._running is None:
            self._start(seconds)

    def result(self) -> Result | None:
        """The newest mask that has not been given out yet."""
        done, self._done = self._done, None
        return done

    def wait(self, patience: float) -> Result:
        """The next mask, whenever it is due."""
        if self._done is None:
            self._finish()
        result = self.result()
        assert result is not None
        return result

    def close(self) -> None:
        """Nothing to end."""

    def _start(self, now: float) -> None:
        if self._pending is not None:
            self._running = (*self._pending, now + self._latency)
            self._pending = None

    def _finish(self) -> None:
        assert self._running is not None  # a picture was offered
        picture, seconds, due = self._running
        self._done = Result(self._segment_now(picture), seconds, time.monotonic())
        self._running = None
        self._start(due)
