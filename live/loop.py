"""The only loop: pull a frame from the feed, render it, write it to the sinks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from livestyle.feed import Feed
from livestyle.frame import Frame, Pixels, StreamInfo, read_only
from livestyle.protocols import Render, Sink
from livestyle.report import Meter
from livestyle.sources.interval import UsualInterval

IDLE_S = 0.05  # how long the loop waits for a frame before it lets the sinks pump their events
HOLD_AFTER_S = 1.0  # a live source silent for longer, and longer than it usually is, gets a hold card on its outputs
HOLD_EVERY_S = 0.1
GIVE_UP_S = 5.0  # a live renderer that fails for so long will not recover by itself

log = logging.getLogger("livestyle")

HoldCard = Callable[[tuple[int, int]], Pixels]
"""(width, height) -> (H, W, 3) uint8 pixels to show while there is nothing that may be shown."""


class Hold:
    """What live outputs get in place of a picture, with times that fit between the camera's own.

    It exists so that raw video is never sent: neither while the camera is away nor when a frame could not be styled.
    """

    def __init__(self, info: StreamInfo, card: HoldCard) -> None:
        self._time_base = info.time_base
        self._size = info.size
        self._card = card
        self._pixels: Pixels | None = None
        self._pts = -1
        self._seen = time.monotonic()  # of the newest camera frame
        self._usual = UsualInterval()
        self._sent = 0.0  # of the newest card

    def saw(self, frame: Frame) -> Frame:
        """Note a camera frame's time and size; returns it, moved on if a hold card has already taken its time."""
        if frame.pts <= self._pts:
            frame = replace(frame, pts=self._pts + 1)
        height, width = frame.pixels.shape[:2]
        if (width, height) != self._size:
            self._size, self._pixels = (width, height), None
        self._pts, self._seen = frame.pts, time.monotonic()
        self._usual.note(self._seen)
        return frame

    def due(self) -> bool:
        """Whether the source has been silent for long enough, and the last card is old enough, to send one."""
        now = time.monotonic()
        return now - self._seen > self._usual.unusual(HOLD_AFTER_S) and now - self._sent >= HOLD_EVERY_S

    def instead_of(self, frame: Frame) -> Frame:
        """The card at the time of a frame that must not be shown."""
        return Frame(self._card_pixels(), frame.pts, frame.captured)

    def now(self) -> Frame:
        """The card at the present time."""
        now = time.monotonic()
        elapsed = Fraction(now - max(self._seen, self._sent)).limit_denominator(1_000_000)
        self._pts += max(1, int(elapsed / self._time_base))
        self._sent = now
        return Frame(self._card_pixels(), self._pts, now)

    def _card_pixels(self) -> Pixels:
        if self._pixels is None:
            self._pixels = read_only(self._card(self._size))
        return self._pixels


class _FailClosed:
    """Renders live frames; None for a frame that could not be styled, the error itself once failures last."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._failing_since: float | None = None

    def __call__(self, frame: Frame) -> Frame | None:
        try:
            styled = self._render(frame)
        except Exception as error:
            now = time.monotonic()
            if self._failing_since is None:
                self._failing_since = now
                log.warning("a frame could not be styled (%s); the outputs show a hold card meanwhile", error)
            if now - self._failing_since > GIVE_UP_S:
                raise
            return None
        self._failing_since = None
        return styled


def run(
    feed: Feed,
    render: Render,
    sinks: Sequence[Sink],
    meter: Meter,
    *,
    hold: Hold | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run until the source ends, a sink is closed by the user, or `stop()` says so.

    `hold` (live only) is what outputs get while there is no picture that may be shown.

    Raises what the source, the renderer or a sink raises; frames already read are written first.
    """
    guarded = _FailClosed(render)
    while not stop() and not any(sink.closed for sink in sinks):
        frame = feed.get(IDLE_S)
        if frame is None:
            if feed.finished:
                return
            _wait(sinks, hold, meter)
        elif hold is None:
            _write(render(frame), sinks, meter)
        else:
            frame = hold.saw(frame)
            _write_or_hold(frame, guarded(frame), hold, sinks, meter)


def _write(styled: Frame, sinks: Sequence[Sink], meter: Meter) -> None:
    for sink in sinks:
        sink.write(styled)
    meter.wrote(styled.captured)


def _write_or_hold(frame: Frame, styled: Frame | None, hold: Hold, sinks: Sequence[Sink], meter: Meter) -> None:
    if styled is not None:
        _write(styled, sinks, meter)
    else:
        _send_card(hold.instead_of(frame), sinks, meter)


def _wait(sinks: Sequence[Sink], hold: Hold | None, meter: Meter) -> None:
    if hold is not None and hold.due():
        _send_card(hold.now(), sinks, meter)
    else:
        for sink in sinks:
            sink.idle()


def _send_card(card: Frame, sinks: Sequence[Sink], meter: Meter) -> None:
    for sink in sinks:
        sink.write(card)
    meter.held_card()
