"""Sources and sinks on devices keep the same promises as files do, without a device: each is given a stand-in.

Beside test_source_contract.py and test_sink_contract.py because a camera never ends and a window leaves no file.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from tests_network import HttpCamera, jpeg, multipart, stream

from livestyle.frame import Frame, read_only
from livestyle.protocols import Sink, Source
from livestyle.sinks.preview import window
from livestyle.sinks.preview.window import Window
from livestyle.sinks.virtual_camera.camera import VirtualCamera
from livestyle.sources.camera import CameraSource
from livestyle.sources.on_demand import OnDemandCamera

SIZE = (64, 48)


class StandInCapture:
    """A camera that always has a picture."""

    def __init__(self, device: int | str, backend: int) -> None:
        pass

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        time.sleep(0.002)
        return True

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.zeros((SIZE[1], SIZE[0], 3), np.uint8)

    def get(self, prop: int, /) -> float:
        return 30.0

    def set(self, prop: int, value: float, /) -> bool:
        return True

    def release(self) -> None:
        pass


class StandInBackend:
    """A virtual camera without a device."""

    def __init__(self, **_: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def send(self, frame: np.ndarray) -> None:
        assert frame.size == SIZE[0] * SIZE[1] * 3

    def device(self) -> str:
        return "stand-in"

    def native_fourcc(self) -> None:
        return None


def open_virtual_camera() -> Sink:
    import pyvirtualcam

    pyvirtualcam.register_backend("stand-in", StandInBackend)
    return VirtualCamera(SIZE, rate=30, backend="stand-in")


def _network_camera() -> HttpCamera:
    """One that sends pictures until the tests end."""
    return HttpCamera({"/x": stream(multipart(jpeg(SIZE)))})


class Always:
    """Somebody who never leaves."""

    def watched(self) -> bool:
        return True

    def close(self) -> None:
        pass


def open_on_demand() -> Source:
    source = OnDemandCamera("camera 0", lambda: CameraSource("0", open_capture=StandInCapture, cameras=list), size=SIZE)
    source.follow(Always())
    return source


SOURCES: dict[str, Callable[[], Source]] = {
    "on demand": open_on_demand,
    "camera": lambda: CameraSource("0", open_capture=StandInCapture, cameras=list),
    "address": lambda: CameraSource(_network_camera().address("/x")),
}
SINKS: dict[str, Callable[[], Sink]] = {"window": lambda: Window("contract"), "virtual camera": open_virtual_camera}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Iterator[Source]:
    opened = SOURCES[request.param]()
    yield opened
    opened.close()


@pytest.fixture
def high_gui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "require_display", lambda: None)
    answers = {"getWindowImageRect": (0, 0, *SIZE), "getWindowProperty": 1.0, "waitKeyEx": -1}
    names = ("namedWindow", "resizeWindow", "setMouseCallback", "imshow", "destroyWindow", "waitKey", *answers)
    for name in names:
        monkeypatch.setattr(cv2, name, partial(_answer, answers.get(name)))


def _answer(value: object, *_: object) -> object:
    return value


@pytest.fixture(params=SINKS)
def sink(request: pytest.FixtureRequest, high_gui: None) -> Iterator[Sink]:
    from pyvirtualcam.camera import BACKENDS

    opened = SINKS[request.param]()
    yield opened
    opened.close()
    BACKENDS.pop("stand-in", None)


def test_it_is_a_live_source(source: Source) -> None:
    """It has the protocol's members and says that it cannot wait."""
    assert isinstance(source, Source)
    assert source.info.is_live


def test_frames_are_what_info_says(source: Source) -> None:
    """Size, depth, contiguous, read-only, and times that only grow."""
    frames = list(itertools.islice(source, 5))
    for frame in frames:
        assert frame.pixels.shape == (source.info.size[1], source.info.size[0], 3)
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.flags.c_contiguous
        assert not frame.pixels.flags.writeable
        assert isinstance(frame.pts, int)
    assert all(first.pts < second.pts for first, second in itertools.pairwise(frames))


def test_close_ends_iteration_and_may_come_twice(source: Source) -> None:
    """A closed source yields nothing more, to the iterator in use or to another."""
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []
    assert list(source) == []


def test_it_is_a_sink(sink: Sink) -> None:
    """It has the protocol's members and is open."""
    assert isinstance(sink, Sink)
    assert not sink.closed


def test_frames_are_taken_unchanged(sink: Sink) -> None:
    """The pixels belong to the caller; idle is fine before, between and after frames."""
    picture = np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    before = picture.copy()
    sink.idle()
    for pts in range(3):
        sink.write(Frame(read_only(picture), pts, 0.0))
        sink.idle()
    assert np.array_equal(picture, before)
    assert not sink.closed


def test_closing_twice_is_fine_with_and_without_frames(sink: Sink) -> None:
    """A closed sink says so, and `idle` does nothing."""
    sink.close()
    sink.close()
    sink.idle()
    assert sink.closed
