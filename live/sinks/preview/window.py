"""A preview window with keys, on OpenCV's HighGUI. Everything here belongs on the main thread."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from livestyle.errors import DisplayError
from livestyle.frame import Frame
from livestyle.media.resize import Size, centred, size_of, size_within
from livestyle.sinks.preview.keys import command_of
from livestyle.sinks.preview.overlay import Scene, View, compose, scaled

_FIRST_BOX = (1280, 800)  # the window opens no larger than this
_LARGEST_BOX = (1920, 1200)  # drawing for a larger window is enlarged by the window system: 4K text costs too much
_TOAST_S = 1.6
_STATUS_S = 0.25  # how often the status line is updated: faster is unreadable
_KEYS_AT_ONCE = 8
_WIPE_STEP = 0.05

# The picture is made as large as the window, bars included, so HighGUI has nothing to stretch: with WINDOW_KEEPRATIO Qt
# paints its bars light grey, and other backends ignore it.
_FLAGS = cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL

_INSTEAD = "use -o FILE, or --virtual-camera --no-window; over ssh, ssh -X shows windows"


def _nothing(_: str) -> None:
    pass


def _empty() -> str:
    return ""


class Window:
    """A sink that shows frames, at the pace they are written, in a resizable window that keeps their aspect.

    The window itself handles what is seen (wipe, masks, mirror, help, status line); every other key goes to
    `on_command` as "next-style", "previous-style", "stronger", "weaker", "snapshot", "record" or "quit".
    `status` gives the status line's text. Drawing happens on a copy at the window's size.
    """

    def __init__(
        self,
        title: str,
        *,
        on_command: Callable[[str], None] = _nothing,
        status: Callable[[], str] = _empty,
        mirror: bool = False,
    ) -> None:
        """Check for a display; the window opens with the first frame, whose size it takes. Raises DisplayError."""
        require_display()
        self._title = title
        self._on_command, self._status = on_command, status
        self._view = View(mirror=mirror)
        self._last_wipe = 0.5
        self._scene: Scene | None = None
        self._canvas = _FIRST_BOX  # (width, height) of what is shown, bars included
        self._is_open = self._full_screen = self._closed = False
        self._toast, self._toast_until = "", 0.0
        self._status_text, self._status_at = "", 0.0
        self._drawn: tuple[object, ...] = ()  # what the shown picture was composed from besides the scene

    @property
    def view(self) -> View:
        """What is being shown over the frames."""
        return self._view

    @property
    def closed(self) -> bool:
        """Whether the user closed the window, or `close` was called."""
        return self._closed

    def write(self, frame: Frame) -> None:
        """Show one frame and handle what was pressed meanwhile."""
        if self._closed:
            return
        if not self._is_open:
            self._open(size_of(frame.pixels))
        elif self._was_closed():
            self._quit()
            return
        self._scene = self._reduce(frame)
        self._show()
        self._pump()

    def idle(self) -> None:
        """Handle what was pressed; draw the last frame again when that changes what is seen."""
        if self._closed or not self._is_open:
            return
        if self._was_closed():
            self._quit()
            return
        if self._overlays() != self._drawn:
            self._show()
        self._pump()

    def toast(self, text: str) -> None:
        """Show a short message for a moment."""
        self._toast, self._toast_until = text, time.monotonic() + _TOAST_S

    def close(self) -> None:
        """Close the window."""
        self._closed = True
        self._scene = None
        if self._is_open:
            self._is_open = False
            try:
                cv2.destroyWindow(self._title)
                cv2.waitKey(1)  # HighGUI closes windows while it handles events
            except cv2.error:
                pass  # the user closed it already

    def _open(self, frame: Size) -> None:
        width, height = _first_size(frame)
        try:
            cv2.namedWindow(self._title, _FLAGS)
            cv2.resizeWindow(self._title, width, height)
            cv2.setMouseCallback(self._title, self._on_mouse)
        except cv2.error as error:  # a build of OpenCV without windows ("headless")
            raise DisplayError(
                "this build of OpenCV cannot open windows",
                hint=f"pip install opencv-python instead of opencv-python-headless, or {_INSTEAD}",
            ) from error
        self._is_open = True
        cv2.waitKey(1)

    def _reduce(self, frame: Frame) -> Scene:
        self._canvas = self._box(size_of(frame.pixels))
        size = size_within(size_of(frame.pixels), self._canvas)
        after = scaled(frame.pixels, size)
        if after is frame.pixels:
            after = after.copy()  # a sink must not keep a frame's pixels, and idle() may draw them again
        before = scaled(frame.before, size).copy() if frame.before is not None and self._view.wipe is not None else None
        # Rendering sets `before`; what comes without one is a card that the loop wrote, not the camera's picture.
        return Scene(after, before, frame.masks, may_mirror=frame.before is not None)

    def _box(self, frame: Size) -> Size:
        """The window's inner size, within what is sensible to draw."""
        width, height = cv2.getWindowImageRect(self._title)[2:4]
        if width < 16 or height < 16:  # not laid out yet, or minimised
            width, height = _first_size(frame)
        scale = min(1.0, _LARGEST_BOX[0] / width, _LARGEST_BOX[1] / height)
        return round(width * scale), round(height * scale)

    def _show(self) -> None:
        if self._scene is None:
            return
        self._drawn = self._overlays()
        picture = compose(self._scene, self._view, self._status_text, self._toast)
        cv2.imshow(self._title, cv2.cvtColor(centred(picture, self._canvas), cv2.COLOR_RGB2BGR))

    def _overlays(self) -> tuple[object, ...]:
        """Everything that is drawn over the scene; brings the toast and the status line up to date."""
        now = time.monotonic()
        if now >= self._toast_until:
            self._toast = ""
        if now - self._status_at >= _STATUS_S:
            self._status_text, self._status_at = self._status(), now
        view = self._view
        return view.wipe, view.masks, view.mirror, view.help, view.hud, self._status_text, self._toast

    def _pump(self) -> None:
        for _ in range(_KEYS_AT_ONCE):
            code = cv2.waitKeyEx(1)
            if code == -1:
                return
            command = command_of(code)
            if command is not None:
                self._do(command)

    def _do(self, command: str) -> None:
        actions: dict[str, Callable[[], None]] = {
            "wipe": self._toggle_wipe,
            "wipe-left": lambda: self._move_wipe(-_WIPE_STEP),
            "wipe-right": lambda: self._move_wipe(_WIPE_STEP),
            "full-screen": self._toggle_full_screen,
            "quit": self._quit,
        }
        if command in actions:
            actions[command]()
        elif not self._view.toggle(command):
            self._on_command(command)

    def _toggle_wipe(self) -> None:
        self._view.wipe = self._last_wipe if self._view.wipe is None else None

    def _move_wipe(self, by: float) -> None:
        """Move the line; the keys that move it also bring it up."""
        position = self._last_wipe if self._view.wipe is None else self._view.wipe + by
        self._view.wipe = self._last_wipe = min(1.0, max(0.0, position))

    def _on_mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        dragging = event == cv2.EVENT_LBUTTONDOWN or (event == cv2.EVENT_MOUSEMOVE and flags & cv2.EVENT_FLAG_LBUTTON)
        if dragging and self._view.wipe is not None and self._scene is not None:
            width = self._scene.after.shape[1]
            along = x - (self._canvas[0] - width) // 2
            self._view.wipe = self._last_wipe = min(1.0, max(0.0, along / width))

    def _toggle_full_screen(self) -> None:
        self._full_screen = not self._full_screen
        mode = cv2.WINDOW_FULLSCREEN if self._full_screen else cv2.WINDOW_NORMAL
        cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, mode)

    def _was_closed(self) -> bool:
        """Whether the user closed the window; showing a frame would open a new one."""
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:
            return True

    def _quit(self) -> None:
        if not self._closed:
            self._closed = True
            self._on_command("quit")


def _first_size(frame: Size) -> Size:
    """The frame's own size, or what fits the first box when it is larger."""
    width, height = min(frame[0], _FIRST_BOX[0]), min(frame[1], _FIRST_BOX[1])
    return size_within(frame, (max(320, width), max(180, height)))


def require_display() -> None:
    """Raise DisplayError when no window can be opened.

    It has to be found out beforehand: the Qt in OpenCV's wheels ends the process when it cannot reach a display.
    """
    if sys.platform != "linux":
        return
    plugins = Path(cv2.__file__).parent / "qt" / "plugins" / "platforms"
    if plugins.is_dir():
        _require_x11(plugins)
    elif not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise DisplayError("there is no display to open a window on", hint=_INSTEAD)


def _require_x11(plugins: Path) -> None:
    """OpenCV's wheels bring Qt's X11 plugin only, so a Wayland session must offer X11 too, as all common ones do."""
    display = os.environ.get("DISPLAY", "")
    if not display:
        wayland = " for X11 (this Wayland session has no Xwayland)" if os.environ.get("WAYLAND_DISPLAY") else ""
        raise DisplayError(f"there is no display{wayland} to open a window on", hint=_INSTEAD)
    if not _x11_answers():
        raise DisplayError(f"the display {display} cannot be reached", hint=_INSTEAD)
    wanted = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")
    if wanted != [""] and not any((plugins / f"libq{name}.so").exists() for name in wanted):
        os.environ["QT_QPA_PLATFORM"] = "xcb"  # Qt would end the process for want of, say, its Wayland plugin


def _x11_answers() -> bool:
    """Whether the X server of $DISPLAY lets us in. Without libxcb OpenCV's Qt could not start either."""
    name = ctypes.util.find_library("xcb")
    if name is None:
        return False
    xcb = ctypes.CDLL(name)
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed
