"""Whole jobs: which source, stylist and sinks are put together, and what each sink gets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from tests_devices import Driver, Recorder

from livestyle import loop
from livestyle.cli.main import main
from livestyle.current_style import CurrentStyle
from livestyle.errors import UsageError
from livestyle.frame import Frame, PlaneWeights, StreamInfo, read_only
from livestyle.job import AWAY
from livestyle.media.hold_card import hold_card
from livestyle.media.pyav import cv2
from livestyle.session import play_file, run_camera
from livestyle.settings import Settings
from livestyle.sinks.files.video import VideoSink
from livestyle.sources import camera, live_source
from livestyle.sources.files.video import VideoSource
from livestyle.system.stop import Stop

WAIT_S = 60.0  # generous: only a hang makes a test wait for it
SIZE = (64, 48)
RAW = (200, 120, 20)  # RGB of every pixel of the camera: far from the greys of the style and of the card
MONO = Settings(style="stark-mono", intensity=1.0, window=False)
EXACT = 1.0  # levels: the grade's rounding of weights that are 1 only nearly
ENCODED = 6.0  # levels, mean over the picture: what 4:2:0 and H.264 do to flat colours and to the card's letters


class FakeWindow:
    """Keeps what it is shown; stands in for HighGUI, of which there may be none."""

    last: ClassVar[FakeWindow]

    def __init__(
        self, title: str, *, on_command: Callable[[str], None], status: Callable[[], str], mirror: bool
    ) -> None:
        self.press, self.status, self.mirror = on_command, status, mirror
        self.shown: list[Frame] = []
        self.toasts: list[str] = []
        self.closed = False
        FakeWindow.last = self

    def write(self, frame: Frame) -> None:
        self.shown.append(frame)

    def idle(self) -> None: ...

    def toast(self, text: str) -> None:
        self.toasts.append(text)

    def close(self) -> None:
        self.closed = True


class Backdrop:
    """A segmenter that finds the background and nothing else, or fails."""

    classes = ("background",)
    regions = MappingProxyType({"background": "background"})
    input_size = (16, 16)
    device = "cpu"

    def __init__(self) -> None:
        self.fails = False

    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> PlaneWeights:
        if self.fails:
            raise RuntimeError("the model stumbled")
        return np.ones((1, 12, 16), np.float32)


class Play(Stop):
    """(condition, what to do then) pairs, gone through by the loop as it asks whether to stop: yes, after the last."""

    def __init__(self, *acts: tuple[Callable[[], bool], Callable[[], object]]) -> None:
        super().__init__()
        self.acts = list(acts)
        self.end = time.monotonic() + WAIT_S

    def __call__(self) -> bool:
        assert time.monotonic() < self.end, f"timed out; {len(self.acts)} acts to go"
        while self.acts and self.acts[0][0]():
            self.acts.pop(0)[1]()
        return self.asked or not self.acts


def nothing() -> None: ...


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def _window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livestyle.sinks.preview.window.Window", FakeWindow)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """The only camera there is. No card is sent for a pause that a busy machine makes."""
    driver = Driver(SIZE)
    driver.color = RAW[::-1]
    monkeypatch.setattr(cv2, "VideoCapture", driver)
    monkeypatch.setattr(loop, "HOLD_AFTER_S", WAIT_S)
    yield driver
    driver.flowing.set()


@pytest.fixture
def impatient(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the camera as in life, only shorter."""
    monkeypatch.setattr(live_source, "_LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(loop, "HOLD_AFTER_S", 0.3)
    monkeypatch.setattr(loop, "HOLD_EVERY_S", 0.05)


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> Backdrop:
    segmenter = Backdrop()
    monkeypatch.setattr("livestyle.current_style.open_segmenter", lambda *_, **__: segmenter)
    return segmenter


class Device:
    """The virtual camera that livestyle opened, as the programs that read it see it."""

    def shows(self, kind: str, count: int = 1) -> Callable[[], bool]:
        """Whether the newest `count` pictures are of `kind`."""
        return lambda: self.kinds()[-count:] == [kind] * count

    def kinds(self) -> list[str]:
        return [kind_of(picture, EXACT) for picture in self.pictures()]

    def pictures(self) -> list[np.ndarray]:
        frames = Recorder.opened[0].frames if Recorder.opened else []
        return [frame.reshape(SIZE[1], SIZE[0], 3) for frame in frames]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    """The only backend that pyvirtualcam has."""
    module = pytest.importorskip("pyvirtualcam.camera")
    monkeypatch.setattr(Recorder, "opened", [])
    monkeypatch.setattr(module, "BACKENDS", {"recorder": Recorder})
    return Device()


def kind_of(picture: np.ndarray, tolerance: float) -> str:
    """RAW where any pixel is the camera's own; else styled, card or neither, by the mean distance in levels.

    The mean, because encoding blurs the card's letters.
    """
    pixels = picture.astype(int)
    if (pixels[..., 0] - pixels[..., 2]).max() > (RAW[0] - RAW[2]) / 2:
        return "RAW"
    if np.abs(pixels - MONO_GREY).mean() <= tolerance:
        return "styled"
    return "card" if np.abs(pixels - hold_card(SIZE, AWAY)).mean() <= tolerance else "neither"


def applied(style: CurrentStyle) -> np.ndarray:
    """The camera's picture in its style, as background."""
    weights = np.zeros((4, 2, 2), np.float32)
    weights[0] = 1
    return style.grade()(np.full((SIZE[1], SIZE[0], 3), RAW, np.uint8), weights)


def fresh(count: int = 2) -> Callable[[], bool]:
    """Whether `count` frames were shown since the first time that this was asked: the ones before came too early."""
    begun: list[int] = []

    def enough() -> bool:
        shown = len(FakeWindow.last.shown)
        begun[:] = begun or [shown]
        return shown >= begun[0] + count

    return enough


MONO_GREY = applied(CurrentStyle(MONO))[0, 0].astype(int)


def recorded_kinds(path: Path) -> list[str]:
    with closing(VideoSource(path)) as source:
        return [kind_of(frame.pixels, ENCODED) for frame in source]


# A file in a window


def test_a_long_frame_of_a_played_file_is_no_lost_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slide show holds each picture for seconds: no card may come between them."""
    monkeypatch.setattr(loop, "HOLD_AFTER_S", 0.1)
    path = tmp_path / "slides.mkv"
    info = StreamInfo("slides", (64, 48), Fraction(1, 10), Fraction(2))
    with closing(VideoSink(path, info)) as sink:
        for at in range(3):
            sink.write(Frame(read_only(np.full((48, 64, 3), 80 * at, np.uint8)), 5 * at, 0.0))
    settings = Settings(intensity=0.0)
    stop = Stop()
    report = play_file(path, CurrentStyle(settings), settings, stop)
    assert stop.seen  # a request while the outputs are finished finds a main thread that has nothing to react to
    assert (report.frames_out, report.held) == (3, 0)
    assert len(FakeWindow.last.shown) == 3


def test_a_photo_in_a_window_tries_styles_on_until_the_window_is_closed(tmp_path: Path, segmenter: Backdrop) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((SIZE[1], SIZE[0], 3), RAW[::-1], np.uint8))
    style = CurrentStyle(MONO)
    worn_first: list[Frame] = []

    def next_style() -> None:
        worn_first.append(FakeWindow.last.shown[-1])
        FakeWindow.last.press("next-style")

    def close() -> None:
        FakeWindow.last.closed = True

    report = play_file(path, style, MONO, Play((fresh(1), next_style), (fresh(), close), (never, nothing)))
    assert (report.exit_code, report.held, report.interrupted) == (0, 0, False)
    assert kind_of(worn_first[0].pixels, EXACT) == "styled"
    last = FakeWindow.last.shown[-1].pixels.astype(int)
    assert np.abs(last - applied(style)).max() <= EXACT
    assert np.abs(last - worn_first[0].pixels).max() > 10  # Natural after Stark Mono, the last in the row
    assert not FakeWindow.last.mirror


# A camera in a call


CALL = replace(MONO, virtual_camera="")


def test_a_camera_goes_styled_to_a_virtual_camera_and_a_file_at_once(
    tmp_path: Path, driver: Driver, segmenter: Backdrop, device: Device
) -> None:
    """Every frame of either is styled from the first on; afterwards both devices are free and the file is whole."""
    play = Play((device.shows("styled", 20), nothing))
    report = run_camera("0", tmp_path / "call.mp4", CurrentStyle(CALL), CALL, play)
    assert (report.exit_code, report.error, report.held, report.interrupted) == (0, None, 0, False)
    assert report.outputs == (str(tmp_path / "call.mp4"), "virtual camera")
    assert set(device.kinds()) == {"styled"}
    assert recorded_kinds(tmp_path / "call.mp4") == ["styled"] * report.frames_out
    left = report.frames_in - report.frames_out - report.dropped
    assert 0 <= left <= 2  # one waits in the feed, one is about to
    assert Recorder.opened[0].closed == 1
    assert driver.live == 0


@pytest.mark.usefixtures("impatient", "segmenter")
def test_a_lost_camera_is_a_card_on_every_output_until_it_is_back(
    tmp_path: Path, driver: Driver, device: Device
) -> None:
    def plug(plugged: bool) -> Callable[[], None]:
        return lambda: setattr(driver, "plugged", plugged)

    play = Play(
        (device.shows("styled", 3), plug(False)),
        (device.shows("card", 3), plug(True)),
        (device.shows("styled", 3), nothing),
    )
    report = run_camera("0", tmp_path / "call.mp4", CurrentStyle(CALL), CALL, play)
    assert report.exit_code == 0
    recorded = recorded_kinds(tmp_path / "call.mp4")
    for kinds in (device.kinds(), recorded):
        assert set(kinds) == {"styled", "card"}
        assert kinds[-1] == "styled"
    assert recorded.count("card") == report.held >= 3
    assert recorded.count("styled") == report.frames_out


def test_while_the_model_fails_every_output_shows_the_card(
    tmp_path: Path, driver: Driver, segmenter: Backdrop, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    """From the very first frame, and again in the middle; the raw picture never gets out."""
    segmenter.fails = True

    def model(fails: bool) -> Callable[[], None]:
        return lambda: setattr(segmenter, "fails", fails)

    play = Play(
        (device.shows("card", 3), model(False)),
        (device.shows("styled", 3), model(True)),
        (device.shows("card", 3), model(False)),
        (device.shows("styled", 3), nothing),
    )
    report = run_camera("0", tmp_path / "call.mp4", CurrentStyle(CALL), CALL, play)
    assert report.exit_code == 0
    for kinds in (device.kinds(), recorded_kinds(tmp_path / "call.mp4")):
        assert set(kinds) == {"styled", "card"}
        assert (kinds[0], kinds[-1]) == ("card", "styled")
    assert "the model stumbled" in caplog.text


def test_a_camera_ends_by_itself_after_the_duration(tmp_path: Path, driver: Driver, segmenter: Backdrop) -> None:
    """--duration: not before it has passed, as a success and with a whole file."""
    settings = replace(MONO, duration=0.5)
    report = run_camera("0", tmp_path / "call.mkv", CurrentStyle(settings), settings, Play((never, nothing)))
    assert (report.exit_code, report.interrupted) == (0, False)
    assert report.seconds >= 0.5
    assert recorded_kinds(tmp_path / "call.mkv") == ["styled"] * report.frames_out != []
    assert driver.live == 0


def test_the_command_line_styles_a_camera_into_a_file(
    tmp_path: Path,
    driver: Driver,
    segmenter: Backdrop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("livestyle.cli.config_file.config_path", lambda: tmp_path / "none.toml")
    output = tmp_path / "call.mp4"
    options = ["--style", "stark-mono", "--intensity", "1", "--duration", "0.5", "--json", "--size", "1280x720"]
    with pytest.raises(SystemExit) as stop:
        main(["--camera", "0", "--no-window", "-o", str(output), *options])
    assert not stop.value.code
    report = json.loads(capsys.readouterr().out)
    assert report["outputs"] == [str(output)]
    assert recorded_kinds(output) == ["styled"] * report["frames_out"] != []
    asked = driver.asked[cv2.CAP_PROP_FRAME_WIDTH], driver.asked[cv2.CAP_PROP_FRAME_HEIGHT]
    assert asked == (1280, 720)  # --size is requested from the camera; the file has the size that it gave


def test_a_virtual_camera_that_goes_away_does_not_end_the_recording(
    tmp_path: Path, driver: Driver, segmenter: Backdrop, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trouble stands in the report and in the exit code; the file goes on, whole."""

    def unplug() -> None:
        monkeypatch.setattr(Recorder, "broken", True)

    def tried_again() -> bool:
        return len(Recorder.opened) == 3

    stop = Play((device.shows("styled", 5), unplug), (tried_again, nothing))
    report = run_camera("0", tmp_path / "call.mp4", CurrentStyle(CALL), CALL, stop)
    assert report.exit_code == 5
    assert "No such device" in str(report.error)
    recorded = recorded_kinds(tmp_path / "call.mp4")
    assert set(recorded) == {"styled"}
    camera, call = sorted(report.by_output, key=lambda output: output.name == str(tmp_path / "call.mp4"))
    assert call.frames == len(recorded) == report.frames_out - call.dropped
    assert call.error is None
    assert camera.frames == len(device.pictures()) < call.frames
    assert camera.dropped > 0


def test_a_recording_without_a_picture_is_no_success(tmp_path: Path, driver: Driver, segmenter: Backdrop) -> None:
    """A run that is over before its first frame leaves no file, and says so."""
    settings = replace(MONO, duration=1e-9)
    report = run_camera("0", tmp_path / "call.mp4", CurrentStyle(settings), settings, Stop())
    assert list(tmp_path.iterdir()) == []
    assert report.exit_code == 4
    assert "call.mp4 was not written" in str(report.error)
    assert report.outputs == ()


def test_nowhere_to_send_is_refused_and_the_camera_is_let_go(driver: Driver) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        run_camera("0", None, CurrentStyle(MONO), MONO, Stop())
    assert driver.live == 0


# The window's keys


@pytest.fixture
def preview(tmp_path: Path, driver: Driver, segmenter: Backdrop) -> Settings:
    return replace(MONO, window=True, captures=tmp_path)


def key(command: str) -> Callable[[], None]:
    return lambda: FakeWindow.last.press(command)


def test_the_style_keys_change_the_picture_and_say_so(preview: Settings) -> None:
    style = CurrentStyle(preview)
    seen: list[tuple[np.ndarray, np.ndarray, str, str]] = []

    def note() -> None:
        window = FakeWindow.last
        seen.append((window.shown[-1].pixels, applied(style), window.toasts[-1], style.title))

    commands = ("next-style", "next-style", "weaker", "stronger", "previous-style", "previous-style", "weaker")
    acts = [act for command in commands for act in ((fresh(), key(command)), (fresh(), note))]
    report = run_camera("0", None, style, preview, Play(*acts))
    assert report.outputs == ("window",)
    assert report.style == "Stark Mono 90%"
    for shown, wanted, toast, title in seen:
        assert np.abs(shown.astype(int) - wanted).max() <= EXACT
        assert toast == title
    titles = [title for *_, title in seen]
    assert titles[1:4:2] == [titles[1]] * 2  # weaker and stronger again
    assert titles[4] == titles[0]
    assert titles[5] == "Stark Mono 100%"
    assert len(set(titles)) == 5
    assert len(FakeWindow.last.toasts) == len(commands)


def test_the_snapshot_key_saves_the_styled_picture(preview: Settings, tmp_path: Path) -> None:
    acts = ((fresh(), key("snapshot")), (fresh(), nothing))
    run_camera("0", None, CurrentStyle(preview), preview, Play(*acts))
    (photo,) = tmp_path.glob("*.png")
    saved = cv2.imread(str(photo))
    assert saved is not None
    assert kind_of(saved[..., ::-1], EXACT) == "styled"
    assert FakeWindow.last.toasts == [f"saved {photo}"]


@pytest.mark.parametrize("ended_by_key", [True, False])
def test_the_record_key_saves_what_was_shown_meanwhile(preview: Settings, tmp_path: Path, ended_by_key: bool) -> None:
    """Between two presses, or until the session ends."""
    shown: list[int] = []

    def count() -> None:
        shown.append(len(FakeWindow.last.shown))

    def press() -> None:
        count()
        FakeWindow.last.press("record")

    last = (fresh(), nothing)
    run_camera(
        "0",
        None,
        CurrentStyle(preview),
        preview,
        Play((fresh(), press), (fresh(5), press if ended_by_key else count), last),
    )
    (video,) = tmp_path.glob("*.mp4")
    until = shown[1] if ended_by_key else len(FakeWindow.last.shown)
    assert recorded_kinds(video) == ["styled"] * (until - shown[0])
    assert FakeWindow.last.toasts[0] == f"recording to {video}"
    assert f"saved {video}" in FakeWindow.last.toasts


def test_a_capture_that_cannot_be_written_costs_only_itself(preview: Settings, tmp_path: Path) -> None:
    settings = replace(preview, captures=tmp_path / "no such folder")
    acts = ((fresh(), key("snapshot")), (fresh(), key("record")), (fresh(), nothing))
    report = run_camera("0", None, CurrentStyle(settings), settings, Play(*acts))
    assert (report.exit_code, report.error) == (0, None)
    assert len(FakeWindow.last.toasts) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("which", "asked", "mirrored"),
    [("0", None, True), ("http://cam.example/", None, False), ("0", False, False), ("http://cam.example/", True, True)],
)
def test_only_a_local_camera_is_a_mirror_unless_asked(
    preview: Settings, monkeypatch: pytest.MonkeyPatch, which: str, asked: bool | None, mirrored: bool
) -> None:
    """Whatever is asked for, the test's camera comes."""
    opened = partial(camera.CameraSource, "0")
    monkeypatch.setattr(camera, "CameraSource", lambda _, **wishes: opened(**wishes))
    settings = replace(preview, mirror=asked)
    run_camera(which, None, CurrentStyle(settings), settings, Play((fresh(1), nothing)))
    assert FakeWindow.last.mirror is mirrored


def test_the_status_line_names_the_style_and_the_rate(preview: Settings) -> None:
    lines: list[str] = []
    play = Play((fresh(3), lambda: lines.append(FakeWindow.last.status())))
    run_camera("0", None, CurrentStyle(preview), preview, play)
    assert lines[0].startswith("Stark Mono 100%")
    assert "frames/s" in lines[0]
