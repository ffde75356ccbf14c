"""The loop: one frame in, one frame out; live it fails closed."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from livestyle import loop
from livestyle.errors import DecodeError, EncodeError
from livestyle.feed import Feed
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.loop import Hold, run
from livestyle.report import Meter

CARD = 200
RAW = 10
STYLED = 99


def frame(pts: int, value: int = RAW, side: int = 4) -> Frame:
    return Frame(read_only(np.full((side, side, 3), value, np.uint8)), pts, time.monotonic())


class Source:
    def __init__(self, frames, *, live=False, pause=0.0):
        self.info = StreamInfo("test", (4, 4), Fraction(1, 1_000_000), is_live=live)
        self.frames, self.pause = frames, pause

    def __iter__(self):
        for item in self.frames:
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, float):
                time.sleep(item)
                continue
            yield item
            time.sleep(self.pause)

    def close(self):
        pass


class Sink:
    def __init__(self, close_after=None, fail=False):
        self.frames, self.idles, self.close_after, self.fail = [], 0, close_after, fail

    @property
    def closed(self):
        return self.close_after is not None and len(self.frames) >= self.close_after

    def write(self, frame):
        if self.fail:
            raise EncodeError("the disk is full")
        self.frames.append(frame)

    def idle(self):
        self.idles += 1

    def close(self):
        pass


def styled(item: Frame) -> Frame:
    return replace(item, pixels=read_only(np.full_like(item.pixels, STYLED)))


def card(size):
    return np.full((size[1], size[0], 3), CARD, np.uint8)


def go(source, sink, render=styled, *, live=False, **options):
    meter = Meter()
    hold = Hold(source.info, card) if live else None
    with Feed(source) as feed:
        run(feed, render, [sink], meter, hold=hold, **options)
    return meter


def values(sink) -> set[int]:
    return {int(item.pixels[0, 0, 0]) for item in sink.frames}


def test_every_frame_of_a_file_comes_out_once_with_its_own_time():
    times = [0, 3, 4, 100, 101]
    sink = Sink()
    meter = go(Source([frame(pts) for pts in times]), sink)
    assert [item.pts for item in sink.frames] == times
    assert (meter.out, meter.held) == (5, 0)


def test_frames_before_a_broken_end_are_written_first():
    sink = Sink()
    with pytest.raises(DecodeError):
        go(Source([frame(0), frame(1), DecodeError("cut short")]), sink)
    assert len(sink.frames) == 2


def test_a_closed_window_ends_the_run():
    sink = Sink(close_after=3)
    go(Source([frame(pts) for pts in range(100)]), sink)
    assert len(sink.frames) == 3


def test_asking_to_stop_ends_the_run_between_two_frames():
    sink = Sink()
    go(Source([frame(pts) for pts in range(100)]), sink, stop=lambda: len(sink.frames) == 5)
    assert len(sink.frames) == 5


def test_a_sink_that_fails_ends_the_run():
    with pytest.raises(EncodeError):
        go(Source([frame(0)]), Sink(fail=True))


def test_a_renderer_that_fails_on_a_file_ends_the_run():
    def broken(_):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        go(Source([frame(0)]), Sink(), broken)


def test_a_live_frame_that_cannot_be_styled_becomes_a_hold_card(caplog):
    """Fail closed: the raw frame is never sent, and the style is back as soon as it works again.

    The hold makes the loop live; the feed is not, so that no frame is dropped and the order is certain.
    """

    def sometimes(item):
        if item.pts == 2:
            raise RuntimeError("the model stumbled")
        return styled(item)

    sink = Sink()
    meter = go(Source([frame(pts) for pts in range(1, 5)]), sink, sometimes, live=True)
    shown = [(item.pts, int(item.pixels[0, 0, 0])) for item in sink.frames]
    assert shown == [(1, STYLED), (2, CARD), (3, STYLED), (4, STYLED)]
    assert (meter.out, meter.held) == (3, 1)
    assert "the model stumbled" in caplog.text


def test_a_live_renderer_that_keeps_failing_ends_the_run(monkeypatch):
    monkeypatch.setattr(loop, "GIVE_UP_S", 0.1)

    def broken(_):
        raise RuntimeError("for good")

    sink = Sink()
    with pytest.raises(RuntimeError, match="for good"):
        go(Source([frame(pts) for pts in range(1000)], live=True, pause=0.01), sink, broken, live=True)
    assert values(sink) == {CARD}


def test_a_silent_camera_gets_hold_cards_and_the_picture_after_it_returns(monkeypatch):
    monkeypatch.setattr(loop, "HOLD_AFTER_S", 0.1)
    monkeypatch.setattr(loop, "HOLD_EVERY_S", 0.05)
    late = 2_000_000  # the camera's clock, in microseconds, ran on while it was away
    sink = Sink()
    meter = go(Source([frame(1), 0.5, frame(late)], live=True), sink, live=True)
    shown = [int(item.pixels[0, 0, 0]) for item in sink.frames]
    assert shown[0] == STYLED
    assert shown[-1] == STYLED
    assert CARD in shown
    assert meter.held == shown.count(CARD)
    times = [item.pts for item in sink.frames]
    assert times == sorted(set(times))
    assert times[-1] == late


def test_a_slow_camera_is_not_taken_for_a_silent_one(monkeypatch):
    """The card comes after a silence that is long for the camera's own rate."""
    now = [100.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    hold = Hold(StreamInfo("test", (4, 4), Fraction(1, 1000), is_live=True), card)
    for number in range(4):  # a picture every two seconds
        now[0] = 100.0 + 2 * number
        hold.saw(Frame(read_only(np.zeros((4, 4, 3), np.uint8)), 2000 * number, now[0]))
    now[0] += 5.9
    assert not hold.due()
    now[0] += 0.2
    assert hold.due()


def test_hold_cards_have_the_size_of_the_last_picture():
    hold = Hold(StreamInfo("test", (4, 4), Fraction(1, 1000), is_live=True), card)
    hold.saw(frame(5, side=8))
    assert hold.now().pixels.shape == (8, 8, 3)


def test_a_camera_clock_that_stood_still_is_moved_past_the_hold_cards():
    hold = Hold(StreamInfo("test", (4, 4), Fraction(1, 1_000_000), is_live=True), card)
    hold.saw(frame(1000))
    shown = hold.now()
    assert hold.saw(frame(1001)).pts > shown.pts > 1000


def test_written_is_told_of_each_styled_frame_once_every_sink_has_it() -> None:
    """In order, after the last sink, and before the meter counts it; a hold card is not told of."""
    sinks = Sink(), Sink()
    told: list[tuple[int, int, int]] = []
    meter = Meter()

    def render(item: Frame) -> Frame:
        if item.pts == 1:
            raise ValueError("not this one")
        return styled(item)

    def written(item: Frame) -> None:
        told.append((item.pts, len(sinks[0].frames), len(sinks[1].frames)))
        assert meter.out == len(told) - 1

    source = Source([frame(pts) for pts in range(3)])
    with Feed(source) as feed:
        run(feed, render, sinks, meter, hold=Hold(source.info, card), written=written)
    assert told == [(0, 1, 1), (2, 3, 3)]
    assert (meter.out, meter.held) == (2, 1)
