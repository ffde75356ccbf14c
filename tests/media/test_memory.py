"""Pictures that do not fit into memory are refused by their headers, before anything is allocated for them."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import pytest
from tests_media import scene, write_clip

from livestyle.errors import SourceError
from livestyle.media import memory
from livestyle.media.memory import available, check_photo, check_video
from livestyle.media.photo_file import read_photo
from livestyle.sources.files.video import VideoSource


def _photo(path: Path, size: tuple[int, int], data: int) -> Path:
    """A PNG of which there is only the header, and `data` bytes that are nothing."""
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    end = struct.pack(">I", data) + b"IDAT"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + end + bytes(data))
    return path


def test_a_photo_that_holds_next_to_nothing_is_refused(tmp_path: Path) -> None:
    """169 megapixels in 10 kB; the header alone was read, for there is nothing else."""
    with pytest.raises(SourceError, match="13000x13000 pixels but only"):
        read_photo(_photo(tmp_path / "a.png", (13_000, 13_000), 10_000))


def test_a_photo_beyond_the_free_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1_000_000_000)
    path = _photo(tmp_path / "a.png", (8000, 8000), 3_000_000)
    with pytest.raises(SourceError, match=r"takes about 1\.8 GB of memory; 1\.0 GB are free"):
        read_photo(path)


@pytest.mark.parametrize("size", [(6000, 4000), (9000, 6000)])
def test_ordinary_photos_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    """24 and 54 megapixels of 8 bits, of 5 MB, on a small computer."""
    monkeypatch.setattr(memory, "available", lambda: 2 << 30)
    check_photo(_photo(tmp_path / "a.png", size, 5_000_000), size, 1)


def test_a_video_beyond_the_free_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 4 << 30)
    check_video(Path("a.mkv"), (7680, 4320))
    with pytest.raises(SourceError, match="frames of 30000x30000 pixels"):
        check_video(Path("a.mkv"), (30_000, 30_000))


def test_a_decoder_allocates_no_frame_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the header says."""
    clip = tmp_path / "a.mkv"
    write_clip(clip, [scene(index) for index in range(3)], [0, 40, 80])
    VideoSource(clip).close()
    monkeypatch.setattr("livestyle.sources.files.opening.most_pixels", lambda: 1000)
    with pytest.raises(SourceError):
        VideoSource(clip)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own account")
def test_the_free_memory_is_what_the_system_says() -> None:
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    room = available()
    assert room is not None
    assert 0 < room <= int(lines["MemTotal"].split()[0]) * 1024


@pytest.mark.parametrize("text", ["", "MemAvailable: lots", "MemTotal: 5 kB"])
def test_an_account_that_cannot_be_read_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "meminfo").write_text(text)
    assert memory._meminfo(tmp_path / "meminfo") is None
    assert memory._meminfo(tmp_path / "absent") is None
