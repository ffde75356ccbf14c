"""The strips and tiles of a TIFF picture, unpacked and put together. Values stay as stored.

libtiff, through Pillow, undoes LZW, Deflate and the like, which pack bytes: it is given the packed blocks as a grey
8-bit picture as wide as a row has bytes, so that samples of any number and depth pass through it unchanged.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from livestyle.media.depth import Samples
from livestyle.media.photo.directories import (
    LONG,
    SHORT,
    Directory,
    Entries,
    Entry,
    Sliceable,
    Tags,
    directory_bytes,
    entry,
)

Bytes = npt.NDArray[np.uint8]

CCITT, OLD_JPEG, JPEG, WEBP = (2, 3, 4), 6, 7, 50001
_NONE = 1
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _SAMPLES, _ROWS, _STRIP_SIZES, _PLANES, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _EXTRA = 322, 323, 324, 325, 338
# What libtiff needs to know of a picture whose compression knows pictures.
_OF_PICTURES = (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _FILL_ORDER, _SAMPLES, _ROWS, _PLANES, _PREDICTOR, _TILE_WIDTH,
                _TILE_HEIGHT, 292, 293, 338, 347, 529, 530, 531, 532)  # fmt: skip
_MOST_BITS = 1 << 26  # taken apart at a time
_MOST_BYTES = 1 << 26  # unpacked at a time
_HERE = {_NONE, 8, 32946}  # Deflate has two numbers
_MOST_SPARE = 1 << 24  # pixels of tiles beyond the picture's edges, besides three times the picture
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)).reshape(-1, 8)[:, ::-1])


@dataclass(frozen=True, slots=True)
class Layout:
    """How a picture is stored."""

    data: Sliceable
    tags: Tags
    page: Entries
    size: tuple[int, int]  # (width, height)
    bits: int  # of a sample: 1..16 or 32
    count: int  # samples of a pixel
    packing: int  # the tag Compression
    planar: bool  # each sample of a pixel in a plane of its own
    kept: int  # so many of the samples of a pixel are wanted

    @property
    def is_tiled(self) -> bool:
        """In tiles, not in strips."""
        return _TILE_WIDTH in self.page

    @property
    def block(self) -> tuple[int, int]:
        """(width, height) of a tile, or of a strip."""
        if self.is_tiled:
            return self.number(_TILE_WIDTH, 0), self.number(_TILE_HEIGHT, 0)
        return self.size[0], min(self.number(_ROWS, self.size[1]), self.size[1])

    @property
    def grid(self) -> tuple[int, int]:
        """(columns, rows) of blocks of one plane."""
        (width, height), (across, down) = self.size, self.block
        return -(-width // across), -(-height // down)

    @property
    def each(self) -> int:
        """Samples of a pixel in one block."""
        return 1 if self.planar else self.count

    @property
    def row_bytes(self) -> int:
        """Of one row of a block."""
        return -(-self.block[0] * self.each * self.bits // 8)

    def number(self, tag: int, missing: int) -> int:
        """The first whole number of a tag."""
        found = self.tags.numbers(self.page.get(tag))
        return found[0] if found else missing

    def packed(self) -> list[bytes]:
        """The blocks, as they lie in the file. Raises ValueError where some are missing."""
        tiled = self.is_tiled
        places = self.tags.numbers(self.page.get(_TILES if tiled else _STRIPS) or self.page.get(_STRIPS))
        sizes = self.tags.numbers(self.page.get(_TILE_SIZES if tiled else _STRIP_SIZES) or self.page.get(_STRIP_SIZES))
        expected = self.grid[0] * self.grid[1] * (self.count if self.planar else 1)
        if not sizes and self.packing == _NONE:
            sizes = [self.row_bytes * self.block[1]] * len(places)
        if len(places) < expected or len(sizes) < expected:
            raise ValueError(f"{min(len(places), len(sizes))} of {expected} parts of the picture are there")
        found = zip(places[:expected], sizes[:expected], strict=True)
        return [bytes(self.data[place : place + size]) for place, size in found]


def knows_pictures(packing: int) -> bool:
    """Whether the compression works on pixels, not on bytes."""
    return packing in (*CCITT, JPEG, OLD_JPEG, WEBP)


def unpack(layout: Layout) -> Samples:
    """(H, W, kept) uint8 or uint16. Raises ValueError for what is missing, and what Pillow may raise."""
    _check_blocks(layout)
    blocks = layout.packed()
    per_plane = layout.grid[0] * layout.grid[1]
    planes = [_plane(layout, blocks[at : at + per_plane]) for at in range(0, len(blocks), per_plane)[: layout.kept]]
    return planes[0] if not layout.planar else np.ascontiguousarray(np.dstack(planes))


def _check_blocks(layout: Layout) -> None:
    """Tiles may reach beyond the picture, but not so far that they fill the memory."""
    (width, height), (across, down) = layout.size, layout.block
    if not across or not down:
        raise ValueError("its tiles have no size")
    columns, rows = layout.grid
    if columns * across * rows * down > 4 * width * height + _MOST_SPARE:
        raise ValueError(f"tiles of {across}x{down} pixels for a picture of {width}x{height}")


def unpack_picture(layout: Layout, path: Path) -> Samples:
    """Likewise, for a compression that `knows_pictures`, and for YCbCr; the colours of YCbCr are converted."""
    from PIL import Image

    source = path if layout.packing == OLD_JPEG else io.BytesIO(_as_file(layout))
    with Image.open(source, formats=["TIFF"]) as image:
        image.load()
        if image.mode == "1":
            return np.asarray(image, np.uint8)[..., None]
        made = np.asarray(image.convert("RGB") if image.mode in ("YCbCr", "RGBX") else image)
        return made[..., None] if made.ndim == 2 else made[..., : layout.kept]


def _as_file(layout: Layout) -> bytes:
    """A TIFF file with that picture and nothing else."""
    entries = {tag: layout.page[tag] for tag in _OF_PICTURES if tag in layout.page}
    # Not inverted, so that values come as stored.
    kind = layout.number(_PHOTOMETRIC, 1)
    entries[_PHOTOMETRIC] = entry(layout.tags.order, SHORT, [1 if kind == 0 else kind])
    return _file(layout, entries, layout.packed())


def _plane(layout: Layout, blocks: list[bytes]) -> Samples:
    """The blocks of one plane, put together."""
    (width, height), (across, down), (columns, rows) = layout.size, layout.block, layout.grid
    if layout.number(_FILL_ORDER, 1) == 2:
        blocks = [_REVERSED[np.frombuffer(block, np.uint8)].tobytes() for block in blocks]
    lines = rows * down if layout.is_tiled else height
    stored = _bytes_of(layout, blocks, lines)  # (columns, lines, bytes of a row)
    kept = 1 if layout.planar else layout.kept
    whole = np.zeros((lines, columns * across, kept), np.uint16 if layout.bits > 8 else np.uint8)
    for column in range(columns):
        for top, bottom in _steps(lines, layout):
            samples = _samples(layout, stored[column, top:bottom])
            whole[top:bottom, column * across : (column + 1) * across] = samples[..., :kept]
    return np.ascontiguousarray(whole[:height, :width])


def _steps(lines: int, layout: Layout) -> list[tuple[int, int]]:
    step = max(1, _MOST_BITS // (8 * layout.row_bytes))
    return [(top, min(top + step, lines)) for top in range(0, lines, step)]


def _bytes_of(layout: Layout, blocks: list[bytes], lines: int) -> Bytes:
    """(columns, lines, bytes of a row): what is packed, unpacked."""
    (columns, _), down, size = layout.grid, layout.block[1], layout.row_bytes
    whole = np.zeros((columns, lines, size), np.uint8)
    together = max(1, _MOST_BYTES // (columns * down * size))  # rows of blocks
    for first in range(0, len(blocks) // columns, together):
        top, bottom = first * down, min((first + together) * down, lines)
        some = blocks[first * columns : (first + together) * columns]
        whole[:, top:bottom] = _unpacked(layout, some, bottom - top)
    return whole


def _unpacked(layout: Layout, blocks: list[bytes], lines: int) -> Bytes:
    """Likewise of a few rows of blocks, which have `lines` lines together."""
    columns, down, size = layout.grid[0], layout.block[1], layout.row_bytes
    if layout.packing not in _HERE:
        return _by_libtiff(layout, blocks, lines)
    made = np.zeros((columns, lines, size), np.uint8)
    for index, block in enumerate(blocks):
        row, column = divmod(index, columns)
        expected = min(down, lines - row * down) * size
        plain = block if layout.packing == _NONE else zlib.decompressobj().decompress(block, expected)
        if len(plain) < expected:
            raise ValueError(f"{expected - len(plain)} bytes of its samples are missing")
        made[column, row * down :].reshape(-1)[:expected] = np.frombuffer(plain, np.uint8, expected)
    return made


def _by_libtiff(layout: Layout, blocks: list[bytes], lines: int) -> Bytes:
    from PIL import Image

    (columns, _), down, order = layout.grid, layout.block[1], layout.tags.order
    each = 4 if layout.row_bytes % 4 == 0 else 1  # bytes of a pixel: Pillow bounds how many pixels there may be
    size = layout.row_bytes // each
    numbers = {_WIDTH: columns * size, _HEIGHT: lines}
    numbers |= {_TILE_WIDTH: size, _TILE_HEIGHT: down} if layout.is_tiled else {_ROWS: min(down, lines)}
    entries = {tag: entry(order, LONG, [value]) for tag, value in numbers.items()}
    kinds = {_BITS: [8] * each, _COMPRESSION: [layout.packing], _PHOTOMETRIC: [2 if each == 4 else 1], _SAMPLES: [each]}
    if each == 4:
        kinds[_EXTRA] = [2]
    entries |= {tag: entry(order, SHORT, values) for tag, values in kinds.items()}
    with Image.open(io.BytesIO(_file(layout, entries, blocks)), formats=["TIFF"]) as image:
        flat = np.asarray(image)
    return flat.reshape(lines, columns, layout.row_bytes).transpose(1, 0, 2)


def _samples(layout: Layout, rows: Bytes) -> Samples:
    """(lines, bytes of a row) -> (lines, width of a block, samples of a pixel)."""
    width, each, bits = layout.block[0], layout.each, layout.bits
    if bits in (8, 16, 32):
        kind = np.dtype(f"{layout.tags.order}u{bits // 8}")
        samples = np.ascontiguousarray(rows).view(kind).astype(kind.newbyteorder("="), copy=False)
        samples = samples.reshape(len(rows), width, each)
        if layout.number(_PREDICTOR, 1) == 2:
            samples = np.cumsum(samples, axis=1, dtype=samples.dtype)
        return np.asarray(samples >> 16, np.uint16) if bits == 32 else np.asarray(samples)
    loose = np.unpackbits(rows, axis=1)[:, : width * each * bits].reshape(len(rows), width, each, bits)
    made = np.zeros(loose.shape[:3], np.uint16 if bits > 8 else np.uint8)
    for bit in range(bits):
        made = (made << 1) | loose[..., bit]
    return made


def _file(layout: Layout, entries: Entries, blocks: list[bytes]) -> bytes:
    """A TIFF file of these blocks, `entries` says what they are."""
    order = layout.tags.order
    places, at = [], 8
    for block in blocks:
        places.append(at)
        at += len(block)
    tiled = _TILE_WIDTH in entries
    entries[_TILES if tiled else _STRIPS] = entry(order, LONG, places)
    entries[_TILE_SIZES if tiled else _STRIP_SIZES] = entry(order, LONG, [len(block) for block in blocks])
    start = at + at % 2
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(blocks).ljust(start - 8, b"\0")
    return (
        mark
        + struct.pack(f"{order}I", start)
        + body
        + directory_bytes(order, Directory(_narrow(order, entries)), start)
    )


def _narrow(order: str, entries: Entries) -> Entries:
    """BigTIFF's types of 8 bytes do not occur in other files."""

    def one(found: Entry) -> Entry:
        if found.type not in (16, 18):
            return found
        values = struct.unpack(f"{order}{found.count}Q", found.raw)
        return Entry(LONG, found.count, struct.pack(f"{order}{found.count}I", *values))

    return {tag: one(found) for tag, found in entries.items()}
