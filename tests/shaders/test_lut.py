"""Lut3D and Look as values: exact interpolation, the order of axes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice


@pytest.mark.parametrize("size", [2, 3, 33])
def test_the_identity_changes_nothing(size: int) -> None:
    """`identity` returns each colour, and `is_identity` knows it, which lets a grade skip the region."""
    lut, rgb = Lut3D.identity(size), np.random.default_rng(0).random((500, 3))
    assert lut.size == size
    assert lut.is_identity()
    np.testing.assert_allclose(lut.apply(rgb), rgb, atol=1e-7)  # the table is float32


def test_a_linear_map_is_reproduced_exactly_between_lattice_points() -> None:
    """A map that is linear is exact on any lattice: a wrong weight, corner or axis would show in random colours."""
    matrix = np.array([[0.6, 0.1, 0.2], [0.3, 0.7, 0.1], [0.1, 0.1, 0.5]])
    rgb = np.random.default_rng(1).random((1000, 3))
    np.testing.assert_allclose(Lut3D(lattice(5) @ matrix).apply(rgb), rgb @ matrix, atol=3e-7)  # float32 table


def test_a_cell_is_interpolated_over_the_tetrahedron_and_not_trilinearly() -> None:
    """With one corner of the unit cell lifted, the value at r > g > b is exactly the weight of that corner."""
    for corner, expected in (((0, 0, 0), 0.3), ((1, 0, 0), 0.2), ((1, 1, 0), 0.4), ((1, 1, 1), 0.1), ((0, 1, 0), 0.0)):
        table = np.zeros((2, 2, 2, 3))
        table[corner] = 1
        np.testing.assert_allclose(Lut3D(table).apply(np.array([0.7, 0.5, 0.1])), expected, atol=1e-12)


def test_the_first_axis_is_red() -> None:
    """A table is indexed [r, g, b]: readers of files fill it so, and every grade relies on it."""
    table = np.zeros((2, 2, 2, 3))
    table[1, 0, 0] = (0, 1, 0)
    np.testing.assert_allclose(Lut3D(table).apply(np.array([1.0, 0, 0])), (0, 1, 0))


def test_input_is_clipped_to_the_cube_and_shape_and_type_stay() -> None:
    """A colour outside 0..1 gets the value at the cube's surface; LUTs do not extrapolate.

    Callers get back the shape and the dtype that they gave.
    """
    lut = Lut3D(lattice(4) * 0.5)
    out = lut.apply(np.array([[[-1, 0.5, 7]]], np.float32))
    assert (out.shape, out.dtype) == ((1, 1, 3), np.float32)
    np.testing.assert_allclose(out[0, 0], (0, 0.25, 0.5), atol=1e-7)


def test_the_table_is_a_read_only_copy() -> None:
    """A LUT never changes once it is made, neither through the array that it came from nor through its table; grades
    and caches keep what they derived from it."""
    table = lattice(3)
    lut = Lut3D(table)
    table[:] = 0
    assert lut.is_identity()
    with pytest.raises(ValueError, match="read-only"):
        lut.table[0] = 1


def test_values_far_outside_are_clipped() -> None:
    """Values end at -1 and 2: the integer kernels need a bound, and no display shows anything beyond."""
    table = lattice(2) * 100 - 50
    assert (Lut3D(table).table.min(), Lut3D(table).table.max()) == (-1, 2)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (130, 130, 130, 3), (3, 3, 4, 3), (3, 3, 3, 4), (27, 3), (0, 0, 0, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    """Only (N, N, N, 3) with N from 2 to 129 is a LUT; all else is refused when it is made, not in the middle of a
    frame."""
    with pytest.raises(ValueError, match="a LUT must have"):
        Lut3D(np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    """One NaN or infinity anywhere in the table is refused: converted to integers it could become any colour."""
    table = lattice(2)
    table[1, 0, 1, 2] = value
    with pytest.raises(ValueError, match="not a finite number"):
        Lut3D(table)


def test_a_lut_that_differs_in_one_point_is_not_the_identity() -> None:
    """Every lattice point counts: a LUT that changes a single colour by 0.001 is still applied.

    A caller may be more generous with `tolerance`.
    """
    table = lattice(17)
    table[3, 4, 5, 1] += 0.001
    assert not Lut3D(table).is_identity()
    assert Lut3D(table).is_identity(tolerance=0.01)


def test_a_look_needs_a_lut_or_none_for_each_region() -> None:
    """Luts go by position, so a look of another length than REGIONS is refused, and the error lists the regions."""
    with pytest.raises(ValueError, match="background"):
        Look((None, None))


def test_a_look_is_the_identity_when_each_lut_is() -> None:
    """A missing LUT and an identity both change nothing; one LUT that does is enough for the look to need a pass."""
    assert Look((None, Lut3D.identity(5), None, None)).is_identity
    assert not Look((None, Lut3D(lattice(5) * 0.9), None, None)).is_identity
