"""Frames to a camera that other programs can choose: v4l2loopback on Linux, OBS's or Unity Capture's elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import UsageError, VirtualCameraError
from livestyle.fit import Size, letterbox, to_8_bit
from livestyle.frame import Frame, StreamInfo

if TYPE_CHECKING:
    import pyvirtualcam

_log = logging.getLogger("livestyle")

_RESEND_AFTER = 0.2  # seconds without a frame; programs that read a loopback device freeze or give up without any

_GET_ONE = {
    "linux": (
        "install v4l2loopback (Debian, Ubuntu: sudo apt install v4l2loopback-dkms; Fedora: from RPM Fusion), "
        'then: sudo modprobe v4l2loopback devices=1 exclusive_caps=1 card_label="livestyle" '
        "(exclusive_caps=1 is what makes Chrome list it)"
    ),
    "darwin": (
        "install OBS Studio 30 or newer, press its Start Virtual Camera once and allow the system extension, stop it "
        "and quit OBS; then start livestyle"
    ),
    "win32": (
        "install OBS Studio 28 or newer, press its Start Virtual Camera once, stop it and quit OBS; "
        "then start livestyle"
    ),
}
_IN_USE = "another program feeds it: stop that one (OBS: Stop Virtual Camera), or name another device"
_NOT_ALLOWED = "add yourself to the video group (sudo usermod -a -G video $USER), then log out and in"


def how_to_get_one(system: str = sys.platform) -> str:
    """What to do on `system` (a value of sys.platform) so that there is a virtual camera."""
    return _GET_ONE.get(system, "pyvirtualcam has no backend for this system; register one with register_backend")


class VirtualCamera:
    """A sink: one size, rate and pixel format for the whole session, whatever the input does later. Never mirrored.

    Pixels go out as 4:2:2 (YUYV, BT.601 limited range, what cameras deliver and most programs take) to v4l2loopback and
    as RGB to every other backend, which converts by itself. Sending never waits for the device's rate: pacing is the
    loop's.
    """

    def __init__(
        self,
        info: StreamInfo | Size,
        *,
        rate: Fraction | float | None = None,
        backend: str | None = None,
        device: str | None = None,
    ) -> None:
        """Open the first backend that works, or the one named; `device` as pyvirtualcam names it (/dev/video2).

        The size is that of `info`, made even (4:2:2 needs it); the rate defaults to that of `info`, else 30.
        Raises VirtualCameraError, whose hint says how to get a device on this system.
        """
        size = info.size if isinstance(info, StreamInfo) else info
        known = info.rate if isinstance(info, StreamInfo) else None
        self._size = size[0] + size[0] % 2, size[1] + size[1] % 2
        self._camera = _open(self._size, float(rate or known or 30), backend, device)
        self._format = self._camera.fmt.name
        self._last: npt.NDArray[np.uint8] | None = None
        self._sent_at = 0.0
        self._closed = False
        _log.info("virtual camera: %s (%s), %dx%d", self.device, self._camera.backend, *self._size)

    @property
    def size(self) -> Size:
        """(width, height) that the device has for the whole session."""
        return self._size

    @property
    def device(self) -> str:
        """What other programs call the device."""
        return str(self._camera.device)

    @property
    def closed(self) -> bool:
        return self._closed

    def write(self, frame: Frame) -> None:
        """Send one frame, with black bars when its size is not the session's. Raises VirtualCameraError."""
        self._last = _encode(letterbox(to_8_bit(frame.pixels), self._size), self._format)
        self._send(self._last)

    def idle(self) -> None:
        """Send the last frame again after a pause: what was sent before was fit to be seen, so it is now."""
        if self._last is not None and time.monotonic() - self._sent_at >= _RESEND_AFTER:
            self._send(self._last)

    def close(self) -> None:
        """Release the device. Raises VirtualCameraError."""
        if not self._closed:
            self._closed = True
            self._last = None
            try:
                self._camera.close()
            except Exception as error:  # backends raise what they like
                raise VirtualCameraError(
                    f"{self.device}: the virtual camera cannot be closed: {error}",
                    hint="end the programs that watch it if it stays in use",
                ) from error

    def _send(self, picture: npt.NDArray[np.uint8]) -> None:
        if self._closed:
            return
        try:
            self._camera.send(picture)
        except Exception as error:  # backends raise what they like
            raise VirtualCameraError(
                f"{self.device}: the virtual camera takes no more frames: {error}", hint=how_to_get_one()
            ) from error
        self._sent_at = time.monotonic()


def _encode(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], pixel_format: str) -> npt.NDArray[np.uint8]:
    """A copy of RGB `pixels` as the device takes them; a copy, because a sink must not keep a frame's pixels."""
    if pixel_format == "YUYV":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_YUYV), np.uint8)
    return np.array(pixels, np.uint8)


def _open(size: Size, rate: float, backend: str | None, device: str | None) -> pyvirtualcam.Camera:
    failures: list[str] = []
    for name in _backends(backend):
        try:
            return _open_backend(name, size, rate, device)
        except Exception as error:  # backends raise what they like; the last sentence goes to the user
            failures.append(str(error) or type(error).__name__)
    wanted = device or "virtual camera"
    raise VirtualCameraError(f"{wanted}: cannot be opened: {'; '.join(failures)}", hint=_hint(" ".join(failures)))


def _backends(backend: str | None) -> list[str]:
    """The names to try: the one that was named, or all that pyvirtualcam has on this system."""
    try:
        from pyvirtualcam.camera import BACKENDS
    except ImportError as error:  # missing, or its native part does not fit this system
        raise VirtualCameraError(
            f"virtual cameras need pyvirtualcam, which cannot be loaded: {error}",
            hint="pip install --force-reinstall pyvirtualcam",
        ) from error

    if backend is not None and backend not in BACKENDS:
        raise UsageError(f"virtual camera backend {backend!r} does not exist", hint=f"there are: {', '.join(BACKENDS)}")
    return [backend] if backend is not None else list(BACKENDS)


def _open_backend(name: str, size: Size, rate: float, device: str | None) -> pyvirtualcam.Camera:
    import pyvirtualcam

    pixel_format = pyvirtualcam.PixelFormat.YUYV if name == "v4l2loopback" else pyvirtualcam.PixelFormat.RGB
    return pyvirtualcam.Camera(*size, rate, fmt=pixel_format, device=device, backend=name)


def _hint(failures: str) -> str:
    """What to do about the sentences that the backends failed with; their words are all there is to go by."""
    if "permission" in failures:
        return _NOT_ALLOWED
    if any(word in failures for word in ("in use", "busy", "could not be started")):
        return _IN_USE
    return how_to_get_one()
