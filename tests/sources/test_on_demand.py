"""A camera that is open only while somebody watches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from livestyle.errors import SourceError
from livestyle.feed import Feed
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.sources import on_demand
from livestyle.sources.on_demand import OnDemandCamera

WAIT_S = 30.0  # generous: only a fault makes a test wait for it


class Watched:
    """Viewers by hand."""

    def __init__(self) -> None:
        self.count = 0
        self.asked = self.closed = 0

    def watched(self) -> bool:
        self.asked += 1
        return self.count > 0

    def close(self) -> None:
        self.closed += 1


class Camera:
    """Frames from 0 on, until closed."""

    def __init__(self) -> None:
        self.info = StreamInfo("camera 0", (16, 12), Fraction(1, 1000), Fraction(30), is_live=True)
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for pts in range(1_000_000):
            if self.closed.wait(0.005):
                return
            yield Frame(read_only(np.zeros((12, 16, 3), np.uint8)), pts, time.monotonic())

    def close(self) -> None:
        self.closed.set()


class Lens:
    """Opens cameras, or refuses."""

    def __init__(self) -> None:
        self.opened: list[Camera] = []
        self.refuse: str | None = None
        self.tries = 0

    def __call__(self) -> Camera:
        self.tries += 1
        if self.refuse is not None:
            raise SourceError(self.refuse, hint="close it")
        self.opened.append(Camera())
        return self.opened[-1]

    @property
    def light(self) -> bool:
        return any(not camera.closed.is_set() for camera in self.opened)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


@pytest.fixture
def lens() -> Lens:
    return Lens()


@pytest.fixture
def viewers() -> Watched:
    return Watched()


@pytest.fixture
def frames() -> list[Frame]:
    return []


@pytest.fixture
def source(lens: Lens, viewers: Watched, frames: list[Frame]) -> Iterator[OnDemandCamera]:
    """Iterated on a thread, as by a feed."""
    source = OnDemandCamera("camera 0", lens, size=(32, 24), rate=25, grace=0.3)
    source.follow(viewers)
    thread = threading.Thread(target=lambda: frames.extend(source), daemon=True)
    thread.start()
    yield source
    source.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_what_is_known_before_the_camera_is_open(source: OnDemandCamera) -> None:
    """The size and rate asked for: the camera cannot be asked without being opened."""
    assert (source.info.size, source.info.rate, source.info.is_live) == ((32, 24), Fraction(25), True)
    plain = OnDemandCamera("camera 0", Camera).info
    assert (plain.name, plain.size, plain.rate) == ("camera 0", (1280, 720), None)


def test_nobody_watches_so_nothing_is_opened(source: OnDemandCamera, lens: Lens, viewers: Watched) -> None:
    until(lambda: viewers.asked > 3)
    assert not source.is_open
    assert lens.tries == 0


def test_the_light_is_on_while_somebody_watches(
    source: OnDemandCamera, lens: Lens, viewers: Watched, frames: list[Frame]
) -> None:
    """Off, on, off, on, off: and times only grow, although each camera begins at 0."""
    for count in (1, 2):
        viewers.count = 1
        until(lambda count=count: len(lens.opened) == count and lens.light)  # type: ignore[misc]
        viewers.count = 0
        until(lambda: not source.is_open)
        assert not lens.light
    source.close()
    until(lambda: len(frames) > 0)
    pts = [frame.pts for frame in frames]
    assert pts == sorted(set(pts))


def test_a_viewer_who_comes_back_within_the_grace_period_finds_the_camera_open(
    lens: Lens, viewers: Watched, frames: list[Frame]
) -> None:
    with Feed(source := OnDemandCamera("camera 0", lens, grace=WAIT_S)) as feed:
        source.follow(viewers)
        viewers.count = 1
        until(lambda: feed.get(0.01) is not None)
        viewers.count = 0
        asked = viewers.asked
        until(lambda: viewers.asked > asked + 2)
        viewers.count = 1
        until(lambda: feed.get(0.01) is not None)
        assert (len(lens.opened), lens.light) == (1, True)


def test_a_camera_that_cannot_be_opened_is_said_once_and_tried_again(
    source: OnDemandCamera,
    lens: Lens,
    viewers: Watched,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run goes on: whoever watches sees the card, and the picture as soon as there is one."""
    monkeypatch.setattr(on_demand, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(logging.getLogger("livestyle"), "propagate", True)
    lens.refuse = "camera 0: another program is using it"
    with caplog.at_level(logging.WARNING, "livestyle"):
        viewers.count = 1
        until(lambda: lens.tries > 3)
    assert [record.getMessage() for record in caplog.records] == [
        "camera 0: another program is using it; trying again while somebody watches (close it)"
    ]
    lens.refuse = None
    until(lambda: source.is_open)


def test_nobody_is_left_when_a_slow_camera_opens_at_last(viewers: Watched) -> None:
    """It is closed at once, and yields nothing."""
    may_open, opening = threading.Event(), threading.Event()
    cameras: list[Camera] = []

    def slowly() -> Camera:
        opening.set()
        assert may_open.wait(WAIT_S)
        cameras.append(Camera())
        return cameras[-1]

    source = OnDemandCamera("camera 0", slowly, grace=0.0)
    with Feed(source) as feed:
        source.follow(viewers)
        viewers.count = 1
        assert opening.wait(WAIT_S)
        viewers.count = 0
        until(lambda: not source._wanted)
        may_open.set()
        until(lambda: bool(cameras) and cameras[0].closed.is_set())
        assert feed.received == 0


def test_closing_ends_everything_and_may_come_twice(lens: Lens, viewers: Watched) -> None:
    """The camera, the iteration, and who asks for viewers."""
    source = OnDemandCamera("camera 0", lens)
    source.follow(viewers)
    viewers.count = 1
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []
    assert not lens.light
    assert viewers.closed == 1
    assert list(source) == []
