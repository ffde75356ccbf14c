"""When each picture is shown and for how long, in the output's ticks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from livestyle.media.pyav import av


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame of the output."""

    picture: av.VideoFrame  # in the encoder's format
    pts: int  # ticks
    duration: int  # ticks, at least 1


class Pace:
    """Holds one picture back until the next one says how long it is shown.

    With `constant`, one tick is one frame: pictures are repeated to fill gaps, and the last of several in a tick wins.
    Otherwise each keeps its own time, moved on by a tick where the output's ticks are too coarse to separate two, but
    never by more: the last one wins there too, or a source that is faster than the ticks would be slowed down.
    """

    def __init__(self, time_base: Fraction, *, constant: bool) -> None:
        """`time_base`: seconds per tick."""
        self._tick = time_base
        self._constant = constant
        self._held: tuple[av.VideoFrame, int] | None = None
        self._moment: Fraction | None = None
        self.left_out = 0  # pictures that had no frame of their own
        self.last_gap: Fraction | None = None  # seconds between the last two pictures

    def put(self, picture: av.VideoFrame, moment: Fraction) -> Iterator[Shown]:
        """Take a picture shown from `moment` (seconds); returns the frames that are now final."""
        if self._moment is not None:
            self.last_gap = moment - self._moment
        self._moment = moment
        pts = round(moment / self._tick)
        if self._held is None:
            self._held = picture, pts
            return iter(())
        before, since = self._held
        if pts < since or (self._constant and pts == since):
            self._held = picture, since
            self.left_out += 1
            return iter(())
        pts = max(pts, since + 1)
        self._held = picture, pts
        return self._show(before, since, pts)

    def finish(self, end: Fraction) -> Iterator[Shown]:
        """What is left, shown until `end` (seconds)."""
        if self._held is None:
            return iter(())
        picture, since = self._held
        self._held = None
        return self._show(picture, since, max(round(end / self._tick), since + 1))

    def _show(self, picture: av.VideoFrame, since: int, until: int) -> Iterator[Shown]:
        if not self._constant:
            return iter((Shown(picture, since, until - since),))
        return (Shown(picture, pts, 1) for pts in range(since, until))
