"""Oklab against its published values, and the gamut's border against the conversion itself."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.shaders import oklab
from livestyle.shaders.lut import lattice

# Oklab of sRGB primaries and white as CSS Color 4 and its reference implementations publish them, to 5 decimals.
PUBLISHED = {
    (1.0, 1.0, 1.0): (1.00000, 0.00000, 0.00000),
    (1.0, 0.0, 0.0): (0.62796, 0.22486, 0.12585),
    (0.0, 1.0, 0.0): (0.86644, -0.23389, 0.17950),
    (0.0, 0.0, 1.0): (0.45201, -0.03246, -0.31153),
    (0.0, 0.0, 0.0): (0.00000, 0.00000, 0.00000),
}


@pytest.mark.parametrize(("rgb", "lab"), PUBLISHED.items())
def test_oklab_has_the_published_values(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    """The conversion agrees with independent, published values, so that our Oklab is everybody's Oklab."""
    np.testing.assert_allclose(oklab.srgb_to_oklab(np.array(rgb)), lab, atol=2e-5)  # 5 published decimals


def test_conversion_and_back_is_the_identity() -> None:
    """In float64 a colour survives the way to Oklab and back to 1e-6: converting alone must not change a picture."""
    rgb = lattice(9).reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(oklab.oklab_to_srgb(oklab.srgb_to_oklab(rgb)), rgb, atol=1e-6)


def test_float32_stays_float32_and_within_a_tenth_of_an_8_bit_step() -> None:
    """LUTs are made in float32: it must not turn into float64 on the way, which takes twice the memory, and what it
    loses must stay far below one step of the picture."""
    rgb = lattice(17).reshape(-1, 3)
    back = oklab.oklab_to_srgb(oklab.srgb_to_oklab(rgb))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, rgb, atol=0.1 / 255)


def test_the_toe_maps_black_grey_and_white_as_published_and_inverts() -> None:
    """The toe makes Oklab's lightness close to CIELAB's, which curves are designed in, and `toe_inverse` undoes it."""
    x = np.linspace(0, 1, 101)
    np.testing.assert_allclose(oklab.toe_inverse(oklab.toe(x)), x, atol=1e-12)
    np.testing.assert_allclose(oklab.toe(np.array([0.0, 1.0])), [0, 1], atol=1e-12)
    grey = oklab.toe(oklab.srgb_to_oklab(np.array([0.5, 0.5, 0.5]))[0])
    assert grey == pytest.approx(0.5339, abs=0.003)  # CIELAB's L*/100 of the same grey is 0.5339


def test_no_color_of_srgb_has_more_than_the_largest_chroma() -> None:
    """`max_chroma` contains every colour of sRGB; otherwise gamut compression would dull colours that are inside."""
    lab = oklab.srgb_to_oklab(lattice(17).reshape(-1, 3))
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    room = oklab.max_chroma(lab[:, 0], np.arctan2(lab[:, 2], lab[:, 1]))
    assert (chroma - room).max() < 0.015  # at the spike of blue the table cuts the corner: 5 % of its 0.313


def test_the_largest_chroma_is_on_the_border() -> None:
    """One channel is at 0 or 1, up to what the table's interpolation leaves (linear light)."""
    lightness, hue = (grid.ravel() for grid in np.meshgrid(np.linspace(0.2, 0.9, 8), np.linspace(0, 6.2, 40)))
    room = oklab.max_chroma(lightness, hue)
    rgb = oklab.oklab_to_linear(np.stack([lightness, room * np.cos(hue), room * np.sin(hue)], axis=-1))
    distance = np.minimum(rgb.min(axis=-1), 1 - rgb.max(axis=-1))
    assert distance.min() > -0.003
    assert distance.max() < 0.006
