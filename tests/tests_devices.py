"""Devices that a test holds in its hand: a camera's driver, and a virtual camera that keeps what it gets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import cv2
import numpy as np

from livestyle.frame import Frame
from livestyle.protocols import Source
from livestyle.sources.camera_names import Camera

BLUE = (200, 10, 20)  # BGR
DEADLINE = 30.0  # seconds until a test that waits for something gives up; generous, because machines are slow


class Driver:
    """A camera that a test holds in its hand: plug, unplug, jam, change the size; counts what was opened."""

    def __init__(self, size: tuple[int, int] = (64, 48), rate: float = 30.0) -> None:
        self.size, self.rate = size, rate
        self.color = BLUE  # of every pixel
        self.plugged = True
        self.flowing = threading.Event()  # cleared: grab() hangs
        self.flowing.set()
        self.broken_jpegs = 0
        self.opened: list[tuple[int | str, int]] = []
        self.asked: dict[int, float] = {}
        self.order: list[int] = []
        self.live = 0  # captures that are open now

    def __call__(self, device: int | str, backend: int) -> FakeCapture:
        self.opened.append((device, backend))
        return FakeCapture(self)

    def cameras(self) -> list[Camera]:
        return [Camera(0, "Test Camera", "/dev/video0")] if self.plugged else []


class FakeCapture:
    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.open = driver.plugged
        driver.live += self.open

    def isOpened(self) -> bool:
        return self.open

    def grab(self) -> bool:
        time.sleep(0.002)
        self.driver.flowing.wait()
        return self.driver.plugged

    def retrieve(self) -> tuple[bool, Any]:
        if self.driver.broken_jpegs:
            self.driver.broken_jpegs -= 1
            return False, None
        width, height = self.driver.size
        picture = np.full((height, width, 3), self.driver.color, np.uint8)
        return True, picture

    def get(self, prop: int, /) -> float:
        return self.driver.rate if prop == cv2.CAP_PROP_FPS else 0.0

    def set(self, prop: int, value: float, /) -> bool:
        self.driver.asked[prop] = value
        self.driver.order.append(prop)
        return True

    def release(self) -> None:
        self.driver.live -= self.open
        self.open = False


class Recorder:
    """A pyvirtualcam backend without a device."""

    opened: ClassVar[list[Recorder]] = []
    refuse: ClassVar[str] = ""
    broken: ClassVar[bool] = False

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: Any) -> None:
        if Recorder.refuse:
            raise RuntimeError(Recorder.refuse)
        self.size, self.fps, self.fourcc = (width, height), fps, fourcc
        self.name = device or "Recorder"
        self.frames: list[np.ndarray] = []
        self.closed = 0
        Recorder.opened.append(self)

    def close(self) -> None:
        self.closed += 1

    def send(self, frame: np.ndarray) -> None:
        if Recorder.broken:
            raise RuntimeError("No such device")
        self.frames.append(frame.copy())

    def device(self) -> str:
        return self.name

    def native_fourcc(self) -> int | None:
        return None


class Reader(threading.Thread):
    """Iterates a source on its own thread, as the feed does."""

    def __init__(self, source: Source) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.frames: list[Frame] = []
        self.start()

    def run(self) -> None:
        for frame in self.source:
            self.frames.append(frame)

    def wait_for_more(self, count: int = 3) -> None:
        target = len(self.frames) + count
        wait_until(lambda: len(self.frames) >= target)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
