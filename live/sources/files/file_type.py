"""What kind of input a file is, by its content, and the inputs inside a folder."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path
from typing import Literal

from livestyle.errors import SourceError, foreign_errors
from livestyle.media.refusals import cannot_be_read
from livestyle.system.paths import check_file

Kind = Literal["photo", "video"]

# Only used to pick files out of a folder; the content decides what each one is.
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp"}
VIDEO_SUFFIXES = {
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv",
    ".3gp", ".ogv", ".mxf", ".y4m", ".mjpeg", ".mjpg",
}  # fmt: skip

_JPEG = b"\xff\xd8\xff"  # start of image and the first byte of a marker
_PHOTO_MAGIC = (
    (0, _JPEG),
    (0, b"\x89PNG\r\n\x1a\n"),
    (8, b"WEBP"),
    (0, b"II*\x00"),  # TIFF
    (0, b"MM\x00*"),
    (0, b"II+\x00"),  # BigTIFF
    (0, b"MM\x00+"),
    (0, b"BM"),
    (4, b"ftypavif"),
    (0, b"\x00\x00\x00\x0cjP  "),  # JPEG 2000
)
_HEAD = 64 * 1024
# How files begin that name other files to read instead of holding pictures: what players and FFmpeg know. Some may have
# a byte order mark or blank lines before.
_LISTS = (
    (rb"ffconcat version", "an FFmpeg concat list"),
    (rb"#EXTM3U", "an M3U or HLS playlist"),
    (rb"\[playlist\]", "a PLS playlist"),
    (rb"\[reference\]", "a reference file"),
    (rb"<asx", "an ASX playlist"),
    (rb"v=0[\r\n]", "an SDP description of a stream"),
    (rb"# VobSub index file", "an index of VobSub subtitles"),
    (rb"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:\w+:)?MPD[\s>]", "a DASH manifest"),
    (rb"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:\w+:)?(?:CompositionPlaylist|AssetMap|PackingList)[\s>]", "an IMF package"),
    (rb"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:playlist|smil|SmoothStreamingMedia)[\s>]", "a playlist"),
)


def kind_of(path: str | Path) -> Kind:
    """Whether `path` holds a still picture ("photo") or anything else ("video": FFmpeg decides).

    Moving GIF and PNG files and raw Motion JPEG are videos. Raises SourceNotFoundError, and SourceError for a folder or
    an empty file.
    """
    with foreign_errors(lambda error: cannot_be_read(Path(path), error)):
        return _kind_of(Path(path), _head(Path(path)))


def _kind_of(path: Path, head: bytes) -> Kind:
    if head.startswith(b"GIF8"):
        return "photo" if _is_still_gif(path) else "video"
    if b"acTL" in head[:4096] and head.startswith(b"\x89PNG"):
        return "video"
    if head.startswith(_JPEG) and _is_motion_jpeg(path, head):
        return "video"
    return "photo" if any(head[at : at + len(magic)] == magic for at, magic in _PHOTO_MAGIC) else "video"


def list_folder(folder: str | Path) -> list[Path]:
    """Photos and videos directly inside `folder`, hidden ones left out, in natural order (clip2 before clip10)."""
    known = PHOTO_SUFFIXES | VIDEO_SUFFIXES
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".") and _is_file(entry)]
    files = (Path(folder, name) for name in names)
    return sorted((file for file in files if file.suffix.lower() in known), key=_natural)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself, or in a folder that may not be read
        return False


def refuse_lists(path: Path) -> None:
    """Raise SourceError for a file that names other files to read, and as `check_file` does.

    FFmpeg would open those, and addresses too, so the sender of a "video" would choose what is read.
    """
    head = _head(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, kind in _LISTS:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            raise SourceError(
                f"{path} is {kind}: it names other files or addresses, and only the file given is read",
                hint="give the video files themselves",
            )


def _head(path: Path) -> bytes:
    check_file(path)
    with foreign_errors(lambda error: cannot_be_read(path, error)), path.open("rb") as file:
        return file.read(_HEAD)


def _is_still_gif(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path, formats=["GIF"]) as image:
            return not getattr(image, "is_animated", False)  # only images of some formats have it
    except Exception:
        return False  # FFmpeg then says what is wrong with it


def _is_motion_jpeg(path: Path, head: bytes) -> bool:
    """Whether one JPEG picture follows directly on another.

    It does in some photos too: those with a depth or gain map say so (CIPA DC-007), and cameras that append a preview
    without such a mark name the file .jpg.
    """
    if path.suffix.lower() in PHOTO_SUFFIXES or b"MPF\0" in head:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = data.find(b"\xff\xd9", _start_of_scan(data))  # cannot occur in the samples: 00 follows each ff there
        return end >= 0 and data[end + 2 : end + 5] == _JPEG


def _start_of_scan(data: mmap.mmap) -> int:
    """Where a JPEG's samples begin, its header with any thumbnail passed over; the end of the data without any."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
