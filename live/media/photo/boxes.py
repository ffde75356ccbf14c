"""The boxes of HEIF and AVIF files that say how the picture's colour is coded. Source: ISO/IEC 14496-12, 23008-12."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from livestyle.media.photo.directories import Sliceable

_MOST_META = 16 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Coding:
    """What the properties of the primary picture say; H.273's code points, 2 for those that are not said."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = True
    depth: int = 8  # bits per sample


def coding_of(data: Sliceable) -> Coding:
    """Of the picture that a HEIF or AVIF file names as its primary one; the defaults for what a file leaves out."""
    try:
        return _coding(_meta(data))
    except (struct.error, IndexError, KeyError, ValueError):
        return Coding()


def has_movie(data: Sliceable) -> bool:
    """Whether the file holds a sequence, as tracks of a film."""
    return any(kind == b"moov" for kind, _, _ in _boxes(data, 0, len(data)))


def _meta(data: Sliceable) -> bytes:
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"meta":
            return bytes(data[start + 4 : min(end, start + _MOST_META)])  # without version and flags
    raise KeyError("meta")


def _boxes(data: Sliceable, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box."""
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", bytes(data[at : at + 8]))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", bytes(data[at + 8 : at + 16]))
            head = 16
        elif size == 0:
            size = end - at
        if size < head:
            return
        yield kind, at + head, min(at + size, end)
        at += size


def _inside(data: bytes, *path: bytes) -> bytes:
    for name in path:
        start, end = next((start, end) for kind, start, end in _boxes(data, 0, len(data)) if kind == name)
        data = data[start:end]
    return data


def _coding(meta: bytes) -> Coding:
    try:
        primary = _primary(_inside(meta, b"pitm"))
        properties = _inside(meta, b"iprp", b"ipco")
        wanted = _associated(_inside(meta, b"iprp", b"ipma"), primary)
    except StopIteration:
        return Coding()
    coding = Coding()
    for number, (kind, start, end) in enumerate(_boxes(properties, 0, len(properties)), 1):
        if number in wanted:
            coding = _with_property(coding, kind, properties[start:end])
    return coding


def _with_property(coding: Coding, kind: bytes, data: bytes) -> Coding:
    primaries, transfer, matrix, full_range, depth = (
        coding.primaries, coding.transfer, coding.matrix, coding.full_range, coding.depth
    )  # fmt: skip
    if kind == b"colr" and data[:4] == b"nclx":
        primaries, transfer, matrix = struct.unpack(">HHH", data[4:10])
        full_range = bool(data[10] >> 7)
    elif kind == b"pixi":
        depth = max(data[5 : 5 + data[4]], default=8)
    elif kind == b"av1C":
        depth = max(depth, (8, 8, 10, 12)[data[2] >> 5 & 3])  # bits: high, twelve
    return Coding(primaries, transfer, matrix, full_range, depth)


def _primary(pitm: bytes) -> int:
    form = ">I" if pitm[0] else ">H"
    return int(struct.unpack_from(form, pitm, 4)[0])


def _associated(ipma: bytes, item: int) -> set[int]:
    """The numbers of the properties of `item`, from 1 on."""
    wide_item, wide_index = bool(ipma[0]), bool(ipma[3] & 1)
    (count,) = struct.unpack_from(">I", ipma, 4)
    at = 8
    for _ in range(count):
        (found,) = struct.unpack_from(">I" if wide_item else ">H", ipma, at)
        at += 4 if wide_item else 2
        many = ipma[at]
        size = 2 if wide_index else 1
        raw = ipma[at + 1 : at + 1 + many * size]
        at += 1 + many * size
        if found == item:
            mask = 0x7FFF if wide_index else 0x7F
            return {value & mask for value in struct.unpack(f">{many}{'H' if wide_index else 'B'}", raw)}
    return set()
