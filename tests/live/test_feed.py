"""The feed: every frame of a file, the newest of a camera, and errors after the frames that came before them."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from livestyle.errors import DecodeError
from livestyle.feed import FILE_DEPTH, Feed
from livestyle.frame import Frame, StreamInfo, read_only

WAIT_S = 5.0  # generous: only a hang makes a test wait for it


def frame(pts: int) -> Frame:
    return Frame(read_only(np.full((4, 4, 3), pts % 256, np.uint8)), pts, time.monotonic())


class Scripted:
    """A source that yields frames, runs functions and raises errors as its script says."""

    def __init__(self, script, *, live=False):
        self.info = StreamInfo("script", (4, 4), Fraction(1, 30), is_live=live)
        self.script = script
        self.closed = threading.Event()

    def __iter__(self):
        for step in self.script:
            if isinstance(step, BaseException):
                raise step
            if callable(step):
                step()
                continue
            yield step

    def close(self):
        self.closed.set()


def drain(feed: Feed) -> list[int]:
    taken = []
    while not feed.finished:
        if (item := feed.get(WAIT_S)) is not None:
            taken.append(item.pts)
    return taken


def test_a_file_gives_every_frame_in_order():
    with Feed(Scripted([frame(at) for at in range(50)])) as feed:
        assert drain(feed) == list(range(50))
        assert (feed.received, feed.dropped) == (50, 0)


def test_a_file_is_read_ahead_by_a_bounded_number_of_frames():
    """A 4K film must not pile up in memory while the encoder is slow."""
    read = []
    steps = [step for at in range(20) for step in (lambda at=at: read.append(at), frame(at))]
    with Feed(Scripted(steps)) as feed:
        assert feed.get(WAIT_S).pts == 0
        time.sleep(0.2)
        assert len(read) <= 1 + FILE_DEPTH + 1  # taken, buffered, and the one that waits for room


def test_a_live_feed_keeps_the_newest_frame_and_counts_the_rest():
    done = threading.Event()
    with Feed(Scripted([*(frame(at) for at in range(10)), done.set], live=True)) as feed:
        assert done.wait(WAIT_S)
        assert feed.get(WAIT_S).pts == 9
        assert (feed.received, feed.dropped) == (10, 9)


def test_an_error_comes_after_the_frames_before_it_and_only_once():
    with Feed(Scripted([frame(0), frame(1), DecodeError("broke off")])) as feed:
        assert [feed.get(WAIT_S).pts, feed.get(WAIT_S).pts] == [0, 1]
        assert not feed.finished
        with pytest.raises(DecodeError, match="broke off"):
            feed.get(WAIT_S)
        assert feed.get(0) is None
        assert feed.finished


def test_nothing_within_the_timeout_is_none_not_the_end():
    gate = threading.Event()
    with Feed(Scripted([lambda: gate.wait(WAIT_S), frame(7)])) as feed:
        assert feed.get(0.01) is None
        assert not feed.finished
        gate.set()
        assert feed.get(WAIT_S).pts == 7


def test_closing_early_closes_the_source_and_joins_the_reader():
    source = Scripted([frame(at) for at in range(1000)])
    with Feed(source) as feed:
        feed.get(WAIT_S)
    assert source.closed.is_set()
    assert not any(thread.name == "livestyle-feed" and thread.is_alive() for thread in threading.enumerate())
