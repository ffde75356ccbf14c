"""What kind of input a file is, by its content, and the inputs inside a folder."""

from __future__ import annotations

import mmap
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from livestyle.errors import LivestyleError, SourceError, foreign_errors
from livestyle.media.photo.boxes import has_movie
from livestyle.media.photo.png import chunks
from livestyle.media.photo.raw import raw_name
from livestyle.media.photo.signatures import JPEG, FileType, type_of
from livestyle.media.refusals import cannot_be_read
from livestyle.system.paths import check_file

Kind = Literal["photo", "video"]

# Files of a folder that nothing is known of by their content are tried when they are called so; reading them says what
# is wrong. Elsewhere the content decides.
PHOTO_SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".hif",
    ".avif", ".jp2", ".j2k",
}  # fmt: skip
VIDEO_SUFFIXES = {
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv",
    ".3gp", ".ogv", ".mxf", ".y4m", ".mjpeg", ".mjpg", ".apng", ".dv", ".vob",
}  # fmt: skip
_ALSO_TEXT = {".ts", ".mts"}  # TypeScript

_HEAD = 64 * 1024
_PRINTABLE = bytes(range(32, 256)) + b"\t\n\r\f\x1b"
_UNREAD = {"JPEG XL", "Photoshop (PSD)", "GIMP (XCF)", "OpenEXR", "Radiance HDR", "Netpbm"}  # pictures all the same
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
    """Whether `path` is a still picture ("photo", camera raw files too) or anything else ("video": FFmpeg decides).

    Moving GIF, PNG, WebP, AVIF and HEIF files and raw Motion JPEG are videos. Raises SourceNotFoundError, and
    SourceError for a folder or an empty file.
    """
    return "photo" if identify(path).kind in ("photo", "raw") else "video"


def identify(path: str | Path) -> FileType:
    """What a file is, by its content; decided once, as long as the file does not change. Raises as `kind_of`."""
    path = Path(path)
    check_file(path)
    with foreign_errors(lambda error: cannot_be_read(path, error)):
        status = path.stat()
        return _identified(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=4096)
def _identified(path: Path, _size: int, _changed: int, _number: int) -> FileType:
    head = _head(path)
    found = type_of(head)
    if found is None or found.kind == "photo":
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _closer(path, head, data, found)
    return found


def _closer(path: Path, head: bytes, data: mmap.mmap, found: FileType | None) -> FileType:
    """Of files that begin like photos, which are films, and which hold raw samples; and what others are."""
    raw = raw_name(data)
    if raw is not None:
        return FileType("raw", raw)
    if found is None:
        listed = _list_kind(head)
        return FileType("list", listed) if listed else FileType("other", "text" if _is_text(head) else "unknown data")
    moves = (
        (found.name == "JPEG" and _is_motion_jpeg(path, head))
        or (found.name == "PNG" and _is_animated_png(data))
        or (found.name in ("GIF", "WebP") and _moves(path, found.name))
        or (found.name == "HEIF" and head[8:12] in (b"msf1", b"hevc", b"hevx", b"hevm", b"hevs") and has_movie(data))
    )
    return FileType("video", f"moving {found.name}") if moves else found


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file of a folder that is not styled."""

    path: Path
    reason: str  # a phrase: "sound", "Nikon raw (NEF)"
    is_picture: bool = False  # a photo or film all the same, of a kind that is not read


def search_folder(folder: str | Path) -> tuple[list[Path], list[LeftOut]]:
    """The photos and videos directly inside `folder`, in natural order (clip2 before clip10), and everything else.

    Hidden files and folders are in neither. Raises OSError.
    """
    with os.scandir(folder) as entries:
        names = [(entry.name, _is_file(entry)) for entry in entries if not entry.name.startswith(".")]
    files: list[Path] = []
    left_out: list[LeftOut] = []
    for path, is_file in sorted(
        ((Path(folder, name), known) for name, known in names), key=lambda each: _natural(each[0])
    ):
        reason = _reason_against(path) if is_file else _what_instead(path)
        if reason is None:
            files.append(path)
        elif reason.reason:
            left_out.append(reason)
    return files, left_out


def _reason_against(path: Path) -> LeftOut | None:
    """Why a file of a folder is left out; None where it is styled."""
    suffix = path.suffix.lower()
    is_called_so = suffix in PHOTO_SUFFIXES | VIDEO_SUFFIXES
    try:
        found = identify(path)
    except LivestyleError:  # empty, or not readable: opening it says so
        return None if is_called_so else LeftOut(path, "empty or not readable")
    if found.kind in ("photo", "video"):
        return None
    if found.kind == "other" and is_called_so and not (found.name == "text" and suffix in _ALSO_TEXT):
        return None
    known = found.kind == "raw" or found.name in _UNREAD
    return LeftOut(path, found.name, is_picture=known)


def _what_instead(path: Path) -> LeftOut:
    """For an entry of a folder that is no file; a folder, of which is told elsewhere, has no reason."""
    if path.is_dir():
        return LeftOut(path, "")
    return LeftOut(path, "a link into nothing" if path.is_symlink() else "a pipe or a device")


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself, or in a folder that may not be read
        return False


def refuse_lists(path: Path) -> None:
    """Raise SourceError for a file that names other files to read, and as `check_file` does.

    FFmpeg would open those, and addresses too, so the sender of a "video" would choose what is read.
    """
    kind = _list_kind(_head(path))
    if kind:
        raise SourceError(
            f"{path} is {kind}: it names other files or addresses, and only the file given is read",
            hint="give the video files themselves",
        )


def _list_kind(head: bytes) -> str:
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((kind for pattern, kind in _LISTS if re.match(pattern, head, re.IGNORECASE | re.DOTALL)), "")


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and not head.translate(None, _PRINTABLE)


def _head(path: Path) -> bytes:
    check_file(path)
    with foreign_errors(lambda error: cannot_be_read(path, error)), path.open("rb") as file:
        return file.read(_HEAD)


def _moves(path: Path, name: str) -> bool:
    from PIL import Image

    try:
        with Image.open(path, formats=[name.upper()]) as image:
            return bool(getattr(image, "is_animated", False))  # only images of some formats have it
    except Exception:
        return name == "GIF"  # FFmpeg then says what is wrong with it


def _is_animated_png(data: mmap.mmap) -> bool:
    control = next((chunk for kind, chunk in chunks(data) if kind == b"acTL"), b"")
    return int.from_bytes(control[:4], "big") > 1


def _is_motion_jpeg(path: Path, head: bytes) -> bool:
    """Whether one JPEG picture follows directly on another.

    It does in some photos too: those with a depth or gain map say so (CIPA DC-007), and cameras that append a preview
    without such a mark name the file .jpg.
    """
    if path.suffix.lower() in PHOTO_SUFFIXES or b"MPF\0" in head:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = data.find(b"\xff\xd9", _start_of_scan(data))  # cannot occur in the samples: 00 follows each ff there
        return end >= 0 and data[end + 2 : end + 5] == JPEG


def _start_of_scan(data: mmap.mmap) -> int:
    """Where a JPEG's samples begin, its header with any thumbnail passed over; the end of the data without any."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
