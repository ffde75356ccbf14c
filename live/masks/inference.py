"""Segmentation beside the frame loop."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from livestyle.errors import StreamError
from livestyle.masks.roi import Mask

T = TypeVar("T")  # what is segmented: a picture, or a frame's pyramid
T_contra = TypeVar("T_contra", contravariant=True)

_WAIT = 0.05  # seconds between two checks that the thread is alive; every wait has an end
_JOIN_S = 5.0  # a model that hangs must not hang the program's end too: the thread is a daemon
_NICENESS = 5  # added: the frame loop goes first where both want the same core (Linux: niceness is per thread)


class Result(NamedTuple):
    """The mask of one offered picture."""

    mask: Mask
    seconds: float  # of the picture, as it was offered
    offered: float  # when it was, time.monotonic()


@runtime_checkable
class Inference(Protocol[T_contra]):
    """What segments pictures while frames go on, always the newest one. Used from one thread."""

    def offer(self, picture: T_contra, seconds: float) -> None:
        """Make `picture` the next to be segmented, replacing one that waits. Never blocks. It must not change."""

    def result(self) -> Result | None:
        """The newest mask that has not been returned yet. Raises what segmentation raised, until it succeeds again."""

    def wait(self, patience: float) -> Result:
        """The next mask; needs an offered picture. Raises what segmentation raised.

        StreamError once it has taken more than `patience` seconds.
        """

    def close(self) -> None:
        """End its threads. Twice is fine."""


class ThreadedInference(Generic[T]):
    """Runs `segment` on a thread of its own. Implements Inference."""

    def __init__(self, segment: Callable[[T], Mask]) -> None:
        self._segment = segment
        self._changed = threading.Condition()
        self._offered: tuple[T, float, float] | None = None  # the picture and the times of its Result
        self._result: Result | None = None
        self._failure: BaseException | None = None  # of the newest picture; the next success clears it
        self._failed_at: TracebackType | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="livestyle-masks", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> bool:
        """Whether a picture has been offered that is not being segmented yet."""
        with self._changed:
            return self._offered is not None

    def offer(self, picture: T, seconds: float) -> None:
        """As the protocol says."""
        with self._changed:
            self._offered = picture, seconds, time.monotonic()
            self._changed.notify_all()

    def result(self) -> Result | None:
        """As the protocol says."""
        with self._changed:
            return self._take()

    def wait(self, patience: float) -> Result:
        """As the protocol says."""
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
        """End the thread after the picture in work and join it; one that hangs is left behind. Twice is fine."""
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
        lower_priority()
        while (job := self._next()) is not None:
            picture, seconds, offered = job
            try:
                self._put(Result(self._segment(picture), seconds, offered))
            except BaseException as error:  # raised in the frame loop; the next picture may go well
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


def too_slow(what: str) -> StreamError:
    """The error for a model that cannot keep up with a live picture."""
    return StreamError(f"The model is too slow or stuck: {what}", hint="choose a smaller --model or a faster --device")


def lower_priority() -> None:
    """Lower this thread's priority, where threads have one of their own."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it, and nothing depends on it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + _NICENESS)
