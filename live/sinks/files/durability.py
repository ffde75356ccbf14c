"""Flushes a growing file to the disk regularly, so that a power cut costs its last second at most."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Protocol

EVERY_S = 0.4  # seconds; with the half second that a muxer collects, less than one


class Syncable(Protocol):
    """What PeriodicSync needs of an output."""

    def sync(self) -> None:
        """Have the system flush the file to the disk. Raises OSError."""


class PeriodicSync:
    """A thread of its own, because a busy disk can take seconds to answer."""

    def __init__(self, output: Syncable) -> None:
        self._output = output
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="livestyle-sync", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it. Does not wait for the disk. Twice is fine."""
        self._ended.set()

    def _work(self) -> None:
        while not self._ended.wait(EVERY_S):
            with suppress(OSError):  # a disk that fails shows in the next write
                self._output.sync()
