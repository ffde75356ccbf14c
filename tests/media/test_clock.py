"""Clocks that jump back, leap ahead, wrap or begin late: every picture at its time, and nothing called damaged."""

from __future__ import annotations

import logging
import subprocess
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from shutil import which

import pytest
from tests_media import scene, write_clip

from livestyle.errors import DecodeError
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource

pytestmark = pytest.mark.skipif(which("ffmpeg") is None, reason="the tests compare with ffmpeg, which is not installed")

STEP = 0.04


def film(path: Path, frames: int = 25) -> Path:
    return write_clip(path, [scene(i) for i in range(frames)], [i * 40 for i in range(frames)], sound=True)


def ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", *map(str, arguments)], check=True)


def shifted(source: Path, target: Path, seconds: float) -> Path:
    ffmpeg("-i", source, "-map", "0", "-c", "copy", "-output_ts_offset", seconds, "-muxdelay", 0, target)
    return target


def joined(folder: Path, *offsets: float, kind: str = "ts") -> Path:
    """The same second once for each offset, one after the other in one file."""
    source = film(folder / "film.mp4")
    parts = [shifted(source, folder / f"{i}.{kind}", offset) for i, offset in enumerate(offsets)]
    (folder / f"joined.{kind}").write_bytes(b"".join(part.read_bytes() for part in parts))
    return folder / f"joined.{kind}"


def styled(source: Path, target: Path, **part: float) -> Path:
    with closing(VideoSource(source, **part)) as frames, closing(VideoSink(target, frames.info)) as sink:
        for frame in frames:
            sink.write(frame)
    return target


def times(path: Path, kind: str = "v") -> list[float]:
    command = ["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    lines = subprocess.run([*command, path], check=True, capture_output=True, text=True).stdout.split()
    return sorted(float(line.strip(",")) for line in lines)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(
    "offsets", [(10, 10), (100, 5), (5, 1000), (10, 10, 10), (95443.2,)],
    ids=["back", "far back", "ahead", "twice", "33 bits wrap"],
)  # fmt: skip
def test_a_clock_that_jumps_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, offsets: tuple[float, ...], name: str
) -> None:
    """Steps of 40 ms throughout, within a tick and the sound's own frame, as long as all parts; and it is said."""
    with caplog.at_level(logging.WARNING, "livestyle"):
        target = styled(joined(tmp_path, *offsets), tmp_path / name)
    video, sound = times(target), times(target, "a")
    assert len(video) == 25 * len(offsets)
    assert [after - before for before, after in pairwise(video)] == pytest.approx([STEP] * (len(video) - 1), abs=0.03)
    assert video[-1] - video[0] == pytest.approx(STEP * (len(video) - 1), abs=0.03 * len(offsets))
    assert max(after - before for before, after in pairwise(sound)) < 0.08
    assert abs((sound[-1] - sound[0]) - (video[-1] - video[0])) < 0.15
    assert ("clock of" in caplog.text) == (len(offsets) > 1)


def test_a_part_behind_a_jump_is_found(tmp_path: Path) -> None:
    """--start counts on the clock that goes on, for pictures and for sound."""
    source = joined(tmp_path, 10, 10)
    target = styled(source, tmp_path / "a.mp4", start=1.2, duration=0.4)
    assert len(times(target)) == pytest.approx(10, abs=1)
    assert times(target)[0] == pytest.approx(times(target, "a")[0], abs=0.05)


def test_sound_that_pauses_is_no_jump(tmp_path: Path) -> None:
    """Twelve seconds without sound in a transport stream whose pictures go on: the sound comes back in its place."""
    video = write_clip(tmp_path / "v.mp4", [scene(i) for i in range(30)], [i * 500 for i in range(30)])
    sound = tmp_path / "s.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=d=15,aselect='lt(t,1)+gt(t,13.5)'", "-c:a", "aac", sound)
    ffmpeg("-i", video, "-i", sound, "-c", "copy", tmp_path / "s.ts")
    target = styled(tmp_path / "s.ts", tmp_path / "a.mp4")
    assert times(target, "a")[-1] == pytest.approx(times(sound, "a")[-1], abs=0.1)
    assert times(target)[-1] == pytest.approx(14.5, abs=0.1)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mp4", "a.mov", "a.ts", "a.flv"])
def test_a_clock_that_begins_late_is_no_damage(tmp_path: Path, name: str) -> None:
    """Two seconds late, as cuts of recordings are."""
    source = film(tmp_path / "film.mp4")
    late = tmp_path / name
    codecs = ["-c:v", "libvpx", "-c:a", "libopus"] if name == "a.webm" else ["-c", "copy"]
    ffmpeg("-i", source, *codecs, "-output_ts_offset", 2, late)
    assert len(times(styled(late, tmp_path / "o.mkv"))) == 25


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_clock_that_begins_before_zero(tmp_path: Path, name: str) -> None:
    """By an edit list: what players show is styled, none at the time of another."""
    source = film(tmp_path / "film.mp4")
    early = tmp_path / "s.mov"
    ffmpeg("-i", source, "-c", "copy", "-output_ts_offset", -0.2, "-avoid_negative_ts", "disabled", early)
    seen = times(styled(early, tmp_path / name))
    assert len(seen) == len([time for time in times(early) if time >= 0]) == 20
    assert [after - before for before, after in pairwise(seen)] == pytest.approx([STEP] * 19, abs=0.002)


def test_a_header_that_announces_too_much_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """FLV and Matroska headers with 60 s: the whole second is styled."""
    source = film(tmp_path / "film.mp4")
    for name, mark in (("a.flv", b"duration\0"), ("a.mkv", b"\x44\x89\x88")):
        clip = tmp_path / name
        ffmpeg("-i", source, "-c", "copy", clip)
        data = bytearray(clip.read_bytes())
        at = data.index(mark) + len(mark)
        data[at : at + 8] = b"\x40\x4e\0\0\0\0\0\0" if name == "a.flv" else b"\x40\xed\x4c\0\0\0\0\0"  # 60, 60 000
        clip.write_bytes(data)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "livestyle"):
            assert len(times(styled(clip, tmp_path / f"{name}.mkv"))) == 25
        assert "announces 59" in caplog.text or "announces 58" in caplog.text


@pytest.mark.parametrize("name", ["a.flv", "a.mkv", "a.webm", "a.avi", "a.mp4", "a.asf"])
def test_a_file_that_is_cut_is_damaged(tmp_path: Path, name: str) -> None:
    """Its structure goes beyond its end: that is evidence, whatever else the header says."""
    source = film(tmp_path / "film.mp4", 50)
    codecs = {"a.webm": ["-c:v", "libvpx", "-c:a", "libopus"], "a.asf": ["-c:v", "wmv2", "-c:a", "wmav2"]}
    ffmpeg("-i", source, *codecs.get(name, ["-c", "copy"]), "-movflags", "+faststart", tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 6 // 10])
    with closing(VideoSource(tmp_path / name)) as frames, pytest.raises(DecodeError, match="damaged or cut short"):
        assert list(frames)
