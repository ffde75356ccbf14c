"""Segmentation beside the frame loop, and the figures about it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from livestyle.errors import StreamError
from livestyle.frame import Weights
from livestyle.protocols import Segmenter

T = TypeVar("T")  # what is segmented: a picture, or a frame's copies

_WAIT = 0.05  # seconds between two looks at whether the thread still lives; every wait has an end
_JOIN_S = 5.0  # a model that hangs must not hang the program's end too: the thread is a daemon
_NICENESS = 5  # added: the frame loop goes first where both want the same core (Linux: niceness is per thread)


class Result(NamedTuple):
    """The mask of one offered picture."""

    weights: Weights
    seconds: float  # of the picture, as it was offered
    offered: float  # when it was, time.monotonic()


class Inference(Generic[T]):
    """Runs `segment` on a thread of its own, always on the newest picture offered. The newest result wins too."""

    def __init__(self, segment: Callable[[T], Weights]) -> None:
        self._segment = segment
        self._changed = threading.Condition()
        self._offered: tuple[T, float, float] | None = None  # as the picture and the times of its Result
        self._result: Result | None = None
        self._failure: BaseException | None = None  # of the newest picture; the next success clears it
        self._failed_at: TracebackType | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="livestyle-masks", daemon=True)
        self._thread.start()

    def offer(self, picture: T, seconds: float) -> None:
        """Put `picture` up as the next to segment, in place of one that waits. Never blocks. It must not change."""
        with self._changed:
            self._offered = picture, seconds, time.monotonic()
            self._changed.notify_all()

    def result(self) -> Result | None:
        """The newest mask that has not been given out yet. Raises what `segment` raised, until it succeeds."""
        with self._changed:
            return self._take()

    def wait(self, patience: float) -> Result:
        """The next mask; needs an offered picture. Raises what `segment` raised.

        StreamError once it has taken more than `patience` seconds.
        """
        end = time.monotonic() + patience
        with self._changed:
            while (result := self._take()) is None:
                if not self._thread.is_alive():
                    raise RuntimeError("the mask thread has ended")
                if time.monotonic() >= end:
                    raise too_slow(f"no mask came within {patience:.1f} s")
                self._changed.wait(_WAIT)
            return result

    def close(self) -> None:
        """End the thread after the picture it is at, and join it; one that hangs is left behind. Twice is fine."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_JOIN_S)

    def _take(self) -> Result | None:
        if self._failure is not None:
            # With its own traceback again: one that grew with every frame would keep all their pictures.
            raise self._failure.with_traceback(self._failed_at)
        result, self._result = self._result, None
        return result

    def _work(self) -> None:
        step_back()
        while (job := self._next()) is not None:
            picture, seconds, offered = job
            try:
                self._put(Result(self._segment(picture), seconds, offered))
            except BaseException as error:  # handed to the frame loop; the next picture may go well
                self._fail(error)

    def _next(self) -> tuple[T, float, float] | None:
        with self._changed:
            while self._offered is None and not self._closing:
                self._changed.wait(_WAIT)
            if self._closing or self._offered is None:
                return None
            job, self._offered = self._offered, None
            return job

    def _put(self, result: Result) -> None:
        with self._changed:
            self._result, self._failure = result, None
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure, self._failed_at = error, error.__traceback__
            self._changed.notify_all()


class MaskStats:
    """Counts masks and measures how old they are when they are used."""

    _KEPT = 3000  # ages kept for the percentiles: the last minute or so

    def __init__(self, segmenter: Segmenter, sync: str) -> None:
        self._segmenter = segmenter
        self.sync = sync  # "exact", "ahead" or "live"
        self._count = 0
        self._first = self._last = 0.0  # time.monotonic() of the first and the last mask
        self._newest = 0.0  # seconds of the frame that the newest mask belongs to
        self._ages: deque[float] = deque(maxlen=self._KEPT)

    def taken(self, seconds: float) -> None:
        """A mask of the frame at `seconds` was taken in."""
        self._last = time.monotonic()
        if self._count == 0:
            self._first = self._last
        self._count += 1
        self._newest = seconds

    def used(self, seconds: float) -> None:
        """The frame at `seconds` was styled by the newest mask."""
        self._ages.append(seconds - self._newest)

    def report(self) -> dict[str, object]:
        """sync, device, masks, masks_per_s, age_p50_s, age_p95_s (the last three None before they can be known)."""
        span = self._last - self._first
        p50, p95 = (float(age) for age in np.percentile(self._ages, (50, 95))) if self._ages else (None, None)
        return {
            "sync": self.sync,
            "device": str(getattr(self._segmenter, "device", "cpu")),  # now: it may have changed on the way
            "masks": self._count,
            "masks_per_s": round((self._count - 1) / span, 2) if span > 0 else None,
            "age_p50_s": None if p50 is None else round(p50, 4),
            "age_p95_s": None if p95 is None else round(p95, 4),
        }


def too_slow(what: str) -> StreamError:
    """The error for a model that cannot keep up with a live picture."""
    return StreamError(f"The model is too slow or stuck: {what}", hint="choose a smaller --model or a faster --device")


def step_back() -> None:
    """Lower this thread's priority where a thread has one of its own."""
    if sys.platform == "linux":
        with suppress(OSError):  # a courtesy, which a sandbox may forbid
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + _NICENESS)
