"""A compiled style: which LUT each region of the picture goes through."""

from __future__ import annotations

from dataclasses import dataclass

from livestyle.frame import REGIONS
from livestyle.shaders.lut import Lut3D


@dataclass(frozen=True, slots=True)
class Look:
    """One LUT per region in the order of `livestyle.frame.REGIONS`; None leaves the region as it is.

    Regions that hold the very same `Lut3D` object cost a grade one look-up together.
    """

    luts: tuple[Lut3D | None, ...]

    def __post_init__(self) -> None:
        if len(self.luts) != len(REGIONS):
            raise ValueError(f"a look needs a LUT or None for each of {REGIONS}, not {len(self.luts)} of them")

    @property
    def is_identity(self) -> bool:
        """True when no region can change a colour."""
        return all(lut is None or lut.is_identity() for lut in self.luts)

    def regions_by_lut(self) -> dict[Lut3D, list[int]]:
        """The LUTs that change something, and the numbers of the regions each one serves."""
        found: dict[Lut3D, list[int]] = {}
        for region, lut in enumerate(self.luts):
            if lut is not None and not lut.is_identity():
                found.setdefault(lut, []).append(region)
        return found
