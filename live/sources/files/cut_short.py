"""Whether a video file is shorter than its own structure says: evidence that its end is missing.

A header that announces more seconds or frames than follow is no evidence: recorders and cutters write wrong ones.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from livestyle.media.mp4_boxes import BOX_HEADER, top_boxes

_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"}
_RIFF_HEADER = 8  # bytes: name and size
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # RFC 8794, RFC 9559
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")  # header object
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # file properties object
_FLV_TAG = 11  # bytes before the data of a tag
_FLV_KINDS = {8, 9, 18}  # sound, video, data


def is_cut_short(path: Path) -> bool:
    """True where a part of the file goes beyond its end. False where it does not, or where its format does not say."""
    with suppress(OSError), path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        start = file.read(16)
        if start[4:8] in _BOXES:
            return _boxes_end(file) > length
        if start[:4] == b"RIFF":
            return _riff_end(file) > length
        if start[:4] == _EBML:
            return _segment_end(file) > length
        if start == _ASF:
            return _asf_length(file) > length
        if start[:3] == b"FLV":
            return not _ends_with_a_tag(file, length)
    return False


def _boxes_end(file: BinaryIO) -> int:
    """Where the last box of an MP4 or MOV file ends."""
    end = 0
    for at, size, _ in top_boxes(file):
        if size < BOX_HEADER:  # to the end of the file, or damaged
            return file.seek(0, os.SEEK_END)
        end = at + size
    return end


def _riff_end(file: BinaryIO) -> int:
    """Where the last RIFF list of an AVI file ends; its size may be odd without the byte that fills it up."""
    at, length = 0, file.seek(0, os.SEEK_END)
    while at + _RIFF_HEADER <= length:
        file.seek(at)
        header = file.read(_RIFF_HEADER)
        size = int.from_bytes(header[4:], "little")
        if header[:4] != b"RIFF" or size == 0:  # never finished, or something that follows
            return length
        at += _RIFF_HEADER + size
    return at


def _segment_end(file: BinaryIO) -> int:
    """Where the segment of a Matroska or WebM file ends; 0 where it does not say, as in streams."""
    file.seek(len(_EBML))
    size = _ebml_size(file)
    if size is None:
        return 0
    file.seek(size, os.SEEK_CUR)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return 0
    size = _ebml_size(file)
    return 0 if size is None else file.tell() + size


def _ebml_size(file: BinaryIO) -> int | None:
    """A size of variable length (RFC 8794, 4 and 6); None for an unknown one."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & ((1 << (7 - more)) - 1)]) + file.read(more), "big")
    return None if value == (1 << (7 * (more + 1))) - 1 else value


def _asf_length(file: BinaryIO) -> int:
    """How many bytes an ASF file (WMV) says that it has; 0 where it does not say."""
    file.seek(0)
    header = file.read(1 << 16)
    at = header.find(_ASF_PROPERTIES)
    return 0 if at < 0 else int.from_bytes(header[at + 40 : at + 48], "little")


def _ends_with_a_tag(file: BinaryIO, length: int) -> bool:
    """Each tag of an FLV file is followed by its size, so that the last one can be found from the end."""
    file.seek(length - 4)
    size = int.from_bytes(file.read(4), "big")
    if not _FLV_TAG < size < length - 4:
        return False
    file.seek(length - 4 - size)
    tag = file.read(4)
    return tag[0] & 0x1F in _FLV_KINDS and int.from_bytes(tag[1:], "big") + _FLV_TAG == size
