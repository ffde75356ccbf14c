"""A sink behind a queue and a thread of its own, so that one that is slow or fails delays nothing else."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from livestyle.errors import LivestyleError, StreamError
from livestyle.frame import Frame
from livestyle.protocols import Sink
from livestyle.report import Meter, OutputReport, latencies

IDLE_S = 0.05  # without a frame for so long, the sink may keep its device alive
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0  # between two attempts to open an output again

log = logging.getLogger("livestyle")


@dataclass(frozen=True, slots=True)
class Queue:
    """How much of a stream may wait for a sink, and for how long its end is waited for."""

    frames: int
    megabytes: float = 256
    finish_s: float = 30.0
    left: str = ""  # a hint for an output that was not finished by then


REALTIME = Queue(frames=2, finish_s=2.0)  # a virtual camera: older frames only add latency
# Two seconds for an encoder or a disk to catch up.
RECORDING = Queue(frames=60, left="livestyle --rescue FOLDER makes an ordinary file of what it has by then")


class QueuedSink:
    """Frames to `sink`, which is used and closed on a thread of its own. `write` never waits and never raises.

    When the queue is full, its oldest frame is dropped and counted. A sink that fails is closed. With `reopen` it is
    opened again, in growing intervals, until that works; without, `failure` says why it is gone. Either is logged once.
    """

    closed = False  # no user closes it; see `failure`

    def __init__(
        self, name: str, sink: Sink, queue: Queue = RECORDING, *, reopen: Callable[[], Sink] | None = None
    ) -> None:
        self.name = name
        self.meter = Meter()
        self.failure: LivestyleError | None = None  # why it has ended
        self.trouble: LivestyleError | None = None  # why it is interrupted, while it is
        self.away_since: float | None = None  # time.monotonic() seconds
        self._sink: Sink | None = sink
        self._queue, self._reopen = queue, reopen
        self._frames: deque[tuple[Frame, bool]] = deque()  # with: whether it is styled, not a hold card
        self._changed = threading.Condition()
        self._ending = False
        self._is_left = False  # closing it took too long
        self._dropped = self._reopened = 0
        self._pause = FIRST_PAUSE_S
        self._thread = threading.Thread(target=self._work, name=f"livestyle-output-{name}", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the sink is closed and nothing more will happen."""
        return not self._thread.is_alive()

    def write(self, frame: Frame) -> None:
        """Put a frame into the queue; its `pixels` are kept until they are written, which frames allow: see Frame."""
        bare = replace(frame, before=None, masks=None)
        with self._changed:
            if self._ending or self._sink is None:
                self._dropped += 1
                return
            while self._frames and not self._has_room(bare):
                self._frames.popleft()
                self._dropped += 1
            self._frames.append((bare, frame.before is not None))
            self._changed.notify_all()

    def idle(self) -> None:
        """Nothing: the thread calls the sink's own."""

    def end(self) -> None:
        """Have the sink closed once the queue is written. Does not wait."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def close(self) -> None:
        """`end`, and wait for it, within the queue's limit. What takes longer has failed: a recording is rescued."""
        self.end()
        if self._is_left:
            return
        self._thread.join(self._queue.finish_s)
        if self._thread.is_alive():
            self._is_left = True
            late = f"{self.name} is not finished after {self._queue.finish_s:.0f} s and is not waited for any longer"
            self.failure = self.failure or StreamError(late, hint=self._queue.left)
            log.warning("%s", late)

    def report(self) -> OutputReport:
        """What became of the frames so far."""
        trouble = self.failure or self.trouble
        error = None if trouble is None else trouble.message
        return OutputReport(self.name, self.meter.out, self._dropped, self._reopened, latencies(self.meter), error)

    def _has_room(self, frame: Frame) -> bool:
        most = min(self._queue.frames, max(1, int(self._queue.megabytes * 1e6 / max(1, frame.pixels.nbytes))))
        return len(self._frames) < most

    # Everything below runs on the thread

    def _work(self) -> None:
        while self.failure is None:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._ending, IDLE_S)
                if self._ending and not self._frames:
                    break
                item = self._frames.popleft() if self._frames else None
            try:
                self._pass_on(item)
            except Exception as error:  # whatever an encoder or a driver raises: the other outputs continue
                self._recover(_as_ours(self.name, error))
        self._finish()

    def _pass_on(self, item: tuple[Frame, bool] | None) -> None:
        assert self._sink is not None  # `_recover` replaces it, or ends the loop
        if item is None:
            self._sink.idle()
            return
        frame, is_styled = item
        self._sink.write(frame)
        if is_styled:
            self.meter.wrote(frame.captured)
        self._note_success()

    def _note_success(self) -> None:
        """A sink that was opened again is back only once it has taken a frame."""
        if self.away_since is not None:
            log.info("%s is back after %.1f s", self.name, time.monotonic() - self.away_since)
            self.trouble = self.away_since = None
            self._pause = FIRST_PAUSE_S
            self._reopened += 1

    def _recover(self, error: LivestyleError) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            with suppress(Exception):  # it has failed already
                sink.close()
        if self._reopen is None:
            log.warning("%s has ended early: %s", self.name, error)
            self.failure = error
        else:
            if self.away_since is None:
                log.warning("%s; trying to open it again", error)
                self.away_since = time.monotonic()
            self.trouble = error
            self._open_again(self._reopen)
        with self._changed:
            self._dropped += len(self._frames)
            self._frames.clear()

    def _open_again(self, reopen: Callable[[], Sink]) -> None:
        while self._sink is None and not self._wait_for_end(self._pause):
            self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
            try:
                self._sink = reopen()
            except Exception as again:  # as above
                self.trouble = _as_ours(self.name, again)
                log.debug("%s cannot be opened again yet: %s", self.name, again)
        if self._sink is None:
            self.failure = self.trouble

    def _wait_for_end(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._ending, seconds)

    def _finish(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except Exception as error:  # as above
            self.failure = _as_ours(self.name, error)
            log.warning("%s could not be finished: %s", self.name, self.failure)


def _as_ours(name: str, error: Exception) -> LivestyleError:
    if isinstance(error, LivestyleError):
        return error
    log.debug("%s failed", name, exc_info=error)
    return StreamError(f"{name} failed: {str(error) or type(error).__name__}")
