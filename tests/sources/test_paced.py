"""Files played as if they were live: frames when they are due, a photo again and again, both until closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from livestyle.feed import Feed
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.protocols import Source
from livestyle.sources import paced
from livestyle.sources.paced import PacedSource, RepeatedSource

WAIT_S = 30.0  # generous: only a hang makes a test wait for it
MINUTE = 60_000  # in units of File's time base
READ_AT = 0.25  # `captured` of every frame as the file gives it: a time that pacing must not keep


class File:
    """A source of one plain picture at `times`, in milliseconds."""

    def __init__(self, times: Sequence[int], *, when_read: Callable[[], None] = lambda: None) -> None:
        self.info = StreamInfo("file", (4, 3), Fraction(1, 1000), Fraction(25), frames=len(times))
        self.times, self.when_read = times, when_read
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for pts in self.times:
            if self.closed.is_set():
                return
            yield Frame(read_only(np.full((3, 4, 3), pts % 256, np.uint8)), pts, READ_AT)
        self.when_read()

    def close(self) -> None:
        self.closed.set()


class Clock:
    """Time that passes only by waiting, in place of the modules `time` and `threading` of livestyle.sources.paced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        event = SimpleNamespace(wait=self.wait, is_set=lambda: False, set=lambda: None)
        monkeypatch.setattr(paced, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(paced, "threading", SimpleNamespace(Event=lambda: event))

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Reader(threading.Thread):
    """Iterates a source on its own thread, as the feed does."""

    def __init__(self, source: Source, enough: int) -> None:
        super().__init__(daemon=True)
        self.source, self.enough = source, enough
        self.frames: list[Frame] = []
        self.got_enough = threading.Event()
        self.start()

    def run(self) -> None:
        for frame in self.source:
            self.frames.append(frame)
            if len(self.frames) == self.enough:
                self.got_enough.set()


def test_frames_come_at_their_own_times_counted_from_the_first(clock: Clock) -> None:
    """Also where a file is read from the middle, and with unequal steps. `captured` is when a frame was due.

    The tolerance is the rounding of float64 at the clock's magnitude.
    """
    times = [5000, 5040, 5041, 5500, 9000]
    frames = list(PacedSource(File(times)))
    assert [frame.pts for frame in frames] == times
    assert [frame.captured for frame in frames] == pytest.approx([1000, 1000.04, 1000.041, 1000.5, 1004], abs=1e-9)


def test_late_frames_come_at_once_and_nothing_is_delayed_for_good(clock: Clock) -> None:
    """A decoder that took long once is caught up with; the frames after it are on time again."""
    taken = []
    for frame in PacedSource(File([0, 100, 200, 300, 400])):
        taken.append(frame.captured - 1000)
        if frame.pts == 100:
            clock.now += 0.15  # so 200 is late by 0.05 s
    assert taken == pytest.approx([0, 0.1, 0.25, 0.3, 0.4], abs=1e-9)


def test_a_played_file_is_live_and_else_what_it_was() -> None:
    file = File([0])
    info = PacedSource(file).info
    assert info.is_live
    assert (info.name, info.size, info.time_base, info.rate, info.frames) == (
        file.info.name, file.info.size, file.info.time_base, file.info.rate, 1
    )  # fmt: skip


def test_no_frame_comes_before_it_is_due_by_the_real_clock() -> None:
    """Only the lower bound can be tested on a machine that others use too; 20 ms for clocks with coarse ticks."""
    begun = time.monotonic()
    frames = list(PacedSource(File([0, 30, 60, 150])))
    assert all(frame.captured >= begun + frame.pts / 1000 - 0.02 for frame in frames)


def test_closing_wakes_an_iteration_that_waits_for_a_frame() -> None:
    file = File([0, 1, 60 * MINUTE])
    source = PacedSource(file)
    reader = Reader(source, enough=2)
    assert reader.got_enough.wait(WAIT_S)
    source.close()
    source.close()
    reader.join(WAIT_S)
    assert not reader.is_alive()
    assert [frame.pts for frame in reader.frames] == [0, 1]
    assert file.closed.is_set()


def test_behind_a_feed_a_slow_window_loses_frames_and_not_time() -> None:
    """The file is read to its end at its own speed, though nobody takes a frame; then only the newest is left."""
    read = threading.Event()
    with Feed(PacedSource(File(range(0, 60, 2), when_read=read.set))) as feed:
        assert feed.is_live
        assert read.wait(WAIT_S)
        newest = feed.get(WAIT_S)
        assert newest is not None
        assert newest.pts == 58
        assert (feed.received, feed.dropped) == (30, 29)
        assert feed.get(WAIT_S) is None
        assert feed.finished


def test_a_photo_comes_again_and_again_with_growing_times(clock: Clock) -> None:
    """In microseconds from the first on, at the rate asked for (rounded down to whole ones)."""
    source = RepeatedSource(File([7]), rate=4.0)
    frames = list(islice(source, 5))
    assert [frame.pts for frame in frames] == [0, 250_000, 500_000, 750_000, 1_000_000]
    assert [frame.captured for frame in frames] == [1000, 1000.25, 1000.5, 1000.75, 1001]
    assert all(frame.pixels is frames[0].pixels for frame in frames)
    assert frames[0].pixels[0, 0, 0] == 7


def test_a_photo_shown_is_a_live_stream_of_its_rate() -> None:
    info = RepeatedSource(File([0]), rate=12.5).info
    assert info.is_live
    assert (info.size, info.rate, info.time_base) == ((4, 3), Fraction(25, 2), Fraction(1, 1_000_000))


def test_times_of_a_photo_strictly_increase_by_the_real_clock() -> None:
    frames = list(islice(RepeatedSource(File([0]), rate=2000.0), 50))
    assert all(before.pts < after.pts for before, after in pairwise(frames))


@pytest.mark.parametrize(("rate", "enough"), [(1000.0, 20), (1 / 3600, 1)])
def test_closing_ends_the_photo_also_in_a_pause(rate: float, enough: int) -> None:
    file = File([0])
    source = RepeatedSource(file, rate=rate)
    reader = Reader(source, enough)
    assert reader.got_enough.wait(WAIT_S)
    source.close()
    source.close()
    reader.join(WAIT_S)
    assert not reader.is_alive()
    assert file.closed.is_set()
