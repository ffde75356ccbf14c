"""How files of each kind begin. What a file is called says nothing: some phones name HEIC photos .JPG."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["photo", "video", "raw", "sound", "list", "other"]

JPEG = b"\xff\xd8\xff"
"""Start of image and the first byte of a marker."""

_SEQUENCE_BRANDS = {b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"miaf", b"unif"}
_SOUND_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
_MOV_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}


@dataclass(frozen=True, slots=True)
class FileType:
    """What a file is."""

    kind: Kind  # "other": nothing that is known here; FFmpeg may know it
    name: str  # for messages: "JPEG", "Nikon raw (NEF)", "a ZIP archive"


def is_tiff(head: bytes) -> bool:
    """TIFF or BigTIFF, which camera raw files are, too."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_heif(head: bytes) -> bool:
    """A HEIC or HEIF photo."""
    brands = _brands(head)
    return bool(brands) and brands[0] in _HEIF_BRANDS | _SEQUENCE_BRANDS and not {b"avif", b"avis"} & set(brands)


def type_of(head: bytes) -> FileType | None:
    """By the first bytes of a file (4096 are enough); None for a beginning that is not known.

    Whether a JPEG, PNG, GIF, WebP, HEIF or TIFF file holds a film or raw samples does not show here: "photo" then.
    """
    if head[4:8] == b"ftyp":
        return _of_brands(_brands(head))
    return next((found for matches, found in _TABLE if matches.match(head)), None) or _by_repetition(head)


def _brands(head: bytes) -> list[bytes]:
    """The major brand, then the compatible ones."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]


def _of_brands(brands: list[bytes]) -> FileType:
    major = brands[0]
    if major in _SOUND_BRANDS:
        return FileType("sound", "sound (MPEG-4)")
    if major == b"crx ":
        return FileType("raw", "Canon raw (CR3)")
    if major in (b"jxl ", b"JXL "):
        return FileType("other", "JPEG XL")
    if major == b"avis":
        return FileType("video", "AVIF sequence")
    if major == b"avif" or (major in _HEIF_BRANDS and b"avif" in brands):
        return FileType("photo", "AVIF")
    if major in _HEIF_BRANDS | _SEQUENCE_BRANDS:
        return FileType("photo", "HEIF")
    return FileType("video", "QuickTime" if major == b"qt  " else "MPEG-4")


def _by_repetition(head: bytes) -> FileType | None:
    """Transport streams have a mark every 188 bytes, or 192 with times before it."""
    for start, step in ((0, 188), (4, 192), (0, 204)):
        marks = head[start : start + 5 * step : step]
        if len(marks) == 5 and marks == b"G" * 5:
            return FileType("video", "MPEG-TS")
    return FileType("video", "QuickTime") if head[4:8] in _MOV_BOXES else None


def _starts(pattern: bytes, kind: Kind, name: str) -> tuple[re.Pattern[bytes], FileType]:
    return re.compile(pattern, re.DOTALL), FileType(kind, name)


_TABLE = (
    _starts(rb"\xff\xd8\xff", "photo", "JPEG"),
    _starts(rb"\x89PNG\r\n\x1a\n", "photo", "PNG"),
    _starts(rb"GIF8[79]a", "photo", "GIF"),
    _starts(rb"RIFF....WEBP|.{8}WEBP", "photo", "WebP"),
    _starts(rb"II[*+]\0|MM\0[*+]", "photo", "TIFF"),
    _starts(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "photo", "BMP"),  # sizes of its second header
    _starts(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "photo", "JPEG 2000"),
    _starts(rb"\x1aE\xdf\xa3", "video", "Matroska"),
    _starts(rb"RIFF....AVI |RIFX....AVI ", "video", "AVI"),
    _starts(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video", "ASF"),
    _starts(rb"FLV\x01", "video", "Flash video"),
    _starts(rb"\0\0\x01[\xba\xb3]", "video", "MPEG"),
    _starts(rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", "video", "MXF"),
    _starts(rb"YUV4MPEG2 ", "video", "YUV4MPEG"),
    _starts(rb"DKIF\0\0", "video", "IVF"),
    _starts(rb"\.RMF", "video", "RealMedia"),
    _starts(rb"\x1f\x07\0[\x3f\xbf]", "video", "DV"),
    _starts(rb"nut/multimedia container\0", "video", "NUT"),
    _starts(rb"\0\0\0?\x01[\x67\x27\x40\x46\x09]", "video", "raw H.264 or H.265"),
    _starts(rb"OggS.{24,400}?(\x80theora|BBCD|\x01video)", "video", "Ogg"),
    _starts(rb"OggS", "sound", "sound (Ogg)"),
    _starts(rb"ID3|\xff[\xfb\xf3\xf2\xfa]", "sound", "sound (MP3)"),
    _starts(rb"\xff[\xf1\xf9]", "sound", "sound (AAC)"),
    _starts(rb"fLaC", "sound", "sound (FLAC)"),
    _starts(rb"RIFF....WAVE|RF64....WAVE", "sound", "sound (WAV)"),
    _starts(rb"FORM....AIF", "sound", "sound (AIFF)"),
    _starts(rb"#!AMR|caff|wvPk|MAC |MThd|\x0bw", "sound", "sound"),
    _starts(rb"\xff\x0a|\0\0\0\x0cJXL ", "other", "JPEG XL"),
    _starts(rb"8BPS", "other", "Photoshop (PSD)"),
    _starts(rb"gimp xcf", "other", "GIMP (XCF)"),
    _starts(rb"v/1\x01", "other", "OpenEXR"),
    _starts(rb"#\?RADIANCE|#\?RGBE", "other", "Radiance HDR"),
    _starts(rb"P[1-7fF]\s", "other", "Netpbm"),
    _starts(rb"\0\0\x01\0", "other", "an icon"),
    _starts(rb"%PDF", "other", "PDF"),
    _starts(rb"PK\x03\x04", "other", "a ZIP archive"),
    _starts(rb"bplist0|SQLite format 3\0", "other", "a program's data"),
)
