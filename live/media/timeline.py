"""Where a file's own clock begins, so that "seconds into the file" means the same to the source and to the sink."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from livestyle.media.pyav import InputContainer


def start_of(container: InputContainer) -> Fraction:
    """Seconds on the clock of an open container at which it begins (0 for most files)."""
    return Fraction(container.start_time or 0, 1_000_000)


def first_tick(seconds: Fraction | float, time_base: Fraction) -> int:
    """The first tick at or after `seconds`; a millionth of a tick early still counts as at, against float rounding."""
    return ceil(Fraction(seconds) / time_base - Fraction(1, 1_000_000))
