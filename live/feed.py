"""The feed: a source read on one background thread into a bounded buffer. Only the feed knows whether we are live."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType
from typing import Self

from livestyle.frame import Frame
from livestyle.protocols import Source

LIVE_DEPTH = 1  # only the newest frame: an older one only adds latency
FILE_DEPTH = 4  # enough to decode ahead while a frame is being encoded, little enough for 4K frames in memory
JOIN_S = 5.0


class Feed:
    """Frames of `source`, in order, from a reader thread.

    A live source never waits: when the buffer is full its oldest frame is dropped and counted. A file waits instead, so
    every frame arrives. The reader's exception is raised by `get` once the frames already read have been taken.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._live = source.info.is_live
        self._depth = LIVE_DEPTH if self._live else FILE_DEPTH
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closing = False
        self._error: BaseException | None = None
        self._received = 0
        self._dropped = 0
        self._thread = threading.Thread(target=self._read, name="livestyle-feed", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def is_live(self) -> bool:
        """Whether frames are dropped rather than waited for."""
        return self._live

    @property
    def received(self) -> int:
        """Frames that the source delivered so far."""
        return self._received

    @property
    def dropped(self) -> int:
        """Frames that were replaced by a newer one before anyone took them. Always 0 for a file."""
        return self._dropped

    @property
    def finished(self) -> bool:
        """True when the source has ended without an error and every frame was taken."""
        with self._changed:
            return self._ended and not self._frames and self._error is None

    def get(self, timeout: float) -> Frame | None:
        """The next frame, or None when there is none within `timeout` seconds or the source has ended.

        Raises what the source raised, once, after its last frame was taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._ended, timeout)
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                return frame
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def close(self) -> None:
        """Close the source and join the reader. Twice is fine."""
        with self._changed:
            self._closing = True
            self._frames.clear()
            self._changed.notify_all()
        self._source.close()
        if self._thread.is_alive():
            # A driver that hangs in a blocking read must not hang the program too: the thread is a daemon.
            self._thread.join(JOIN_S)

    def _read(self) -> None:
        try:
            for frame in self._source:
                if not self._put(frame):
                    break
        except BaseException as error:  # handed to the main loop, which raises it
            self._error = None if self._closing else error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            self._received += 1
            if self._live:
                self._make_room()
            else:
                self._changed.wait_for(lambda: len(self._frames) < self._depth or self._closing)
            if self._closing:
                return False
            self._frames.append(frame)
            self._changed.notify_all()
            return True

    def _make_room(self) -> None:
        while len(self._frames) >= self._depth:
            self._frames.popleft()
            self._dropped += 1
