"""What differs between the supported versions of PyAV."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from livestyle.media.pyav import fraction_of


def test_known_rationals_are_fractions() -> None:
    """Exactly, whatever class PyAV has for them."""
    assert fraction_of(Fraction(30000, 1001)) == Fraction(30000, 1001)


@pytest.mark.parametrize("unknown", [None, Fraction(0)])
def test_unknown_rationals_are_none(unknown: Any) -> None:
    """None or 0 in PyAV 18."""
    assert fraction_of(unknown) is None


@pytest.mark.parametrize(("over", "under"), [(0, 1), (1, 0), (0, 0)])
def test_unknown_rationals_of_pyav_19_are_none(over: int, under: int) -> None:
    """FFmpeg's 0/1, 1/0 and 0/0, none of which Fraction can be or should be."""
    rational = pytest.importorskip("av.rational", reason="this PyAV has Fractions").AVRational
    assert fraction_of(rational(over, under)) is None
