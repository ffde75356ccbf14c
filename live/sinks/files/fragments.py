"""A fragmented MP4 or MOV file that ends in the middle of a fragment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_HEADER = 8  # bytes: size and type of a box (ISO/IEC 14496-12, 4.2)


def drop_broken_fragment(path: Path) -> bool:
    """Cut the file after its last whole fragment; False where there is none, and it stays as it is. Raises OSError."""
    with path.open("r+b") as file:
        end = _end_of_fragments(file)
        if end:
            file.truncate(end)
    return bool(end)


def _end_of_fragments(file: BinaryIO) -> int:
    """Where the last `mdat` box after a `moof` box ends; 0 without any."""
    length = file.seek(0, os.SEEK_END)
    at = end = 0
    in_fragment = False
    while at + _HEADER <= length:
        file.seek(at)
        size, kind = _box(file)
        if size < _HEADER or at + size > length:
            break
        at += size
        if kind == b"mdat" and in_fragment:
            end = at
        in_fragment = in_fragment or kind == b"moof"
    return end


def _box(file: BinaryIO) -> tuple[int, bytes]:
    """(size in bytes, type); size 0 where the box goes to the end of the file or is cut."""
    header = file.read(_HEADER)
    size, kind = int.from_bytes(header[:4], "big"), header[4:]
    return (int.from_bytes(file.read(8), "big") if size == 1 else size), kind
