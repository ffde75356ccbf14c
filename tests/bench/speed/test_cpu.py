"""livestyle-bench speed on the CPU, on tiny frames: its figures are not tested; that they are of the right thing is."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from livestyle.bench.cli import bench
from livestyle.bench.speed.color import in_turns
from livestyle.bench.speed.files import by_ffmpeg, made_clip
from livestyle.bench.speed.live import RATE, MadeCamera, made_pictures
from livestyle.bench.speed.peers import BYTES, FLOAT, FFmpegLut, opencolorio, write_cube
from livestyle.bench.speed.timing import Timing, draw
from livestyle.errors import LivestyleError, StyleError, UsageError
from livestyle.frame import REGIONS
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice
from livestyle.sources.files.video import VideoSource


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 160 x 90 pixels and 0.4 s, as the bench makes its own."""
    return made_clip(tmp_path_factory.mktemp("clip"), (160, 90), 0.4)


def test_every_part_is_measured_and_written_down(clip: Path, tmp_path: Path) -> None:
    """One run measures all parts and writes to JSON what it prints.

    Ratios are those of the times beside them, processor time is told by stage, and frames dropped live count only after
    the first second.
    """
    out = tmp_path / "speed.json"
    run = CliRunner().invoke(bench, ["speed", "--quick", "--clip", str(clip), "--out", str(out)])
    assert run.exit_code == 0, run.output
    figures = json.loads(out.read_text("utf-8"))
    lines = {line["what"]: line for line in figures["lines"]}
    for what in ("livestyle: table, mask, blend, noise", f"livestyle: files, {clip.name}", "livestyle: --version"):
        assert lines[what]["ms"] > 0
    ours, theirs = lines[f"livestyle: files, {clip.name}"], lines[f"FFmpeg: decode, lut3d, encode, {clip.name}"]
    assert ours["ratio"] == pytest.approx(ours["ms"] / theirs["ms"])
    stages = [what for what in lines if "processor time" in what]
    assert {what.split(", ")[1] for what in stages} >= {"decode", "model", "masks: edges", "colours", "encode"}
    live = figures["live"]
    assert live["frames_in"] == 2 * RATE
    assert live["dropped_after_1_s"] == len(live["dropped_at_s"]) <= live["dropped"]
    assert all(1 <= at < 2 for at in live["dropped_at_s"])
    assert all(what in run.output for what in lines)


def test_a_part_that_is_none_is_an_error() -> None:
    """A part that does not exist is a UsageError with its name."""
    with pytest.raises(UsageError, match="sound"):
        CliRunner().invoke(bench, ["speed", "--parts", "color,sound"], catch_exceptions=False)


def test_the_peers_apply_the_table_they_are_given(tmp_path: Path) -> None:
    """Tetrahedral interpolation as ours, to a step of 8 bits; each axis is mapped its own way, so an exchange shows."""
    lut = Lut3D(np.stack([lattice(17)[..., 0] ** 2, 1 - lattice(17)[..., 1], lattice(17)[..., 0] / 2], axis=-1))
    (tmp_path / "it's a: folder").mkdir()
    cube = tmp_path / "it's a: folder" / "t.cube"
    write_cube(Look((lut,) * len(REGIONS)), cube)
    pixels = np.random.default_rng(0).integers(0, 256, (36, 64, 3), np.uint8)
    right = 255 * lut.apply(pixels / 255)
    assert np.abs(opencolorio(cube)(pixels) - right).max() <= 1
    for layout in (FLOAT, BYTES):
        filtered = FFmpegLut(cube, (64, 36), layout)
        given = filtered.frame(pixels)
        scale = 255 if layout == FLOAT else 1
        assert np.abs(scale * filtered(given).to_ndarray() - right).max() <= 1.01  # FFmpeg truncates 8 bits


def test_ffmpeg_styles_every_frame_of_the_file(clip: Path, tmp_path: Path) -> None:
    """The peer that we compare with does the same work: all frames of the clip, through the table, which makes
    negatives here."""
    write_cube(Look((Lut3D(1 - lattice(9)),) * len(REGIONS)), tmp_path / "negative.cube")
    by_ffmpeg(clip, tmp_path / "out.mp4", tmp_path / "negative.cube")
    with closing(VideoSource(clip)) as before, closing(VideoSource(tmp_path / "out.mp4")) as after:
        pairs = list(zip(before, after, strict=True))
    assert len(pairs) == 12
    for one, other in pairs:
        assert np.abs(255 - one.pixels.astype(int) - other.pixels).mean() < 6  # coding, 4:2:0


def test_works_are_done_in_turns_and_the_first_round_does_not_count() -> None:
    """In each round every contender has a turn, so that what else the machine does slows all of them alike; a first
    round warms up."""
    done: list[str] = []
    taken = in_turns({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 3)
    assert done == ["a", "b"] * 4
    assert [len(seconds) for seconds in taken.values()] == [3, 3]


def test_a_timing_is_of_the_median() -> None:
    """Time and ratio are those of the median, which one slow round does not move; what is slow shows in the 95th
    percentile."""
    timing = Timing.of("x", (2, 1), [0.001, 0.002, 0.009], 0.004, "y")
    assert (timing.ms, timing.ratio) == (pytest.approx(2), pytest.approx(0.5))
    assert 2 < timing.p95_ms < 9
    assert "0.50 x y" in timing.line()


def test_ratios_are_drawn(tmp_path: Path) -> None:
    """`draw` writes a picture from timings of which some have no ratio."""
    pytest.importorskip("matplotlib")
    timings = [Timing("livestyle", (1280, 720), 1, 2, 0.5, "FFmpeg"), Timing("x", (0, 0), 1, 2, None, "")]
    draw(timings, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--plot", "p.nothing"], "p.nothing"),
        (["--out", "nowhere/s.json"], "nowhere"),
        (["--style", "none.cube"], "none"),
    ],
)
def test_what_cannot_end_well_is_refused_before_anything_is_measured(options: list[str], said: str) -> None:
    """A plot, an output or a style that cannot work is an error at once, not after minutes of measuring."""
    if "--plot" in options:
        pytest.importorskip("matplotlib", reason="plots need the extra train")
    with pytest.raises(LivestyleError, match=said):
        CliRunner().invoke(bench, ["speed", "--quick", *options], catch_exceptions=False)


def test_a_style_that_changes_nothing_has_no_table(tmp_path: Path) -> None:
    """A style without a LUT leaves the peers nothing to do, so there is no comparison: a StyleError."""
    with pytest.raises(StyleError, match="nothing"):
        write_cube(Look((None,) * len(REGIONS)), tmp_path / "t.cube")


def test_the_made_camera_sends_each_frame_once() -> None:
    """The camera that live runs are measured with sends RATE frames for each second, each once, at its exact time and
    at 720p; a frame that is missing was then dropped by us."""
    camera = MadeCamera(made_pictures(0.1), 0.2)
    frames = list(camera)
    assert [frame.pts for frame in frames] == [round(n / RATE * 1e6) for n in range(6)]
    assert frames[0].pixels.shape == (720, 1280, 3)


def test_a_closed_camera_sends_nothing_more() -> None:
    """`close` ends the iteration at once, so that a run which is stopped does not last its full minute."""
    camera = MadeCamera(made_pictures(0.1), 60.0)
    frames = []
    for frame in camera:
        frames.append(frame)
        camera.close()
    assert len(frames) == 1
