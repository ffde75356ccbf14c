"""What all cameras share, local or not: a reading thread, the newest frame, waiting for one that is lost."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple, Protocol

from livestyle.errors import LivestyleError, RefusedError, SourceError
from livestyle.frame import ColorInfo, Frame, Pixels, StreamInfo, read_only
from livestyle.media.resize import size_of
from livestyle.sources.interval import UsualInterval

_log = logging.getLogger("livestyle")

_TIME_BASE = Fraction(1, 1_000_000)
_COLOR = ColorInfo(primaries="bt709", transfer="iec61966-2-1", matrix="gbr", range="pc")  # what cameras mean is sRGB

FIRST_FRAME_S = 25.0  # Media Foundation takes up to 12 s to open a camera, a network camera as long to answer
_LOST_AFTER_S = 3.0  # without a frame, where they usually come faster
_MOST_HUNG = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_TICK_S = 0.1  # how often a waiting thread checks its state: Windows cannot interrupt a longer wait with Ctrl-C
_JOIN_S = 1.0
_SIZE_REPORT_S = 5.0  # at least, between two reports of a new size

Picture = Callable[[], Pixels | None]
"""One picture that was received, turned into (H, W, 3) RGB when it is called; None when it is damaged."""

Stopped = Callable[[], bool]
"""Whether the result is no longer needed."""


class Received(NamedTuple):
    """A picture and when it came."""

    picture: Picture
    captured: float  # time.monotonic() seconds


class Connection(Protocol):
    """A device that is open. Used by one thread, but for the pictures it returned."""

    @property
    def rate(self) -> Fraction | None:
        """Frames per second that the device reports; None where it reports nonsense."""

    def read(self) -> Received | None:
        """The newest picture; None when none came for a moment. Raises OSError when the device is gone."""

    def close(self) -> None:
        """Release the device."""


class Device(Protocol):
    """A camera as the user named it, whether it is there or not."""

    label: str  # what messages call it; holds no password
    picture_within_s: float  # once open, seconds that the first picture may take
    hung_after_s: float  # a call that has not returned by then is abandoned, and its thread too

    def open(self, stopped: Stopped, *, again: bool) -> Connection:
        """Open it; `again`: it was open before. Raises LivestyleError; RefusedError where waiting does not help."""

    def no_picture(self) -> LivestyleError:
        """Why it is open and no picture comes."""

    def too_slow(self, seconds: float) -> LivestyleError:
        """The error for a device that sent no picture within `seconds`."""


class LiveSource:
    """Never ends by itself: a device that goes away is waited for, and iteration yields nothing meanwhile.

    One thread of its own opens and reads the device all the time, because drivers and networks give old frames to a
    slow reader and because their calls can hang; iterating takes the newest frame. `Frame.captured` is the moment the
    frame was handed over: exposure, transfer and the network came before it and are not counted.
    """

    def __init__(self, device: Device, *, wait: float | None = None) -> None:
        """Open the device and wait for its first frame, from which the size is known.

        `wait`: seconds to keep trying while it cannot be opened (math.inf: without end); None: raise the first error.

        Raises SourceNotFoundError, and SourceError when the device is in use, forbidden or gives no picture.
        """
        self._device = device
        self._changed = threading.Condition()
        self._newest: Received | None = None
        self._skipped = 0
        self._lost_since: float | None = None
        self._failure: LivestyleError | None = None
        self._rate: Fraction | None = None
        self._closed = False
        self._opened = False  # at least once
        self._generation = 0  # of the reading thread; one whose number is not current stops and is ignored
        self._threads: list[threading.Thread] = []
        self._seen = self._alive = time.monotonic()  # of the newest frame; of the thread's last return from the driver
        self._usual = UsualInterval()
        self._epoch, self._pts = self._seen, -1
        self._start_thread()
        try:
            size = size_of(self._wait_for_first(wait))
        except BaseException:
            self.close()
            raise
        self._info = StreamInfo(device.label, size, _TIME_BASE, self._rate, color=_COLOR, is_live=True)
        self._reported_size = size, -math.inf  # and when, time.monotonic() seconds

    @property
    def info(self) -> StreamInfo:
        """The size is that of the newest frame; the rate is what the device reports, None where it reports nonsense."""
        return self._info

    @property
    def is_lost(self) -> bool:
        """True while the device is being waited for."""
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
        """End iteration and release the device. A call that hangs does not delay this for long."""
        with self._changed:
            self._closed = True
            self._generation += 1
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)
        self._threads.clear()

    # The iterating side

    def _wait_for_first(self, wait: float | None) -> Pixels:
        """The first frame, which stays in place for iteration."""
        began, told = time.monotonic(), False
        while (taken := self._take()) is None:
            waited = time.monotonic() - began
            self._replace_hung_thread()
            failure = self._failure
            if failure is None:
                if waited > max(FIRST_FRAME_S, wait or 0):
                    raise self._device.too_slow(waited)
            elif wait is None or waited > wait or isinstance(failure, RefusedError):
                raise failure
            elif not told:
                told = True
                _log.warning("%s; waiting for it", failure)
        pixels, captured = taken
        with self._changed:
            if self._newest is None:
                self._newest = Received(lambda: pixels, captured)
        return pixels

    def _take(self) -> tuple[Pixels, float] | None:
        """The newest frame, or None when there is none for a moment, or a damaged one."""
        with self._changed:
            if self._newest is None and not self._closed:
                self._changed.wait(_TICK_S)
            received, self._newest = self._newest, None
            if self._closed or received is None:
                return None
        pixels = received.picture()
        if pixels is None:
            return None
        self._note_good(received.captured)
        return pixels, received.captured

    def _frame(self, pixels: Pixels, captured: float) -> Frame:
        pixels = read_only(pixels)
        if size_of(pixels) != self._info.size:
            self._info = replace(self._info, size=size_of(pixels))
        self._report_size(captured)
        self._pts = max(self._pts + 1, int((captured - self._epoch) / _TIME_BASE))
        return Frame(pixels, self._pts, captured)

    def _report_size(self, now: float) -> None:
        """Log another size than the one reported last; seldom, as some cameras change it with every frame."""
        reported, since = self._reported_size
        if self._info.size != reported and now - since >= _SIZE_REPORT_S:
            self._reported_size = self._info.size, now
            _log.info("%s now delivers %dx%d", self._info.name, *self._info.size)

    def _note_good(self, captured: float) -> None:
        """A frame that is not damaged came."""
        with self._changed:
            if captured > self._seen:  # not the first frame again, which was already used for its size
                self._seen = captured
                self._usual.note(captured)
            if self._lost_since is not None:
                _log.info("%s is back after %.0f s", self._device.label, captured - self._lost_since)
                self._lost_since = None

    def _watch(self) -> None:
        """Detect silence, which a driver call that hangs cannot report itself."""
        with self._changed:
            if time.monotonic() - self._seen > self._usual.unusual(_LOST_AFTER_S):
                self._mark_lost()
        self._replace_hung_thread()

    def _mark_lost(self) -> None:
        """Log once that the device is away, and since when. The lock is held."""
        if self._lost_since is None and not self._closed:
            self._lost_since = self._seen
            since = time.strftime("%H:%M:%S", time.localtime(time.time() - (time.monotonic() - self._seen)))
            _log.warning("%s: no picture since %s; waiting for it to come back", self._device.label, since)

    def _replace_hung_thread(self) -> None:
        """Abandon a thread that hangs (it releases its device if it ever returns) and start another."""
        with self._changed:
            hung = time.monotonic() - self._alive > self._device.hung_after_s
        if not hung:
            return
        self._threads[:] = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) < _MOST_HUNG:
            _log.debug("%s: a call hangs; trying again", self._device.label)
            self._start_thread()

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

    # The reading side: everything below runs on the thread that owns the connection

    def _read(self, generation: int) -> None:
        pause = _FIRST_PAUSE_S
        while self._is_current(generation):
            connection = self._try_to_open(generation)
            if connection is not None:
                delivered = self._read_until_lost(connection, generation)
                pause = _FIRST_PAUSE_S if delivered else pause
            self._pause(pause, generation)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _try_to_open(self, generation: int) -> Connection | None:
        try:
            connection = self._device.open(lambda: not self._is_wanted(generation), again=self._opened)
        except LivestyleError as error:
            self._fail(error, generation)
        except Exception as error:  # a driver's own exceptions; their text may hold an address with its password
            _log.debug("%s: %s", self._device.label, type(error).__name__)
            self._fail(SourceError(f"{self._device.label}: cannot be opened"), generation)
        else:
            self._rate = self._rate or connection.rate
            return connection
        return None

    def _read_until_lost(self, connection: Connection, generation: int) -> bool:
        """Deliver frames until the device fails; True when there was at least one."""
        started = good = time.monotonic()
        try:
            while self._is_current(generation) and time.monotonic() - good < self._patience(good > started):
                received = connection.read()
                if received is not None:
                    good = received.captured
                    self._deliver(received, generation)
        except Exception as error:  # what a device that fails raises
            _log.debug("%s: reading failed: %s", self._device.label, type(error).__name__)
        finally:
            connection.close()
        if good == started and self._is_wanted(generation):
            self._fail(self._device.no_picture(), generation)
        return good > started

    def _patience(self, delivered: bool) -> float:
        """Seconds that the next picture of an open device may take."""
        with self._changed:
            return self._usual.unusual(_LOST_AFTER_S) if delivered else self._device.picture_within_s

    def _deliver(self, received: Received, generation: int) -> None:
        with self._changed:
            if generation != self._generation:
                return
            self._skipped += self._newest is not None and self._pts >= 0
            self._newest = received
            self._alive, self._opened = received.captured, True
            self._changed.notify_all()

    def _fail(self, error: LivestyleError, generation: int) -> None:
        """Keep the error for the constructor; later it means that the device is away."""
        _log.debug("%s", error)
        with self._changed:
            if generation != self._generation:
                return
            self._failure = error
            self._alive = time.monotonic()
            if self._opened:
                self._mark_lost()
            self._changed.notify_all()

    def _is_wanted(self, generation: int) -> bool:
        return generation == self._generation

    def _is_current(self, generation: int) -> bool:
        with self._changed:
            current = self._is_wanted(generation)
            if current:
                self._alive = time.monotonic()
            return current

    def _pause(self, seconds: float, generation: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_wanted(generation), seconds)
