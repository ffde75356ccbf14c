"""Files played as if they were live: frames come at their own times, or a photo comes again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from livestyle.frame import Frame, StreamInfo
from livestyle.protocols import Source


class PacedSource:
    """A file source that delivers each frame when it is due, so that a window plays it at the right speed.

    It is live to its feed: a machine that cannot keep up shows fewer frames instead of a slower video.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._closing = threading.Event()

    @property
    def info(self) -> StreamInfo:
        """The source's own, marked live."""
        return replace(self._source.info, is_live=True)

    def __iter__(self) -> Iterator[Frame]:
        """Frames with `captured` set to the moment they were due."""
        started: float | None = None
        first_pts = 0
        for frame in self._source:
            if started is None:
                started, first_pts = time.monotonic(), frame.pts
            due = started + float((frame.pts - first_pts) * self._source.info.time_base)
            if self._closing.wait(max(0.0, due - time.monotonic())):
                return
            yield replace(frame, captured=time.monotonic())

    def close(self) -> None:
        """Wake a waiting iteration and close the file."""
        self._closing.set()
        self._source.close()


class RepeatedSource:
    """The only frame of a photo, `rate` times a second until closed, so that a window can try styles on it."""

    TIME_BASE = Fraction(1, 1_000_000)

    def __init__(self, photo: Source, rate: float = 10.0) -> None:
        self._photo = photo
        self._rate = rate
        self._closing = threading.Event()

    @property
    def info(self) -> StreamInfo:
        """The photo's own, as a live stream."""
        return replace(self._photo.info, is_live=True, time_base=self.TIME_BASE, rate=Fraction(self._rate))

    def __iter__(self) -> Iterator[Frame]:
        """The photo's frame with growing times."""
        started = time.monotonic()
        for photo in self._photo:
            while not self._closing.is_set():
                now = time.monotonic()
                yield replace(photo, pts=int((now - started) / self.TIME_BASE), captured=now)
                self._closing.wait(1 / self._rate)

    def close(self) -> None:
        """End the repetition. Twice is fine."""
        self._closing.set()
        self._photo.close()
