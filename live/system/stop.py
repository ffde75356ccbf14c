"""Requests to stop: Ctrl-C, a terminal that closes, a service manager. None of them may lose a recording.

The loop reads a flag between two frames, so that outputs are finished whole. Python runs signal handlers on the main
thread only, and only between two of its own instructions: a main thread inside native code never sees them. Therefore
a second thread reads the signals too (`signal.set_wakeup_fd`) and ends the process where the main one does not react.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import NoReturn, Protocol
from weakref import WeakSet

from livestyle.errors import INTERRUPTED, LivestyleError
from livestyle.system.interrupts import stop_signals

REACT_S = 5.0  # for the main thread to look at the flag after the first request
REACT_AGAIN_S = 1.0  # … and after the second
SETTLE_S = 5.0  # for unfinished outputs to be put in place or removed, when the process must end
PATIENCE = 3  # requests, after which outputs that are still being finished are left as they are

_TICK_S = 0.1

log = logging.getLogger("livestyle")


class Stop:
    """Whether the run is to end. Called by the loop between two frames; the signals set it while `listening`.

    `signals` false: they are left to the program that livestyle is a part of, and any thread may listen.
    """

    def __init__(self, *, signals: bool = True) -> None:
        self.asked = False
        self._takes_signals = signals
        self._seen = False  # by the main thread
        self._finishing = False
        self._protected = False
        self._interrupt = _InterruptOnce()

    def __call__(self) -> bool:
        """True once somebody asked to stop."""
        asked = self._seen = self.asked  # read once: a signal may come between two lines
        return asked

    def finishing(self) -> None:
        """The loop has ended and its outputs are being finished: the flag is no longer read, and need not be."""
        self._finishing = True

    @contextmanager
    def listening(self, *, protected: bool = False) -> Iterator[None]:
        """Take the signals, if any. Only the main thread may take them.

        A second Ctrl-C raises KeyboardInterrupt, which gives the output up, unless it is `protected`: what cannot be
        made again is finished first, and only the third request leaves it as it is then (see `abandon`).
        Outside, Ctrl-C interrupts as usual: a camera that takes long to open is not waited for.
        """
        self._protected, self._finishing = protected, False
        signals = stop_signals() if self._takes_signals else []
        previous = {sig: signal.signal(sig, self._ask) for sig in signals}
        try:
            with _Watcher(self, signals) if signals else nullcontext():
                yield
        finally:
            for sig, handler in previous.items():
                signal.signal(sig, handler)

    @property
    def seen(self) -> bool:
        """Whether the main thread has looked at the flag since it was set, or does what it would do then."""
        return self._seen or self._finishing

    @property
    def protected(self) -> bool:
        """Whether a second request waits for the outputs too."""
        return self._protected

    def _ask(self, sig: int, frame: FrameType | None) -> None:
        if self.asked and sig == signal.SIGINT and not self._protected:
            self._interrupt(sig, frame)
        self.asked = True


class _Watcher:
    """The thread that sees signals while the main thread is busy in native code."""

    def __init__(self, stop: Stop, signals: list[signal.Signals]) -> None:
        self._stop, self._signals = stop, signals
        self._count = 0
        self._deadline: float | None = None
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.setblocking(False)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="livestyle-signals", daemon=True)

    def __enter__(self) -> None:
        self._previous = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        signal.set_wakeup_fd(self._previous)
        self._thread.join()
        self._receiver.close()
        self._sender.close()

    def _watch(self) -> None:
        while not self._ended.is_set():
            if select.select([self._receiver], [], [], _TICK_S)[0]:
                self._count_requests(self._receiver.recv(64))
            if self._is_stuck():
                abandon()

    def _count_requests(self, numbers: bytes) -> None:
        for number in numbers:
            if number not in self._signals:
                continue
            self._count += 1
            self._deadline = time.monotonic() + (REACT_S if self._count == 1 else REACT_AGAIN_S)
            if self._count == 2 and self._stop.protected and self._stop.seen:
                log.warning("the recording is being finished; Ctrl-C once more leaves it as it is")

    def _is_stuck(self) -> bool:
        """Whether the main thread does not react, or is told to stop finishing what it finishes."""
        if self._deadline is None:
            return False
        if self._stop.seen:
            return self._count >= PATIENCE
        return time.monotonic() > self._deadline


class _InterruptOnce:
    """A handler that raises KeyboardInterrupt; the next request ends the process, while the first still unwinds."""

    def __init__(self) -> None:
        self._raised = False

    def __call__(self, sig: int, frame: FrameType | None) -> None:
        if self._raised:
            abandon()
        self._raised = True
        raise KeyboardInterrupt


def interrupt_once() -> None:
    """Make Ctrl-C raise KeyboardInterrupt once, for a process that then ends with `leave`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _InterruptOnce())


def leave(code: int) -> NoReturn:
    """End the process, at once where it was interrupted: threads may be inside native code that cannot be unwound."""
    if code == INTERRUPTED:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed, or full: nothing is left to report to
                stream.flush()
        abandon()
    sys.exit(code)


def abandon() -> NoReturn:
    """End the process now: recordings keep what they have under their names, other unfinished outputs are removed."""
    # On a thread: a disk may hang, and this may be a signal handler inside of what holds the lock of an output.
    with suppress(Exception):
        settling = threading.Thread(target=_settle, name="livestyle-settle", daemon=True)
        settling.start()
        settling.join(SETTLE_S)
    os._exit(INTERRUPTED)


class Unfinished(Protocol):
    """What is being written, and can be ended from another thread."""

    def settle(self) -> None:
        """Put it in place or remove it, as it is. Raises LivestyleError and OSError."""


_unfinished: WeakSet[Unfinished] = WeakSet()


def settle_if_abandoned(output: Unfinished) -> None:
    """Have `output` settled where the process ends by `abandon` before it is finished."""
    _unfinished.add(output)


def settle_all() -> None:
    """End all outputs that are being written at this moment: for a process that is about to end."""
    for output in list(_unfinished):
        with suppress(LivestyleError, OSError):
            output.settle()


def _settle() -> None:
    with suppress(Exception):
        settle_all()
