"""Snapshots and recordings that begin and end with a key."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from livestyle.errors import EncodeError
from livestyle.frame import Frame, read_only
from livestyle.sinks.files.recording import RecordSink, SnapshotSink, stamped


class Memory:
    """A sink that keeps what it was given, and where."""

    opened: list[Memory]

    def __init__(self, path):
        self.path, self.frames, self.closed = path, [], False
        Memory.opened.append(self)

    def write(self, frame):
        self.frames.append(frame.pts)

    def idle(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def _nothing_opened():
    Memory.opened = []


def frame(pts: int) -> Frame:
    return Frame(read_only(np.zeros((2, 2, 3), np.uint8)), pts, time.monotonic())


def test_a_snapshot_is_the_next_frame_and_only_that(tmp_path):
    said = []
    sink = SnapshotSink(tmp_path, Memory, said.append)
    sink.write(frame(1))
    sink.take()
    sink.write(frame(2))
    sink.write(frame(3))
    sink.close()
    assert [(photo.frames, photo.closed) for photo in Memory.opened] == [([2], True)]
    assert str(Memory.opened[0].path) in said[0]


def test_a_recording_holds_the_frames_between_two_key_presses(tmp_path):
    sink = RecordSink(tmp_path, Memory, lambda text: None)
    sink.write(frame(1))
    sink.toggle()
    assert sink.recording
    sink.write(frame(2))
    sink.write(frame(3))
    sink.toggle()
    sink.write(frame(4))
    assert not sink.recording
    sink.close()
    assert [(video.frames, video.closed) for video in Memory.opened] == [([2, 3], True)]


def test_closing_finishes_a_recording_that_runs(tmp_path):
    sink = RecordSink(tmp_path, Memory, lambda text: None)
    sink.toggle()
    sink.close()
    assert Memory.opened[0].closed


class Failing(Memory):
    """A sink that fails where its name says."""

    def __init__(self, path, where):
        self.where = where
        self._fail("open")
        super().__init__(path)

    def _fail(self, here):
        if here == self.where:
            raise EncodeError("the disk is full")

    def write(self, frame):
        self._fail("write")
        super().write(frame)

    def close(self):
        if not self.closed:
            self.closed = True
            self._fail("close")


@pytest.mark.parametrize("where", ["open", "write", "close"])
def test_a_capture_that_fails_is_said_and_the_call_goes_on(tmp_path, where):
    """A key pressed in a folder that cannot be written must not end a video call; the next press tries again."""
    said = []
    snapshots = SnapshotSink(tmp_path, lambda path: Failing(path, where), said.append)
    recorder = RecordSink(tmp_path, lambda path: Failing(path, where), said.append)
    snapshots.take()
    recorder.toggle()
    for sink in (snapshots, recorder):
        sink.write(frame(1))
        sink.write(frame(2))
        sink.close()
    assert sum("the disk is full" in text for text in said) == 2
    assert not any(text.startswith("saved") for text in said)
    assert not recorder.recording
    assert all(sink.closed for sink in Memory.opened)


def test_finishing_a_recording_holds_up_nothing_and_is_said_when_it_is_done(tmp_path):
    """The call goes on while the encoder is emptied; the sentence comes with one of its frames."""
    said, finished = [], threading.Event()

    class Slow(Memory):
        def close(self):
            finished.wait(60)
            super().close()

    sink = RecordSink(tmp_path, Slow, said.append)
    sink.toggle()
    sink.write(frame(1))
    sink.toggle()
    sink.write(frame(2))
    assert not Memory.opened[0].closed
    assert not any(text.startswith("saved") for text in said)
    finished.set()
    end = time.monotonic() + 60
    while not any(text.startswith("saved") for text in said):
        assert time.monotonic() < end
        sink.idle()


def test_two_captures_in_one_second_get_two_names(tmp_path):
    first = stamped(tmp_path, ".png")
    first.touch()
    assert stamped(tmp_path, ".png") != first
