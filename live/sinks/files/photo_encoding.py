"""RGB pixels to the bytes of a photo file, with what the source's file says besides its samples."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from livestyle.errors import EncodeError, reason_of
from livestyle.frame import Pixels
from livestyle.media.photo import jpeg, png, xmp
from livestyle.media.photo.directories import (
    ASCII,
    LONG,
    RATIONAL,
    SHORT,
    UNDEFINED,
    Directory,
    Entry,
    directory_bytes,
    entry,
)
from livestyle.media.photo.exif import Exif
from livestyle.media.photo.heif import encode_heif
from livestyle.media.photo.metadata import IPTC_RESOURCE, Metadata
from livestyle.media.photo.stored import Notes
from livestyle.media.pyav import cv2
from livestyle.media.resize import Size

log = logging.getLogger("livestyle")

DEEP = {"PNG", "TIFF", "HEIF"}
"""Formats that are written with more than 8 bits."""

TRANSPARENT = {"PNG", "TIFF", "WEBP", "HEIF", "AVIF"}
"""Formats that are written with transparency."""

_OPTIONS: dict[str, dict[str, Any]] = {  # Any: each encoder of Pillow has its own
    # 4:4:4: a coloured edge between skin and background must not bleed by half a pixel.
    "JPEG": {"quality": 95, "subsampling": 0, "optimize": True},
    "WEBP": {"quality": 95, "method": 4},
    "AVIF": {"quality": 90, "subsampling": "4:4:4", "speed": 6},
}
_XMP_TAG, _IPTC_TAG, _ICC_TAG = 700, 33723, 34675
_MOST_XMP = jpeg.MOST - len(jpeg.XMP)
_MOST_EXIF = jpeg.MOST - len(jpeg.EXIF)


@dataclass(frozen=True, slots=True)
class Extras:
    """What goes into the file besides the pixels: `Notes` brought up to date for the picture that is written."""

    notes: Notes
    exif: Exif  # upright, of the picture's size
    xmp: bytes  # likewise; b"" for none

    @property
    def exif_bytes(self) -> bytes | None:
        """With its TIFF header first; None where there is nothing."""
        return self.exif.to_bytes() if self.exif else None


def extras_of(notes: Notes, size: Size) -> Extras:
    """For a picture of (width, height) `size`, which is upright."""
    found = notes.metadata
    converted = notes.source_profile is not None
    found.exif.make_upright(size)
    if converted:
        found.exif.make_srgb()
    updated = xmp.updated(found.xmp, size, converted=converted) if found.xmp else b""
    if updated is None:
        log.warning("The XMP data of %s are damaged and left out", notes.name)
    return Extras(notes, found.exif, updated or b"")


def encode(pixels: Pixels, kind: str, extras: Extras) -> bytes:
    """(H, W, 3 or 4) as a file of `kind`: a format of `PHOTO_FORMATS`. Deep pixels only for those of `DEEP`.

    Metadata that cannot be written never cost the picture: it is written without them, which is logged.
    """
    encoder = _ENCODERS.get(kind, _other)
    try:
        return encoder(pixels, kind, extras)
    except Exception as error:
        bare = Extras(replace(extras.notes, metadata=Metadata()), Exif(), b"")
        data = encoder(pixels, kind, bare)  # fails again where it is not about them
        log.warning("The metadata of %s cannot be written and are left out: %s", extras.notes.name, reason_of(error))
        return data


def _png(pixels: Pixels, _kind: str, extras: Extras) -> bytes:
    """OpenCV writes 16-bit samples, which Pillow cannot; the rest are chunks behind the header."""
    if pixels.dtype == np.uint16:
        code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
        data = cv2.imencode(".png", cv2.cvtColor(pixels, code))[1].tobytes()
    else:
        data = _saved(pixels, "PNG")
    notes = extras.notes
    found = notes.metadata
    chunks = list(notes.color.chunks)
    if notes.color.profile:
        chunks.append(png.profile_chunk(notes.color.profile))
    if notes.dpi:
        chunks.append(png.resolution_chunk(notes.dpi))
    if extras.exif:
        chunks.append((b"eXIf", extras.exif.to_bytes()))
    if extras.xmp:
        chunks.append(png.xmp_chunk(extras.xmp))
    if found.iptc:
        chunks.append(png.raw_profile_chunk("iptc", jpeg.photoshop_resource(IPTC_RESOURCE, found.iptc)))
    texts = {**found.texts, **({"Comment": found.comment} if found.comment else {})}
    chunks += [png.text_chunk(key, text) for key, text in texts.items()]
    return png.with_chunks(data, chunks)


def _jpeg(pixels: Pixels, _kind: str, extras: Extras) -> bytes:
    notes = extras.notes
    options: dict[str, Any] = {"icc_profile": notes.color.profile} if notes.color.profile else {}
    if notes.dpi:
        options["dpi"] = tuple(round(value) for value in notes.dpi)
    return jpeg.with_segments(_saved(pixels, "JPEG", **options), _jpeg_segments(extras))


def _jpeg_segments(extras: Extras) -> list[jpeg.Segment]:
    found, name = extras.notes.metadata, extras.notes.name
    made: list[jpeg.Segment] = []
    if extras.exif:
        exif, left_out = extras.exif.within(_MOST_EXIF)
        if left_out:
            log.warning("The EXIF data of %s are too long for a JPEG file: without %s", name, ", ".join(left_out))
        made.append((jpeg.APP1, jpeg.EXIF + exif.to_bytes()))
    if len(extras.xmp) > _MOST_XMP:
        log.warning("The XMP data of %s are too long for a JPEG file and left out", name)
    elif extras.xmp:
        made.append((jpeg.APP1, jpeg.XMP + extras.xmp))
    resource = jpeg.photoshop_resource(IPTC_RESOURCE, found.iptc) if found.iptc else b""
    if len(resource) > jpeg.MOST - len(jpeg.PHOTOSHOP):
        log.warning("The IPTC data of %s are too long for a JPEG file and left out", name)
    elif resource:
        made.append((jpeg.APP13, jpeg.PHOTOSHOP + resource))
    if found.comment:
        made.append((jpeg.COMMENT, found.comment.encode("utf-8", "replace")[: jpeg.MOST]))
    return made


def _heif(pixels: Pixels, _kind: str, extras: Extras) -> bytes:
    _say_what_has_no_place(extras, "HEIC")
    notes = extras.notes
    return encode_heif(pixels, notes.info, color=notes.color, exif=extras.exif_bytes, xmp=extras.xmp or None)


def _other(pixels: Pixels, kind: str, extras: Extras) -> bytes:
    """WebP and AVIF have room for a profile, EXIF and XMP; BMP and GIF for nothing."""
    notes = extras.notes
    options: dict[str, Any] = {}
    if kind in ("WEBP", "AVIF"):
        exif = extras.exif_bytes
        if kind == "AVIF" and extras.exif:  # Pillow would write the tags anew, and fail with some, to take it out
            exif = extras.exif.without_orientation().to_bytes()
        given = {"icc_profile": notes.color.profile, "exif": exif, "xmp": extras.xmp}
        options = {name: value for name, value in given.items() if value}
        _say_what_has_no_place(extras, kind)
    elif kind == "BMP" and notes.dpi:
        options["dpi"] = notes.dpi
    if kind in ("BMP", "GIF"):
        _say_what_is_lost(extras, kind)
    return _saved(pixels, kind, **options)


def _saved(pixels: Pixels, kind: str, **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **_OPTIONS.get(kind, {}), **options)
    return buffer.getvalue()


def _say_what_has_no_place(extras: Extras, kind: str) -> None:
    found = extras.notes.metadata
    named = {"its IPTC data": found.iptc, "its comment": found.comment, "its texts": found.texts}
    _say(extras, kind, [name for name, value in named.items() if value])


def _say_what_is_lost(extras: Extras, kind: str) -> None:
    found, color = extras.notes.metadata, extras.notes.color
    named = {
        "its colour profile": color.profile, "its EXIF data": extras.exif, "its XMP data": extras.xmp,
        "its IPTC data": found.iptc, "its comment": found.comment, "its texts": found.texts,
    }  # fmt: skip
    _say(extras, kind, [name for name, value in named.items() if value])


def _say(extras: Extras, kind: str, lost: list[str]) -> None:
    if lost:
        log.warning("%s: %s has no place for %s", extras.notes.name, kind, ", ".join(lost))


# ---- TIFF ------------------------------------------------------------------------------------------------------------


def _tiff(pixels: Pixels, _kind: str, extras: Extras) -> bytes:
    """One deflated strip of samples (TIFF 6.0), its directory behind it.

    Pillow's own writer has no 16-bit colour, and cannot write compressed pictures with an EXIF directory.
    """
    exif = extras.exif.without_resolution()
    order = exif.order
    strip = zlib.compress(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(order)).tobytes(), 6)
    if len(strip) > 0xF0000000:
        raise EncodeError("a TIFF file cannot hold more than 4 GB", hint="write a PNG file")
    height, width, samples = pixels.shape
    numbers = {256: width, 257: height, 259: 8, 262: 2, 277: samples, 278: height, 284: 1, 273: 8, 279: len(strip)}
    entries: dict[int, Entry] = {tag: entry(order, LONG, [value]) for tag, value in numbers.items()}
    entries |= {tag: entry(order, SHORT, [numbers[tag]]) for tag in (259, 262, 277, 284)}
    entries[258] = entry(order, SHORT, [8 * pixels.itemsize] * samples)
    if samples == 4:
        entries[338] = entry(order, SHORT, [2])  # alpha that is not multiplied in
    root = Directory(exif.root.entries | entries | _tiff_notes(extras, exif), exif.root.below)
    start = 8 + len(strip) + len(strip) % 2
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", start) + strip.ljust(start - 8, b"\0") + directory_bytes(order, root, start)


def _tiff_notes(extras: Extras, exif: Exif) -> dict[int, Entry]:
    notes, order = extras.notes, exif.order
    made: dict[int, Entry] = {}
    for tag, kind, data in (
        (_ICC_TAG, UNDEFINED, notes.color.profile),
        (_XMP_TAG, 1, extras.xmp),
        (_IPTC_TAG, UNDEFINED, notes.metadata.iptc),
    ):
        if data:
            made[tag] = entry(order, kind, data)
    if notes.metadata.comment and 270 not in exif.root.entries:
        made[270] = entry(order, ASCII, notes.metadata.comment.encode("utf-8", "replace") + b"\0")
    if notes.dpi:
        both = [round(value * 10_000) for value in notes.dpi]
        made[282], made[283] = (entry(order, RATIONAL, [value, 10_000]) for value in both)
        made[296] = entry(order, SHORT, [2])  # inch
    return made


_ENCODERS: dict[str, Callable[[Pixels, str, Extras], bytes]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "TIFF": _tiff,
    "HEIF": _heif,
}
