"""How deep a JPEG 2000 picture is, which Pillow does not say. Source: ITU-T T.800, annex A.5.1."""

from __future__ import annotations

from livestyle.media.photo.directories import Sliceable

_SIZ = b"\xff\x4f\xff\x51"  # start of the codestream, and its first segment
_COMPONENTS = 2 + 38  # from the start of the codestream to the number of components
_HEAD = 1 << 16  # bytes of boxes that may stand before


def bits_of(data: Sliceable) -> int:
    """Bits of the deepest sample; 8 where nothing is said."""
    head = bytes(data[0:_HEAD])
    start = head.find(_SIZ)
    if start < 0:
        return 8
    at = start + _COMPONENTS
    count = int.from_bytes(head[at : at + 2], "big")
    depths = head[at + 2 : at + 2 + 3 * count : 3]  # each with its subsampling behind it
    return max((depth & 0x7F) + 1 for depth in depths) if depths else 8
