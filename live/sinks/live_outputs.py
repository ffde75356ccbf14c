"""The outputs of a live run, side by side: each may fail without ending the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from livestyle.errors import LivestyleError
from livestyle.frame import Frame
from livestyle.protocols import Sink
from livestyle.report import Meter, OutputReport, latencies

GIVE_UP_S = 10.0  # without any output for this long, a run is pointless

log = logging.getLogger("livestyle")


class LiveOutput(Sink, Protocol):
    """A sink that reports its errors instead of raising them."""

    name: str
    failure: LivestyleError | None  # why it has ended; None while it has not
    trouble: LivestyleError | None  # why it is interrupted; it may come back
    away_since: float | None  # time.monotonic() seconds, while it is interrupted

    def end(self) -> None:
        """Begin to finish, without waiting for it; `close` waits."""

    def report(self) -> OutputReport:
        """What became of the frames so far."""


class DirectOutput:
    """A sink on the main thread, where windows must be."""

    trouble: LivestyleError | None = None
    away_since: float | None = None

    def __init__(self, name: str, sink: Sink) -> None:
        self.name = name
        self.failure: LivestyleError | None = None
        self._sink = sink
        self._meter = Meter()

    @property
    def closed(self) -> bool:
        """The sink's own."""
        return self._sink.closed

    def write(self, frame: Frame) -> None:
        """To the sink, unless it has failed."""
        if self.failure is None:
            self._guard(lambda: self._sink.write(frame))
        if self.failure is None and frame.before is not None:
            self._meter.wrote(frame.captured)

    def idle(self) -> None:
        """The sink's own, unless it has failed."""
        if self.failure is None:
            self._guard(self._sink.idle)

    def end(self) -> None:
        """Nothing: it is finished at once."""

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def report(self) -> OutputReport:
        """What became of the frames so far."""
        error = None if self.failure is None else self.failure.message
        return OutputReport(self.name, self._meter.out, 0, 0, latencies(self._meter), error)

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            call()
        except LivestyleError as error:
            log.warning("%s has ended early: %s", self.name, error)
            self.failure = error


class Outputs:
    """All of them as one sink. It raises the last one's error when none is left."""

    def __init__(self, outputs: Sequence[LiveOutput]) -> None:
        self._outputs = outputs

    @property
    def closed(self) -> bool:
        """True once the user closed one of them."""
        return any(output.closed for output in self._outputs)

    @property
    def failure(self) -> LivestyleError | None:
        """Of the first one that is gone, or away at this moment."""
        failures = (output.failure or output.trouble for output in self._outputs)
        return next((failure for failure in failures if failure is not None), None)

    def write(self, frame: Frame) -> None:
        """To each that is there. Raises LivestyleError when all are gone, or away for GIVE_UP_S."""
        for output in self._outputs:
            output.write(frame)
        self._give_up_without_any()

    def idle(self) -> None:
        """As `write`, between frames."""
        for output in self._outputs:
            output.idle()
        self._give_up_without_any()

    def close(self) -> None:
        """Close each; those with a queue finish side by side."""
        for output in self._outputs:
            output.end()
        for output in self._outputs:
            output.close()

    def reports(self) -> tuple[OutputReport, ...]:
        """One for each, in their order."""
        return tuple(output.report() for output in self._outputs)

    def _give_up_without_any(self) -> None:
        now = time.monotonic()
        failure = self.failure  # read once: an output that comes back clears it
        if failure is not None and all(_is_lost(output, now) for output in self._outputs):
            raise failure


def _is_lost(output: LiveOutput, now: float) -> bool:
    away = output.away_since
    return output.failure is not None or (away is not None and now - away > GIVE_UP_S)
