"""Whole jobs: which source, stylist and sinks are put together, and what each sink gets."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livestyle import loop
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.session import Stop, play_file
from livestyle.settings import Settings
from livestyle.sinks.video import VideoSink
from livestyle.studio import Studio


class FakeWindow:
    """Keeps what it is shown; stands in for HighGUI, of which there may be none."""

    shown: list[Frame]
    closed = False

    def __init__(self, title: str, **_: Any) -> None:
        FakeWindow.shown = []

    def write(self, frame: Frame) -> None:
        self.shown.append(frame)

    def idle(self) -> None: ...

    def toast(self, text: str) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def _window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livestyle.sinks.window.Window", FakeWindow)


def test_a_long_frame_of_a_played_file_is_no_lost_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slide show holds each picture for seconds: no card may come between them."""
    monkeypatch.setattr(loop, "HOLD_AFTER_S", 0.1)
    path = tmp_path / "slides.mkv"
    info = StreamInfo("slides", (64, 48), Fraction(1, 10), Fraction(2))
    with closing(VideoSink(path, info)) as sink:
        for at in range(3):
            sink.write(Frame(read_only(np.full((48, 64, 3), 80 * at, np.uint8)), 5 * at, 0.0))
    settings = Settings(intensity=0.0)
    report = play_file(path, Studio(settings), settings, Stop())
    assert (report.frames_out, report.held) == (3, 0)
    assert len(FakeWindow.shown) == 3
