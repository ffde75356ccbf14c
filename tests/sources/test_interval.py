"""When a silence is unusual for a source."""

from __future__ import annotations

import pytest

from livestyle.sources.interval import UsualInterval


def after(*intervals: float) -> UsualInterval:
    usual, moment = UsualInterval(), 100.0
    usual.note(moment)
    for interval in intervals:
        moment += interval
        usual.note(moment)
    return usual


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ((), 3.0),  # nothing is known: three times the least
        ((0.033,) * 20, 1.0),  # a usual camera: the least
        ((2.0, 2.0), 6.0),  # one picture in two seconds
        ((0.033,) * 20 + (60.0,) + (0.033,) * 3, 1.0),  # was away for a minute
        ((0.033,) * 20 + (2.0, 2.0), 6.0),  # became slow
        ((2.0, 2.0) + (0.033,) * 8, 1.0),  # became fast
        ((500.0, 500.0), 60.0),  # however slow
    ],
)
def test_unusual_silence(intervals: tuple[float, ...], expected: float) -> None:
    """Three usual intervals, at least a second here, at most a minute; one gap does not count."""
    assert after(*intervals).unusual(1.0) == pytest.approx(expected)
