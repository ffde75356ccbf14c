"""Requests to stop while the main thread waits for something that may never happen.

Python runs signal handlers between two of its own instructions, so whoever waits here for native code waits in slices,
and a handler that only sets a flag (`livestyle.system.stop.Stop`) is not enough: nobody would look at the flag.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SLICE_S = 0.05
"""Seconds of one wait; between two of them Python runs the handlers of signals that came meanwhile."""


def stop_signals() -> list[signal.Signals]:
    """The signals that request the end of this process, as far as the system has them; ignored ones are left out.

    SIGHUP: the terminal was closed (`nohup` has it ignored). SIGBREAK: the same on Windows, where its handler has five
    seconds.
    """
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    return [sig for sig in known if signal.getsignal(sig) is not signal.SIG_IGN]


class Interrupts:
    """The requests to stop since it was made."""

    def __init__(self) -> None:
        self._first: float | None = None

    def note(self) -> None:
        """Note a request."""
        self._first = self._first or time.monotonic()

    def check(self, patience: float = 0.0) -> None:
        """Raise KeyboardInterrupt once the first request is `patience` seconds old."""
        if self._first is not None and time.monotonic() - self._first >= patience:
            raise KeyboardInterrupt


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Notes Ctrl-C, SIGTERM and SIGHUP, then calls their previous handlers.

    On other threads nothing is noted: signals only reach the main one.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    previous = {sig: handler for sig in stop_signals() if callable(handler := signal.getsignal(sig))}
    for sig, handler in previous.items():
        signal.signal(sig, _noting(interrupts, handler))
    try:
        yield interrupts
    finally:
        for sig, handler in previous.items():
            signal.signal(sig, handler)


def _noting(interrupts: Interrupts, handler: Callable[[int, FrameType | None], Any]) -> Callable[..., None]:
    def note(sig: int, frame: FrameType | None) -> None:
        interrupts.note()
        handler(sig, frame)

    return note
