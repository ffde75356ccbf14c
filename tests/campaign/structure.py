"""Damage that knows a format's parts: they are taken out, doubled, exchanged or changed, and checksums are made right.

A reader refuses most random damage at its first check. What is damaged here passes that check, and reaches the code
behind it.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from campaign.mutate import NUMBERS, Mutation, flip_bits, write_number

_PNG = b"\x89PNG\r\n\x1a\n"
_DEEPEST = 12  # levels of boxes in boxes


def _parts_mutation(parts: list[bytes], rng: random.Random, change: Callable[[bytes, random.Random], bytes]) -> None:
    """Change the list of a file's parts in place: one out, doubled, moved, or changed inside."""
    if not parts:
        return
    at = rng.randrange(len(parts))
    action = rng.randrange(6)
    if action == 0:
        del parts[at]
    elif action == 1:
        parts.insert(at, parts[at])
    elif action == 2:
        parts.insert(rng.randrange(len(parts)), parts.pop(at))
    else:
        parts[at] = change(parts[at], rng)


# ---- PNG -------------------------------------------------------------------------------------------------------------


def png_chunks(data: bytes, rng: random.Random) -> bytes:
    """A chunk changed, with the right checksum."""
    if not data.startswith(_PNG):
        return flip_bits(data, rng)
    parts = list(_png_parts(data))
    _parts_mutation(parts, rng, _changed_chunk)
    return _PNG + b"".join(_with_crc(part) for part in parts)


def _png_parts(data: bytes) -> Iterator[bytes]:
    """Type and content of each chunk."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8 + length]
        at += 12 + length


def _with_crc(part: bytes) -> bytes:
    return struct.pack(">I", max(0, len(part) - 4)) + part + struct.pack(">I", zlib.crc32(part))


def _changed_chunk(part: bytes, rng: random.Random) -> bytes:
    kind, content = part[:4], part[4:]
    if kind == b"IHDR" and len(content) == 13 and rng.random() < 0.8:
        return kind + _changed_header(content, rng)
    if rng.random() < 0.1:
        return rng.choice((b"tEXt", b"zTXt", b"eXIf", b"iCCP", b"acTL", b"fcTL", b"PLTE", b"tRNS", b"gAMA")) + content
    return kind + (flip_bits(content, rng) if rng.random() < 0.5 else write_number(content, _place(content, rng), rng))


def _changed_header(content: bytes, rng: random.Random) -> bytes:
    """Another width, height, depth, colour type or interlacing."""
    at = rng.choice((0, 4, 8, 9, 10, 11, 12))
    if at < 8:
        return content[:at] + struct.pack(">I", rng.choice((*NUMBERS, 65, 4096, 20000))) + content[at + 4 :]
    return content[:at] + bytes([rng.choice((0, 1, 2, 3, 4, 6, 7, 8, 16, 255))]) + content[at + 1 :]


def _place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(len(content)) if content else 0


# ---- JPEG ------------------------------------------------------------------------------------------------------------


_MARKERS = [bytes([marker]) for marker in (0xC0, 0xC1, 0xC2, 0xC4, 0xD8, 0xD9, 0xDB, 0xDD, 0xE1, 0xE2, 0xFE)]


def jpeg_segments(data: bytes, rng: random.Random) -> bytes:
    """A segment before the samples changed, its length kept right or made wrong."""
    parts, rest = _jpeg_parts(data)
    _parts_mutation(parts, rng, _changed_segment)
    return data[:2] + b"".join(parts) + rest


def _jpeg_parts(data: bytes) -> tuple[list[bytes], bytes]:
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        parts.append(data[at : at + length])
        at += length
    return parts, data[at:]


def _changed_segment(part: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.25:
        return part[:2] + rng.choice(NUMBERS).to_bytes(4, "big")[2:] + part[4:]
    if rng.random() < 0.2:
        return (
            part[:1]
            + bytes([rng.choice((0xC0, 0xC1, 0xC2, 0xC4, 0xD8, 0xD9, 0xDB, 0xDD, 0xE1, 0xE2, 0xFE))])
            + part[2:]
        )
    content = part[4:]
    return part[:4] + (flip_bits(content, rng) if rng.random() < 0.5 else _same_length(content, rng))


def _same_length(content: bytes, rng: random.Random) -> bytes:
    return write_number(content, _place(content, rng), rng)[: len(content)]


# ---- RIFF (WebP, AVI) ------------------------------------------------------------------------------------------------


def riff_chunks(data: bytes, rng: random.Random) -> bytes:
    """A chunk's size or content changed, a chunk out or doubled."""
    parts = list(_riff_parts(data))
    _parts_mutation(parts, rng, _changed_riff)
    body = data[8:12] + b"".join(parts)
    size = len(body) if rng.random() < 0.8 else rng.choice(NUMBERS)
    return data[:4] + struct.pack("<I", size) + body


def _riff_parts(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        length = 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
        yield data[at : at + length]
        at += length


def _changed_riff(part: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return part[:4] + struct.pack("<I", rng.choice(NUMBERS)) + part[8:]
    return part[:8] + (flip_bits(part[8:200], rng) + part[200:] if rng.random() < 0.5 else _same_length(part[8:], rng))


# ---- boxes (MP4, MOV, AVIF, JPEG 2000) -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Box:
    start: int
    size: int
    head: int  # bytes of size and type
    kind: bytes
    parents: tuple[int, ...]  # where the boxes around it start, the outermost first

    @property
    def end(self) -> int:
        return self.start + self.size


_CONTAINERS = {
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    b"udta",
    b"edts",
    b"dinf",
    b"iprp",
    b"ipco",
    b"jp2h",
    b"meta",
}


def boxes(data: bytes, rng: random.Random) -> bytes:
    """A box at any depth: its size or type changed, a number in it, or the box out or doubled with sizes kept right."""
    found = list(_boxes(data, 0, len(data), ()))
    if not found:
        return flip_bits(data, rng)
    box = rng.choice(found)
    action = rng.randrange(6)
    if action == 0:
        return data[: box.start] + struct.pack(">I", rng.choice(NUMBERS)) + data[box.start + 4 :]
    if action == 1:
        return _grown(data[: box.start] + data[box.end :], box, -box.size)
    if action == 2:
        return _grown(data[: box.end] + data[box.start :], box, box.size)
    if action == 3:
        return data[: box.start + 4] + rng.choice(found).kind + data[box.start + 8 :]
    return _number_in_box(data, box, rng)


def _number_in_box(data: bytes, box: _Box, rng: random.Random) -> bytes:
    """Tables of boxes are big-endian numbers of four bytes."""
    numbers = (box.size - box.head) // 4
    if numbers < 1:
        return data
    at = box.start + box.head + 4 * rng.randrange(min(numbers, 40))
    return data[:at] + struct.pack(">I", rng.choice(NUMBERS)) + data[at + 4 :]


def _grown(data: bytes, box: _Box, by: int) -> bytes:
    """`data` with the sizes of the boxes around `box` changed."""
    for start in box.parents:
        size = int.from_bytes(data[start : start + 4], "big")
        if size > 1:
            data = data[:start] + struct.pack(">I", max(8, size + by) & 0xFFFFFFFF) + data[start + 4 :]
    return data


def _boxes(data: bytes, start: int, end: int, parents: tuple[int, ...]) -> Iterator[_Box]:
    at = start
    while at + 8 <= end and len(parents) < _DEEPEST:
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = end - at if size == 0 else size
        if size < head or at + size > end:
            return
        yield _Box(at, size, head, kind, parents)
        if kind in _CONTAINERS:
            inner = at + head + (4 if kind == b"meta" and data[at + head : at + head + 4] == bytes(4) else 0)
            yield from _boxes(data, inner, at + size, (*parents, at))
        at += size


# ---- EBML (Matroska, WebM) -------------------------------------------------------------------------------------------

_EBML_CONTAINERS = {
    0x18538067,
    0x1549A966,
    0x1654AE6B,
    0xAE,
    0xE0,
    0x1F43B675,
    0xA0,
    0x1C53BB6B,
    0x1941A469,
    0x1043A770,
}


@dataclass(frozen=True, slots=True)
class _Element:
    start: int
    content: int
    end: int


def ebml_elements(data: bytes, rng: random.Random) -> bytes:
    """An element of Matroska: its size changed or unknown, its content changed, or the element out or doubled."""
    found = list(_elements(data, 0, len(data), 0))
    if not found:
        return flip_bits(data, rng)
    element = rng.choice(found)
    whole = data[element.start : element.end]
    action = rng.randrange(5)
    if action == 0:
        return data[: element.start] + data[element.end :]
    if action == 1:
        return data[: element.end] + whole + data[element.end :]
    if action == 2:
        return (
            data[: element.content - 1] + bytes([rng.choice((0x80, 0x81, 0xFF, 0xFE, 0x01))]) + data[element.content :]
        )
    content = data[element.content : min(element.end, element.content + 64)]
    return data[: element.content] + _same_length(content, rng) + data[element.content + len(content) :]


def _elements(data: bytes, start: int, end: int, depth: int) -> Iterator[_Element]:
    at = start
    while at + 2 <= end and depth < _DEEPEST:
        name, after = _variable(data, at, marker=True)
        size, content = _variable(data, after, marker=False)
        stop = min(end, content + size)
        if content <= at or content > end:
            return
        yield _Element(at, content, stop)
        if name in _EBML_CONTAINERS:
            yield from _elements(data, content, stop, depth + 1)
        at = stop


def _variable(data: bytes, at: int, *, marker: bool) -> tuple[int, int]:
    """(number, where it ends) of a number whose leading zero bits tell its length."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length() if first else 1
    number = int.from_bytes(data[at : at + length], "big")
    return (number if marker else number & ((1 << 7 * length) - 1)), at + length


# ---- TIFF, MPEG transport stream, protocol buffers -------------------------------------------------------------------


def tiff_entries(data: bytes, rng: random.Random) -> bytes:
    """One entry of the first directory: its tag, type, count or value."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16:
        return flip_bits(data, rng)
    (start,) = struct.unpack(order + "I", data[4:8])
    (count,) = struct.unpack(order + "H", data[start : start + 2]) if start + 2 <= len(data) else (0,)
    if not count:
        return flip_bits(data, rng)
    at = start + 2 + 12 * rng.randrange(count) + rng.choice((0, 2, 4, 8, 8))
    short = (at - start - 2) % 12 < 4
    number = struct.pack(order + ("H" if short else "I"), rng.choice(NUMBERS) & (0xFFFF if short else 0xFFFFFFFF))
    return data[:at] + number + data[at + len(number) :]


def transport_packets(data: bytes, rng: random.Random) -> bytes:
    """Packets of 188 bytes lost, doubled, exchanged or with another header."""
    parts = [data[at : at + 188] for at in range(0, len(data), 188)]
    _parts_mutation(parts, rng, lambda part, rng: flip_bits(part[:16], rng) + part[16:])
    return b"".join(parts)


def protobuf_fields(data: bytes, rng: random.Random) -> bytes:
    """A field of a protocol buffer, at the top or one level below: out, doubled, or changed, with the sizes right."""
    fields = _fields(data)
    if not fields:
        return flip_bits(data, rng)
    at = rng.randrange(len(fields))
    key, content = fields[at]
    if key & 7 == 2 and len(content) > 4 and rng.random() < 0.75:
        fields[at] = key, protobuf_fields(content, rng)
    else:
        _change_field(fields, at, rng)
    return b"".join(map(_field, fields))


def _change_field(fields: list[tuple[int, bytes]], at: int, rng: random.Random) -> None:
    key, content = fields[at]
    action = rng.randrange(4)
    if action == 0:
        del fields[at]
    elif action == 1:
        fields.insert(at, fields[at])
    elif key & 7 == 0:
        fields[at] = key, _varint(rng.choice((*NUMBERS, (1 << 63) - 1, (1 << 64) - 1)))
    else:
        fields[at] = key, flip_bits(content, rng)


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """(key, content) of each field; empty where the bytes are not a protocol buffer."""
    found, at = [], 0
    while at < len(data):
        key, at = _read_varint(data, at)
        start = at
        kind = key & 7
        if kind == 0:
            _, at = _read_varint(data, at)
        elif kind == 2:
            length, start = _read_varint(data, at)
            at = start + length
        else:
            at += {1: 8, 5: 4}.get(kind, len(data) + 1)
        if at > len(data) or not key >> 3:
            return []
        found.append((key, data[start:at]))
    return found


def _field(field: tuple[int, bytes]) -> bytes:
    key, content = field
    return _varint(key) + (_varint(len(content)) if key & 7 == 2 else b"") + content


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return number, at
    return number, len(data) + 1


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


STRUCTURES: dict[str, Mutation] = {
    "png": png_chunks, "apng": png_chunks, "hald": png_chunks, "jpg": jpeg_segments, "mjpeg": jpeg_segments,
    "webp": riff_chunks, "avi": riff_chunks, "mp4": boxes, "mov": boxes, "3gp": boxes, "avif": boxes, "jp2": boxes,
    "heic": boxes,
    "mkv": ebml_elements, "webm": ebml_elements, "tif": tiff_entries, "ts": transport_packets, "onnx": protobuf_fields,
}  # fmt: skip
"""Format -> the mutation that knows its parts."""
