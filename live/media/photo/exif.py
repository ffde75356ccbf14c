"""EXIF data of a styled photo: tag by tag, the bytes of each as they were, of the tags that still hold for it.

Source: CIPA DC-008-2024 (EXIF 3.0), TIFF 6.0.
"""

from __future__ import annotations

from dataclasses import replace

from livestyle.media.photo.directories import (
    ASCII,
    LONG,
    SHORT,
    Directory,
    Entries,
    Entry,
    Order,
    Sliceable,
    Tags,
    entry,
    tiff_bytes,
)

ORIENTATION, DESCRIPTION = 0x0112, 0x010E
DETAILS, PLACE, INTEROP = 0x8769, 0x8825, 0xA005
"""Pointers to the directories of the camera's details, of the place, and of interoperability."""

MAKER_NOTE, USER_COMMENT = 0x927C, 0x9286
_WIDTH, _HEIGHT = 0xA002, 0xA003
_COLOR_SPACE, _SRGB = 0xA001, 1
_RESOLUTION = (0x011A, 0x011B, 0x0128)
# Everything else describes how the old file stored its samples, or holds copies of the old picture.
_ABOUT_THE_PHOTO = frozenset((
    0x010D, 0x010E, 0x010F, 0x0110, 0x0112, 0x011A, 0x011B, 0x011D, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C,
    0x4746, 0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,
))  # fmt: skip
_OF_THE_CAMERA = frozenset((
    0x829A, 0x829D, 0x8822, 0x8824, 0x8827, 0x8828, *range(0x8830, 0x8836), 0x9000, 0x9003, 0x9004, 0x9010, 0x9011,
    0x9012, *range(0x9201, 0x920B), 0x9214, 0x927C, 0x9286, 0x9290, 0x9291, 0x9292, *range(0x9400, 0x9406), 0xA000,
    0xA001, 0xA002, 0xA003, 0xA20B, 0xA20E, 0xA20F, 0xA210, 0xA214, 0xA215, 0xA217, 0xA300, 0xA301, 0xA302,
    *range(0xA401, 0xA40D), 0xA420, *range(0xA430, 0xA43D), 0xA460, 0xA461, 0xA462, 0xA500,
))  # fmt: skip
_POINTS = (0x9214, 0xA214)  # SubjectArea, SubjectLocation: places in the picture as it was stored
_ALLOWED = _ABOUT_THE_PHOTO | _OF_THE_CAMERA  # some programs write tags of the camera into the first directory
_ALLOWED_PLACE = frozenset(range(0x20))
_ALLOWED_INTEROP = frozenset((1, 2))
_DETAILS_TYPES = (LONG, 13)


class Exif:
    """The allowed tags of a photo, which can be changed and written again in the photo's own byte order."""

    def __init__(self, order: Order = "<", root: Directory | None = None) -> None:
        self.order: Order = order
        self.root = root or Directory()

    def __bool__(self) -> bool:
        return bool(self.root.entries or self.root.below)

    @property
    def orientation(self) -> int:
        """1..8; 1 where nothing or nonsense is said."""
        found = self.root.entries.get(ORIENTATION)
        if found is None or found.type != SHORT or found.count != 1:
            return 1
        value = int.from_bytes(found.raw, "little" if self.order == "<" else "big")
        return value if 1 <= value <= 8 else 1

    @property
    def is_adobe_rgb(self) -> bool:
        """Whether it says so in the way of cameras (CIPA DC-008: uncalibrated, with the interoperability index R03)."""
        details = self.root.below.get(DETAILS, Directory())
        space = details.entries.get(_COLOR_SPACE)
        index = details.below.get(INTEROP, Directory()).entries.get(1)
        return space is not None and index is not None and space.raw == b"\xff\xff" and index.raw[:3] == b"R03"

    def make_upright(self, size: tuple[int, int]) -> None:
        """Say that the photo is upright and (width, height) `size` large, where anything about that is said."""
        if ORIENTATION in self.root.entries:
            if self.orientation != 1:
                self._drop(_POINTS)
            self.root.entries[ORIENTATION] = entry(self.order, SHORT, [1])
        for directory in (self.root, *self.root.below.values()):
            for tag, length in zip((_WIDTH, _HEIGHT), size, strict=True):
                if tag in directory.entries:
                    directory.entries[tag] = entry(self.order, LONG, [length])

    def make_srgb(self) -> None:
        """Say that the values are those of sRGB, where a colour space is named."""
        details = self.root.below.get(DETAILS)
        if details is not None and _COLOR_SPACE in details.entries:
            details.entries[_COLOR_SPACE] = entry(self.order, SHORT, [_SRGB])
            details.below.pop(INTEROP, None)

    def add_description(self, text: str) -> None:
        """As ImageDescription, unless there is one."""
        self.root.entries.setdefault(DESCRIPTION, entry(self.order, ASCII, text.encode("utf-8", "replace") + b"\0"))

    def without_orientation(self) -> Exif:
        """The same without the tag that says which way up it is, of an upright photo."""
        return Exif(self.order, Directory({tag: one for tag, one in self.root.entries.items() if tag != ORIENTATION},
                                          self.root.below))  # fmt: skip

    def without_resolution(self) -> Exif:
        """The same without the dots per inch, which a TIFF file says itself."""
        kept = {tag: one for tag, one in self.root.entries.items() if tag not in _RESOLUTION}
        return Exif(self.order, Directory(kept, self.root.below))

    def within(self, most: int) -> tuple[Exif, list[str]]:
        """What fits into `most` bytes, and the names of what was left out: the maker note, then the largest tags."""
        left_out: list[str] = []
        made = Exif(self.order, _copied(self.root))
        while len(made.to_bytes()) > most:
            directory, tag = max(_places(made.root), key=lambda each: (each[1] == MAKER_NOTE, _size(*each)))
            del directory.entries[tag]
            left_out.append(_name(tag))
        return made, left_out

    def to_bytes(self) -> bytes:
        """The data, beginning with a TIFF header."""
        return tiff_bytes(self.order, self.root)

    def _drop(self, tags: tuple[int, ...]) -> None:
        for directory in (self.root, *self.root.below.values()):
            for tag in tags:
                directory.entries.pop(tag, None)


def read_exif(data: Sliceable) -> Exif:
    """The EXIF data in a TIFF file or in a block of its kind ("Exif" and two zeros may stand before it).

    Damaged entries are left out. Raises ValueError where nothing of it can be read.
    """
    if bytes(data[0:6]) == b"Exif\0\0":
        data = bytes(data[6 : len(data)])
    tags = Tags(data)
    first, _ = tags.entries(tags.first)
    root = Directory(_allowed(first, _ALLOWED))
    details = _below(tags, first, DETAILS)
    if details is not None:
        root.below[DETAILS] = Directory(_allowed(details, _ALLOWED))
        interop = _below(tags, details, INTEROP)
        if interop:
            root.below[DETAILS].below[INTEROP] = Directory(_allowed(interop, _ALLOWED_INTEROP))
    place = _below(tags, first, PLACE)
    if place:
        root.below[PLACE] = Directory(_allowed(place, _ALLOWED_PLACE))
    return Exif(tags.order, root)


def _below(tags: Tags, entries: Entries, pointer: int) -> Entries | None:
    found = entries.get(pointer)
    places = tags.numbers(found) if found is not None else []
    try:
        return tags.entries(places[0])[0] if places else None
    except ValueError:
        return None


def _allowed(entries: Entries, allowed: frozenset[int]) -> Entries:
    return {tag: _classic(one) for tag, one in entries.items() if tag in allowed and one.type <= 13}


def _classic(one: Entry) -> Entry:
    return replace(one, type=LONG) if one.type == 13 else one


def _copied(directory: Directory) -> Directory:
    below = {tag: _copied(inner) for tag, inner in directory.below.items()}
    return Directory(dict(directory.entries), below)


def _places(directory: Directory) -> list[tuple[Directory, int]]:
    here = [(directory, tag) for tag in directory.entries]
    return here + [place for inner in directory.below.values() for place in _places(inner)]


def _size(directory: Directory, tag: int) -> int:
    return len(directory.entries[tag].raw)


def _name(tag: int) -> str:
    from PIL.ExifTags import TAGS

    return {MAKER_NOTE: "the maker note"}.get(tag, TAGS.get(tag, f"tag {tag:#x}"))
