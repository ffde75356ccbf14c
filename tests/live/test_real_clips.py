"""Real recordings of people through the command line, where they are beside the project; they are not part of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livestyle.cli.main import main
from livestyle.frame import Frame
from livestyle.sources.files.video import VideoSource

CLIPS = Path(__file__).parents[2].parent / "shared" / "clips"
SIZES = {
    "sign_book.mkv": (640, 480),  # full-range H.264, a face, arms and hands
    "walk_through.mp4": (768, 432),  # BT.601, people who walk in and out
    "face-demographics-walking.gif": (480, 270),
}
PART = 1.0  # seconds


@pytest.fixture(params=SIZES)
def clip(request: pytest.FixtureRequest) -> Path:
    path = CLIPS / request.param
    if not path.exists():
        pytest.skip(f"the clip {request.param} is not beside the project")
    return path


Style = Callable[..., dict[str, Any]]


@pytest.fixture
def style(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Style:
    """Styles the first second with some options; gives the report."""
    monkeypatch.setattr("livestyle.cli.config_file.config_path", lambda: tmp_path / "none.toml")

    def run(clip: Path, output: Path, *options: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as stop:
            main([str(clip), "-o", str(output), "--duration", str(PART), "--json", "--quiet", *options])
        said = capsys.readouterr()
        assert not stop.value.code, said.err
        return dict(json.loads(said.out))

    return run


def frames(path: Path, duration: float | None = None) -> list[Frame]:
    with closing(VideoSource(path, duration=duration)) as source:
        return list(source)


def seconds(path: Path, duration: float | None = None) -> list[Fraction]:
    with closing(VideoSource(path, duration=duration)) as source:
        return [frame.pts * source.info.time_base for frame in source]


def test_the_first_second_is_styled_frame_by_frame(clip: Path, tmp_path: Path, style: Style) -> None:
    """As many frames, each at its own time, of the same size, and in other colours."""
    output = tmp_path / "out.mkv"
    report = style(clip, output, "--style", "stark-mono", "--intensity", "1")
    before, after = frames(clip, PART), frames(output)
    assert report["frames_in"] == report["frames_out"] == len(before) == len(after) > 1
    assert (report["dropped"], report["held"]) == (0, 0)
    # One in 0.1 s, or in a frame's own time.
    assert min(len(before), 10 * PART) - 1 <= report["masks"]["masks"] <= min(len(before), 10 * PART + 2)
    assert seconds(output) == seconds(clip, PART)
    width, height = SIZES[clip.name]
    for one, other in zip(before, after, strict=True):
        assert one.pixels.shape == other.pixels.shape == (height, width, 3)
        changed = np.abs(one.pixels.astype(int) - other.pixels).max(axis=2) > 24  # beyond what encoding does
        assert changed.mean() > 0.02


def test_intensity_0_changes_no_pixel(clip: Path, tmp_path: Path, style: Style) -> None:
    """FFV1 keeps RGB without loss, so what was decoded comes back to the bit."""
    output = tmp_path / "out.mkv"
    report = style(clip, output, "--intensity", "0", "--codec", "ffv1")
    assert report["masks"]["masks"] == 0
    for one, other in zip(frames(clip, PART), frames(output), strict=True):
        assert np.array_equal(one.pixels, other.pixels)
