"""The marks of 360° and stereo video are carried, and the file around them stays whole."""

from __future__ import annotations

import logging
import subprocess
from contextlib import closing
from pathlib import Path
from shutil import which

import pytest
from tests_media import scene, write_clip

from livestyle.media.mp4_boxes import Marks, read_marks, write_marks
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource

pytestmark = pytest.mark.skipif(which("ffprobe") is None, reason="ffprobe reads the marks, and is not installed")


def box(kind: bytes, payload: bytes) -> bytes:
    return (len(payload) + 8).to_bytes(4, "big") + kind + payload


STEREO = box(b"st3d", bytes([0, 0, 0, 0, 1]))  # top and bottom
SPHERE = box(
    b"sv3d",
    box(b"svhd", b"\0\0\0\0test\0") + box(b"proj", box(b"prhd", bytes(4 + 12)) + box(b"equi", bytes(4 + 16))),
)
XML = b"<rdf:SphericalVideo><GSpherical:Spherical>true</GSpherical:Spherical></rdf:SphericalVideo>"
OLD = box(b"uuid", bytes.fromhex("ffcc8263f8554a938814587a02521fdd") + XML)


def film(path: Path, *, front: bool = True) -> Path:
    return write_clip(
        path, [scene(i) for i in range(8)], [i * 40 for i in range(8)], sound=True,
        muxer={"movflags": "+faststart"} if front else {},
    )  # fmt: skip


def seen(path: Path) -> str:
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
               "stream_side_data=side_data_type,projection,type", "-of", "compact", path]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def decoded(path: Path) -> str:
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("front", [True, False], ids=["index in front", "index at the end"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_marks_are_seen_and_nothing_else_changes(tmp_path: Path, name: str, front: bool) -> None:
    """ffprobe sees a stereo sphere; ffmpeg decodes the same pictures and sound at the same times."""
    path = film(tmp_path / name, front=front)
    before = decoded(path)
    assert write_marks(path, Marks(STEREO + SPHERE, OLD))
    assert "equirectangular" in seen(path)
    assert "Stereo 3D" in seen(path)
    assert decoded(path) == before
    assert read_marks(path, 1) == Marks(STEREO + SPHERE, OLD)
    assert read_marks(path, 2) == Marks()


@pytest.mark.parametrize("marks", [Marks(STEREO + SPHERE), Marks(b"", OLD)], ids=["version 2", "version 1"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_styled_film_is_marked_as_its_source(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, marks: Marks
) -> None:
    """In MP4 and MOV; elsewhere the loss is said."""
    source = film(tmp_path / "s.mp4")
    write_marks(source, marks)
    with (
        caplog.at_level(logging.WARNING, "livestyle"),
        closing(VideoSource(source)) as frames,
        closing(VideoSink(tmp_path / name, frames.info)) as sink,
    ):
        for frame in frames:
            sink.write(frame)
    assert ("marked as 360" in caplog.text) == (name == "a.mkv")
    assert read_marks(tmp_path / name, 1) == (Marks() if name == "a.mkv" else marks)
    assert decoded(tmp_path / name).count("\n0,") == 8


def test_marks_in_matroska_are_said_to_be_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """FFmpeg copies them there; they cannot be taken from there."""
    source = film(tmp_path / "s.mp4")
    write_marks(source, Marks(SPHERE))
    subprocess.run(["ffmpeg", "-v", "error", "-i", source, "-c", "copy", tmp_path / "s.mkv"], check=True)
    assert "equirectangular" in seen(tmp_path / "s.mkv")
    with (
        closing(VideoSource(tmp_path / "s.mkv")) as frames,
        closing(VideoSink(tmp_path / "a.mp4", frames.info)) as sink,
    ):
        for frame in frames:
            sink.write(frame)
    assert "marked as 360" in caplog.text


def test_files_of_other_kinds_have_no_marks(tmp_path: Path) -> None:
    """Noise, an empty file, a box without an end."""
    for data in (b"", b"noise" * 50, box(b"ftyp", b"isom") + b"\0\0\0\4moov"):
        (tmp_path / "x.mp4").write_bytes(data)
        assert read_marks(tmp_path / "x.mp4", 1) == Marks()
        assert not write_marks(tmp_path / "x.mp4", Marks(STEREO))
        assert (tmp_path / "x.mp4").read_bytes() == data
