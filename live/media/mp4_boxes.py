"""The boxes of an MP4 or MOV file's index, and what they say about 360° and stereo video.

FFmpeg writes these marks only for streams that it copies, so they are put into a finished file here: `st3d` and `sv3d`
in the sample entry (Google's Spherical Video V2), and the `uuid` box of V1 in the track.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BOX_HEADER = 8  # bytes: size and type (ISO/IEC 14496-12, 4.2)
_HOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_ENTRY = 78  # bytes of a visual sample entry before its own boxes
_LIST = 8  # bytes of stsd before its entries, of stco and co64 before their offsets
_IN_ENTRY = {b"st3d", b"sv3d"}
_SPHERICAL = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
_BLOCK = 1 << 20
_LARGEST = 1 << 28  # bytes of an index that are read


@dataclass(frozen=True, slots=True)
class Marks:
    """What says that a video is spherical or stereo; as boxes."""

    in_entry: bytes = b""
    in_track: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.in_entry or self.in_track)


@dataclass(slots=True)
class _Box:
    kind: bytes
    head: bytes  # of the payload, before the boxes inside
    inside: list[_Box]

    def __bytes__(self) -> bytes:
        payload = self.head + b"".join(map(bytes, self.inside))
        return (len(payload) + BOX_HEADER).to_bytes(4, "big") + self.kind + payload

    def find(self, *kinds: bytes) -> Iterator[_Box]:
        """The boxes along a path of types."""
        for box in self.inside:
            if box.kind == kinds[0]:
                yield from box.find(*kinds[1:]) if len(kinds) > 1 else (box,)


def read_marks(path: Path, track: int) -> Marks:
    """Those of the track with this ID; none where the file has none or is of another kind. Raises OSError."""
    with path.open("rb") as file:
        found = _index(file)
    if found is None:
        return Marks()
    for trak in found[2].find(b"trak"):
        if _track_id(trak) == track:
            entries = (box for entry in _entries(trak) for box in entry.inside if box.kind in _IN_ENTRY)
            uuid = (box for box in trak.find(b"uuid") if box.head.startswith(_SPHERICAL))
            return Marks(b"".join(map(bytes, entries)), b"".join(map(bytes, uuid)))
    return Marks()


def write_marks(path: Path, marks: Marks) -> bool:
    """Put `marks` on the first video of a finished file; False where it has no room for them. Raises OSError."""
    with path.open("r+b") as file:
        found = _index(file)
        if found is None:
            return False
        at, size, moov = found
        trak = next((trak for trak in moov.find(b"trak") if next(_entries(trak), None) is not None), None)
        if trak is None:
            return False
        trak.inside += _parse(marks.in_track)
        for entry in _entries(trak):
            entry.inside += _parse(marks.in_entry)
        grown = len(bytes(moov)) - size
        if not _move_offsets(moov, after=at + size, by=grown):
            return False
        _make_room(file, at + size, grown)
        file.seek(at)
        file.write(bytes(moov))
    return True


def top_boxes(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Where each box of a file begins that is in no other, its bytes and its type.

    Bytes below BOX_HEADER end it: the box goes to the end of the file, or is damaged. The file may be moved meanwhile.
    """
    at, length = 0, file.seek(0, os.SEEK_END)
    while at + BOX_HEADER <= length:
        file.seek(at)
        header = file.read(BOX_HEADER)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        yield at, size, header[4:]
        if size < BOX_HEADER:
            return
        at += size


def _index(file: BinaryIO) -> tuple[int, int, _Box] | None:
    """(where, bytes, the moov box) of a file; None without one."""
    for at, size, kind in top_boxes(file):
        if kind == b"moov" and BOX_HEADER <= size <= _LARGEST:
            file.seek(at)
            return at, size, _parse(file.read(size))[0]
    return None


def _parse(data: bytes) -> list[_Box]:
    boxes, at = [], 0
    while at + BOX_HEADER <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + BOX_HEADER]
        if size < BOX_HEADER:  # damaged, or to the end
            size = len(data) - at
        payload = data[at + BOX_HEADER : at + size]
        head = 0 if kind in _HOLDERS else _LIST if kind == b"stsd" else len(payload)
        inside = _parse(payload[head:])
        boxes.append(_Box(kind, payload[:head], _visual(inside) if kind == b"stsd" else inside))
        at += size
    return boxes


def _visual(entries: Iterable[_Box]) -> list[_Box]:
    """Sample entries, with the boxes inside those of video apart."""
    return [_Box(entry.kind, entry.head[:_ENTRY], _parse(entry.head[_ENTRY:])) for entry in entries]


def _entries(trak: _Box) -> Iterator[_Box]:
    """The sample entries of a track of video; nothing for other tracks."""
    if any(box.head[8:12] == b"vide" for box in trak.find(b"mdia", b"hdlr")):
        for stsd in trak.find(b"mdia", b"minf", b"stbl", b"stsd"):
            yield from stsd.inside


def _track_id(trak: _Box) -> int:
    for box in trak.find(b"tkhd"):
        at = 20 if box.head[:1] == b"\1" else 12
        return int.from_bytes(box.head[at : at + 4], "big")
    return -1


def _move_offsets(moov: _Box, *, after: int, by: int) -> bool:
    """Add `by` to the offsets of what lies behind `after`; False where one would not fit any more."""
    for trak in moov.find(b"trak"):
        for kind, width in ((b"stco", 4), (b"co64", 8)):
            for box in trak.find(b"mdia", b"minf", b"stbl", kind):
                offsets = [
                    int.from_bytes(box.head[at : at + width], "big") for at in range(_LIST, len(box.head), width)
                ]
                moved = [offset + by if offset >= after else offset for offset in offsets]
                if any(offset >> (8 * width) for offset in moved):
                    return False
                box.head = box.head[:_LIST] + b"".join(offset.to_bytes(width, "big") for offset in moved)
    return True


def _make_room(file: BinaryIO, at: int, size: int) -> None:
    """Move everything from `at` on by `size` bytes towards the end."""
    end = file.seek(0, os.SEEK_END)
    while end > at:
        begin = max(at, end - _BLOCK)
        file.seek(begin)
        block = file.read(end - begin)
        file.seek(begin + size)
        file.write(block)
        end = begin
