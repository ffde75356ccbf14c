"""The command line: what it refuses, how it says so, and the files it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import livestyle
from livestyle.cli.main import main
from livestyle.cli.outputs import name_in_folder
from livestyle.cli.parameter_types import StyleName
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.media.pyav import cv2
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource


def run(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.fixture(autouse=True)
def _own_config(tmp_path, monkeypatch):
    """No test reads or is changed by the configuration of the person who runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(
        "livestyle.cli.config_file.config_path", lambda: tmp_path / "config" / "livestyle" / "config.toml"
    )


def test_version(capsys):
    """`--version` and `livestyle.__version__` are what the installation says, which git's tags decide."""
    code, out, _ = run(capsys, "--version")
    assert (code, out) == (0, f"livestyle {metadata.version('livestyle')}\n")
    assert livestyle.__version__ == metadata.version("livestyle")


def test_help_names_every_option_of_the_main_job(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for option in ("--camera", "--virtual-camera", "--style", "--intensity", "--skin", "--json", "--demo", "--sync"):
        assert option in out


def test_nothing_to_do_is_a_usage_error(capsys):
    code, _, err = run(capsys)
    assert code == 2
    assert "nothing to style" in err


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "inf", "much"])
def test_an_intensity_out_of_range_is_refused(capsys, value):
    code, _, err = run(capsys, "x.mp4", "--intensity", value)
    assert code == 2
    assert "from 0 to 1" in err


@pytest.mark.parametrize("value", ["12x", "8x8", "axb", "1280*720"])
def test_a_size_that_is_none_is_refused(capsys, value):
    code, _, err = run(capsys, "x.mp4", "--size", value)
    assert code == 2
    assert "1280x720" in err


@pytest.mark.parametrize("value", ["-1", "1:x", "soon"])
def test_a_time_that_is_none_is_refused(capsys, value):
    assert run(capsys, "x.mp4", "--start", value)[0] == 2


def test_a_missing_file_is_an_input_error(capsys, tmp_path):
    code, _, err = run(capsys, tmp_path / "no.mp4", "-o", tmp_path / "out.mp4")
    assert code == 3
    assert "no.mp4" in err
    assert not (tmp_path / "out.mp4").exists()


def test_an_output_that_exists_is_refused_and_left_alone(capsys, tmp_path):
    (tmp_path / "in.mp4").write_bytes(b"x")
    (tmp_path / "out.mp4").write_bytes(b"precious")
    code, _, err = run(capsys, tmp_path / "in.mp4", "-o", tmp_path / "out.mp4")
    assert code == 2
    assert "-y" in err
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


def test_n_leaves_an_output_that_exists_and_succeeds(capsys, tmp_path):
    (tmp_path / "in.mp4").write_bytes(b"x")
    (tmp_path / "out.mp4").write_bytes(b"precious")
    code, _, _ = run(capsys, tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "-n")
    assert code == 0
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x.mp4", "-y", "-n"], "one of the two"),
        (["x.mp4", "-o", ""], "no name"),
        (["x.mp4", "--no-window"], "nowhere"),
        (["x.mp4", "-o", "y.mp4", "--window"], "without a window"),
        (["--camera", "0", "--start", "3"], "--start"),
        (["--camera", "0", "-o", "calls/"], "one file"),
        (["x.mp4", "-o", "y.mp4", "--max-latency", "50"], "--max-latency is for live runs"),
        (["--demo", "--max-cpu", "50"], "--max-cpu is for live runs"),
        (["--camera", "0", "--max-cpu", "0"], "from 1 to 100"),
        (["--camera", "0", "--max-latency", "-1"], "from 0 to 10000"),
        (["x.mp4", "--demo"], "its own picture"),
        (["x.mp4", "--start", "1:99"], "not a valid time"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(capsys, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.mp4").write_bytes(b"x")
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_a_folder_that_nothing_went_into_is_not_left_behind(capsys, tmp_path):
    code, _, _ = run(capsys, tmp_path / "missing.mp4", "-o", f"{tmp_path}/styled/")
    assert code == 3
    assert not (tmp_path / "styled").exists()


def test_style_names_complete_as_they_can_be_typed():
    names = [item.value for item in StyleName().shell_complete(None, None, "te")]
    assert names == ["teal-and-orange"]


def test_several_inputs_need_a_folder(capsys, tmp_path):
    code, _, err = run(capsys, tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert code == 2
    assert "-o FOLDER" in err


def test_a_folder_does_not_go_into_what_looks_like_a_file(capsys, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    code, _, err = run(capsys, tmp_path / "a.mp4", tmp_path / "b.mp4", "-o", tmp_path / "out.mp4")
    assert code == 2
    assert "several inputs" in err
    assert not (tmp_path / "out.mp4").exists()


def test_a_format_that_is_read_but_not_written_becomes_one_that_plays_everywhere():
    assert name_in_folder(Path("a/clip.wmv")) == "clip.mp4"
    assert name_in_folder(Path("a/photo.bmp")).startswith("photo.")
    assert name_in_folder(Path("a/clip.mov")) == "clip.mov"


def test_what_a_file_holds_decides_its_new_ending(tmp_path):
    """A moving PNG becomes a video, a still picture called .mp4 a photo."""
    moving, still = tmp_path / "a.png", tmp_path / "b.mp4"
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    frames[0].save(still, "JPEG")
    assert [name_in_folder(path) for path in (moving, still)] == ["a.mp4", "b.png"]


def test_two_inputs_of_one_name_are_refused_before_anything_is_written(capsys, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_bytes(b"x")
    code, _, err = run(capsys, tmp_path / "one" / "a.mp4", tmp_path / "two" / "a.mp4", "-o", f"{tmp_path}/out/")
    assert code == 2
    assert "both become" in err


def test_an_unknown_style_names_what_there_is(capsys, tmp_path):
    (tmp_path / "in.mp4").write_bytes(b"x")
    code, _, err = run(capsys, tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--style", "vivd")
    assert code == 3
    assert "vivid" in err.lower()


def test_a_configuration_key_that_is_no_option_is_refused_with_its_line(capsys, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('style = "vivid"\nintensty = 0.5\n', "utf-8")
    code, _, err = run(capsys, "--config", config, "x.mp4")
    assert code == 2
    assert f"{config}:2" in err
    assert "intensity" in err


def test_a_configuration_value_out_of_range_is_refused_as_on_the_command_line(capsys, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("intensity = 7\n", "utf-8")
    code, _, err = run(capsys, "--config", config, "x.mp4")
    assert code == 2
    assert f"{config}: intensity" in err


def test_budgets_of_the_configuration_file_are_for_live_runs_and_do_not_refuse_files(capsys, tmp_path):
    """On the command line they would; the file is the next thing that is wrong here."""
    config = tmp_path / "c.toml"
    config.write_text("max-latency = 50\nmax-cpu = 25\n", "utf-8")
    code, _, err = run(capsys, "--config", config, tmp_path / "no.mp4", "-o", tmp_path / "out.mp4")
    assert code == 3
    assert "no.mp4" in err


def test_the_configuration_file_of_the_platform_is_read(capsys, tmp_path):
    folder = tmp_path / "config" / "livestyle"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("intensity = 7\n", "utf-8")
    assert run(capsys, "x.mp4")[0] == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(capsys, shell):
    code, out, _ = run(capsys, "--completion", shell)
    assert code == 0
    assert "_LIVESTYLE_COMPLETE" in out


def test_completing_a_command_line_makes_no_folder(tmp_path):
    words = f"livestyle a.mp4 -o {tmp_path}/styled/ --st"
    environment = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": "4", "_LIVESTYLE_COMPLETE": "bash_complete"}
    program = "from livestyle.cli.main import main; main()"
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert "--style" in result.stdout
    assert not (tmp_path / "styled").exists()


def test_list_styles_as_json(capsys):
    code, out, _ = run(capsys, "--list-styles", "--json")
    styles = json.loads(out)
    assert code == 0
    assert len(styles) >= 16
    assert all(style["name"] and style["description"] for style in styles)


def test_list_devices_has_the_cpu(capsys):
    code, out, _ = run(capsys, "--list-devices")
    assert code == 0
    assert "cpu" in out


def test_the_module_runs_as_a_program():
    result = subprocess.run([sys.executable, "-m", "livestyle", "--version"], capture_output=True, text=True)
    assert result.returncode == 0


def styled_video(capsys, clip: Path, output: Path, *arguments) -> dict:
    code, out, err = run(capsys, clip, "-o", output, "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


def test_the_demonstration_overwrites_nobodys_files(capsys, tmp_path):
    pytest.importorskip("skimage", reason="the extra `demo` is not installed")
    (tmp_path / "clip.mp4").write_bytes(b"precious")
    code, _, err = run(capsys, "--demo", "-o", tmp_path)
    assert code == 2
    assert "-y" in err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"precious"


@pytest.fixture
def clip(tmp_path) -> Path:
    """Two seconds of moving colour, without a person: what the command line does does not depend on what it shows."""
    path = tmp_path / "clip.mp4"
    rng = np.random.default_rng(1)
    base = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    info = StreamInfo("clip", (160, 120), Fraction(1, 10), Fraction(10))
    with closing(VideoSink(path, info)) as sink:
        for at in range(20):
            sink.write(Frame(read_only(np.roll(base, at * 2, axis=1)), at, time.monotonic()))
    return path


def test_a_video_is_styled_and_reported(capsys, clip, tmp_path):
    report = styled_video(capsys, clip, tmp_path / "out.mp4", "--style", "vivid")
    assert (report["frames_in"], report["frames_out"], report["dropped"]) == (20, 20, 0)
    assert report["device"] == "cpu"
    assert report["masks"]["sync"] == "ahead"
    assert report["error"] is None
    assert [frame.pts for frame in decoded(tmp_path / "out.mp4")] == [frame.pts for frame in decoded(clip)]


def test_intensity_0_needs_no_masks_and_changes_nothing_before_encoding(capsys, clip, tmp_path):
    """Encoded without loss, the output decodes to the very pixels of the input."""
    report = styled_video(capsys, clip, tmp_path / "out.mkv", "--intensity", "0", "--codec", "libx264rgb", "--crf", "0")
    assert report["masks"]["masks"] == 0
    for before, after in zip(decoded(clip), decoded(tmp_path / "out.mkv"), strict=True):
        assert np.array_equal(before.pixels, after.pixels)


def test_start_and_duration_take_a_part(capsys, clip, tmp_path):
    report = styled_video(capsys, clip, tmp_path / "out.mp4", "--start", "0.5", "--duration", "0.6")
    assert report["frames_out"] == 6


def test_a_folder_is_styled_file_by_file_and_one_bad_file_costs_no_other(capsys, clip, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    clip.rename(folder / "clip.mp4")
    (folder / "broken.mp4").write_bytes(b"\0" * 100)
    code, out, err = run(capsys, folder, "-o", f"{tmp_path}/out/", "--json")
    assert code == 3
    assert "broken.mp4" in err
    assert (tmp_path / "out" / "clip.mp4").stat().st_size > 0
    assert not (tmp_path / "out" / "broken.mp4").exists()
    assert len(out.splitlines()) == 2


def test_a_run_looks_for_leftovers_once_a_folder(capsys, tmp_path, monkeypatch):
    """However many files it writes there: each look reads the whole folder."""
    folders = []
    monkeypatch.setattr("livestyle.sinks.files.rescue.leftovers", lambda folder: folders.append(folder) or [])
    pictures = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for picture in pictures:
        Image.new("RGB", (32, 32), "red").save(picture)
    assert run(capsys, *pictures, "-o", f"{tmp_path}/out/")[0] == 0
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert folders == [tmp_path / "out"]


def test_a_file_run_removes_the_unfinished_file_of_another(capsys, tmp_path):
    """One that was killed; nobody holds its lock."""
    (tmp_path / ".old.mp4.part-01234567.mp4").write_bytes(b"half a film")
    Image.new("RGB", (32, 32), "red").save(tmp_path / "a.png")
    assert run(capsys, tmp_path / "a.png", "-o", tmp_path / "b.png")[0] == 0
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.is_file()) == ["a.png", "b.png"]


def test_a_truncated_video_keeps_what_there_is_and_says_so(capsys, clip, tmp_path):
    cut = tmp_path / "cut.mkv"
    whole = tmp_path / "whole.mkv"
    styled_video(capsys, clip, whole, "--intensity", "0", "--crf", "0")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    code, out, err = run(capsys, cut, "-o", tmp_path / "out.mp4", "--json")
    report = json.loads(out)
    assert code == 4
    assert 0 < report["frames_out"] < 20
    assert report["error"] in err
    assert len(decoded(tmp_path / "out.mp4")) == report["frames_out"]


def test_a_photo_is_styled(capsys, tmp_path):
    rng = np.random.default_rng(2)
    picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "in.png"), picture)
    report = styled_video(capsys, tmp_path / "in.png", tmp_path / "out.png", "--style", "stark-mono")
    after = cv2.imread(str(tmp_path / "out.png"))
    assert report["frames_out"] == 1
    assert after.shape == picture.shape
    assert not np.array_equal(after, picture)


def test_without_a_display_playing_says_what_to_do(clip):
    """A window cannot be opened over ssh: one sentence, exit code 5, not an abort in a library."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if sys.platform != "linux":
        pytest.skip("only Linux runs without a display server")
    result = subprocess.run(
        [sys.executable, "-m", "livestyle", str(clip)], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 5
    assert "Traceback" not in result.stderr
    assert "-o" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_with_130_and_a_playable_file(clip, tmp_path):
    """Interrupted in mid-file, the output holds the frames so far under its final name."""
    long = tmp_path / "long.mkv"
    info = StreamInfo("long", (320, 240), Fraction(1, 30), Fraction(30))
    with closing(VideoSink(long, info)) as sink:
        for at in range(3000):
            sink.write(Frame(read_only(np.full((240, 320, 3), at % 256, np.uint8)), at, time.monotonic()))
    output = tmp_path / "out.mp4"
    process = subprocess.Popen([sys.executable, "-m", "livestyle", str(long), "-o", str(output)])
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob(".*out*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert 0 < len(decoded(output)) < 3000
    assert not list(tmp_path.glob(".*out*"))


def decoded(path: Path) -> list[Frame]:
    with closing(VideoSource(path)) as source:
        return list(source)
