"""Every sink keeps livestyle.protocols.Sink's promises. A new one is one more line in SINKS."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests_media import scene

from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.protocols import Sink
from livestyle.sinks.files.photo import PhotoSink
from livestyle.sinks.files.video import VideoSink

INFO = StreamInfo(name="test", size=(96, 64), time_base=Fraction(1, 1000), rate=Fraction(25))

# name -> (a function of the folder that opens the sink, how many frames it takes)
SINKS: dict[str, tuple[Callable[[Path], Sink], int]] = {
    "mp4": (lambda folder: VideoSink(folder / "a.mp4", INFO), 3),
    "mkv": (lambda folder: VideoSink(folder / "a.mkv", INFO), 3),
    "avi": (lambda folder: VideoSink(folder / "a.avi", INFO), 3),
    "HEIC": (lambda folder: PhotoSink(folder / "a.heic", None), 1),
    "photo": (lambda folder: PhotoSink(folder / "a.png", None), 1),
}


@pytest.fixture(params=SINKS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    open_sink, count = SINKS[request.param]
    sink = open_sink(tmp_path)
    yield sink, count
    sink.close()


def frame(index: int) -> Frame:
    return Frame(read_only(scene(index)), index * 40, 0.0)


def test_it_is_a_sink(opened: tuple[Sink, int]) -> None:
    """It has the protocol's members, and is open."""
    assert isinstance(opened[0], Sink)
    assert not opened[0].closed


def test_frames_are_taken_and_the_output_finished(opened: tuple[Sink, int], tmp_path: Path) -> None:
    """After close there is one finished output, and closing again is fine."""
    sink, count = opened
    for index in range(count):
        sink.write(frame(index))
        sink.idle()
    sink.close()
    sink.close()
    assert sink.closed
    assert [entry.stat().st_size > 0 for entry in tmp_path.iterdir()] == [True]
    assert not any(entry.name.startswith(".") for entry in tmp_path.iterdir())


def test_frames_are_not_changed_or_kept(opened: tuple[Sink, int]) -> None:
    """The pixels belong to the caller, who may reuse the memory as soon as write returns."""
    sink, _ = opened
    picture = scene()
    before = picture.copy()
    sink.write(Frame(read_only(picture), 0, 0.0))
    assert np.array_equal(picture, before)


def test_without_a_frame_nothing_is_left(opened: tuple[Sink, int], tmp_path: Path) -> None:
    """No empty file, no temporary one."""
    opened[0].close()
    assert list(tmp_path.iterdir()) == []
