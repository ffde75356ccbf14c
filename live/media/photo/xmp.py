"""XMP of a styled photo: what the photo's says, without what describes the old file or copies of the old picture.

Source: Adobe, "XMP Specification" parts 1 and 2; Google, "Motion Photo format" and "Ultra HDR Image Format".
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import cast
from xml.etree import ElementTree

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_XMP, _NOTE = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"
_CAMERA = "http://ns.google.com/photos/1.0/camera/"
# About other pictures, films or sounds inside the old file, which do not come along.
_FOREIGN = (
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/dd/1.0/",
)
_STALE = {
    f"{{{_XMP}}}Thumbnails",
    f"{{{_NOTE}}}HasExtendedXMP",
    *(f"{{{_CAMERA}}}{name}" for name in (
        "MicroVideo", "MicroVideoVersion", "MicroVideoOffset", "MicroVideoPresentationTimestampUs",
        "MotionPhoto", "MotionPhotoVersion", "MotionPhotoPresentationTimestampUs")),
    *(f"{{{_TIFF}}}{name}" for name in (
        "BitsPerSample", "Compression", "PhotometricInterpretation", "SamplesPerPixel", "PlanarConfiguration",
        "YCbCrSubSampling", "YCbCrPositioning", "TransferFunction", "WhitePoint", "PrimaryChromaticities",
        "YCbCrCoefficients", "ReferenceBlackWhite", "NativeDigest")),
    f"{{{_EXIF}}}NativeDigest",
}  # fmt: skip
_OF_OLD_COLOR = {"{http://ns.adobe.com/photoshop/1.0/}ICCProfile", "{http://ns.adobe.com/photoshop/1.0/}ColorMode"}
_PACKET = re.compile(rb"<\?xpacket.*?\?>", re.DOTALL)
_MOST = 16 << 20  # bytes


def updated(xmp: bytes, size: tuple[int, int], *, converted: bool) -> bytes | None:
    """The XMP of a photo that is now upright and (width, height) `size` large; None where it cannot be read.

    `converted`: its colours were converted to sRGB.
    """
    if len(xmp) > _MOST:
        return None
    text = _PACKET.sub(b"", xmp).strip(b"\0 \t\r\n")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None
    try:
        with_names = _names(text)
        tree = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    stale = _STALE | (_OF_OLD_COLOR if converted else set())
    for description in tree.iter(f"{{{_RDF}}}Description"):
        _remove(description, stale)
        _replace(description, size)
    return _written(tree, with_names)


def _is_stale(name: str, stale: set[str]) -> bool:
    return name in stale or any(name.startswith(f"{{{space}") for space in _FOREIGN)


def _remove(description: ElementTree.Element, stale: set[str]) -> None:
    for name in [name for name in description.attrib if _is_stale(name, stale)]:
        del description.attrib[name]
    for child in [child for child in description if _is_stale(child.tag, stale)]:
        description.remove(child)


def _replace(description: ElementTree.Element, size: tuple[int, int]) -> None:
    values = {f"{{{_TIFF}}}Orientation": 1, f"{{{_TIFF}}}ImageWidth": size[0], f"{{{_TIFF}}}ImageLength": size[1],
              f"{{{_EXIF}}}PixelXDimension": size[0], f"{{{_EXIF}}}PixelYDimension": size[1]}  # fmt: skip
    for name, value in values.items():
        if name in description.attrib:
            description.set(name, str(value))
        for child in description.findall(name):
            child.text = str(value)


def _names(text: bytes) -> list[tuple[str, str]]:
    """(prefix, namespace) in the order of the text."""
    events = ElementTree.iterparse(io.BytesIO(text), ("start-ns",))
    pairs = cast(Iterator[tuple[str, tuple[str, str]]], events)  # what the type stubs do not say of this event
    return list(dict.fromkeys(pair for _, pair in pairs))


def _written(tree: ElementTree.Element, names: list[tuple[str, str]]) -> bytes:
    """With the prefixes of the original, where ElementTree would write its own."""
    for prefix, space in names:
        if prefix and not re.fullmatch(r"ns\d+|xml", prefix):
            ElementTree.register_namespace(prefix, space)
    text = ElementTree.tostring(tree, encoding="unicode")
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{text}\n<?xpacket end="w"?>'.encode()
