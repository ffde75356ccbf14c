"""The hold card."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.job import AWAY
from livestyle.media.hold_card import hold_card


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (720, 1280), (3840, 2160), (641, 359)])
def test_card_has_the_size_and_readable_centred_text(size: tuple[int, int]) -> None:
    card = hold_card(size, AWAY)
    assert card.shape == (size[1], size[0], 3)
    assert card.dtype == np.uint8
    ys, xs = np.nonzero(card.max(axis=2) > 150)
    assert ys.size > 0
    # The text is as wide as a reader needs and stands within a pixel or so (letter bearings) of the middle.
    assert np.ptp(xs) > 0.25 * size[0]
    assert abs((xs.min() + xs.max()) / 2 - size[0] / 2) < 0.02 * size[0]
    assert xs.min() >= 0.04 * size[0]


def test_long_lines_shrink_to_fit() -> None:
    card = hold_card((320, 240), ("A sentence that is far too long for such a small picture to hold it at full size",))
    _, xs = np.nonzero(card.max(axis=2) > 120)
    assert xs.min() >= 10
    assert xs.max() < 310


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (16, 16)])
def test_tiny_cards_do_not_fail(size: tuple[int, int]) -> None:
    assert hold_card(size, AWAY).shape == (size[1], size[0], 3)


def test_a_card_without_lines_is_plain() -> None:
    card = hold_card((64, 48), ())
    assert np.all(card == card[:, :1])
    assert card.max() < 80
