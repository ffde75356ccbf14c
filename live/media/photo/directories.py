"""Directories of tags, as TIFF files and EXIF data have them; entries are kept as bytes and never reinterpreted.

Source: TIFF 6.0, section 2; Adobe, "BigTIFF"; CIPA DC-008 (EXIF).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Order = Literal["<", ">"]

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of an entry -> bytes of a value."""

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
_FORMATS = {
    1: "B",
    3: "H",
    4: "I",
    6: "b",
    7: "B",
    8: "h",
    9: "i",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}
_MOST_ENTRIES = 4096  # of one directory; cameras write about a hundred


class Sliceable(Protocol):
    """bytes, or a file mapped into memory."""

    def __getitem__(self, part: slice, /) -> bytes: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """The values of one tag."""

    type: int  # a key of SIZES
    count: int  # how many values
    raw: bytes  # their bytes in the order of the file; count * SIZES[type]


Entries = dict[int, Entry]  # tag -> entry


@dataclass(slots=True)
class Directory:
    """One directory, and those that its entries point to."""

    entries: Entries = field(default_factory=dict)
    below: dict[int, Directory] = field(default_factory=dict)  # tag of the pointer -> directory


class Tags:
    """The directories of a TIFF file or of EXIF data."""

    def __init__(self, data: Sliceable) -> None:
        """Raises ValueError where `data` does not begin as a TIFF file does."""
        mark = bytes(data[0:4])
        if mark not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise ValueError("no TIFF header")
        self._data = data
        self.order: Order = "<" if mark[:1] == b"I" else ">"
        self._big = b"+" in mark
        self.first = self._number(8, 8) if self._big else self._number(4, 4)

    def entries(self, offset: int) -> tuple[Entries, int]:
        """The entries of the directory at `offset`, and where the next one is (0: none).

        Entries of unknown type, or with values that lie outside the data, are left out. ValueError: there is no
        directory.
        """
        length, size = (8, 20) if self._big else (2, 12)
        count = self._number(offset, length)
        if not 0 < count <= _MOST_ENTRIES:
            raise ValueError(f"no directory of tags at {offset}")
        start = offset + length
        found = (self._entry(start + size * index) for index in range(count))
        entries = {tag: entry for tag, entry in found if entry is not None}
        end = start + size * count
        return entries, self._number(end, 8 if self._big else 4, missing=0)

    def chain(self, offset: int, most: int = 16) -> list[Entries]:
        """The directories at `offset` and after it, at most `most`, each once."""
        found: list[Entries] = []
        seen: set[int] = set()
        while offset and offset not in seen and len(found) < most:
            seen.add(offset)
            try:
                entries, offset = self.entries(offset)
            except ValueError:
                break
            found.append(entries)
        return found

    def numbers(self, entry: Entry | None) -> list[int]:
        """Whole numbers of an entry; none for None and for another type."""
        if entry is None or entry.type not in _FORMATS or entry.type in (11, 12):
            return []
        return [int(value) for value in struct.unpack(f"{self.order}{entry.count}{_FORMATS[entry.type]}", entry.raw)]

    def text(self, entry: Entry | None) -> str:
        """The text of an entry without the zero at its end; "" for None and for another type."""
        if entry is None or entry.type not in (1, ASCII, UNDEFINED):
            return ""
        return entry.raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()

    def fractions(self, entry: Entry | None) -> list[float]:
        """Rational or floating numbers of an entry; none for None. A denominator of 0 counts as 1."""
        if entry is None:
            return []
        if entry.type in (5, 10):
            pairs = struct.unpack(f"{self.order}{2 * entry.count}{'I' if entry.type == 5 else 'i'}", entry.raw)
            return [above / (below or 1) for above, below in zip(pairs[::2], pairs[1::2], strict=True)]
        if entry.type in (11, 12):
            return [
                float(value) for value in struct.unpack(f"{self.order}{entry.count}{_FORMATS[entry.type]}", entry.raw)
            ]
        return [float(value) for value in self.numbers(entry)]

    def _entry(self, at: int) -> tuple[int, Entry | None]:
        tag, kind = self._number(at, 2, missing=0), self._number(at + 2, 2, missing=0)
        wide = 8 if self._big else 4
        count = self._number(at + 4, wide, missing=0)
        size = count * SIZES.get(kind, 0)
        if not size:
            return tag, None
        place = at + 4 + wide
        if size > wide:
            place = self._number(place, wide, missing=0)
        raw = bytes(self._data[place : place + size])
        return tag, Entry(kind, count, raw) if len(raw) == size else None

    def _number(self, at: int, size: int, missing: int | None = None) -> int:
        raw = bytes(self._data[at : at + size])
        if len(raw) < size:
            if missing is None:
                raise ValueError(f"it ends before byte {at}")
            return missing
        return int(struct.unpack(self.order + {2: "H", 4: "I", 8: "Q"}[size], raw)[0])


def entry(order: Order, kind: int, values: Sequence[int] | bytes) -> Entry:
    """An entry of whole numbers, of rational ones (numerator, denominator, …), or of bytes."""
    if isinstance(values, bytes):
        return Entry(kind, len(values) // SIZES[kind], values)
    letter = "I" if kind == RATIONAL else _FORMATS[kind]
    raw = struct.pack(f"{order}{len(values)}{letter}", *values)
    return Entry(kind, len(raw) // SIZES[kind], raw)


def tiff_bytes(order: Order, directory: Directory) -> bytes:
    """A TIFF header and `directory` with those below it: EXIF data, or a TIFF file without its samples."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", 8) + directory_bytes(order, directory, 8)


def directory_bytes(order: Order, directory: Directory, start: int) -> bytes:
    """The directory as it stands at `start`: its entries, the values that do not fit into them, what it points to."""
    entries = dict(directory.entries)
    entries |= {tag: entry(order, LONG, [0]) for tag in directory.below}
    values_at = start + 2 + 12 * len(entries) + 4
    fixed, values = struct.pack(f"{order}H", len(entries)), b""
    places: dict[int, int] = {}
    for tag in sorted(entries):
        one = entries[tag]
        raw = one.raw
        if len(raw) > 4:
            raw, values = struct.pack(f"{order}I", values_at + len(values)), values + raw + b"\0" * (len(raw) % 2)
        places[tag] = len(fixed) + 8
        fixed += struct.pack(f"{order}HHI", tag, one.type, one.count) + raw.ljust(4, b"\0")
    written = bytearray(fixed + struct.pack(f"{order}I", 0) + values)
    for tag, below in directory.below.items():
        struct.pack_into(f"{order}I", written, places[tag], start + len(written))
        written += directory_bytes(order, below, start + len(written))
    return bytes(written)
