"""A fragmented MP4 or MOV file that ends in the middle of a fragment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from livestyle.media.mp4_boxes import BOX_HEADER, top_boxes


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
    end, in_fragment = 0, False
    for at, size, kind in top_boxes(file):
        if size < BOX_HEADER or at + size > length:
            break
        if kind == b"mdat" and in_fragment:
            end = at + size
        in_fragment = in_fragment or kind == b"moof"
    return end
