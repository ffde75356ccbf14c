"""Progress of long work, as a sink: a bar with frames/s and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from livestyle.console.terminal import is_terminal, printable, say
from livestyle.frame import Frame, StreamInfo

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_S = 5.0


def progress_sink(info: StreamInfo, name: str) -> BarSink | LineSink:
    """A bar when stderr is a terminal, otherwise lines that a log can keep."""
    if is_terminal():
        with suppress(Exception):  # a terminal that cannot draw one, or that went away
            return BarSink(info, name)
    return LineSink(info, name)


def _seconds(frame: Frame, info: StreamInfo) -> float:
    return max(0.0, float(frame.pts * info.time_base) - info.start)


class _ProgressSink:
    """What both kinds share: they never end a run and keep no frame."""

    closed = False

    def __init__(self, info: StreamInfo, name: str) -> None:
        self._info, self._name = info, name
        self._started = time.monotonic()
        self._done = 0

    @property
    def rate(self) -> float:
        """Frames per second so far."""
        return self._done / max(time.monotonic() - self._started, 1e-6)

    def idle(self) -> None:
        """Nothing to keep alive."""

    def close(self) -> None:
        """Nothing to finish."""


class LineSink(_ProgressSink):
    """A line on stderr every few seconds."""

    def __init__(self, info: StreamInfo, name: str) -> None:
        super().__init__(info, name)
        self._next = self._started + LINE_EVERY_S

    def write(self, frame: Frame) -> None:
        """Count one frame; print when it is time."""
        self._done += 1
        if time.monotonic() >= self._next:
            self._next += LINE_EVERY_S
            say(self._line(_seconds(frame, self._info)))

    def _line(self, seconds: float) -> str:
        total = f" of {self._info.duration:.1f} s" if self._info.duration else " s"
        return f"{self._name}: frame {self._done}, {seconds:.1f}{total}, {self.rate:.1f} frames/s"


class BarSink(_ProgressSink):
    """A rich progress bar on stderr."""

    def __init__(self, info: StreamInfo, name: str) -> None:
        super().__init__(info, name)
        self._bar, self._task = self._open()

    def write(self, frame: Frame) -> None:
        """Count one frame."""
        self._done += 1
        if self._info.frames:
            done: float = self._done
        else:
            done = _seconds(frame, self._info)
        with suppress(Exception):  # only a display: the work goes on without it
            self._bar.update(self._task, completed=done, rate=f"{self.rate:.1f} frames/s")

    def close(self) -> None:
        """Leave the finished bar on the screen and give the terminal back."""
        with suppress(Exception):  # a terminal that went away must not cost the finished file
            self._bar.stop()

    def _open(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        total = self._info.frames or self._info.duration
        task = bar.add_task(printable(self._name), total=total, rate="")
        bar.start()
        return bar, task
