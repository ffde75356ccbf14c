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
HOLD_AFTER_S = 1.0  # after so long without a frame, if that is unusual for the source, outputs show a hold card
HOLD_EVERY_S = 0.1
GIVE_UP_S = 5.0  # a live renderer that fails for longer will not recover

log = logging.getLogger("livestyle")

HoldCard = Callable[[tuple[int, int]], Pixels]
"""(width, height) -> (H, W, 3) uint8 pixels to show while there is nothing that may be shown."""


class Hold:
    """What live outputs get in place of a picture, with times between the camera's own.

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
        """Note a camera frame's time and size; returns it, with a later time if a hold card already has its own."""
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
    written: Callable[[Frame], None] | None = None,
) -> None:
    """Run until the source ends, a sink is closed by the user, or `stop()` says so.

    `hold` (live only) is what outputs get while there is no picture that may be shown. `written` is called with each
    styled frame, not with hold cards, after every sink has it.

    Raises what the source, the renderer or a sink raises; frames already read are written first.
    """
    guarded = _FailClosed(render)
    outlet = _Outlet(sinks, meter, written)
    while not stop() and not outlet.closed:
        frame = feed.get(IDLE_S)
        if frame is None:
            if feed.finished:
                return
            outlet.wait(hold)
        elif hold is None:
            outlet.write(render(frame))
        else:
            frame = hold.saw(frame)
            styled = guarded(frame)
            outlet.send_card(hold.instead_of(frame)) if styled is None else outlet.write(styled)


class _Outlet:
    """All sinks, and those who count what has reached them."""

    def __init__(self, sinks: Sequence[Sink], meter: Meter, written: Callable[[Frame], None] | None) -> None:
        self._sinks, self._meter, self._written = sinks, meter, written

    @property
    def closed(self) -> bool:
        return any(sink.closed for sink in self._sinks)

    def write(self, styled: Frame) -> None:
        for sink in self._sinks:
            sink.write(styled)
        if self._written is not None:
            self._written(styled)
        self._meter.wrote(styled.captured)

    def send_card(self, card: Frame) -> None:
        for sink in self._sinks:
            sink.write(card)
        self._meter.held_card()

    def wait(self, hold: Hold | None) -> None:
        """No frame came: a hold card, if it is time for one, else the sinks' own idle work."""
        if hold is not None and hold.due():
            self.send_card(hold.now())
        else:
            for sink in self._sinks:
                sink.idle()
