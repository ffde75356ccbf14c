"""Timecodes of later frames, also with dropped numbers, and in files of which a part is styled."""

from __future__ import annotations

import subprocess
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from tests_media import scene, write_clip

from livestyle.media.timecode import at_other_rate, moved_timecode
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("timecode", "frames", "rate", "expected"),
    [
        ("10:20:30:12", 5, Fraction(25), "10:20:30:17"),
        ("10:20:30:12", 13, Fraction(25), "10:20:31:00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, NTSC, "00:01:00;02"),
        ("00:09:59;29", 1, NTSC, "00:10:00;00"),
        ("00:00:00;00", 17982, NTSC, "00:10:00;00"),
        ("01:00:00;00", 107892, NTSC, "02:00:00;00"),
        ("23:59:59;29", 1, NTSC, "00:00:00;00"),
        ("00:00:59;59", 1, Fraction(60000, 1001), "00:01:00;04"),
        ("00:00:59:29", 1, NTSC, "00:01:00:00"),
        ("10:20:30:25", 1, Fraction(25), None),
        ("words", 1, Fraction(25), None),
    ],
)
def test_later_timecodes(timecode: str, frames: int, rate: Fraction, expected: str | None) -> None:
    """As SMPTE ST 12-1 counts: two numbers are dropped each minute but the tenth (four at 59.94)."""
    assert moved_timecode(timecode, frames, rate) == expected


def test_another_rate_keeps_the_second() -> None:
    """The number of the frame is scaled."""
    assert at_other_rate("10:20:30:20", Fraction(25), Fraction(10)) == "10:20:30:08"
    assert at_other_rate("10:20:30;20", NTSC, Fraction(25)) == "10:20:30:16"


def timecode_of(path: Path) -> str:
    command = ["ffprobe", "-v", "error", "-show_entries", "stream_tags=timecode", "-of", "csv=p=0", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0].strip(",")


@pytest.mark.skipif(which("ffprobe") is None, reason="ffprobe reads the timecode, and is not installed")
@pytest.mark.parametrize(
    ("name", "start", "options", "expected"),
    [
        ("a.mov", 0.0, {}, "10:20:30:12"),
        ("a.mov", 0.2, {}, "10:20:30:17"),
        ("a.mp4", 0.2, {}, "10:20:30:17"),
        ("a.mov", 0.55, {}, "10:20:31:01"),
        ("a.mov", 0.2, {"rate": 10}, "10:20:30:6"),
    ],
)
def test_a_part_begins_at_its_own_timecode(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, start: float, options: Any, expected: str
) -> None:
    """--start moves it by as many frames; its track is not called left out."""
    film = write_clip(tmp_path / "film.mp4", [scene(i) for i in range(20)], [i * 40 for i in range(20)])
    source = tmp_path / "s.mov"
    subprocess.run(["ffmpeg", "-v", "error", "-i", film, "-c", "copy", "-timecode", "10:20:30:12", source], check=True)
    with (
        caplog.at_level("INFO", "livestyle"),
        closing(VideoSource(source, start=start)) as frames,
        closing(VideoSink(tmp_path / name, frames.info, **options)) as sink,
    ):
        for frame in frames:
            sink.write(frame)
    assert timecode_of(tmp_path / name) == expected
    assert "left out" not in caplog.text or "pictures of" in caplog.text
