"""What a photo says besides its picture: EXIF, XMP, IPTC, comments and other texts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from livestyle.media.photo import jpeg, png
from livestyle.media.photo.coding import Chunk
from livestyle.media.photo.directories import Sliceable
from livestyle.media.photo.exif import Exif, read_exif

log = logging.getLogger("livestyle")

IPTC_RESOURCE = 0x0404
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG = 700, 33723, 34377
_RAW_PROFILE = "Raw profile type "
_COMMENT = "Comment"  # the PNG keyword
# Texts that say how the old file was stored, or hold metadata of another kind.
_TECHNICAL = ("xml:com.adobe.xmp", "icc", "exif:", "png:", "jpeg:", "tiff:", "date:", "xmp")


@dataclass(frozen=True, slots=True)
class Metadata:
    """As the photo has it; damaged parts are left out."""

    exif: Exif = field(default_factory=Exif)
    xmp: bytes = b""  # a packet
    iptc: bytes = b""  # records of IPTC-IIM
    comment: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)  # of PNG: keyword -> text, besides the comment


def of_jpeg(data: Sliceable, name: str) -> Metadata:
    """Of the segments of a JPEG file; `name`: the file, for messages."""
    exif, xmp, photoshop, comments, extended = b"", b"", b"", [], False
    for marker, segment in jpeg.segments(data):
        if marker == jpeg.APP1 and segment.startswith(jpeg.EXIF) and not exif:
            exif = segment
        elif marker == jpeg.APP1 and segment.startswith(jpeg.XMP):
            xmp = xmp or segment[len(jpeg.XMP) :]
        elif marker == jpeg.APP1 and segment.startswith(jpeg.EXTENDED_XMP):
            extended = True
        elif marker == jpeg.APP13 and segment.startswith(jpeg.PHOTOSHOP):
            photoshop += segment[len(jpeg.PHOTOSHOP) :]
        elif marker == jpeg.COMMENT:
            comments.append(_decoded(segment))
    if extended:
        log.info("%s has more XMP data than fit into a segment of JPEG: the rest is left out", name)
    return Metadata(_exif(exif, name), xmp, _iptc_of(photoshop), "\n".join(filter(None, comments)))


def of_png(found: Iterable[Chunk], name: str) -> Metadata:
    """Of the chunks of a PNG file."""
    found = list(found)
    texts = png.texts(found)
    profiles = {
        key.removeprefix(_RAW_PROFILE): _raw(text) for key, text in texts.items() if key.startswith(_RAW_PROFILE)
    }
    exif = dict(found).get(b"eXIf") or profiles.get("exif") or profiles.get("APP1", b"")
    xmp = texts.get(png.XMP_KEYWORD.decode("ascii"), "").encode() or profiles.get("xmp", b"")
    packed = profiles.get("iptc", b"")
    own = {key: text for key, text in texts.items() if not _is_technical(key)}
    comment = own.pop(_COMMENT, "")
    return Metadata(_exif(exif, name), xmp, _iptc_of(packed) or packed, comment, own)


def of_tiff(data: Sliceable, raw: Mapping[int, bytes], name: str) -> Metadata:
    """Of a TIFF file; `raw`: tag of its main picture -> bytes."""
    iptc = raw.get(_IPTC_TAG, b"") or _iptc_of(raw.get(_PHOTOSHOP_TAG, b""))
    return Metadata(_exif(data, name), raw.get(_XMP_TAG, b""), iptc)


def of_info(info: Mapping[str, Any], name: str) -> Metadata:
    """Of what Pillow or pillow-heif found in a file of another format."""
    xmp, comment = info.get("xmp") or b"", info.get("comment") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    comment = comment if isinstance(comment, str) else _decoded(comment)
    return Metadata(_exif(info.get("exif") or b"", name), xmp, b"", comment)


def _exif(data: Sliceable, name: str) -> Exif:
    if not len(data):
        return Exif()
    try:
        return read_exif(data)
    except ValueError as error:
        log.warning("The EXIF data of %s are damaged and left out: %s", name, error)
        return Exif()


def _iptc_of(photoshop: bytes) -> bytes:
    return next((data for number, data in jpeg.photoshop_resources(photoshop) if number == IPTC_RESOURCE), b"")


def _raw(text: str) -> bytes:
    try:
        return png.raw_profile(text)
    except ValueError:
        return b""


def _is_technical(key: str) -> bool:
    return key.startswith(_RAW_PROFILE) or key.lower().startswith(_TECHNICAL)


def _decoded(data: bytes) -> str:
    try:
        return data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return data.rstrip(b"\0").decode("latin-1")
