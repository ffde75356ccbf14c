"""The few questions to a Video4Linux device that OpenCV does not answer: who it is, whether it captures, who holds it.

Numbers and layouts are those of linux/videodev2.h, which the kernel keeps stable.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_QUERYCAP = 0x80685600  # _IOR('V', 0, struct v4l2_capability)
_CAPABILITY = struct.Struct("16s32s32sIII12x")  # driver, card, bus_info, version, capabilities, device_caps
_REQBUFS = 0xC0145608  # _IOWR('V', 8, struct v4l2_requestbuffers)
_BUFFERS = struct.Struct("III8x")  # count, type, memory
_CAPTURE, _MMAP = 1, 1
_CAN_CAPTURE = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
_HAS_DEVICE_CAPS = 0x80000000

Ioctl = Callable[[int, int, bytearray], object]


def _ioctl(handle: int, request: int, data: bytearray) -> object:
    import fcntl

    return fcntl.ioctl(handle, request, data, True)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def can_capture(path: str, ioctl: Ioctl = _ioctl) -> bool | None:
    """Whether this node delivers pictures (a webcam's second node has only metadata); None when it cannot be asked."""
    answer = bytearray(_CAPABILITY.size)
    try:
        with _opened(path) as handle:
            ioctl(handle, _QUERYCAP, answer)
    except OSError:
        return None
    *_, capabilities, device_caps = _CAPABILITY.unpack(answer)
    return bool((device_caps if capabilities & _HAS_DEVICE_CAPS else capabilities) & _CAN_CAPTURE)


def trouble(path: str, ioctl: Ioctl = _ioctl) -> int:
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
