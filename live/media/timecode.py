"""SMPTE timecodes (ST 12-1) such as 10:20:30:12, of a later frame or another rate."""

from __future__ import annotations

import re
from fractions import Fraction

_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)")
_DAY = 24 * 3600  # seconds
_PER_MINUTE = 2  # numbers that drop-frame timecode leaves out a minute, at 30 a second; none in each tenth minute


def moved_timecode(timecode: str, frames: int, rate: Fraction) -> str | None:
    """`timecode` at `rate` frames per second, `frames` frames later; None for what is no timecode of that rate.

    A semicolon or dot before the frames means drop-frame timecode, which exists for 29.97 and 59.94.
    """
    match = _TIMECODE.fullmatch(timecode.strip())
    base = round(rate)
    if match is None or not base or int(match[5]) >= base:
        return None
    hours, minutes, seconds, number = (int(match[index]) for index in (1, 2, 3, 5))
    drops = _PER_MINUTE * base // 30 if match[4] != ":" and base % 30 == 0 else 0
    count = ((hours * 60 + minutes) * 60 + seconds) * base + number
    whole = hours * 60 + minutes
    count = (count - drops * (whole - whole // 10) + frames) % (_DAY * base - drops * 9 * 144)
    count = _with_dropped(count, base, drops)
    seconds, number = divmod(count, base)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{match[4]}{number:02}"


def at_other_rate(timecode: str, rate: Fraction, other: Fraction) -> str | None:
    """The same moment counted at `other` frames per second instead of `rate`; None for what is no timecode.

    Drop-frame timecode becomes the usual one where the rate has none.
    """
    match = _TIMECODE.fullmatch(timecode.strip())
    if match is None or not round(rate):
        return None
    number = min(int(match[5]) * round(other) // round(rate), max(round(other) - 1, 0))
    sign = match[4] if round(other) % 30 == 0 and other.denominator != 1 else ":"
    return f"{match[1]}:{match[2]}:{match[3]}{sign}{number:02}"


def _with_dropped(count: int, base: int, drops: int) -> int:
    """The number under which drop-frame timecode shows the frame `count`."""
    if not drops:
        return count
    per_minute = base * 60 - drops
    tens, rest = divmod(count, per_minute * 10 + drops)
    minutes = max(0, (rest - drops) // per_minute)
    return count + drops * (9 * tens + minutes)
