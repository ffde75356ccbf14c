"""Other sizes."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.media.resize import centred, enlarge, letterbox, resize, resize_for_file, size_of, size_within


def test_the_largest_size_inside_a_box_keeps_the_aspect() -> None:
    """Whichever side is the tight one; never larger than the box, never nothing."""
    assert size_within((1920, 1080), (1280, 1280)) == (1280, 720)
    assert size_within((1080, 1920), (1280, 1280)) == (720, 1280)
    assert size_within((10, 10), (40, 20)) == (20, 20)
    assert size_within((10_000, 1), (100, 100)) == (100, 1)


@pytest.mark.parametrize("function", [resize, resize_for_file, letterbox, centred])
def test_the_same_size_is_the_same_array(function) -> None:
    """Nothing is copied."""
    pixels = np.zeros((4, 6, 3), np.uint8)
    assert function(pixels, (6, 4)) is pixels


@pytest.mark.parametrize("function", [resize, resize_for_file])
def test_halving_is_the_mean_of_four(function) -> None:
    """So that fine patterns do not shimmer; in both depths."""
    pixels = np.random.default_rng(0).integers(0, 65536, (8, 12, 3)).astype(np.uint16)
    means = pixels.astype(float).reshape(4, 2, 6, 2, 3).mean((1, 3))
    np.testing.assert_allclose(function(pixels, (6, 4)), means, atol=1)  # rounding


def test_a_slight_reduction_for_a_file_averages_too() -> None:
    """Three columns in place of four: each a mean by area of one and a third; previews interpolate instead."""
    row = np.array([[0, 90, 180, 240]], np.uint8).repeat(2, 0)[..., None].repeat(3, 2)
    by_area = [(0 + 90 / 3) * 3 / 4, (90 * 2 / 3 + 180 * 2 / 3) * 3 / 4, (180 / 3 + 240) * 3 / 4]
    np.testing.assert_allclose(resize_for_file(row, (3, 2))[0, :, 0], by_area, atol=1)  # rounding
    assert size_of(resize(row, (3, 2))) == (3, 2)


def test_enlarged_planes_are_interpolated_between_pixel_centres() -> None:
    """Of two samples four: a quarter and three quarters of the way, the ends repeated."""
    np.testing.assert_array_equal(enlarge(np.array([[0, 80]], np.uint8), (4, 1)), [[0, 20, 60, 80]])


def test_bars_are_black_and_even() -> None:
    """The picture in the middle, with its aspect; a single missing line is added, not resampled."""
    pixels = np.full((2, 4, 3), 200, np.uint8)
    boxed = letterbox(pixels, (4, 4))
    assert (boxed[[0, 3]] == 0).all()
    assert (boxed[1:3] == 200).all()
    padded = letterbox(pixels, (5, 3))
    np.testing.assert_array_equal(padded[:2, :4], pixels)
    assert (padded[2] == 0).all()
    assert (padded[:, 4] == 0).all()
