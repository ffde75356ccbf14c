"""A clock that jumps: the times of a file's packets, made to go on from where they were.

Recordings of broadcasts, joined files and devices that were reset have clocks that go back, wrap or leap ahead.
FFmpeg's own program moves the clock on at such a place; so does this, stream by stream, and sound stays with its
pictures.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

from livestyle.media.pyav import InputContainer, Packet, fraction_of, is_cover, open_input
from livestyle.media.timeline import start_of

log = logging.getLogger("livestyle")

CLOCK_ANYWHERE = 0x0200
"""AVFMT_TS_DISCONT: formats such as transport streams, whose clock begins at any time and may jump."""

_BACK = Fraction(1, 10)  # seconds; further back is a jump, as in FFmpeg's program
_BACK_IN_FILES = 1  # seconds; in formats whose clock should not jump, some writers are careless
_AHEAD = 10  # seconds; further ahead is a jump where the clock may (FFmpeg's dts_delta_threshold)


class Clock:
    """Corrects the times of the packets of one container, which must all pass through it in the order of the file."""

    def __init__(self, container: InputContainer) -> None:
        self._may_jump = bool(container.format.flags & CLOCK_ANYWHERE)
        self._back = _BACK if self._may_jump else Fraction(_BACK_IN_FILES)
        self._shift: dict[int, Fraction] = {}  # stream index -> seconds added to its times
        self._next: dict[int, Fraction] = {}  # stream index -> where its last packet ended, corrected
        self._last: dict[int, Fraction] = {}  # stream index -> where its last packet began, corrected
        self._latest = Fraction(0)  # the newest shift, which the other streams follow
        self.jumped = False

    def correct(self, packet: Packet) -> None:
        """Move the packet's times to where the clock would be without its jumps."""
        base = fraction_of(packet.time_base)
        if base is None or is_cover(packet.stream):
            return
        shift = self._latest
        if packet.dts is not None and packet.stream.type in ("audio", "video"):
            index, moment = packet.stream.index, packet.dts * base
            shift = self._shift_at(index, moment)
            self._shift[index] = shift
            self._next[index] = moment + shift + self._length(index, packet, moment + shift)
            self._last[index] = moment + shift
        if shift:
            ticks = round(shift / base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _length(self, index: int, packet: Packet, moment: Fraction) -> Fraction:
        """Seconds that a packet lasts; one that does not say is taken to last as long as the one before it."""
        if packet.duration:
            return packet.duration * (fraction_of(packet.time_base) or Fraction(0))
        return max(Fraction(0), moment - self._last.get(index, moment))

    def _shift_at(self, index: int, moment: Fraction) -> Fraction:
        shift, expected = self._shift.get(index, self._latest), self._next.get(index)
        if expected is None or not self._is_jump(index, moment + shift, expected):
            return shift
        if not self._is_jump(index, moment + self._latest, expected):  # another stream was there first
            return self._latest
        self._latest, self.jumped = expected - moment, True
        return self._latest

    def _is_jump(self, index: int, moment: Fraction, expected: Fraction) -> bool:
        if moment < expected - self._back:
            return True
        if not self._may_jump or moment <= expected + _AHEAD:
            return False
        others = [end for other, end in self._next.items() if other != index]
        return all(abs(moment - end) > _AHEAD for end in others)  # else this stream only paused


def jumps_before(path: Path, seconds: float) -> bool:
    """Whether the clock of a file jumps within its first `seconds`: places in it cannot be found by their time then.

    Reads that part where the format allows jumps; False at once where it does not, or for 0 seconds.
    """
    if not seconds:
        return False
    with open_input(path) as container:
        if not container.format.flags & CLOCK_ANYWHERE:
            return False
        clock, until = Clock(container), start_of(container) + Fraction(seconds)
        try:
            for packet in container.demux():
                clock.correct(packet)
                base = fraction_of(packet.time_base)
                if clock.jumped or (packet.dts is not None and base is not None and packet.dts * base > until):
                    break
        except Exception:  # a damaged file, which whoever styles it notices
            log.debug("%s cannot be read to %s s", path, seconds, exc_info=True)
        return clock.jumped
