"""Camera raw files, told by their content: many are TIFF files whose preview would pass for the photo."""

from __future__ import annotations

from livestyle.errors import SourceError
from livestyle.media.photo.directories import Entries, Sliceable, Tags

_COMPRESSION, _PHOTOMETRIC, _MAKE, _SUB_IFDS = 259, 262, 271, 330
_CFA, _LINEAR_RAW, _DNG_VERSION, _PHASE_ONE = 32803, 34892, 50706, 0xC612
_RAW_COMPRESSIONS = {32767, 32769, 32770, 34713, 65000, 65535}  # Sony, packed, Samsung, Nikon, Kodak, Pentax
_MARKS = (  # offset, bytes, name
    (8, b"CR\x02", "Canon raw (CR2)"),
    (4, b"ftypcrx ", "Canon raw (CR3)"),
    (6, b"HEAPCCDR", "Canon raw (CRW)"),
    (0, b"FUJIFILMCCD-RAW", "Fujifilm raw (RAF)"),
    (0, b"IIRO", "Olympus raw (ORF)"),
    (0, b"IIRS", "Olympus raw (ORF)"),
    (0, b"MMOR", "Olympus raw (ORF)"),
    (0, b"IIU\0", "Panasonic raw (RW2)"),
    (0, b"FOVb", "Sigma raw (X3F)"),
    (0, b"\0MRM", "Minolta raw (MRW)"),
    (8, b"IIIITAWR", "Phase One raw (IIQ)"),
)
_BY_MAKER = (("NIKON", "Nikon raw (NEF)"), ("SONY", "Sony raw (ARW)"), ("PENTAX", "Pentax raw (PEF)"),
             ("RICOH", "Pentax raw (PEF)"), ("SAMSUNG", "Samsung raw (SRW)"), ("HASSELBLAD", "Hasselblad raw (3FR)"),
             ("KODAK", "Kodak raw (DCR)"), ("EASTMAN", "Kodak raw (DCR)"), ("EPSON", "Epson raw (ERF)"),
             ("PHASE ONE", "Phase One raw (IIQ)"), ("LEAF", "Leaf raw (MOS)"), ("MAMIYA", "Mamiya raw (MEF)"),
             ("CANON", "Canon raw"), ("LEICA", "Leica raw"), ("PANASONIC", "Panasonic raw"))  # fmt: skip


def raw_name(data: Sliceable) -> str | None:
    """What a camera raw file is called, "Nikon raw (NEF)"; None for any other file."""
    head = bytes(data[0:32])
    for at, mark, name in _MARKS:
        if head[at : at + len(mark)] == mark:
            return name
    if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    try:
        return _name_of(Tags(data))
    except ValueError:
        return None


def raw_refusal(name: str, kind: str) -> SourceError:
    """The error for the file `name` that is a `kind` of `raw_name`."""
    return SourceError(
        f"{name} is a {kind} file: undeveloped samples of a camera, which are not read here",
        hint="develop it first and export it as TIFF or JPEG",
    )


def _name_of(tags: Tags) -> str | None:
    pages = tags.chain(tags.first)
    if any(_DNG_VERSION in page for page in pages):
        return "digital negative (DNG)"
    below = [tags.chain(place, 4) for page in pages for place in tags.numbers(page.get(_SUB_IFDS))[:8]]
    every = [*pages, *(inner for chain in below for inner in chain)]
    if not any(_is_raw(tags, page) for page in every):
        return None
    makers = (tags.text(page.get(_MAKE)).upper() for page in every)
    maker = next(filter(None, makers), "")
    return next((name for start, name in _BY_MAKER if maker.startswith(start)), "camera raw")


def _is_raw(tags: Tags, page: Entries) -> bool:
    def number(tag: int) -> int:
        found = tags.numbers(page.get(tag))
        return found[0] if found else -1

    kind, packing = number(_PHOTOMETRIC), number(_COMPRESSION)
    return kind in (_CFA, _LINEAR_RAW) or packing in _RAW_COMPRESSIONS or _PHASE_ONE in page
