"""Sinks that wait for a key: a snapshot of the next frame, a recording from one press to the next.

They are secondary in a live session: a full disk or a forbidden folder is reported and costs the capture, never
the session, and encoding does not delay the frames of the call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from livestyle.errors import LivestyleError
from livestyle.frame import Frame
from livestyle.protocols import Sink
from livestyle.sinks.files.output import free_path
from livestyle.sinks.queued import RECORDING, Queue, QueuedSink

OpenSink = Callable[[Path], Sink]

_ONE_FRAME = Queue(frames=1)


def stamped(folder: Path, suffix: str) -> Path:
    """A path in `folder` named after the present moment that does not exist yet."""
    return free_path(folder / f"{time.strftime('livestyle-%Y%m%d-%H%M%S')}{suffix}")


class _Finishing:
    """Captures that are being finished on their threads, and messages about the result."""

    closed = False

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._finishing: list[tuple[QueuedSink, Path]] = []

    def idle(self) -> None:
        """Report the captures that have been finished."""
        for sink, path in [entry for entry in self._finishing if entry[0].done]:
            self._finishing.remove((sink, path))
            self._tell(sink, path)

    def close(self) -> None:
        """Wait for what is being finished."""
        for sink, path in self._finishing:
            sink.close()
            self._tell(sink, path)
        self._finishing.clear()

    def _finish(self, sink: QueuedSink, path: Path) -> None:
        sink.end()
        self._finishing.append((sink, path))

    def _tell(self, sink: QueuedSink, path: Path) -> None:
        self._say(f"saved {path}" if sink.failure is None else f"{path.name} is not saved completely: {sink.failure}")


class SnapshotSink(_Finishing):
    """Saves the next frame on request."""

    def __init__(self, folder: Path, open_photo: OpenSink, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self._folder, self._open = folder, open_photo
        self._wanted = False

    def take(self) -> None:
        """Save the next frame that is written."""
        self._wanted = True

    def write(self, frame: Frame) -> None:
        """Save `frame` if a snapshot was requested."""
        self.idle()
        if not self._wanted:
            return
        self._wanted = False
        path = stamped(self._folder, ".png")
        try:
            sink = QueuedSink("the picture", self._open(path), _ONE_FRAME)
        except LivestyleError as error:
            self._say(f"no picture saved: {error}")
            return
        sink.write(frame)
        self._finish(sink, path)


class RecordSink(_Finishing):
    """Writes frames to a file between one `toggle` and the next."""

    def __init__(self, folder: Path, open_video: OpenSink, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self._folder, self._open = folder, open_video
        self._sink: QueuedSink | None = None
        self._path = Path()

    @property
    def recording(self) -> bool:
        """Whether frames go to a file at present."""
        return self._sink is not None

    def toggle(self) -> None:
        """Start a recording, or finish the current one."""
        if self._sink is not None:
            self._end()
            return
        self._path = stamped(self._folder, ".mp4")
        try:
            self._sink = QueuedSink("the recording", self._open(self._path), RECORDING)
        except LivestyleError as error:
            self._say(f"no recording: {error}")
        else:
            self._say(f"recording to {self._path}")

    def write(self, frame: Frame) -> None:
        """Add `frame` to the recording, if there is one; one that fails is abandoned."""
        self.idle()
        sink = self._sink
        if sink is None:
            return
        sink.write(frame)
        if sink.failure is not None:
            self._end()

    def close(self) -> None:
        """Finish the current recording, if any."""
        self._end()
        super().close()

    def _end(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self._finish(sink, self._path)
