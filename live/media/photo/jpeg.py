"""The segments of a JPEG file besides its pixels, and its end mark. Source: ITU-T T.81, annex B."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from livestyle.media.photo.directories import Sliceable

START, END = b"\xff\xd8", b"\xff\xd9"
APP1, APP13, COMMENT = 0xE1, 0xED, 0xFE
EXIF, XMP, PHOTOSHOP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
MOST = 65533  # bytes in a segment

Segment = tuple[int, bytes]
"""Marker and data."""


def segments(data: Sliceable) -> Iterator[Segment]:
    """Those before the first scan."""
    at = 2
    while at + 4 <= len(data):
        mark, marker, size = struct.unpack(">BBH", bytes(data[at : at + 4]))
        if mark != 0xFF or marker in (0xDA, 0xD9):
            return
        if marker == 0xFF:  # filling
            at += 1
            continue
        yield marker, bytes(data[at + 4 : at + 2 + size])
        at += 2 + size


def with_segments(jpeg: bytes, extra: Iterable[Segment]) -> bytes:
    """A JPEG file with `extra` segments behind its JFIF header."""
    at = 2
    if jpeg[2:4] == b"\xff\xe0":
        at = 4 + struct.unpack(">H", jpeg[4:6])[0]
    made = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in extra)
    return jpeg[:at] + made + jpeg[at:]


def photoshop_resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and data of each resource of Photoshop ("8BIM") in `data`, which stands in APP13 or TIFF tag 34377."""
    at = 0
    while data[at : at + 4] in (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR") and at + 7 <= len(data):
        (number,) = struct.unpack(">H", data[at + 4 : at + 6])
        at += 6 + (data[at + 6] + 2) // 2 * 2  # a name with its length before it, of even length together
        if at + 4 > len(data):
            return
        (size,) = struct.unpack(">I", data[at : at + 4])
        yield number, data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2


def photoshop_resource(number: int, data: bytes) -> bytes:
    """One such resource, without a name."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
