"""Whether a picture fits into memory, by its header, before anything is allocated for it."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

from livestyle.errors import SourceError
from livestyle.system.reading import in_megabytes

PHOTO_BYTES = {1: 28, 2: 40}
"""Bytes a sample -> bytes a pixel that a photo takes at its peak: decoded, styled, encoded (measured: 26 and 36)."""

VIDEO_BYTES = 24
"""Bytes that each pixel of a video takes, at least: of frames decoded ahead, a styled one, and the encoder's."""

SUSPICIOUS = 256 << 20  # bytes of decoded samples, from which on a file must hold
DENSITY = 400  # no fewer than the part of them that this is: the emptiest photos hold a hundredth
LEAST = 512 << 20  # bytes that are always taken to be there


def check_photo(path: Path, size: tuple[int, int], sample_bytes: int) -> None:
    """Raise SourceError for a photo of `size` (width, height) that cannot be meant or does not fit."""
    pixels = size[0] * size[1]
    what = f"{path} has {size[0]}x{size[1]} pixels"
    if 3 * pixels * sample_bytes > max(SUSPICIOUS, DENSITY * path.stat().st_size):
        raise SourceError(
            f"{what} but only {in_megabytes(path.stat().st_size)} of data: that is unlikely to be a photo",
            hint="scale it down, or export it as JPEG",
        )
    _check(what, pixels * PHOTO_BYTES[sample_bytes])


def check_video(path: Path, size: tuple[int, int]) -> None:
    """Raise SourceError for a video of `size` (width, height) that does not fit."""
    _check(f"{path} has frames of {size[0]}x{size[1]} pixels", size[0] * size[1] * VIDEO_BYTES)


def most_pixels() -> int:
    """Of one frame of a video: a decoder with this limit allocates no larger ones."""
    room = available()
    return 1 << 30 if room is None else max(room, LEAST) // VIDEO_BYTES


def _check(what: str, need: int) -> None:
    room = available()
    if room is not None and need > max(room, LEAST):
        raise SourceError(
            f"{what}, which takes about {in_megabytes(need)} of memory; {in_megabytes(room)} are free",
            hint="scale it down, or close other programs",
        )


def available() -> int | None:
    """Bytes of memory that this process can take; None where the system does not say."""
    rooms = [room for room in (_of_system(), _of_group(), _of_process()) if room is not None]
    return min(rooms, default=None)


def _of_system() -> int | None:
    room: int | None = None
    if sys.platform == "linux":
        room = _meminfo(Path("/proc/meminfo"))
    elif sys.platform == "darwin":
        room = _of_macos()
    elif sys.platform == "win32":
        room = _of_windows()
    return room


def _meminfo(path: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _of_group() -> int | None:
    """What a container's limit leaves (control groups, version 2 and 1)."""
    for folder, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # "max", or no such files
            most = int(Path(folder, limit).read_text())
            return max(0, most - int(Path(folder, used).read_text()) + _cached(Path(folder, "memory.stat")))
    return None


def _cached(path: Path) -> int:
    """Files in memory count as used, and go when it is needed."""
    with suppress(OSError, ValueError):
        pairs = (line.split() for line in path.read_text().splitlines())
        return next((int(value) for name, value in pairs if name == "inactive_file"), 0)
    return 0


if sys.platform == "win32":

    def _of_process() -> int | None:
        return None
else:
    import resource

    def _of_process() -> int | None:
        """What a limit on the address space (`ulimit -v`) leaves."""
        with suppress(OSError, ValueError):
            most = resource.getrlimit(resource.RLIMIT_AS)[0]
            if most != resource.RLIM_INFINITY:
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                return max(0, most - pages * resource.getpagesize())
        return None


def _of_macos() -> int | None:
    """All there is: the system compresses memory and makes room, and does not say how much."""
    size, length = ctypes.c_uint64(), ctypes.c_size_t(8)
    with suppress(OSError, AttributeError):
        if ctypes.CDLL(None).sysctlbyname(b"hw.memsize", ctypes.byref(size), ctypes.byref(length), None, 0) == 0:
            return size.value
    return None


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        ("total", ctypes.c_ulonglong),
        ("available", ctypes.c_ulonglong),
        ("others", ctypes.c_ulonglong * 5),
    )


if sys.platform == "win32":

    def _of_windows() -> int | None:
        status = _MemoryStatus()
        status.length = ctypes.sizeof(status)
        with suppress(OSError):
            if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
                return int(status.available)
        return None
