"""The window: its keys without a display, and the real thing on a virtual X display where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from livestyle.errors import DisplayError
from livestyle.frame import Frame, Masks, read_only
from livestyle.media.hold_card import hold_card
from livestyle.sinks.preview import window as module
from livestyle.sinks.preview.keys import BINDINGS, command_of, help_rows
from livestyle.sinks.preview.window import Window, require_display


class Screen:
    """Stands in for HighGUI: takes pictures, gives key codes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[np.ndarray] = []
        self.keys: list[int] = []
        self.rect = (0, 0, 160, 120)
        self.visible = 1.0
        self.destroyed = 0
        self.mouse: Any = None
        monkeypatch.setattr(module, "require_display", lambda: None)
        for name in ("namedWindow", "resizeWindow", "setWindowProperty", "waitKey"):
            monkeypatch.setattr(cv2, name, lambda *_: None)
        monkeypatch.setattr(cv2, "imshow", lambda _, picture: self.shown.append(picture))
        monkeypatch.setattr(cv2, "waitKeyEx", lambda _: self.keys.pop(0) if self.keys else -1)
        monkeypatch.setattr(cv2, "getWindowImageRect", lambda _: self.rect)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: self.visible)
        monkeypatch.setattr(cv2, "setMouseCallback", lambda _, handler: setattr(self, "mouse", handler))
        monkeypatch.setattr(cv2, "destroyWindow", lambda _: setattr(self, "destroyed", self.destroyed + 1))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    return Screen(monkeypatch)


def frame(level: int = 100, size: tuple[int, int] = (160, 120), *, before: int | None = None) -> Frame:
    def flat(value: int) -> Any:
        return read_only(np.full((size[1], size[0], 3), value, np.uint8))

    weights = np.zeros((4, 12, 16), np.float32)
    weights[2] = 1
    return Frame(
        flat(level), 0, time.monotonic(), before=None if before is None else flat(before), masks=Masks(weights)
    )


def press(window: Window, screen: Screen, *keys: str | int) -> None:
    screen.keys += [ord(key) if isinstance(key, str) else key for key in keys]
    window.idle()


def test_every_binding_is_reachable_and_in_the_help() -> None:
    """One table is both the key map and the help, and no key means two things."""
    keys = [key for binding in BINDINGS for key in binding.keys]
    assert len(keys) == len(set(keys))
    for binding in BINDINGS:
        for key in binding.keys:
            if len(key) == 1:
                assert command_of(ord(key)) == binding.command
                assert command_of(ord(key.upper())) == binding.command
    assert [what for _, what in help_rows()] == [binding.help for binding in BINDINGS]


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (0xFF53, "next-style"),  # X11
        (0x270000, "next-style"),  # Windows
        (0xF703, "next-style"),  # macOS
        (0x10FF51, "previous-style"),  # GTK with num lock
        (0x100000 | ord("q"), "quit"),
        (27, "quit"),
        (-1, None),
        (0xFFBE, None),  # F1
    ],
)
def test_key_codes_of_each_system(code: int, command: str | None) -> None:
    assert command_of(code) == command


def test_style_keys_are_passed_on_and_view_keys_are_not(screen: Screen) -> None:
    commands: list[str] = []
    window = Window("test", on_command=commands.append)
    window.write(frame())
    press(window, screen, "n", "p", "+", "-", "s", "r")
    press(window, screen, "b", "m", "x", "h", "i", "[", "f")
    assert commands == ["next-style", "previous-style", "stronger", "weaker", "snapshot", "record"]
    assert window.view.masks
    assert window.view.mirror
    assert window.view.help
    assert not window.view.hud


def test_pictures_are_shown_as_bgr(screen: Screen) -> None:
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, :, 0] = 250  # red
    Window("test").write(Frame(read_only(pixels), 0, 0.0))
    assert tuple(screen.shown[-1][60, 80]) == (0, 0, 250)


def test_drawing_is_done_at_the_size_of_the_window(screen: Screen) -> None:
    window = Window("test")
    window.write(frame(size=(3840, 2160)))
    assert screen.shown[-1].shape == (120, 160, 3)
    screen.rect = (0, 0, 5120, 2880)
    window.write(frame(size=(3840, 2160)))
    assert screen.shown[-1].shape[0] <= 1200
    assert screen.shown[-1].shape[1] <= 1920


def test_aspect_is_kept_with_bars(screen: Screen) -> None:
    screen.rect = (0, 0, 400, 120)
    window = Window("test")
    window.write(frame(100))
    shown = screen.shown[-1]
    assert shown.shape == (120, 400, 3)
    assert np.all(shown[:, 120:280] == 100)
    assert not shown[:, :120].any()
    assert not shown[:, 280:].any()


def test_sixteen_bit_frames_are_shown(screen: Screen) -> None:
    pixels = np.full((120, 160, 3), 200 * 257, np.uint16)
    Window("test").write(Frame(read_only(pixels), 0, 0.0))
    assert np.all(screen.shown[-1] == 200)


def test_wipe_toggles_moves_and_follows_the_mouse(screen: Screen) -> None:
    window = Window("test")
    window.write(frame(before=10))
    press(window, screen, "b")
    assert window.view.wipe == 0.5
    window.write(frame(before=10))
    assert tuple(screen.shown[-1][5, 20]) == (10, 10, 10)
    assert tuple(screen.shown[-1][5, 140]) == (100, 100, 100)
    press(window, screen, "[")
    assert window.view.wipe == pytest.approx(0.45)
    screen.mouse(cv2.EVENT_LBUTTONDOWN, 40, 10, cv2.EVENT_FLAG_LBUTTON, None)
    assert window.view.wipe == 0.25
    screen.mouse(cv2.EVENT_MOUSEMOVE, 500, 10, cv2.EVENT_FLAG_LBUTTON, None)
    assert window.view.wipe == 1.0
    screen.mouse(cv2.EVENT_MOUSEMOVE, 10, 10, 0, None)  # no button held
    assert window.view.wipe == 1.0
    press(window, screen, "b")
    assert window.view.wipe is None
    press(window, screen, "b")
    assert window.view.wipe == 1.0  # where it was


def test_the_mouse_counts_from_the_picture_not_from_the_bars(screen: Screen) -> None:
    screen.rect = (0, 0, 400, 120)
    window = Window("test")
    window.write(frame(before=10))
    press(window, screen, "b")
    screen.mouse(cv2.EVENT_LBUTTONDOWN, 120 + 40, 10, cv2.EVENT_FLAG_LBUTTON, None)
    assert window.view.wipe == 0.25


def test_idle_draws_again_only_when_something_changed(screen: Screen) -> None:
    window = Window("test", status=lambda: "steady")
    window.write(frame())
    window.idle()
    assert len(screen.shown) == 1
    press(window, screen, "h")
    window.idle()
    assert len(screen.shown) == 2
    window.toast("saved")
    window.idle()
    assert len(screen.shown) == 3


def test_nothing_of_the_frame_is_kept(screen: Screen) -> None:
    pixels = np.full((120, 160, 3), 100, np.uint8)
    window = Window("test")
    window.write(Frame(pixels, 0, 0.0))
    pixels[:] = 0
    press(window, screen, "m")
    window.idle()
    assert screen.shown[-1][100, 20].any()


@pytest.mark.parametrize("key", ["q", 27])
def test_quit_closes_and_says_so_once(screen: Screen, key: str | int) -> None:
    commands: list[str] = []
    window = Window("test", on_command=commands.append)
    window.write(frame())
    press(window, screen, key)
    assert window.closed
    count = len(screen.shown)
    window.write(frame())
    window.idle()
    assert len(screen.shown) == count
    window.close()
    window.close()
    assert screen.destroyed == 1
    assert commands == ["quit"]


def test_closing_the_window_is_quitting(screen: Screen) -> None:
    commands: list[str] = []
    window = Window("test", on_command=commands.append)
    window.write(frame())
    screen.visible = 0.0
    window.write(frame())
    assert window.closed
    assert commands == ["quit"]
    assert len(screen.shown) == 1


def test_close_before_the_first_frame_leaves_nothing(screen: Screen) -> None:
    window = Window("test")
    window.idle()
    window.close()
    assert window.closed
    assert screen.destroyed == 0


def test_mirror_from_the_start(screen: Screen) -> None:
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, :80] = 200
    window = Window("test", mirror=True)
    window.write(Frame(read_only(pixels), 0, 0.0, before=read_only(pixels)))
    assert np.all(screen.shown[-1][:, 80:] == 200)
    assert not screen.shown[-1][:, :80].any()


def test_a_hold_card_is_never_mirrored(screen: Screen) -> None:
    """Its words must be readable; the loop writes it without a picture before the style."""
    card = hold_card((160, 120), ("One moment",))
    Window("test", mirror=True).write(Frame(read_only(card), 0, 0.0))
    assert np.array_equal(screen.shown[-1], card[:, :, ::-1])


def test_an_opencv_without_windows_is_explained(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    with pytest.raises(DisplayError, match="cannot open windows") as caught:
        Window("test").write(frame())
    assert "opencv-python" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="displays are optional on Linux only")
@pytest.mark.parametrize("display", ["", ":987"])
def test_without_a_display_there_is_an_error_and_no_abort(monkeypatch: pytest.MonkeyPatch, display: str) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DisplayError, match="display") as caught:
        require_display()
    assert "--no-window" in caught.value.hint
    assert caught.value.exit_code == 5


# A real window


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A virtual X display of this test's own."""
    needed = [tool for tool in ("Xvfb", "xdotool", "import") if shutil.which(tool) is None]
    if sys.platform != "linux" or needed:
        pytest.skip(f"needs Linux with {', '.join(needed) or 'X11'}")
    read, write = os.pipe()
    # Otherwise it starts again whenever its last window closes, and refuses connections meanwhile.
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as numbers:
        number = numbers.readline().strip()
    if not number:
        server.wait(10)
        pytest.skip("Xvfb does not start here")
    yield f":{number}"
    server.terminate()
    server.wait(10)


# HighGUI wants the main thread of a process without another toolkit, so the window lives in one of its own.
SHOW = """
import time
import numpy as np
from livestyle.frame import Frame, read_only
from livestyle.sinks.preview.window import Window

window = Window("livestyle test", on_command=lambda command: print(command, flush=True), status=lambda: "status")
pixels = np.full((360, 640, 3), (200, 40, 40), np.uint8)
end, announced = time.monotonic() + 60, False
while not window.closed and time.monotonic() < end:
    window.write(Frame(read_only(pixels), 0, time.monotonic(), before=read_only(pixels[:, :, ::-1].copy())))
    if not announced:
        announced = True
        print("open", flush=True)
    time.sleep(0.01)
window.close()
print("closed", window.closed, window.view.help, window.view.wipe, flush=True)
"""


@pytest.fixture
def shower(display: str, tmp_path: Path) -> Iterator[Shower]:
    """The window of SHOW on the display, really painted.

    On a display without a window manager Qt leaves one window in five black for good, whatever draws into it (plain
    cv2.imshow does it too), so a black one is opened again.
    """
    for _ in range(8):
        window = Shower({**os.environ, "DISPLAY": display}, tmp_path)
        try:
            if window.screenshot(lambda seen: seen[200, 100].any(), tries=15)[200, 100].any():
                yield window
                return
        finally:
            window.end()
    pytest.skip("Qt paints no window on this display")


class Shower:
    """A process that shows a window, and the hands and eyes in front of it."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SHOW)], env=environment, stdout=subprocess.PIPE, text=True
        )
        if self.line() != "open\n":
            self.end()
            pytest.fail("the window does not open")
        self.identity = self.run("xdotool", "search", "--sync", "--name", "^livestyle test$").split()[-1]
        self.run("xdotool", "windowfocus", "--sync", self.identity)

    def run(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=30
        ).stdout

    def press(self, key: str) -> None:
        self.run("xdotool", "key", key)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def screenshot(self, ready: Callable[[np.ndarray], bool], tries: int = 50) -> np.ndarray:
        """The root window as BGR, once `ready` says that it shows what it should, or after many tries."""
        path = self.folder / "screen.png"
        for _ in range(tries):
            self.run("import", "-window", "root", str(path))
            picture = cv2.imread(str(path))
            assert picture is not None
            if ready(picture):
                break
            time.sleep(0.1)
        return picture

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_real_keys_reach_a_real_window(shower: Shower) -> None:
    """Letters and arrows pressed by the X server arrive as commands, and the screen shows the picture and the wipe."""
    for key, command in [("Right", "next-style"), ("p", "previous-style"), ("Up", "stronger"), ("s", "snapshot")]:
        shower.press(key)
        assert shower.line() == f"{command}\n"
    shower.press("b")
    picture = shower.screenshot(lambda seen: bool(seen[200, 100, 0] > 150))
    assert np.array_equal(picture[200, 100], (200, 40, 40))  # BGR of the exchanged colour: before, on the left
    assert np.array_equal(picture[200, 500], (40, 40, 200))
    shower.press("q")
    assert shower.line() == "quit\n"
    assert shower.line() == "closed True False 0.5\n"
    assert shower.process.wait(30) == 0
