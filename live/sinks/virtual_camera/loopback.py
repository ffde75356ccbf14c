"""Frames to a Video4Linux loopback device by ioctl and write: a backend for pyvirtualcam that reports what fails.

Numbers and layouts are those of linux/videodev2.h, which the kernel keeps stable. What v4l2loopback does:

- With exclusive_caps=1 a device that is being fed says that it captures only; one that nobody feeds says that it takes
  output. Without it a second program is refused by EBUSY in S_FMT (since 0.14), by EINVAL in the first write (0.13), or
  not at all.
- While somebody watches, the format stays. Depending on the version, setting another one fails with EINVAL, or succeeds
  and answers the format that stays, which is why the answer is compared.
- A write is a frame, never part of one, and does not wait for who watches.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from livestyle.errors import VirtualCameraError
from livestyle.media.resize import Size
from livestyle.sinks.virtual_camera import errors
from livestyle.sinks.virtual_camera.viewers import Viewers, is_open_elsewhere, open_viewers
from livestyle.system import v4l2

_log = logging.getLogger("livestyle")

LABEL = "livestyle"  # of the device that is preferred: modprobe v4l2loopback card_label=livestyle

S_FMT = 0xC0D05605  # _IOWR('V', 5, struct v4l2_format)
FORMAT = struct.Struct("@I0P12I152x")  # type; width, height, pixelformat, field, bytesperline, sizeimage, colorspace, …
OUTPUT = 2  # V4L2_BUF_TYPE_VIDEO_OUTPUT
YUYV = int.from_bytes(b"YUYV", "little")
_CAN_OUTPUT = 0x2 | 0x2000  # V4L2_CAP_VIDEO_OUTPUT, V4L2_CAP_VIDEO_OUTPUT_MPLANE
_PROGRESSIVE, _SRGB = 1, 8  # V4L2_FIELD_NONE; V4L2_COLORSPACE_SRGB, whose YUV is BT.601 in limited range
_LOOPBACKS = ("v4l2 loopback", "akvcam")  # drivers
_VIDEO_MAJOR = 81  # of every Video4Linux device

_RETRY_S = 0.2  # how long one frame is offered to a device that takes none at the moment
_RETRY_EVERY_S = 0.005
_STALLED_S = 5.0  # without a frame taken
_MOST_CUT = 3  # frames in a row of which the device took only a part


class Kernel(Protocol):
    """The calls by which a device is found and used; replaced in tests. All but `nodes` raise OSError."""

    def nodes(self) -> Sequence[str]:
        """Paths of the devices that may be loopback devices, by number."""

    def is_fed(self, path: str) -> bool:
        """Whether a program seems to feed it already; False where that is unknown."""

    def open(self, path: str) -> int:
        """A handle that never waits."""

    def lock(self, handle: int) -> None:
        """Keep other runs of livestyle from it; BlockingIOError when one has it."""

    def ioctl(self, handle: int, request: int, data: bytearray) -> object:
        """As the system's; `data` holds the answer afterwards."""

    def write(self, handle: int, frame: npt.NDArray[np.uint8]) -> int:
        """How many bytes of the frame were taken."""

    def close(self, handle: int) -> None:
        """Let it go."""


class Linux:
    """The running system."""

    def nodes(self) -> list[str]:
        """The nodes without those that belong to hardware."""
        found = {int(match[1]): str(path) for path in Path("/dev").glob("video*")
                 if (match := re.fullmatch(r"video(\d+)", path.name)) and not _is_hardware(path.name)}  # fmt: skip
        return [path for _, path in sorted(found.items())]

    def is_fed(self, path: str) -> bool:
        """By v4l2loopback's own attribute, which also says so while the format of a past run is kept."""
        try:
            state = (_sysfs(Path(os.path.realpath(path)).name) / "state").read_text("ascii", "replace")
        except OSError:
            return False
        return state.strip() == "capture" and is_open_elsewhere(path)

    def open(self, path: str) -> int:
        """As `Kernel.open`."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def lock(self, handle: int) -> None:
        """As `Kernel.lock`; only for video devices, as tests use other files."""
        import fcntl

        about = os.fstat(handle)
        if stat.S_ISCHR(about.st_mode) and os.major(about.st_rdev) == _VIDEO_MAJOR:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def ioctl(self, handle: int, request: int, data: bytearray) -> object:
        """As `Kernel.ioctl`."""
        return v4l2.ioctl(handle, request, data)

    def write(self, handle: int, frame: npt.NDArray[np.uint8]) -> int:
        """As `Kernel.write`."""
        return os.write(handle, frame.data)

    def close(self, handle: int) -> None:
        """As `Kernel.close`."""
        os.close(handle)


def _sysfs(node: str) -> Path:
    return Path("/sys/class/video4linux") / node


def _is_hardware(node: str) -> bool:
    """Opening a real camera only to ask for its name would wake it up."""
    entry = _sysfs(node)
    return entry.exists() and "virtual" not in entry.resolve().parts


@dataclass(frozen=True, slots=True)
class Device:
    """A loopback device as it was found."""

    path: str
    label: str  # card_label: what calls show in their lists
    can_output: bool  # False: it is fed already
    is_fed: bool  # see Kernel.is_fed


class LoopbackOutput:
    """A pyvirtualcam backend. After an error it is closed; to continue, open another one.

    A frame that the device does not take within 0.2 s (EAGAIN, EINTR) is lost and counted, not an error, unless none
    was taken for 5 s. A frame of which only a part was taken is lost too, because the rest would be taken for another
    one; three in a row are an error.
    """

    def __init__(
        self,
        *,
        width: int,
        height: int,
        fps: float,
        fourcc: int,
        device: str | None = None,
        kernel: Kernel | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        **_: object,
    ) -> None:
        """Open `device` (a path, a number or a label, or a part of one) or the first one that is free.

        The one labelled "livestyle" goes first. `fourcc` as pyvirtualcam encodes it; only YUYV is taken. `kernel`,
        `clock` and `sleep` can be replaced in tests. Raises VirtualCameraError.
        """
        if fourcc != int.from_bytes(b"YUY2", "little"):
            raise VirtualCameraError("the v4l2loopback backend takes YUYV only", hint="use PixelFormat.YUYV")
        self._kernel = kernel or Linux()
        self._clock, self._sleep = clock, sleep
        self._path, self._handle = _open_one(self._kernel, device, (width, height))
        self._closed = False
        self._lost = self._cut = 0
        self._refused_since: float | None = None

    @property
    def lost(self) -> int:
        """Frames that the device did not take, or not whole."""
        return self._lost

    def device(self) -> str:
        """The path of the device in use."""
        return self._path

    def native_fourcc(self) -> int | None:
        """Frames go out as they come."""
        return None

    def send(self, frame: npt.NDArray[np.uint8]) -> None:
        """One contiguous frame, in one write. Raises VirtualCameraError, and is closed then."""
        try:
            taken = self._offer(frame)
        except OSError as error:
            self.close()
            raise errors.writing_failed(self._path, error.errno or errno.EIO) from error
        if taken is None:
            self._refused()
            return
        self._refused_since = None
        self._cut = self._cut + 1 if taken < frame.nbytes else 0
        self._lost += taken < frame.nbytes
        if self._cut >= _MOST_CUT:
            self.close()
            raise errors.frames_cut(self._path, taken, frame.nbytes)

    def viewers(self) -> Viewers:
        """Reports whether somebody watches this device. Raises VirtualCameraError."""
        return open_viewers(self._path, self._kernel)

    def close(self) -> None:
        """Release the device. Twice is fine."""
        if not self._closed:
            self._closed = True
            self._kernel.close(self._handle)

    def _offer(self, frame: npt.NDArray[np.uint8]) -> int | None:
        """How many bytes were taken; None when the device took nothing for a while."""
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        deadline = self._clock() + _RETRY_S
        while True:
            try:
                return self._kernel.write(self._handle, frame) or None
            except (BlockingIOError, InterruptedError):
                if self._clock() >= deadline:
                    return None
                self._sleep(_RETRY_EVERY_S)

    def _refused(self) -> None:
        self._lost += 1
        now = self._clock()
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since >= _STALLED_S:
            self.close()
            raise errors.stalled(self._path, now - self._refused_since)


def find_devices(kernel: Kernel) -> list[Device]:
    """The loopback devices of this machine that may be opened, by number.

    Raises VirtualCameraError when there are nodes, none of which may be opened.
    """
    found: list[Device] = []
    forbidden: str | None = None
    for path in kernel.nodes():
        try:
            about = _ask(kernel, path)
        except OSError as error:
            forbidden = path if error.errno in (errno.EACCES, errno.EPERM) else forbidden
            continue
        if about.driver in _LOOPBACKS:
            found.append(Device(path, about.card, bool(about.flags & _CAN_OUTPUT), kernel.is_fed(path)))
    if not found and forbidden is not None:
        raise errors.opening_failed(forbidden, errno.EACCES)
    return found


def _ask(kernel: Kernel, path: str) -> v4l2.Capability:
    handle = kernel.open(path)
    try:
        return v4l2.capability(handle, kernel.ioctl)
    finally:
        kernel.close(handle)


def _open_one(kernel: Kernel, wanted: str | None, size: Size) -> tuple[str, int]:
    """The path and handle of the first candidate that takes frames of `size`; one that is taken is passed over."""
    paths = _candidates(kernel, wanted)
    failures: list[VirtualCameraError] = []
    for path in paths:
        try:
            return path, _open_output(kernel, path, size)
        except VirtualCameraError as error:
            failures.append(error)
            if len(paths) > 1:
                _log.debug("%s", error)
    if not failures:
        raise errors.none_found()
    if len(failures) == 1:
        raise failures[0]
    raise VirtualCameraError("; ".join(failure.message for failure in failures), hint=failures[0].hint)


def _candidates(kernel: Kernel, wanted: str | None) -> list[str]:
    """What to try, best first: what was named, else those that nobody feeds, of these the labelled one."""
    if wanted and "/" in wanted:
        return [wanted]
    number = re.fullmatch(r"(?:video)?(\d+)", wanted or "")
    if number:
        return [f"/dev/video{int(number[1])}"]
    devices = find_devices(kernel)
    if wanted:
        return [device.path for device in _labelled(devices, wanted)]
    return [device.path for device in sorted(devices, key=_rank)]


def _rank(device: Device) -> tuple[bool, bool]:
    """False goes first; equals keep their order."""
    return device.is_fed or not device.can_output, device.label.casefold() != LABEL


def _labelled(devices: Sequence[Device], wanted: str) -> list[Device]:
    """Those with that label, else those with a part of it."""
    name = wanted.casefold()
    some = [device for device in devices if name in device.label.casefold()]
    exact = [device for device in some if device.label.casefold() == name]
    if not some:
        listed = ", ".join(f"{device.path} ({device.label})" for device in devices)
        raise errors.no_such_label(wanted, f"there are: {listed}" if listed else "")
    return exact or some


def _open_output(kernel: Kernel, path: str, size: Size) -> int:
    """A handle of a device that takes YUYV frames of `size`. Raises VirtualCameraError."""
    try:
        handle = kernel.open(path)
    except OSError as error:
        raise errors.opening_failed(path, error.errno or errno.EIO) from error
    try:
        _require_output(kernel, handle, path)
        _set_format(kernel, handle, path, size)
        _claim(kernel, handle, path)
    except BaseException:
        kernel.close(handle)
        raise
    return handle


def _require_output(kernel: Kernel, handle: int, path: str) -> None:
    try:
        about = v4l2.capability(handle, kernel.ioctl)
    except OSError as error:
        # EINVAL is what some drivers, and what is not a device at all, answer to a request that they do not know.
        number = errno.ENOTTY if error.errno == errno.EINVAL else error.errno or errno.EIO
        raise errors.opening_failed(path, number) from error
    if not about.flags & _CAN_OUTPUT:
        raise errors.taken(path) if about.driver in _LOOPBACKS else errors.not_an_output(path, about.card)


def _set_format(kernel: Kernel, handle: int, path: str, size: Size) -> None:
    width, height = size
    data = bytearray(FORMAT.pack(OUTPUT, width, height, YUYV, _PROGRESSIVE, 2 * width, 2 * width * height, _SRGB,
                                 0, 0, 0, 0, 0))  # fmt: skip
    try:
        kernel.ioctl(handle, S_FMT, data)
    except OSError as error:
        raise errors.format_refused(path, error.errno or errno.EIO, size) from error
    _, *has, pixel_format = FORMAT.unpack(data)[:4]
    if (*has, pixel_format) != (width, height, YUYV):
        same = f"{has[0]}x{has[1]}"
        code = pixel_format.to_bytes(4, "little").decode("ascii", "replace").strip()
        raise errors.held(path, size, f"{same} ({code})", try_size=same if pixel_format == YUYV else "")


def _claim(kernel: Kernel, handle: int, path: str) -> None:
    """Keep a second run of livestyle from it, whatever the driver allows."""
    try:
        kernel.lock(handle)
    except BlockingIOError as error:
        raise errors.taken(path) from error
    except OSError as error:
        _log.debug("%s: cannot be locked: %s", path, error)
