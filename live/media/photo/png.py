"""The chunks of a PNG file besides its pixels. Source: PNG Specification (Third Edition), W3C."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

from livestyle.errors import ColorError
from livestyle.media.photo.coding import Chunk, ColorDescription, coded, described, is_plausible
from livestyle.media.photo.directories import Sliceable

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
_HEADER_END = 8 + 25  # signature, IHDR
_MOST_TEXT = 1 << 22  # bytes of one text, decompressed


def chunks(data: Sliceable) -> Iterator[Chunk]:
    """All but the pixels, as far as the file goes."""
    at = 8
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", bytes(data[at : at + 8]))
        if kind == b"IEND":
            return
        if kind != b"IDAT":
            yield kind, bytes(data[at + 8 : at + 8 + size])
        at += 12 + size


def with_chunks(png: bytes, extra: Iterable[Chunk]) -> bytes:
    """A PNG file with `extra` chunks behind its header."""
    return png[:_HEADER_END] + b"".join(_chunk(kind, data) for kind, data in extra) + png[_HEADER_END:]


def color_of(found: Iterable[Chunk], profile: bytes | None, name: str) -> ColorDescription:
    """What the chunks say about colour, in the order of rank of the specification: cICP, iCCP, sRGB, gAMA with cHRM.

    `profile`: of iCCP, of RGB values. `name`: the file. Raises ColorError for what cannot be kept right.
    """
    known = dict(found)
    if len(known.get(b"cICP", b"")) == 4:
        primaries, transfer, matrix, full = known[b"cICP"]
        if matrix != 0 or full != 1:
            raise ColorError(f"{name} has values of video range, which are not styled right", hint="export it as RGB")
        made = coded(primaries, transfer, name)
        return ColorDescription(profile or made.profile, ((b"cICP", known[b"cICP"]),))
    if profile:
        return ColorDescription(profile)
    if b"sRGB" in known:
        return ColorDescription(None, ((b"sRGB", known[b"sRGB"][:1]),))
    return _by_gamma(known)


def _by_gamma(known: dict[bytes, bytes]) -> ColorDescription:
    kept: list[Chunk] = []
    gamma = colors = None
    with suppress(struct.error, KeyError):
        (value,) = struct.unpack(">I", known[b"gAMA"])
        if 1000 <= value <= 1_000_000:
            gamma = value / 100_000
            kept.append((b"gAMA", known[b"gAMA"]))
    with suppress(struct.error, KeyError):
        white_x, white_y, *rest = (value / 100_000 for value in struct.unpack(">8I", known[b"cHRM"]))
        found = ((rest[0], rest[1]), (rest[2], rest[3]), (rest[4], rest[5]), (white_x, white_y))
        if is_plausible(found):
            colors = found
            kept.append((b"cHRM", known[b"cHRM"]))
    return described(gamma, colors, tuple(kept))


def profile_chunk(profile: bytes) -> Chunk:
    """iCCP."""
    return b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)


def resolution_chunk(dpi: tuple[float, float]) -> Chunk:
    """pHYs."""
    return b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1)


def text_chunk(keyword: str, text: str) -> Chunk:
    """tEXt where the text is Latin-1, iTXt where not."""
    key = keyword.encode("latin-1", "replace")[:79]
    try:
        return b"tEXt", key + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8", "replace")


def xmp_chunk(xmp: bytes) -> Chunk:
    """XMP in its own iTXt."""
    return b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + xmp


def raw_profile_chunk(kind: str, data: bytes) -> Chunk:
    """Metadata that PNG has no chunk for, as ImageMagick and exiftool write them: hexadecimal in zTXt."""
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(data):8d}\n{lines}\n".encode()
    return b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text)


def raw_profile(text: str) -> bytes:
    """The data of such a text; ValueError for a damaged one."""
    return bytes.fromhex("".join(text.split()[2:]))


def texts(found: Iterable[Chunk]) -> dict[str, str]:
    """Keyword -> text of all three kinds of text chunks; damaged ones are left out."""
    read: dict[str, str] = {}
    for kind, data in found:
        with suppress(ValueError, zlib.error, UnicodeDecodeError):
            key, rest = data.split(b"\0", 1) if b"\0" in data else (b"", b"")
            if kind == b"tEXt" and key:
                read[key.decode("latin-1")] = rest.decode("latin-1")
            elif kind == b"zTXt" and key:
                read[key.decode("latin-1")] = _inflated(rest[1:]).decode("latin-1")
            elif kind == b"iTXt" and key:
                read[key.decode("latin-1")] = _international(rest)
    return read


def _international(rest: bytes) -> str:
    """Flag and method of compression, language, keyword in that language, text."""
    _language, _keyword, text = rest[2:].split(b"\0", 2)
    return (_inflated(text) if rest[0] else text).decode("utf-8")


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MOST_TEXT)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
