"""The few questions to a Video4Linux device that OpenCV does not answer: what it is and can do, whether it is in use.

Numbers and layouts are those of linux/videodev2.h, which the kernel keeps stable.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_QUERYCAP = 0x80685600  # _IOR('V', 0, struct v4l2_capability)
_CAPABILITY = struct.Struct("16s32s32sIII12x")  # driver, card, bus_info, version, capabilities, device_caps
_REQBUFS = 0xC0145608  # _IOWR('V', 8, struct v4l2_requestbuffers)
_BUFFERS = struct.Struct("III8x")  # count, type, memory
_CAPTURE, _MMAP = 1, 1
_CAN_CAPTURE = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
_HAS_DEVICE_CAPS = 0x80000000

Ioctl = Callable[[int, int, bytearray], object]


@dataclass(frozen=True, slots=True)
class Capability:
    """What a device says about itself."""

    driver: str  # "uvcvideo", "v4l2 loopback", …
    card: str  # the name that programs show
    flags: int  # V4L2_CAP_… bits of this node

    @property
    def captures(self) -> bool:
        """Whether this node delivers pictures."""
        return bool(self.flags & _CAN_CAPTURE)


def ioctl(handle: int, request: int, data: bytearray) -> object:
    """The system's ioctl; `data` holds the kernel's answer afterwards. Raises OSError."""
    import fcntl

    return fcntl.ioctl(handle, request, data, True)


def capability(handle: int, ioctl: Ioctl = ioctl) -> Capability:
    """What the open device `handle` is. Raises OSError, with ENOTTY for what is no Video4Linux device."""
    answer = bytearray(_CAPABILITY.size)
    ioctl(handle, _QUERYCAP, answer)
    driver, card, _, _, whole, node = _CAPABILITY.unpack(answer)
    return Capability(_text(driver), _text(card), node if whole & _HAS_DEVICE_CAPS else whole)


def _text(field: bytes) -> str:
    """A C string in a field of fixed width."""
    return field.split(b"\0", 1)[0].decode("utf-8", "replace").strip()


@contextmanager
def _opened(path: str) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def can_capture(path: str, ioctl: Ioctl = ioctl) -> bool | None:
    """Whether this node delivers pictures (a webcam's second node has only metadata); None when it cannot be asked."""
    try:
        with _opened(path) as handle:
            return capability(handle, ioctl).captures
    except OSError:
        return None


def trouble(path: str, ioctl: Ioctl = ioctl) -> int:
    """The errno that keeps pictures from coming: ENOENT, EACCES, EBUSY, …; 0 when nothing seems to be wrong.

    Opening a camera that another program uses works; asking for buffers is what fails then, so both are tried.
    """
    try:
        with _opened(path) as handle:
            ioctl(handle, _REQBUFS, bytearray(_BUFFERS.pack(1, _CAPTURE, _MMAP)))
            ioctl(handle, _REQBUFS, bytearray(_BUFFERS.pack(0, _CAPTURE, _MMAP)))
    except OSError as error:
        return error.errno or errno.EIO
    return 0
