"""The classes a livestyle model tells apart, and sets of them written as the bits of one byte.

The data sets do not share one list of classes: a label "skin" may mean face, neck, arms or legs. A label is therefore
kept as the *set* of classes it may mean. With eight classes such a set is one `uint8` per pixel, bit k standing for
class k, which survives every nearest-neighbour warp unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

CLASSES = ("background", "hair", "face", "neck", "arms", "legs", "clothes", "accessories")

REGION_OF = {
    "background": "background",
    "hair": "hair",
    "face": "skin",
    "neck": "skin",
    "arms": "skin",
    "legs": "skin",
    "clothes": "clothes",
    "accessories": "clothes",
}

Members = npt.NDArray[np.uint8]
"""(H, W) uint8; bit k is set where the pixel may be of class CLASSES[k]."""

ANY = 0xFF  # nothing is known of the pixel
BACKGROUND = 1


def member_bits(names: Iterable[str]) -> int:
    """The byte for a set of class names, 0..255. Raises KeyError for a name that is not a class."""
    bits = 0
    for name in names:
        if name not in CLASSES:
            raise KeyError(name)
        bits |= 1 << CLASSES.index(name)
    return bits


def member_names(bits: int) -> tuple[str, ...]:
    """The class names in the byte of a set, in the order of CLASSES: what member_bits reads."""
    return tuple(name for k, name in enumerate(CLASSES) if bits >> k & 1)


def region_bits(region: str) -> int:
    """The byte for all classes of a region."""
    return member_bits(name for name, of in REGION_OF.items() if of == region)


def surely(members: Members, bits: int) -> npt.NDArray[np.bool_]:
    """Where a pixel is certainly one of the classes in `bits` (and something is known of it)."""
    return (members & ~np.uint8(bits)) == 0


def surely_not(members: Members, bits: int) -> npt.NDArray[np.bool_]:
    """Where a pixel is certainly none of the classes in `bits`."""
    return (members & np.uint8(bits)) == 0
