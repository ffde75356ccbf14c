"""Sinks that wait for a key: a snapshot of the next frame, a recording from one press to the next.

They are asides of a live session: a full disk or a forbidden folder is said and costs the capture, never the session.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from livestyle.errors import LivestyleError
from livestyle.frame import Frame
from livestyle.protocols import Sink

OpenSink = Callable[[Path], Sink]


def stamped(folder: Path, suffix: str) -> Path:
    """A path in `folder` named after the present moment that does not exist yet."""
    stem = time.strftime("livestyle-%Y%m%d-%H%M%S")
    path = folder / f"{stem}{suffix}"
    for count in range(2, 1000):
        if not path.exists():
            break
        path = folder / f"{stem}-{count}{suffix}"
    return path


class SnapshotSink:
    """Saves the next frame each time it is asked to."""

    def __init__(self, folder: Path, open_photo: OpenSink, say: Callable[[str], None]) -> None:
        self._folder, self._open, self._say = folder, open_photo, say
        self._wanted = False

    def take(self) -> None:
        """Save the next frame that is written."""
        self._wanted = True

    @property
    def closed(self) -> bool:
        """Never by itself."""
        return False

    def write(self, frame: Frame) -> None:
        """Save `frame` if one was asked for."""
        if not self._wanted:
            return
        self._wanted = False
        path = stamped(self._folder, ".png")
        try:
            with closing(self._open(path)) as photo:
                photo.write(frame)
        except LivestyleError as error:
            self._say(f"no picture saved: {error}")
        else:
            self._say(f"saved {path}")

    def idle(self) -> None:
        """Nothing to keep alive."""

    def close(self) -> None:
        """Nothing to finish."""


class RecordSink:
    """Writes frames to a file between one `toggle` and the next."""

    def __init__(self, folder: Path, open_video: OpenSink, say: Callable[[str], None]) -> None:
        self._folder, self._open, self._say = folder, open_video, say
        self._sink: Sink | None = None
        self._path = Path()

    @property
    def recording(self) -> bool:
        """Whether frames go to a file at present."""
        return self._sink is not None

    def toggle(self) -> None:
        """Begin a recording, or finish the one that runs."""
        if self._sink is not None:
            self.close()
            return
        self._path = stamped(self._folder, ".mp4")
        try:
            self._sink = self._open(self._path)
        except LivestyleError as error:
            self._say(f"no recording: {error}")
        else:
            self._say(f"recording to {self._path}")

    @property
    def closed(self) -> bool:
        """Never by itself."""
        return False

    def write(self, frame: Frame) -> None:
        """Add `frame` to the recording, if one runs; one that fails is given up."""
        sink = self._sink
        if sink is None:
            return
        try:
            sink.write(frame)
        except LivestyleError as error:
            self._sink = None
            self._say(f"the recording has ended: {error}")
            sink.close()  # after a failure this only cleans up

    def idle(self) -> None:
        """Nothing to keep alive."""

    def close(self) -> None:
        """Finish the recording that runs, if any."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except LivestyleError as error:
            self._say(f"the recording is lost: {error}")
        else:
            self._say(f"saved {self._path}")
