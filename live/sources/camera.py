"""Cameras through OpenCV: local ones and rtsp/http addresses. A lost one is waited for; the newest frame wins."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NoReturn, Protocol

import cv2
import numpy as np

from livestyle.errors import InputError, LivestyleError, SourceError, SourceNotFoundError, UsageError
from livestyle.fit import Size, size_of
from livestyle.frame import ColorInfo, Frame, Pixels, StreamInfo, read_only
from livestyle.sources import v4l2
from livestyle.sources.camera_names import Camera, Target, find_target, list_cameras, there_are

__all__ = ["Camera", "CameraSource", "Capture", "list_cameras"]

_log = logging.getLogger("livestyle")

_DEFAULT_SIZE, _DEFAULT_RATE = (1280, 720), 30.0
_MJPG_FROM = 720  # lines; from here on uncompressed 30 frames/s do not fit through USB 2
_TIME_BASE = Fraction(1, 1_000_000)
_COLOR = ColorInfo(primaries="bt709", transfer="iec61966-2-1", matrix="gbr", range="pc")  # OpenCV hands out sRGB

_FIRST_FRAME_S = 25.0  # Media Foundation takes up to 12 s to open a camera
_LOST_AFTER_S = 3.0  # without a frame
_HUNG_AFTER_S = 20.0  # a driver call that has not returned by then is given up; its thread is left behind
_MOST_HUNG = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_TICK_S = 0.1  # how often a waiting thread looks around: Windows cannot interrupt a longer wait with Ctrl-C
_JOIN_S = 1.0
_ADDRESS_OPTIONS = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 3000]

_BACKENDS = {
    "v4l2": cv2.CAP_V4L2,
    "msmf": cv2.CAP_MSMF,
    "dshow": cv2.CAP_DSHOW,
    "avfoundation": cv2.CAP_AVFOUNDATION,
    "ffmpeg": cv2.CAP_FFMPEG,
}
_BACKENDS_OF = {"linux": ("v4l2",), "win32": ("msmf", "dshow"), "darwin": ("avfoundation",)}


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, prop: int, /) -> float: ...
    def set(self, prop: int, value: float, /) -> bool: ...
    def release(self) -> None: ...


OpenCapture = Callable[[int | str, int, Sequence[int]], Capture]
"""(device or address, cv2.CAP_… backend, parameter pairs) -> a capture, opened or not."""


def _open_opencv(device: int | str, backend: int, parameters: Sequence[int]) -> Capture:
    return cv2.VideoCapture(device, backend, list(parameters))  # type: ignore[call-overload, no-any-return, unused-ignore]


class CameraSource:
    """Never ends by itself: a camera that goes away is waited for, and iteration yields nothing meanwhile.

    One thread of its own opens and reads the device all the time, because drivers hand out old frames to a slow reader
    and because their calls can hang; iterating takes the newest frame. `Frame.captured` is the moment the driver handed
    the frame over: exposure, transfer and (for an address) the network came before it and are not counted.
    """

    def __init__(
        self,
        which: str,
        *,
        size: Size | None = None,
        rate: float | None = None,
        backend: str | None = None,
        open_capture: OpenCapture = _open_opencv,
        cameras: Callable[[], Sequence[Camera]] = list_cameras,
    ) -> None:
        """Open the camera and wait for its first frame, from which the size is known.

        `which` is an index ("0"), a (part of a) name, a device path or an rtsp/http address; `size` (width, height) and
        `rate` (frames per second) are wishes (default 1280x720 at 30) that cameras round to what they have and
        addresses cannot be asked for. `backend`: v4l2, msmf, dshow, avfoundation or ffmpeg instead of the system's own.
        `open_capture` and `cameras` can be replaced in tests.

        Raises SourceNotFoundError, and SourceError when the camera is in use, forbidden or gives no picture.
        """
        self._which, self._backend = which, backend
        self._wish = size or _DEFAULT_SIZE, rate or _DEFAULT_RATE
        self._open_capture, self._cameras = open_capture, cameras
        self._changed = threading.Condition()
        self._newest: tuple[Any, float] | None = None  # BGR pixels, captured
        self._skipped = 0
        self._lost_since: float | None = None
        self._failure: LivestyleError | None = None
        self._rate: Fraction | None = None
        self._closed = False
        self._generation = 0  # of the reading thread; one whose number is not current stops and is heard no more
        self._threads: list[threading.Thread] = []
        self._seen = self._alive = time.monotonic()  # of the newest frame; of the thread's last return from the driver
        self._epoch, self._pts = self._seen, -1
        self._target = find_target(which, cameras)
        _quieten_opencv()
        self._start_thread()
        self._info = self._first_info(size, rate)

    @property
    def info(self) -> StreamInfo:
        """The size is that of the newest frame; the rate is what the device reports, None where it reports nonsense."""
        return self._info

    @property
    def is_lost(self) -> bool:
        """True while the camera is being waited for."""
        return self._lost_since is not None

    @property
    def skipped(self) -> int:
        """Frames replaced by a newer one before iteration took them: 0 behind a feed, which takes them at once."""
        return self._skipped

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed:
            taken = self._take()
            if taken is not None:
                yield self._frame(*taken)
            else:
                self._watch()

    def close(self) -> None:
        """End iteration and release the device. A driver call that hangs does not hold this up for long."""
        with self._changed:
            self._closed = True
            self._generation += 1
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)
        self._threads.clear()

    # The iterating side

    def _first_info(self, size: Size | None, rate: float | None) -> StreamInfo:
        """Wait for the first frame, which stays in place for iteration."""
        try:
            pixels = self._wait_for_first()
        except BaseException:
            self.close()
            raise
        info = StreamInfo(self._target.label, size_of(pixels), _TIME_BASE, self._rate, color=_COLOR, is_live=True)
        self._tell_difference(info, size, rate)
        return info

    def _wait_for_first(self) -> Pixels:
        deadline = time.monotonic() + _FIRST_FRAME_S
        with self._changed:
            while self._newest is None:
                if self._failure is not None:
                    raise self._failure
                if time.monotonic() > deadline:
                    raise SourceError(
                        f"{self._target.label}: no picture within {_FIRST_FRAME_S:.0f} s",
                        hint="unplug it and plug it in again, or close other programs that use it",
                    )
                self._changed.wait(_TICK_S)
            pixels: Pixels = self._newest[0]
            return pixels

    def _tell_difference(self, info: StreamInfo, size: Size | None, rate: float | None) -> None:
        """Say what the camera made of wishes that were uttered."""
        got = f"{info.size[0]}x{info.size[1]}" + (f" at {float(info.rate):g} frames/s" if info.rate else "")
        other_rate = rate is not None and info.rate is not None and abs(float(info.rate) - rate) > 0.5
        if (size is not None and size != info.size) or other_rate:
            _log.info("%s delivers %s, not what was asked for", info.name, got)

    def _take(self) -> tuple[Any, float] | None:
        """The newest frame, or None when there is none for a moment."""
        with self._changed:
            if self._newest is None:
                self._changed.wait(_TICK_S)
            taken, self._newest = self._newest, None
            return None if self._closed else taken

    def _frame(self, bgr: Any, captured: float) -> Frame:
        pixels = read_only(_rgb(bgr))
        if size_of(pixels) != self._info.size:
            self._info = replace(self._info, size=size_of(pixels))
            _log.info("%s now delivers %dx%d", self._info.name, *self._info.size)
        self._pts = max(self._pts + 1, int((captured - self._epoch) / _TIME_BASE))
        return Frame(pixels, self._pts, captured)

    def _watch(self) -> None:
        """Notice silence, which a driver call that hangs cannot report itself."""
        now = time.monotonic()
        with self._changed:
            if now - self._seen > _LOST_AFTER_S:
                self._mark_lost()
            hung = now - self._alive > _HUNG_AFTER_S
        if hung:
            self._replace_thread()

    # The reading side: everything below runs on the thread that owns the capture, or under the lock

    def _start_thread(self) -> None:
        with self._changed:
            if self._closed:
                return
            self._generation += 1
            self._alive = time.monotonic()
            name = f"livestyle-camera-{self._generation}"
            thread = threading.Thread(target=self._read, args=(self._generation,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _replace_thread(self) -> None:
        """Leave a thread that hangs to itself (it releases its capture if it ever returns) and start another."""
        self._threads[:] = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) < _MOST_HUNG:
            _log.debug("%s: a driver call hangs; trying anew", self._target.label)
            self._start_thread()

    def _read(self, generation: int) -> None:
        pause = _FIRST_PAUSE_S
        while self._is_current(generation):
            capture = self._try_to_open(generation)
            if capture is not None:
                delivered = self._read_until_lost(capture, generation)
                pause = _FIRST_PAUSE_S if delivered else pause
            self._pause(pause, generation)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _try_to_open(self, generation: int) -> Capture | None:
        try:
            return self._open()
        except LivestyleError as error:
            self._fail(error, generation)
        except Exception as error:  # a driver's own exceptions, cv2.error among them
            self._fail(SourceError(f"{self._target.label}: cannot be opened: {error}"), generation)
        return None

    def _open(self) -> Capture:
        target = self._target if self._lost_since is None else self._where_now()
        for name in self._backends(target):
            parameters = _ADDRESS_OPTIONS if target.is_address else []
            capture = self._open_capture(target.device, _BACKENDS[name], parameters)
            if capture.isOpened():
                self._configure(capture, target)
                return capture
            capture.release()
        self._explain(target)

    def _backends(self, target: Target) -> tuple[str, ...]:
        if self._backend is not None:
            if self._backend not in _BACKENDS:
                raise UsageError(f"{self._backend!r} is no camera backend", hint=f"there are: {', '.join(_BACKENDS)}")
            return (self._backend,)
        return ("ffmpeg",) if target.is_address else _BACKENDS_OF.get(sys.platform, ("v4l2",))

    def _where_now(self) -> Target:
        """The target again: a camera that was plugged in anew may have another index, by which its name finds it."""
        known = self._target.name
        if known is not None:
            same = [camera for camera in self._cameras() if camera.name == known]
            if same and self._target.device not in [camera.index for camera in same]:
                return replace(self._target, device=same[0].index)
        return self._target

    def _configure(self, capture: Capture, target: Target) -> None:
        """Ask for a mode; the order matters to Video4Linux, where a format limits the sizes and a size the rates."""
        if not target.is_address:
            (width, height), rate = self._wish
            if height >= _MJPG_FROM:
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
            capture.set(cv2.CAP_PROP_FPS, rate)
        if not (target.is_address and str(target.device).startswith("http")):  # FFmpeg calls any MJPEG stream 25
            self._rate = self._rate or _sane_rate(capture.get(cv2.CAP_PROP_FPS))

    def _read_until_lost(self, capture: Capture, generation: int) -> bool:
        """Deliver frames until the device fails; True when there was at least one."""
        started = good = time.monotonic()
        try:
            while self._is_current(generation) and time.monotonic() - good < _LOST_AFTER_S:
                if not capture.grab():
                    break
                captured = time.monotonic()
                decoded, bgr = capture.retrieve()
                if decoded and bgr is not None and bgr.size:  # a camera's single broken JPEG is skipped
                    good = captured
                    self._deliver(bgr, captured, generation)
        except Exception as error:  # what cv2 raises for a device that fails
            _log.debug("%s: reading failed: %s", self._target.label, error)
        finally:
            capture.release()
        self._after_reading(good > started, generation)
        return good > started

    def _after_reading(self, delivered: bool, generation: int) -> None:
        if delivered:
            with self._changed:
                if generation == self._generation:
                    self._mark_lost()
            return
        try:
            self._explain(self._target)
        except LivestyleError as error:
            self._fail(error, generation)

    def _deliver(self, bgr: Any, captured: float, generation: int) -> None:
        with self._changed:
            if generation != self._generation:
                return
            self._skipped += self._newest is not None and self._pts >= 0
            self._newest = bgr, captured
            self._seen = self._alive = captured
            if self._lost_since is not None:
                _log.info("%s is back after %.0f s", self._target.label, captured - self._lost_since)
                self._lost_since = None
            self._changed.notify_all()

    def _mark_lost(self) -> None:
        """Say once that the camera is away, and since when. The lock is held."""
        if self._lost_since is None and not self._closed:
            self._lost_since = self._seen
            since = time.strftime("%H:%M:%S", time.localtime(time.time() - (time.monotonic() - self._seen)))
            _log.warning("%s: no picture since %s; waiting for it to come back", self._target.label, since)

    def _fail(self, error: LivestyleError, generation: int) -> None:
        """Keep the error for the constructor; later ones are expected while the camera is away."""
        _log.debug("%s", error)
        with self._changed:
            if generation == self._generation:
                self._failure = error
                self._alive = time.monotonic()
                self._changed.notify_all()

    def _is_current(self, generation: int) -> bool:
        with self._changed:
            current = generation == self._generation
            if current:
                self._alive = time.monotonic()
            return current

    def _pause(self, seconds: float, generation: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: generation != self._generation, seconds)

    def _explain(self, target: Target) -> NoReturn:
        """Raise the error that says why no picture came."""
        if target.is_address:
            raise SourceError(
                f"{target.label}: no video comes from this address", hint="is the camera on, and the address right?"
            )
        if _BACKENDS_OF.get(sys.platform) == ("v4l2",):
            path = f"/dev/video{target.device}" if isinstance(target.device, int) else target.device
            raise _linux_error(target.label, path, self._cameras())
        cameras = self._cameras()
        if cameras and isinstance(target.device, int) and target.device >= len(cameras):
            raise SourceNotFoundError(f"{target.label}: there is no such camera", hint=there_are(cameras))
        allow = {"darwin": "; System Settings > Privacy & Security > Camera must allow this terminal"}
        raise SourceError(
            f"{target.label}: gives no picture; another program may hold it",
            hint=there_are(cameras) + allow.get(sys.platform, ""),
        )


def _linux_error(label: str, path: str, cameras: Sequence[Camera]) -> InputError:
    trouble = v4l2.trouble(path)
    if trouble in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return SourceNotFoundError(f"{label}: there is no such camera", hint=there_are(cameras))
    if trouble in (errno.EACCES, errno.EPERM):
        return SourceError(
            f"{label}: you are not allowed to open {path}",
            hint="add yourself to the video group (sudo usermod -a -G video $USER), then log out and in",
        )
    if trouble == errno.EBUSY:
        return SourceError(
            f"{label}: another program is using {path}", hint=f"close it; `fuser -v {path}` says which one it is"
        )
    return SourceError(f"{label}: {path} gives no picture", hint=there_are(cameras))


def _rgb(bgr: Any) -> Pixels:
    """OpenCV's BGR (or the grey of a mono camera) as RGB."""
    code = cv2.COLOR_GRAY2RGB if bgr.ndim == 2 or bgr.shape[2] == 1 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(bgr, code), np.uint8)


def _sane_rate(reported: float) -> Fraction | None:
    """Drivers report 0, -1 or the time base's 90000 when they do not know."""
    return Fraction(reported).limit_denominator(1001) if 1 <= reported <= 240 else None


def _quieten_opencv() -> None:
    """Waiting for a camera means failing to open it many times, and OpenCV and FFmpeg would print each.

    The variables are read by OpenCV when it opens its first capture; what the user set stays.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay")
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")  # seconds, instead of 10
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # opens in 1 s instead of 10
    # Off the main thread OpenCV cannot ask for permission itself; macOS then asks when the session starts.
    os.environ.setdefault("OPENCV_AVFOUNDATION_SKIP_AUTH", "1")
