"""Outputs with queues of their own: what is slow or fails holds up nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livestyle.errors import DisplayError, EncodeError, VirtualCameraError
from livestyle.frame import Frame, read_only
from livestyle.sinks import live_outputs, queued
from livestyle.sinks.live_outputs import DirectOutput, Outputs
from livestyle.sinks.queued import Queue, QueuedSink

WAIT_S = 60.0


def frame(pts: int, *, styled: bool = True) -> Frame:
    pixels = read_only(np.zeros((4, 4, 3), np.uint8))
    return Frame(pixels, pts, time.monotonic(), before=pixels if styled else None)


class Memory:
    """Keeps what it gets. `gate`: writing waits for it; `fails`: the error that writing raises."""

    closed = False

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.idles = self.closings = 0
        self.gate = threading.Event()
        self.gate.set()
        self.writing = threading.Event()
        self.fails: Exception | None = None
        self.fails_closing: Exception | None = None

    def write(self, frame: Frame) -> None:
        self.writing.set()
        assert self.gate.wait(WAIT_S)
        if self.fails is not None:
            raise self.fails
        self.frames.append(frame.pts)

    def idle(self) -> None:
        self.idles += 1

    def close(self) -> None:
        self.closings += 1
        if self.fails_closing is not None:
            raise self.fails_closing


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(queued, "LONGEST_PAUSE_S", 0.002)


def test_every_frame_arrives_in_order_and_the_sink_is_closed_once() -> None:
    """Nothing is dropped while the queue has room, nor at the end."""
    sink = Memory()
    output = QueuedSink("a", sink, Queue(frames=100))
    for pts in range(50):
        output.write(frame(pts))
    output.close()
    output.close()
    assert sink.frames == list(range(50))
    assert sink.closings == 1
    assert (output.report().frames, output.report().dropped, output.report().error) == (50, 0, None)


def test_a_sink_that_hangs_costs_its_own_frames_only() -> None:
    """The newest ones wait, older ones are dropped and counted, and `write` returns at once."""
    sink, other = Memory(), Memory()
    sink.gate.clear()
    slow, fast = QueuedSink("slow", sink, Queue(frames=2)), QueuedSink("fast", other, Queue(frames=100))
    slow.write(frame(0))
    assert sink.writing.wait(WAIT_S)
    for pts in range(1, 30):
        Outputs([slow, fast]).write(frame(pts))
    until(lambda: len(other.frames) == 29)
    sink.gate.set()
    slow.close()
    fast.close()
    assert sink.frames == [0, 28, 29]
    assert (slow.report().dropped, fast.report().dropped) == (27, 0)


def test_large_frames_take_more_of_the_queue() -> None:
    """Memory is what is bounded, but one frame always fits."""
    sink = Memory()
    sink.gate.clear()
    output = QueuedSink("a", sink, Queue(frames=100, megabytes=100 / 1e6))  # 48 bytes a frame
    output.write(frame(0))
    assert sink.writing.wait(WAIT_S)
    for pts in range(1, 10):
        output.write(frame(pts))
    sink.gate.set()
    output.close()
    assert sink.frames == [0, 8, 9]


def test_a_sink_without_frames_may_look_after_its_device() -> None:
    """Its `idle` is called on its thread."""
    sink = Memory()
    output = QueuedSink("a", sink)
    until(lambda: sink.idles > 2)
    output.close()


def test_hold_cards_count_for_no_latency() -> None:
    """They are not the camera's frames."""
    output = QueuedSink("a", Memory())
    output.write(frame(0, styled=False))
    output.write(frame(1))
    output.close()
    assert output.report().frames == 1


def test_a_recording_that_fails_is_closed_said_and_left(caplog: pytest.LogCaptureFixture) -> None:
    """Once, and the others go on."""
    sink, other = Memory(), Memory()
    sink.fails = EncodeError("the disk is full")
    broken, whole = QueuedSink("call.mp4", sink), QueuedSink("b", other)
    together = Outputs([broken, whole])
    together.write(frame(0))
    until(lambda: broken.done)
    for pts in range(1, 5):
        together.write(frame(pts))
    together.close()
    assert other.frames == [0, 1, 2, 3, 4]
    assert sink.closings == 1
    assert caplog.text.count("the disk is full") == 1
    assert str(together.failure) == "the disk is full"
    assert (broken.report().error, broken.report().dropped) == ("the disk is full", 4)


def test_a_foreign_error_becomes_a_sentence() -> None:
    """Whatever an encoder raises."""
    sink = Memory()
    sink.fails = ZeroDivisionError("in the encoder")
    output = QueuedSink("call.mp4", sink)
    output.write(frame(0))
    until(lambda: output.done)
    assert str(output.failure) == "call.mp4 failed: in the encoder"


def test_the_last_output_that_fails_ends_the_run() -> None:
    """There is nothing left to do."""
    sink = Memory()
    sink.fails = EncodeError("the disk is full")
    output = QueuedSink("call.mp4", sink)
    together = Outputs([output])
    together.write(frame(0))
    until(lambda: output.done)
    with pytest.raises(EncodeError, match="the disk is full"):
        together.write(frame(1))


def test_an_output_that_cannot_be_finished_is_told() -> None:
    """Closing is where files are finished: its error must not be lost."""
    sink = Memory()
    sink.fails_closing = EncodeError("no room for the index")
    output = QueuedSink("call.mp4", sink)
    output.write(frame(0))
    output.close()
    assert str(output.failure) == "no room for the index"


def test_a_device_is_opened_again_until_it_takes_frames(caplog: pytest.LogCaptureFixture) -> None:
    """Opening may fail, and so may the first frame after it; only a frame that was taken means that it is back."""
    caplog.set_level("INFO")
    first, second, third = Memory(), Memory(), Memory()
    first.fails = second.fails = VirtualCameraError("no such device")
    answers: list[Memory | Exception] = [VirtualCameraError("not yet"), second, RuntimeError("a driver's own"), third]

    def reopen() -> Memory:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    output = QueuedSink("virtual camera", first, reopen=reopen)
    until(lambda: output.write(frame(1)) or bool(third.frames))
    until(lambda: output.away_since is None)
    output.close()
    assert (first.closings, second.closings, third.closings) == (1, 1, 1)
    assert caplog.text.count("trying to open it again") == caplog.text.count("is back after") == 1
    report = output.report()
    assert (report.reopened, report.error) == (1, None)
    assert report.frames == len(third.frames)


def test_a_run_with_nothing_but_a_lost_device_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another output it would go on."""
    monkeypatch.setattr(live_outputs, "GIVE_UP_S", 0.05)

    def reopen() -> Memory:
        raise VirtualCameraError("still not there")

    sink, other = Memory(), Memory()
    sink.fails = VirtualCameraError("no such device")
    camera, recording = QueuedSink("virtual camera", sink, reopen=reopen), QueuedSink("call.mp4", other)
    camera.write(frame(0))
    until(lambda: camera.away_since is not None and time.monotonic() - camera.away_since > 0.1)
    Outputs([camera, recording]).write(frame(1))
    with pytest.raises(VirtualCameraError, match="still not there"):
        Outputs([camera]).write(frame(2))
    recording.close()
    camera.close()
    assert "still not there" in str(camera.failure)


def test_a_window_that_fails_does_not_end_a_recording(caplog: pytest.LogCaptureFixture) -> None:
    """It stays on the main thread, and is left alone from then on."""
    sink, other = Memory(), Memory()
    sink.fails = DisplayError("the display is gone")
    window, recording = DirectOutput("window", sink), QueuedSink("call.mp4", other)
    together = Outputs([window, recording])
    for pts in range(3):
        together.write(frame(pts))
        together.idle()
    together.close()
    assert other.frames == [0, 1, 2]
    assert sink.idles == 0
    assert caplog.text.count("the display is gone") == 1
    assert isinstance(together.failure, DisplayError)


def test_the_user_closes_a_window(tmp_path: Path) -> None:
    """That ends the run, which a failure does not."""
    sink = Memory()
    together = Outputs([DirectOutput("window", sink)])
    assert not together.closed
    sink.closed = True
    assert together.closed


def test_a_sink_that_is_not_finished_in_time_has_failed() -> None:
    """The report and the exit code tell of it, and closing it once more does not wait again."""
    sink = Memory()
    sink.gate.clear()
    output = QueuedSink("call.mp4", sink, Queue(frames=2, finish_s=0.01, left="rescue it"))
    output.write(frame(0))
    output.close()
    failure = output.failure
    assert failure is not None
    assert (failure.exit_code, failure.hint) == (4, "rescue it")
    assert output.report().error == failure.message
    output.close()
    assert output.failure is failure
    sink.gate.set()
    until(lambda: output.done)


def test_an_output_that_comes_back_at_the_last_moment_is_no_failure() -> None:
    """Its trouble may vanish on its thread while the others are asked."""

    class Returning(Memory):
        name, failure, away_since = "camera", None, 0.0
        asked = 0

        @property
        def trouble(self) -> VirtualCameraError | None:
            self.asked += 1
            return VirtualCameraError("away") if self.asked == 1 else None

        def end(self) -> None:
            """Nothing."""

    with pytest.raises(VirtualCameraError, match="away"):
        Outputs([Returning()]).idle()
