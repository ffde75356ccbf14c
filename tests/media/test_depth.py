"""Samples of 8 and 16 bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from livestyle.media.depth import to_8_bit, to_16_bit

EVERY = np.arange(65536, dtype=np.uint16)


def test_every_16_bit_sample_becomes_the_nearest_of_8_bits() -> None:
    """x / 257 to the nearest whole number, by exact arithmetic; 65535 is 255."""
    nearest = [round(Fraction(value, 257)) for value in range(65536)]
    np.testing.assert_array_equal(to_8_bit(EVERY), nearest)


def test_8_bits_go_to_16_and_back_unchanged() -> None:
    """Full scale stays full scale: 255 is 65535."""
    values = np.arange(256, dtype=np.uint8)
    deep = to_16_bit(values)
    np.testing.assert_array_equal(deep, np.linspace(0, 65535, 256))
    np.testing.assert_array_equal(to_8_bit(deep), values)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3), (2, 3, 4)])
def test_the_shape_stays(shape: tuple[int, ...]) -> None:
    """Planes, pixels with and without alpha."""
    deep = np.full(shape, 514, np.uint16)
    assert to_8_bit(deep).shape == to_16_bit(to_8_bit(deep)).shape == shape
    assert to_8_bit(deep).dtype == np.uint8
    assert (to_8_bit(deep) == 2).all()


@pytest.mark.parametrize("convert", [to_8_bit, to_16_bit])
def test_samples_of_the_right_depth_are_not_copied(convert) -> None:
    """A frame's pixels are large."""
    samples = np.zeros((2, 2), np.uint8 if convert is to_8_bit else np.uint16)
    assert convert(samples) is samples
