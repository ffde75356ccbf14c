"""Interlaced files become whole frames, and it is said."""

from __future__ import annotations

import logging
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livestyle.media.pyav import av, open_output
from livestyle.sources.files.video import VideoSource

SIZE = (96, 64)


def field(moment: int) -> Any:
    """A white bar that moves by 6 pixels a field."""
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    picture[:, 10 + 6 * moment : 30 + 6 * moment] = 255
    return picture


def interlaced(path: Path, codec: str, marked: bool = True, progressive: int = 0) -> Path:
    """Eight frames, top field first; the first `progressive` of them are whole pictures."""
    with open_output(path, None, {}) as output:
        options = {"flags": "+ildct+ilme"} if marked else {}
        if codec == "libx264":
            options |= {"crf": "5", "x264-params": "tff=1"} if marked else {"crf": "5"}
        stream = output.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        stream.codec_context.bit_rate = 2_000_000
        for index in range(8):
            woven = field(2 * index % 10)
            woven[1::2] = field((2 * index + 1) % 10)[1::2]
            frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def combs(pixels: Any) -> float:
    """Mean difference of each line to the one above it."""
    return float(np.abs(np.diff(pixels.astype(int), axis=0)).mean())


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.ts", "mpeg2video"), ("a.avi", "mpeg4")]
)
def test_marked_fields_become_whole_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, codec: str
) -> None:
    """One frame for each, at its own time, without combs; `no` keeps them; either is one warning."""
    source = interlaced(tmp_path / name, codec)
    read: dict[str, list[Any]] = {}
    for wanted in ("auto", "no"):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "livestyle"), closing(VideoSource(source, deinterlace=wanted)) as frames:
            read[wanted] = list(frames)
        assert caplog.text.count("is interlaced") == 1
    assert [frame.pts for frame in read["auto"]] == [frame.pts for frame in read["no"]]
    assert len(read["auto"]) == 8
    for whole, woven in zip(read["auto"], read["no"], strict=True):
        assert combs(woven.pixels) > 10
        assert combs(whole.pixels) < combs(woven.pixels) / 3
        assert abs(whole.pixels.mean() - woven.pixels.mean()) < 3


def test_unmarked_fields_become_whole_frames_on_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files that lost the mark: `yes` joins the fields, `auto` sees a progressive file."""
    source = interlaced(tmp_path / "a.mp4", "libx264", marked=False)
    with closing(VideoSource(source, deinterlace="yes")) as frames:
        assert max(combs(frame.pixels) for frame in frames) < 5
    with closing(VideoSource(source)) as frames:
        assert min(combs(frame.pixels) for frame in frames) > 10
    assert "interlaced" not in caplog.text


def test_a_part_of_an_interlaced_file_begins_where_it_should(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """--start counts as without the filter, and what is interlaced is said once, not at each place that is tried."""
    source = interlaced(tmp_path / "a.mp4", "libx264")
    with closing(VideoSource(source, start=0.12)):
        assert caplog.text.count("is interlaced") == 1
    with closing(VideoSource(source, start=0.12)) as part, closing(VideoSource(source)) as whole:
        expected = [frame.pts for frame in whole if frame.pts * whole.info.time_base >= Fraction(12, 100)]
        assert [frame.pts for frame in part] == expected
