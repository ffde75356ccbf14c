"""Whether somebody watches a Video4Linux loopback device: by v4l2loopback's events (since 0.13), else by /proc."""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from livestyle.sinks.virtual_camera import errors

_log = logging.getLogger("livestyle")

DQEVENT = 0x80885659  # _IOR('V', 89, struct v4l2_event)
SUBSCRIBE, UNSUBSCRIBE = 0x4020565A, 0x4020565B  # _IOW('V', 90 and 91, struct v4l2_event_subscription)
EVENT = struct.Struct("@I0qI60xII2lI32x0q")  # type; u: the count, …; pending, sequence, timestamp, id
SUBSCRIPTION = struct.Struct("@III20x")  # type, id, flags
CLIENT_USAGE = 0x08000000 + 0x08E00000 + 1  # v4l2loopback's V4L2_EVENT_PRI_CLIENT_USAGE: how many watch
SEND_INITIAL = 1  # V4L2_EVENT_SUB_FL_SEND_INITIAL

_ASK_AGAIN_S = 5.0  # an event that was lost must not count for long
_REOPEN_EVERY_S = 1.0
_SCAN_EVERY_S = 0.5
_SCAN_SHARE = 100  # a scan's duration is at most one part in so many of the time
_MOST_EVENTS = 64  # waiting at once; the driver keeps fewer


class Viewers(Protocol):
    """Reports whether a device is watched; called a few times a second, from one thread."""

    def watched(self) -> bool:
        """Whether somebody watches the device. True while that cannot be known."""

    def close(self) -> None:
        """Release what is open. Twice is fine."""


class Handles(Protocol):
    """The calls that EventViewers makes; livestyle.sinks.virtual_camera.loopback.Kernel has them. All raise OSError."""

    def open(self, path: str) -> int:
        """A handle that never waits."""

    def ioctl(self, handle: int, request: int, data: bytearray) -> object:
        """As the system's."""

    def close(self, handle: int) -> None:
        """Let it go."""


def open_viewers(path: str, handles: Handles) -> Viewers:
    """Reports who watches the device at `path`. Raises VirtualCameraError where nothing can."""
    try:
        return EventViewers(path, handles)
    except OSError as error:
        _log.debug("%s: no event says who watches it (%s); looking through /proc", path, error)
    if not os.path.isdir("/proc/self/fd"):
        raise errors.cannot_tell(path)
    return ProcViewers(path)


class EventViewers:
    """By v4l2loopback's event, on a handle of its own: the one that frames go to may be opened again any time."""

    def __init__(self, path: str, handles: Handles, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError when the driver has no such event."""
        self._path, self._handles, self._clock = path, handles, clock
        self._count: int | None = None  # unknown
        self._handle: int | None = None
        self._asked = clock()
        self._open()

    def watched(self) -> bool:
        """By the newest event; requested again now and then, and after the device was away."""
        now = self._clock()
        try:
            self._refresh(now)
        except OSError as error:
            _log.debug("%s: who watches it is not known: %s", self._path, error)
            self.close()
            self._count = None
        return self._count != 0

    def close(self) -> None:
        """Release the handle. Twice is fine."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._handles.close(handle)

    def _refresh(self, now: float) -> None:
        if self._handle is None:
            if now - self._asked < _REOPEN_EVERY_S:
                return
            self._asked = now
            self._open()
        elif now - self._asked >= _ASK_AGAIN_S:
            self._asked = now
            self._subscribe(self._handle)
        else:
            self._take(self._handle)

    def _open(self) -> None:
        self._handle = self._handles.open(self._path)
        try:
            self._subscribe(self._handle)
            if self._count is None:
                raise OSError("the driver accepts the event and does not send it")
        except OSError:
            self.close()
            raise

    def _subscribe(self, handle: int) -> None:
        """Subscribe again, which makes the driver report the current count at once."""
        subscription = SUBSCRIPTION.pack(CLIENT_USAGE, 0, SEND_INITIAL)
        with contextlib.suppress(OSError):  # there was none
            self._handles.ioctl(handle, UNSUBSCRIBE, bytearray(subscription))
        self._handles.ioctl(handle, SUBSCRIBE, bytearray(subscription))
        self._take(handle)

    def _take(self, handle: int) -> None:
        """Read the events that wait; the newest one counts."""
        for _ in range(_MOST_EVENTS):
            data = bytearray(EVENT.size)
            try:
                self._handles.ioctl(handle, DQEVENT, data)
            except (FileNotFoundError, BlockingIOError):  # ENOENT: none waits
                return
            kind, count, pending, *_ = EVENT.unpack(data)
            if kind == CLIENT_USAGE:
                self._count = count
            if not pending:
                return


class ProcViewers:
    """By the files that other processes have open, as far as this user may see them.

    A program that only looks for cameras opens a device for a moment, so that it has to be seen twice in a row.
    """

    def __init__(
        self,
        path: str,
        is_open: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_open` and `clock` can be replaced in tests."""
        self._path = path
        self._is_open, self._clock = is_open or is_open_elsewhere, clock
        self._seen = self._watched = False
        self._next = clock()

    def watched(self) -> bool:
        """By the newest scan; how often there is one depends on how long it takes."""
        now = self._clock()
        if now >= self._next:
            seen = self._is_open(self._path)
            self._watched, self._seen = seen and self._seen, seen
            after = self._clock()
            self._next = after + max(_SCAN_EVERY_S, _SCAN_SHARE * (after - now))
        return self._watched

    def close(self) -> None:
        """Nothing is open."""


def is_open_elsewhere(path: str) -> bool:
    """Whether a process other than this one has `path` open, of those that may be looked into."""
    return any(_holds(process, os.path.realpath(path)) for process in _others())


def _others() -> Iterator[str]:
    own = str(os.getpid())
    with contextlib.suppress(OSError):
        yield from (name for name in os.listdir("/proc") if name.isdecimal() and name != own)


def _holds(process: str, path: str) -> bool:
    folder = f"/proc/{process}/fd"
    try:
        names = os.listdir(folder)
    except OSError:  # it has ended, or belongs to somebody else
        return False
    for name in names:
        with contextlib.suppress(OSError):
            if os.readlink(f"{folder}/{name}") == path:
                return True
    return False
