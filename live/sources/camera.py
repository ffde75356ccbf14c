"""Cameras of this machine, through OpenCV, and the source for a camera of any kind."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NoReturn, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import InputError, LivestyleError, SourceError, SourceNotFoundError, UsageError
from livestyle.frame import Pixels, StreamInfo
from livestyle.media.resize import Size
from livestyle.sources.camera_names import Camera, Target, find_target, list_cameras, there_are
from livestyle.sources.live_source import Connection, Device, LiveSource, Received, Stopped
from livestyle.sources.network.addresses import is_address, parse_address
from livestyle.sources.network.camera import NetworkCamera
from livestyle.system import v4l2

__all__ = ["Camera", "CameraSource", "Capture", "list_cameras"]

_log = logging.getLogger("livestyle")

_DEFAULT_SIZE, _DEFAULT_RATE = (1280, 720), 30.0
_MJPG_FROM = 720  # lines; from here on uncompressed 30 frames/s do not fit through USB 2

_BACKENDS = {
    "v4l2": cv2.CAP_V4L2,
    "msmf": cv2.CAP_MSMF,
    "dshow": cv2.CAP_DSHOW,
    "avfoundation": cv2.CAP_AVFOUNDATION,
}
_BACKENDS_OF = {"linux": ("v4l2",), "win32": ("msmf", "dshow"), "darwin": ("avfoundation",)}


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        """Whether there is a device behind it."""

    def grab(self) -> bool:
        """Wait for the next picture; False when the device is gone."""

    def retrieve(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """Whether the picture that was grabbed could be decoded, and (H, W, 3) BGR or (H, W) grey."""

    def get(self, prop: int, /) -> float:
        """The value of a property, cv2.CAP_PROP_…, as a number."""

    def set(self, prop: int, value: float, /) -> bool:
        """Request a property; False when it is refused for certain."""

    def release(self) -> None:
        """Let the device go."""


OpenCapture = Callable[[int | str, int], Capture]
"""(device, cv2.CAP_… backend) -> a capture, opened or not."""


def _open_opencv(device: int | str, backend: int) -> Capture:
    return cv2.VideoCapture(device, backend)


class CameraSource(LiveSource):
    """Any camera: one of this machine or an address."""

    def __init__(
        self,
        which: str,
        *,
        size: Size | None = None,
        rate: float | None = None,
        wait: float | None = None,
        backend: str | None = None,
        open_capture: OpenCapture = _open_opencv,
        cameras: Callable[[], Sequence[Camera]] = list_cameras,
    ) -> None:
        """Open the camera and wait for its first frame, from which the size is known.

        `which` is an index ("0"), a (part of a) name, a device path or an rtsp/http address; `size` (width, height) and
        `rate` (frames per second) are requests (default 1280x720 at 30) that cameras round to what they have and
        addresses ignore. `wait`: seconds to keep trying while it is not there (math.inf: without end).
        `backend`: v4l2, msmf, dshow or avfoundation instead of the system's own. `open_capture` and `cameras` can be
        replaced in tests.

        Raises SourceNotFoundError, and SourceError when the camera is in use, forbidden or gives no picture.
        """
        device: Device
        if is_address(which):
            device = NetworkCamera(parse_address(which))
        else:
            requested = size or _DEFAULT_SIZE, rate or _DEFAULT_RATE
            device = LocalCamera(which, requested, backend, open_capture, cameras)
        super().__init__(device, wait=wait)
        _report_difference(self.info, size, rate)


def _report_difference(info: StreamInfo, size: Size | None, rate: float | None) -> None:
    """Log what the camera delivers where the user requested something else."""
    got = f"{info.size[0]}x{info.size[1]}" + (f" at {float(info.rate):g} frames/s" if info.rate else "")
    other_rate = rate is not None and info.rate is not None and abs(float(info.rate) - rate) > 0.5
    if (size is not None and size != info.size) or other_rate:
        _log.info("%s delivers %s, not what was requested", info.name, got)


class LocalCamera:
    """A `livestyle.sources.live_source.Device` of this machine: an index, a (part of a) name or a device path."""

    picture_within_s = 3.0
    hung_after_s = 20.0  # Media Foundation takes up to 12 s to open a camera

    def __init__(
        self,
        which: str,
        requested: tuple[Size, float],
        backend: str | None,
        open_capture: OpenCapture,
        cameras: Callable[[], Sequence[Camera]],
    ) -> None:
        """`requested`: requested (width, height) and frames per second. Raises UsageError for an unknown backend."""
        if backend is not None and backend not in _BACKENDS:
            raise UsageError(f"{backend!r} is not a camera backend", hint=f"there are: {', '.join(_BACKENDS)}")
        self._which, self._requested = which, requested
        self._backends = (backend,) if backend is not None else _BACKENDS_OF.get(sys.platform, ("v4l2",))
        self._open_capture, self._cameras = open_capture, cameras
        self._target: Target | None = None
        self.label = f"camera {which}"
        _quieten_opencv()

    def open(self, stopped: Stopped, *, again: bool) -> Connection:
        """Open the device and request the mode."""
        target = self._find(again)
        for name in self._backends:
            capture = self._open_capture(target.device, _BACKENDS[name])
            if capture.isOpened():
                self._configure(capture)
                return _OpenCamera(capture)
            capture.release()
        self._explain(target)

    def no_picture(self) -> LivestyleError:
        """Why the system gives no frames of it."""
        try:
            self._explain(self._find(again=False))
        except LivestyleError as error:
            return error

    def too_slow(self, seconds: float) -> LivestyleError:
        """The device opens and sends nothing, or its driver hangs."""
        return SourceError(
            f"{self.label}: no picture within {seconds:.0f} s",
            hint="unplug it and plug it in again, or close other programs that use it",
        )

    def _find(self, again: bool) -> Target:
        """The target; a camera that was plugged in again may have another index, by which its name finds it."""
        if self._target is None:
            self._target = find_target(self._which, self._cameras)
            self.label = self._target.label
        known = self._target.name
        if again and known is not None:
            same = [camera for camera in self._cameras() if camera.name == known]
            if same and self._target.device not in [camera.index for camera in same]:
                return replace(self._target, device=same[0].index)
        return self._target

    def _configure(self, capture: Capture) -> None:
        """Request a mode; the order matters to Video4Linux, where a format limits the sizes and a size the rates."""
        (width, height), rate = self._requested
        if height >= _MJPG_FROM:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_FPS, rate)

    def _explain(self, target: Target) -> NoReturn:
        """Raise the error that says why no picture came."""
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


class _OpenCamera:
    """A cv2.VideoCapture as a `Connection`."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self.rate = _sane_rate(capture.get(cv2.CAP_PROP_FPS))

    def read(self) -> Received | None:
        if not self._capture.grab():
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        captured = time.monotonic()
        decoded, bgr = self._capture.retrieve()
        if not decoded or bgr is None or not bgr.size:  # a camera's single broken JPEG
            return None
        return Received(lambda: _rgb(bgr), captured)

    def close(self) -> None:
        self._capture.release()


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


def _rgb(bgr: npt.NDArray[np.uint8]) -> Pixels:
    """OpenCV's BGR (or the grey of a mono camera) as RGB."""
    code = cv2.COLOR_GRAY2RGB if bgr.ndim == 2 or bgr.shape[2] == 1 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(bgr, code), np.uint8)


def _sane_rate(reported: float) -> Fraction | None:
    """Drivers report 0, -1 or the time base's 90000 when they do not know."""
    return Fraction(reported).limit_denominator(1001) if 1 <= reported <= 240 else None


def _quieten_opencv() -> None:
    """Waiting for a camera means failing to open it many times, and OpenCV would print each.

    The variables are read by OpenCV when it opens its first capture; what the user set stays.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")  # seconds, instead of 10
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # opens in 1 s instead of 10
    # Off the main thread OpenCV cannot ask for permission itself; macOS then asks when the session starts.
    os.environ.setdefault("OPENCV_AVFOUNDATION_SKIP_AUTH", "1")
