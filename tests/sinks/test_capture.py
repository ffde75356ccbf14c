"""Snapshots and recordings that begin and end with a key."""

from __future__ import annotations

import time

import numpy as np
import pytest

from livestyle.frame import Frame, read_only
from livestyle.sinks.capture import RecordSink, SnapshotSink, stamped


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
    assert [(video.frames, video.closed) for video in Memory.opened] == [([2, 3], True)]


def test_closing_finishes_a_recording_that_runs(tmp_path):
    sink = RecordSink(tmp_path, Memory, lambda text: None)
    sink.toggle()
    sink.close()
    assert Memory.opened[0].closed


def test_two_captures_in_one_second_get_two_names(tmp_path):
    first = stamped(tmp_path, ".png")
    first.touch()
    assert stamped(tmp_path, ".png") != first
