"""A 3-D look-up table over RGB, and its tetrahedral interpolation in numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MIN_SIZE = 2
MAX_SIZE = 129
BOUND = (-1.0, 2.0)
"""Values beyond are clipped: no display shows them, and the integer kernel needs a bound on what it adds."""

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Lut3D:
    """A colour map of the unit cube, sampled on a lattice of N points along each axis.

    A value: the table is copied and read-only. Two objects are equal only when they are the same object, which is
    what `Look` and the grades rely on to find regions that share one LUT.
    Raises ValueError when the table is not (N, N, N, 3) with N in 2..129, or not finite.
    """

    table: npt.NDArray[np.float32] = field(repr=False)
    """(N, N, N, 3) float32 indexed [r, g, b]: encoded RGB out, nominally 0..1, clipped to `BOUND`."""

    def __post_init__(self) -> None:
        given = np.asarray(self.table)
        _check_shape(given.shape)
        if not np.isfinite(given).all():
            raise ValueError("a LUT holds a value that is not a finite number")
        table = np.clip(given, *BOUND).astype(np.float32)
        table.flags.writeable = False
        object.__setattr__(self, "table", table)

    @property
    def size(self) -> int:
        """N, the number of lattice points along one axis."""
        return int(self.table.shape[0])

    @classmethod
    def identity(cls, size: int = 33) -> Lut3D:
        """The LUT of `size` points along an axis that changes nothing."""
        return cls(lattice(size))

    def is_identity(self, tolerance: float = 1e-6) -> bool:
        """True when no lattice point differs from its own coordinates by more than `tolerance` (full scale is 1)."""
        return bool(np.abs(self.table - lattice(self.size)).max() <= tolerance)

    def apply(self, rgb: FloatArray) -> FloatArray:
        """(..., 3) floats -> the same shape and dtype, interpolated tetrahedrally; input is clipped to 0..1."""
        flat = np.clip(rgb.reshape(-1, 3), 0, 1)
        return interpolate(self.table, flat).astype(rgb.dtype).reshape(rgb.shape)


def lattice(size: int) -> npt.NDArray[np.float32]:
    """(size, size, size, 3) float32: the coordinates of each lattice point, i.e. the table of the identity."""
    axis = np.linspace(0, 1, size, dtype=np.float64)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).astype(np.float32)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 4 or shape[3] != 3 or len(set(shape[:3])) != 1:
        raise ValueError(f"a LUT must have the shape (N, N, N, 3), not {shape}")
    if not MIN_SIZE <= shape[0] <= MAX_SIZE:
        raise ValueError(f"a LUT must have {MIN_SIZE} to {MAX_SIZE} points along an axis, not {shape[0]}")


def interpolate(table: npt.NDArray[np.float32], rgb: FloatArray) -> FloatArray:
    """Look (n, 3) colours in 0..1 up in an (N, N, N, 3) table of any N >= 2.

    The cube cell is cut into six tetrahedra along its grey diagonal (Sakamoto and Itooka, US patent 4275413, 1981):
    walk from the cell's lowest corner along the axis with the largest fraction, then the middle, then the smallest,
    and weigh the four corners met by the differences between successive fractions.
    """
    size = table.shape[0]
    flat = table.reshape(-1, 3)
    strides = np.array([size * size, size, 1])
    position = rgb * rgb.dtype.type(size - 1)
    cell = np.minimum(position.astype(np.intp), size - 2)
    fraction = position - cell
    order = np.argsort(-fraction, axis=1, kind="stable")
    descending = np.take_along_axis(fraction, order, axis=1)
    corner = cell @ strides
    total = flat[corner] * (1 - descending[:, :1])
    for step in range(3):
        corner = corner + strides[order[:, step]]
        following = descending[:, step + 1 : step + 2] if step < 2 else 0
        total += flat[corner] * (descending[:, step : step + 1] - following)
    return np.asarray(total)
