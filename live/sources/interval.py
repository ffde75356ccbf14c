"""The usual interval between the pictures of a live source, so that a slow camera is not taken for a lost one."""

from __future__ import annotations

from collections import deque

_REMEMBERED = 8  # intervals
_FACTOR = 3.0  # a silence of so many usual intervals is unusual …
_LONGEST_S = 60.0  # … and one this long is, however slow the source


class UsualInterval:
    """The interval between the pictures of one source, measured.

    It is the second longest of the last few: one long gap (the camera was away) does not count, and a camera that
    becomes slow (longer exposures at night) is known to be slow after two pictures.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_REMEMBERED)
        self._last: float | None = None

    def note(self, moment: float) -> None:
        """A picture came at `moment` (time.monotonic seconds)."""
        if self._last is not None:
            self._recent.append(moment - self._last)
        self._last = moment

    def unusual(self, least: float) -> float:
        """Seconds after which a silence is unusual: at least `least`, and three times that while nothing is known."""
        if not self._recent:
            return _FACTOR * least
        longest = sorted(self._recent)[-2:]
        return max(least, min(_FACTOR * longest[0], _LONGEST_S))
