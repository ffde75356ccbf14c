"""Varying frame rates in containers that know a constant one only: every picture has its frame, or is counted."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests_media import frames_of, write_clip

from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource


def grey(index: int) -> Any:
    return np.full((48, 64, 3), 10 * index, np.uint8)


def film(path: Path, times: list[int]) -> Path:
    return write_clip(path, [grey(i) for i in range(len(times))], times, options={"crf": "1"})


def styled(source: Path, target: Path, **options: Any) -> Path:
    with closing(VideoSource(source)) as frames, closing(VideoSink(target, frames.info, **options)) as sink:
        for frame in frames:
            sink.write(frame)
    return target


def shown(path: Path) -> list[int]:
    """Which pictures are shown, each once, in order."""
    seen = [round(float(frame.to_ndarray(format="rgb24").mean()) / 10) for _, frame in frames_of(path)]
    return [value for at, value in enumerate(seen) if at == 0 or value != seen[at - 1]]


@pytest.mark.parametrize("name", ["s.mp4", "s.mkv"])
@pytest.mark.parametrize(
    "times",
    [[*range(0, 400, 40), *range(4000, 4400, 40)], [0, 40, 80, 200, 240, 1000, 1040], list(range(0, 800, 40))],
    ids=["two bursts", "gaps", "constant"],
)
def test_avi_shows_every_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, times: list[int]) -> None:
    """At the rate of the closest ones, repeated over the gaps; the length stays."""
    target = styled(film(tmp_path / name, times), tmp_path / "a.avi")
    assert shown(target) == list(range(len(times)))
    last = frames_of(target)[-1][0]
    assert abs(float(last) - times[-1] / 1000) < 0.09
    assert "left out" not in caplog.text


def test_pictures_that_come_too_quickly_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ten of twenty at half the rate, and in GIF those beyond a hundred a second."""
    styled(film(tmp_path / "s.mp4", list(range(0, 800, 40))), tmp_path / "a.mp4", rate=12.5)
    assert re.search("(9|10) of 20 pictures", caplog.text)  # as halves of a tick are rounded
    caplog.clear()
    styled(film(tmp_path / "q.mp4", list(range(0, 80, 4))), tmp_path / "a.gif")
    assert "pictures of" in caplog.text
