"""The preview window with its keys, and the snapshots and recordings that the keys make."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from livestyle.endpoints import video_sink
from livestyle.frame import StreamInfo
from livestyle.protocols import Sink
from livestyle.settings import Settings
from livestyle.sinks.files.recording import RecordSink, SnapshotSink
from livestyle.sinks.live_outputs import DirectOutput

log = logging.getLogger("livestyle")

StyleKey = Callable[[str], str | None]
"""Takes the command of a key ("next-style", "stronger" …); the style's title if that changed it, else None."""


class Preview:
    """A window on the main thread. `window` is one of a run's outputs; `captures` are sinks beside them.

    `status` gives the overlay's line. Raises DisplayError where no window can be opened.
    """

    def __init__(self, info: StreamInfo, settings: Settings, *, on_style_key: StyleKey, status: Callable[[], str]):
        from livestyle.sinks.preview.window import Window

        silent = replace(info, path=None)  # a recording of a preview has no sound
        self._on_style_key = on_style_key
        self._window = Window("livestyle", on_command=self._command, status=status, mirror=bool(settings.mirror))
        self._snapshots = SnapshotSink(settings.captures, _open_photo, self._tell)
        self._recorder = RecordSink(settings.captures, lambda path: video_sink(path, silent, Settings()), self._tell)
        self.window = DirectOutput("window", self._window)
        self.captures: tuple[Sink, ...] = (self._recorder, self._snapshots)

    def close(self) -> None:
        """Finish a recording and close the window. Twice is fine."""
        for sink in (*self.captures, self.window):
            sink.close()

    def _command(self, command: str) -> None:
        if command == "snapshot":
            self._snapshots.take()
        elif command == "record":
            self._recorder.toggle()
        elif (title := self._on_style_key(command)) is not None:
            self._window.toast(title)

    def _tell(self, text: str) -> None:
        log.info("%s", text)
        self._window.toast(text)


def _open_photo(path: Path) -> Sink:
    from livestyle.sinks.files.photo import PhotoSink

    return PhotoSink(path, None)
