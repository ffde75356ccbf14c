"""Which video of a file is styled, and what happens to covers."""

from __future__ import annotations

import io
import logging
import subprocess
from contextlib import closing
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests_media import scene, write_clip

from livestyle.media.pyav import Disposition, av, open_output
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource


def films(path: Path, *kinds: tuple[str, tuple[int, int], bool, int]) -> Path:
    """A file with a video for each (codec, size, marked as default, frames)."""
    with open_output(path, None, {}) as output:
        streams: list[Any] = []
        for codec, (width, height), default, _ in kinds:
            pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream = output.add_stream(codec, rate=25, width=width, height=height, pix_fmt=pixels)
            stream.disposition = Disposition.default if default else Disposition(0)
            streams.append(stream)
        for stream, (_, size, _, frames) in zip(streams, kinds, strict=True):
            for index in range(frames):
                frame = av.VideoFrame.from_ndarray(scene(index, size), format="rgb24").reformat(format=stream.pix_fmt)
                frame.pts = index
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return path


SMALL, LARGE = (64, 48), (128, 96)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([("mpeg4", SMALL, False, 5), ("mpeg4", LARGE, True, 5)], LARGE),
        ([("mpeg4", SMALL, True, 5), ("mpeg4", LARGE, False, 5)], SMALL),
        ([("mpeg4", SMALL, True, 5), ("mpeg4", LARGE, True, 5)], LARGE),
        ([("mjpeg", LARGE, True, 5), ("mpeg4", SMALL, False, 5)], LARGE),
    ],
    ids=["large default", "small default", "both", "Motion JPEG default"],
)
def test_the_default_video_is_styled_and_of_several_the_largest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, kinds: Any, expected: tuple[int, int]
) -> None:
    """As players choose; that the other one is left out is a warning."""
    source = films(tmp_path / f"s{Path(name).suffix}", *kinds)
    assert styled(source, tmp_path / name) == expected
    assert "one video is styled" in caplog.text
    assert sizes(tmp_path / name) == [expected]


def test_transport_streams_mark_no_default(tmp_path: Path) -> None:
    """The largest, then; as in Matroska, where none is marked."""
    for name, codec in (("s.ts", "mpeg2video"), ("s.mkv", "mpeg4")):
        source = films(tmp_path / name, (codec, SMALL, False, 5), (codec, LARGE, False, 5))
        assert styled(source, tmp_path / f"{name}.mp4") == LARGE


def styled(source: Path, target: Path) -> tuple[int, int]:
    with closing(VideoSource(source)) as frames, closing(VideoSink(target, frames.info)) as sink:
        for frame in frames:
            sink.write(frame)
        return frames.info.size


def sizes(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(stream.width, stream.height) for stream in container.streams.video]


def cover(kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), (200, 30, 30), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def with_cover(folder: Path, kind: str, *, marked: bool) -> Path:
    """An MP4 file with a cover as ffmpeg makes it: marked as one, or a stream of one picture."""
    film = write_clip(folder / "film.mp4", [scene(i) for i in range(5)], [i * 40 for i in range(5)])
    picture = folder / f"cover.{'jpg' if kind == 'JPEG' else 'png'}"
    picture.write_bytes(cover(kind))
    command = ["ffmpeg", "-v", "error", "-i", film, "-i", picture, "-map", "0", "-map", "1", "-c", "copy"]
    mark = ["-disposition:v:1", "attached_pic"] if marked else ["-disposition:v:1", "0"]
    subprocess.run([*command, *mark, folder / "s.mp4"], check=True)
    return folder / "s.mp4"


@pytest.mark.skipif(which("ffmpeg") is None, reason="ffmpeg makes the files, and is not installed")
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("marked", [True, False], ids=["marked", "a single picture"])
def test_covers_are_kept_bit_for_bit(tmp_path: Path, kind: str, marked: bool) -> None:
    """As a marked cover in MP4, as an attachment in Matroska; from either to either."""
    source = with_cover(tmp_path, kind, marked=marked)
    for name, start in (
        ("a.mp4", source),
        ("a.mkv", source),
        ("b.mkv", tmp_path / "a.mkv"),
        ("b.mp4", tmp_path / "a.mkv"),
    ):
        styled(start, tmp_path / name)
        with av.open(str(tmp_path / name)) as container:
            film, picture = container.streams.video
            assert not film.disposition & Disposition.attached_pic
            assert picture.disposition & Disposition.attached_pic
            assert next(bytes(packet) for packet in container.demux(picture)) == cover(kind)


@pytest.mark.skipif(which("ffmpeg") is None, reason="ffmpeg makes the files, and is not installed")
@pytest.mark.parametrize("name", ["a.mov", "a.webm", "a.avi", "a.ts"])
def test_where_a_cover_has_no_place_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """And no second film is made of it."""
    source = with_cover(tmp_path, "JPEG", marked=True)
    with caplog.at_level(logging.WARNING, "livestyle"):
        styled(source, tmp_path / name)
    assert "cover picture (stream 1) is left out" in caplog.text
    assert len(sizes(tmp_path / name)) == 1


def test_default_marks_stay(tmp_path: Path) -> None:
    """Matroska says of each stream whether it is shown by default: none is marked that was not."""
    source = films(tmp_path / "s.mkv", ("mpeg4", SMALL, False, 5))
    styled(source, tmp_path / "a.mkv")
    with av.open(str(source)) as before, av.open(str(tmp_path / "a.mkv")) as after:
        assert [stream.disposition for stream in after.streams] == [stream.disposition for stream in before.streams]
