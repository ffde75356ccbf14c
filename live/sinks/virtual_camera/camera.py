"""Frames to a camera that other programs can choose: v4l2loopback on Linux, OBS's or Unity Capture's elsewhere."""

from __future__ import annotations

import logging
import os
import time
import weakref
from fractions import Fraction
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import UsageError, VirtualCameraError
from livestyle.frame import Frame, Pixels, StreamInfo
from livestyle.media.depth import to_8_bit
from livestyle.media.resize import Size, letterbox
from livestyle.sinks.virtual_camera.errors import cannot_tell, hint_for, hint_in_mid_run, how_to_get_one
from livestyle.sinks.virtual_camera.viewers import Viewers

__all__ = ["VirtualCamera", "VirtualCameraOpener", "how_to_get_one"]

_log = logging.getLogger("livestyle")

_RESEND_AFTER = 0.2  # seconds without a frame; programs that read a loopback device freeze or give up without any
_LOOPBACK = "v4l2loopback"  # pyvirtualcam's own backend of that name prints what fails and continues


class Backend(Protocol):
    """The part of a pyvirtualcam backend that is used."""

    def close(self) -> None: ...
    def send(self, frame: npt.NDArray[np.uint8]) -> None: ...
    def device(self) -> str: ...


@runtime_checkable
class CountsLost(Protocol):
    """A backend that knows how many frames its device did not take."""

    @property
    def lost(self) -> int: ...


@runtime_checkable
class KnowsViewers(Protocol):
    """A backend that can tell whether somebody watches its device."""

    def viewers(self) -> Viewers: ...


class OpenBackend(Protocol):
    """Opens a backend, as pyvirtualcam calls it. Raises what it likes."""

    def __call__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None) -> Backend: ...


class VirtualCamera:
    """A sink: one size, rate and pixel format for the whole session, whatever the input does later. Never mirrored.

    Pixels go out as 4:2:2 (YUYV, BT.601 limited range, what cameras deliver and most programs take) to v4l2loopback and
    as RGB to every other backend, which converts by itself. Sending never waits for the device's rate: pacing is the
    loop's. A device that takes no frame for a moment loses it (see `lost`); one that fails is an error at once, after
    which another VirtualCamera may be opened instead of this one.
    """

    def __init__(
        self,
        info: StreamInfo | Size,
        *,
        rate: Fraction | float | None = None,
        backend: str | None = None,
        device: str | None = None,
    ) -> None:
        """Open the first backend that works, or the one named.

        `device` on Linux: a path, a number or a label; else as pyvirtualcam names it. Without one, a free device is
        taken, on Linux the one labelled "livestyle" first.

        The size is that of `info`, made even (4:2:2 needs it); the rate defaults to that of `info`, else 30.
        Raises VirtualCameraError, whose hint says how to get a device on this system.
        """
        size = info.size if isinstance(info, StreamInfo) else info
        known = info.rate if isinstance(info, StreamInfo) else None
        self._size = size[0] + size[0] % 2, size[1] + size[1] % 2
        name, self._camera = _open(self._size, float(rate or known or 30), backend, device)
        self._yuyv = name == _LOOPBACK
        self._device = str(self._camera.device())
        self._last: npt.NDArray[np.uint8] | None = None
        self._source: weakref.ref[Pixels] | None = None  # of the pixels that `_last` was made from
        self._sent_at = 0.0
        self._closed = False
        self._name = name

    @property
    def size(self) -> Size:
        """(width, height) that the device has for the whole session."""
        return self._size

    @property
    def device(self) -> str:
        """What other programs call the device."""
        return self._device

    @property
    def description(self) -> str:
        """The device and the name of its backend."""
        return f"{self._device} ({self._name})"

    @property
    def lost(self) -> int:
        """Frames that the device did not take, where the backend knows."""
        return self._camera.lost if isinstance(self._camera, CountsLost) else 0

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def write(self, frame: Frame) -> None:
        """Send one frame, with black bars when its size is not the session's. Raises VirtualCameraError."""
        if self._last is None or self._source is None or self._source() is not frame.pixels:  # a card comes often
            self._last = self._encoded(frame.pixels)
            self._source = weakref.ref(frame.pixels)
        self._send(self._last)

    def idle(self) -> None:
        """Send the last frame again after a pause: it was styled or a hold card, so it may be seen."""
        if self._last is not None and time.monotonic() - self._sent_at >= _RESEND_AFTER:
            self._send(self._last)

    def viewers(self) -> Viewers:
        """Reports whether somebody watches the device. Raises VirtualCameraError where the backend cannot know."""
        if not isinstance(self._camera, KnowsViewers):
            raise cannot_tell(self._device)
        return self._camera.viewers()

    def close(self) -> None:
        """Release the device. Raises VirtualCameraError."""
        if not self._closed:
            self._closed = True
            self._last = None
            if self.lost:
                _log.warning("%s: %d frames were not taken by the virtual camera", self._device, self.lost)
            try:
                self._camera.close()
            except Exception as error:  # backends raise what they like
                raise VirtualCameraError(
                    f"{self.device}: the virtual camera cannot be closed: {error}",
                    hint="end the programs that watch it if it stays in use",
                ) from error

    def _encoded(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """`pixels` as one contiguous row for the device."""
        fitted = np.asarray(letterbox(to_8_bit(pixels), self._size), np.uint8)
        return (_yuyv(fitted) if self._yuyv else fitted.copy()).reshape(-1)

    def _send(self, picture: npt.NDArray[np.uint8]) -> None:
        if self._closed:
            return
        try:
            self._camera.send(picture)
        except VirtualCameraError:
            raise
        except Exception as error:  # backends raise what they like
            raise VirtualCameraError(
                f"{self.device}: the virtual camera no longer accepts frames: {error}", hint=hint_in_mid_run(str(error))
            ) from error
        self._sent_at = time.monotonic()


class VirtualCameraOpener:
    """Opens a virtual camera, and later the same one again: it is what the call watches, whichever else is free."""

    def __init__(self, size: Size, rate: float, device: str | None) -> None:
        """As VirtualCamera takes them."""
        self._size, self._rate, self._device = size, rate, device
        self._used: str | None = None

    def __call__(self) -> VirtualCamera:
        """Raises VirtualCameraError."""
        used = self._used if self._used and os.path.exists(self._used) else None
        camera = VirtualCamera(self._size, rate=self._rate, device=self._device or used)
        if self._used != camera.device:
            _log.info("virtual camera: %s, %dx%d", camera.description, *camera.size)
        self._used = camera.device
        return camera


def _yuyv(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(H, W, 3) RGB as (H, W, 2): Y with U and V in turns, BT.601 in limited range."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_YUYV), np.uint8)


def _open(size: Size, rate: float, backend: str | None, device: str | None) -> tuple[str, Backend]:
    """The name and the backend of the first that works."""
    backends = _backends(backend)
    failures: list[Exception] = []
    for name, open_backend in backends.items():
        try:
            return name, _open_backend(name, open_backend, size, rate, device)
        except Exception as error:  # backends raise anything; the last message goes to the user
            failures.append(error)
    raise _cannot_open(device or "virtual camera", failures)


def _cannot_open(wanted: str, failures: list[Exception]) -> VirtualCameraError:
    """One error for all; what the only backend says about itself stays as it is."""
    known = [failure for failure in failures if isinstance(failure, VirtualCameraError)]
    if known and len(failures) == 1:
        return known[0]
    said = "; ".join(str(failure) or type(failure).__name__ for failure in failures)
    return VirtualCameraError(
        f"{wanted}: cannot be opened: {said or 'there is no backend'}", hint=known[0].hint if known else hint_for(said)
    )


def _backends(backend: str | None) -> dict[str, OpenBackend]:
    """What to try, by name: the one that was named, or all that pyvirtualcam has on this system."""
    try:
        from pyvirtualcam.camera import BACKENDS, register_backend
    except ImportError as error:  # missing, or its native part does not fit this system
        raise VirtualCameraError(
            f"virtual cameras need pyvirtualcam, which cannot be loaded: {error}",
            hint="pip install --force-reinstall pyvirtualcam",
        ) from error

    if _LOOPBACK in BACKENDS:
        from livestyle.sinks.virtual_camera.loopback import LoopbackOutput

        register_backend(_LOOPBACK, LoopbackOutput)
    if backend is not None and backend not in BACKENDS:
        raise UsageError(f"virtual camera backend {backend!r} does not exist", hint=f"there are: {', '.join(BACKENDS)}")
    return {backend: BACKENDS[backend]} if backend is not None else dict(BACKENDS)


def _open_backend(name: str, backend: OpenBackend, size: Size, rate: float, device: str | None) -> Backend:
    """Without pyvirtualcam.Camera, which turns every error into text and measures rates that are not needed."""
    from pyvirtualcam.camera import PixelFormat
    from pyvirtualcam.util import encode_fourcc

    pixel_format = PixelFormat.YUYV if name == _LOOPBACK else PixelFormat.RGB
    width, height = size
    fourcc = encode_fourcc(pixel_format.value)
    return backend(width=width, height=height, fps=rate, fourcc=fourcc, device=device)
