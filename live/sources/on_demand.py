"""A camera that is open, with its light on, only while somebody watches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from livestyle.errors import LivestyleError
from livestyle.frame import Frame, StreamInfo
from livestyle.media.resize import Size
from livestyle.protocols import Source

_log = logging.getLogger("livestyle")

GRACE_S = (
    5.0  # without anybody watching, before the camera is closed: calls close and open it when their settings change
)
_SIZE = (1280, 720)  # where none was requested: the camera's own is not known before it is open
_TIME_BASE = Fraction(1, 1_000_000)
_TICK_S = 0.1
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0  # between two attempts to open a camera
_JOIN_S = 1.0


class Viewers(Protocol):
    """Who watches the outputs, such as livestyle.sinks.virtual_camera.viewers.Viewers."""

    def watched(self) -> bool:
        """Whether somebody does. Called a few times a second, on one thread."""

    def close(self) -> None:
        """Release what is open; called on the same thread."""


class OnDemandCamera:
    """A live source around another one, which is open only while somebody watches, and a little longer.

    It yields nothing meanwhile. A camera that cannot be opened is reported once and tried again while somebody watches.
    """

    def __init__(
        self,
        name: str,
        open_camera: Callable[[], Source],
        *,
        size: Size | None = None,
        rate: float | None = None,
        grace: float = GRACE_S,
    ) -> None:
        """`name` is what messages call the camera; `size` (width, height) and `rate` were requested from it.

        Nothing is opened before `follow` was called, iteration began and somebody watches. `grace` is in seconds.
        """
        fps = None if rate is None else Fraction(rate).limit_denominator(1001)
        self._info = StreamInfo(name, size or _SIZE, _TIME_BASE, fps, is_live=True)
        self._open_camera, self._grace = open_camera, grace
        self._changed = threading.Condition()
        self._wanted = self._closed = False
        self._camera: Source | None = None
        self._thread: threading.Thread | None = None
        self._epoch, self._pts = time.monotonic(), -1
        self._said = ""

    @property
    def info(self) -> StreamInfo:
        """The size is the requested one; frames have the camera's own, as after a change in mid-stream."""
        return self._info

    @property
    def is_open(self) -> bool:
        """Whether the camera is open at the moment."""
        return self._camera is not None

    def follow(self, viewers: Viewers) -> None:
        """Start to poll `viewers`, on a thread that closes them when this source is closed."""
        self._thread = threading.Thread(target=self._watch, args=(viewers,), name="livestyle-on-demand", daemon=True)
        self._thread.start()
        _log.info("%s is opened when somebody watches", self._info.name)

    def __iter__(self) -> Iterator[Frame]:
        pause = _FIRST_PAUSE_S
        while self._wait_until_wanted():
            camera = self._open()
            if camera is None:
                self._wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            pause = _FIRST_PAUSE_S
            try:
                for frame in camera:
                    yield self._timed(frame)
            finally:
                self._put_away()

    def close(self) -> None:
        """End iteration and close the camera. Twice is fine."""
        with self._changed:
            self._closed, self._wanted = True, False
            camera = self._camera
            self._changed.notify_all()
        if camera is not None:
            camera.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    # The iterating side

    def _wait_until_wanted(self) -> bool:
        """False once closed."""
        with self._changed:
            while not self._wanted and not self._closed:
                self._changed.wait(_TICK_S)
            return not self._closed

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._wanted, seconds)

    def _open(self) -> Source | None:
        """The camera; None when it cannot be opened, or is no longer needed."""
        _log.info("somebody watches: opening %s", self._info.name)
        try:
            camera = self._open_camera()
        except LivestyleError as error:
            self._say(error)
            return None
        with self._changed:
            if self._wanted and not self._closed:
                self._camera, self._said = camera, ""
                return camera
        camera.close()
        return None

    def _say(self, error: LivestyleError) -> None:
        if str(error) != self._said:
            self._said = str(error)
            _log.warning("%s; trying again while somebody watches (%s)", error, error.hint or "it may come back")

    def _put_away(self) -> None:
        with self._changed:
            camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
            _log.info("%s is closed until somebody watches", self._info.name)

    def _timed(self, frame: Frame) -> Frame:
        """With times of this source, which continue while the camera is closed and opened again."""
        self._pts = max(self._pts + 1, int((frame.captured - self._epoch) / _TIME_BASE))
        return replace(frame, pts=self._pts)

    # The polling thread

    def _watch(self, viewers: Viewers) -> None:
        last = time.monotonic()
        with closing(viewers):
            while not self._closed:
                now = time.monotonic()
                if viewers.watched():
                    last = now
                    self._want(True)
                elif now - last >= self._grace:
                    self._want(False)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, _TICK_S)

    def _want(self, wanted: bool) -> None:
        with self._changed:
            if wanted == self._wanted or self._closed:
                return
            self._wanted = wanted
            camera = None if wanted else self._camera
            self._changed.notify_all()
        if camera is not None:
            camera.close()  # which ends its iteration
