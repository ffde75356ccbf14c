"""Cameras of this machine, against a driver that can fail, hang and return to life. Addresses: test_network.py."""

from __future__ import annotations

import errno
import itertools
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from tests_devices import BLUE, DEADLINE, Driver, Reader, wait_until

from livestyle.errors import SourceError, SourceNotFoundError, UsageError
from livestyle.sources import camera as module
from livestyle.sources import live_source
from livestyle.sources.camera import CameraSource
from livestyle.sources.camera_names import Camera


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.flowing.set()  # lets abandoned threads end


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting as in life, only shorter."""
    monkeypatch.setattr(live_source, "_LOST_AFTER_S", 0.3)
    monkeypatch.setattr(live_source, "_LONGEST_PAUSE_S", 0.2)


def open_fake(driver: Driver, which: str = "0", **options: Any) -> CameraSource:
    return CameraSource(which, open_capture=driver, cameras=driver.cameras, **options)


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_frames_are_rgb_read_only_and_in_time(driver: Driver) -> None:
    """BGR ends in this module; pts are microseconds and strictly increase; captured is the moment of reading."""
    source = open_fake(driver)
    reader = Reader(source)
    reader.wait_for_more(10)
    source.close()
    frames = reader.frames
    assert tuple(frames[0].pixels[0, 0]) == BLUE[::-1]
    assert frames[0].pixels.shape == (48, 64, 3)
    assert not frames[0].pixels.flags.writeable
    assert frames[0].pixels.flags.c_contiguous
    times = np.array([(frame.pts, frame.captured) for frame in frames])
    assert np.all(np.diff(times[:, 0]) > 0)
    # Both clocks are the same one; pts are whole microseconds, hence 1.5.
    elapsed = (times[-1] - times[0]) * (1, 1e6)
    assert elapsed[0] == pytest.approx(elapsed[1], abs=1.5)


def test_info_says_what_is_delivered(driver: Driver) -> None:
    source = open_fake(driver, size=(1920, 1080), rate=60)
    assert source.info.is_live
    assert source.info.size == (64, 48)
    assert source.info.rate == 30
    if sys.platform == "linux":
        assert source.info.name == "camera 0 (Test Camera)"
    source.close()


@pytest.mark.parametrize("reported", [0.0, -1.0, 90000.0])
def test_a_nonsense_rate_is_unknown(driver: Driver, reported: float) -> None:
    driver.rate = reported
    source = open_fake(driver)
    assert source.info.rate is None
    source.close()


def test_mjpg_is_asked_for_first_from_720_lines_on(driver: Driver) -> None:
    open_fake(driver).close()
    assert driver.order[0] == cv2.CAP_PROP_FOURCC
    assert driver.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert driver.asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert driver.asked[cv2.CAP_PROP_FRAME_HEIGHT] == 720
    assert driver.asked[cv2.CAP_PROP_FPS] == 30


def test_small_pictures_come_as_the_camera_likes(driver: Driver) -> None:
    open_fake(driver, size=(640, 480), rate=15).close()
    assert cv2.CAP_PROP_FOURCC not in driver.asked
    assert driver.asked[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert driver.asked[cv2.CAP_PROP_FPS] == 15


def test_wishes_not_granted_are_said(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "livestyle"):
        open_fake(driver, size=(320, 240)).close()
    assert any("64x48" in message for message in messages(caplog, logging.INFO))


@pytest.mark.usefixtures("impatient")
def test_a_lost_camera_is_waited_for(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """Frames, then nothing, then frames again; one line when it goes and one when it is back; pts go on."""
    with caplog.at_level(logging.INFO, "livestyle"):
        source = open_fake(driver)
        reader = Reader(source)
        reader.wait_for_more()
        driver.plugged = False
        wait_until(lambda: source.is_lost)
        time.sleep(0.3)
        before = len(reader.frames)
        time.sleep(0.3)
        assert len(reader.frames) == before
        driver.plugged = True
        reader.wait_for_more()
        assert not source.is_lost
        source.close()
    assert len([text for text in messages(caplog, logging.WARNING) if "waiting" in text]) == 1
    assert len([text for text in messages(caplog, logging.INFO) if "is back" in text]) == 1
    pts = [frame.pts for frame in reader.frames]
    assert all(a < b for a, b in itertools.pairwise(pts))


@pytest.mark.usefixtures("impatient")
def test_the_size_may_change_while_away(driver: Driver) -> None:
    source = open_fake(driver)
    reader = Reader(source)
    reader.wait_for_more()
    driver.plugged = False
    wait_until(lambda: source.is_lost)
    driver.size, driver.plugged = (32, 24), True
    reader.wait_for_more()
    assert reader.frames[-1].pixels.shape == (24, 32, 3)
    assert source.info.size == (32, 24)
    source.close()


def test_a_size_that_changes_all_the_time_is_reported_seldom(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """The first change at once, then one line at most in five seconds of the camera's clock, with the size of then."""
    source = open_fake(driver)
    with caplog.at_level(logging.INFO, "livestyle"):
        for tenth in range(120):  # twelve seconds, another size each tenth
            pixels = np.zeros((24, 32, 3) if tenth % 2 == 0 else (12, 16, 3), np.uint8)
            source._frame(pixels, 1000 + tenth / 10)
    source.close()
    assert source.info.size == (16, 12)
    assert messages(caplog, logging.INFO) == [
        f"{source.info.name} now delivers 32x24",
        f"{source.info.name} now delivers 16x12",
        f"{source.info.name} now delivers 32x24",
    ]


def test_a_size_that_changed_soon_after_a_report_is_reported_later(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    """So that the last line is true."""
    source = open_fake(driver)
    with caplog.at_level(logging.INFO, "livestyle"):
        for second, width in enumerate((32, 16, 16, 16, 16, 16, 16)):
            source._frame(np.zeros((12, width, 3), np.uint8), 1000.0 + second)
    source.close()
    assert [text.split()[-1] for text in messages(caplog, logging.INFO)] == ["32x12", "16x12"]


@pytest.mark.usefixtures("impatient")
def test_a_camera_plugged_in_elsewhere_is_found_by_its_name(driver: Driver) -> None:
    source = CameraSource("test cam", open_capture=driver, cameras=driver.cameras)
    reader = Reader(source)
    reader.wait_for_more()
    driver.plugged = False
    wait_until(lambda: source.is_lost)
    source._device._cameras = lambda: [Camera(3, "Test Camera", "/dev/video3")]
    driver.plugged = True
    reader.wait_for_more()
    assert driver.opened[-1][0] == 3
    source.close()


@pytest.mark.usefixtures("impatient")
def test_a_driver_that_hangs_is_noticed_and_left_behind(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that never returns cannot be interrupted, only replaced; its thread's late frame is not delivered."""
    monkeypatch.setattr(module.LocalCamera, "hung_after_s", 0.5)
    source = open_fake(driver)
    reader = Reader(source)
    reader.wait_for_more()
    driver.flowing.clear()
    wait_until(lambda: source.is_lost)
    wait_until(lambda: len(driver.opened) >= 2)
    driver.flowing.set()
    reader.wait_for_more()
    source.close()
    wait_until(lambda: driver.live == 0)


def test_close_ends_iteration_while_the_driver_hangs(driver: Driver) -> None:
    source = open_fake(driver)
    reader = Reader(source)
    reader.wait_for_more()
    driver.flowing.clear()
    source.close()
    source.close()
    reader.join(DEADLINE)
    assert not reader.is_alive()
    driver.flowing.set()
    wait_until(lambda: driver.live == 0)


@pytest.mark.usefixtures("impatient")
def test_close_ends_iteration_while_waiting(driver: Driver) -> None:
    source = open_fake(driver)
    reader = Reader(source)
    reader.wait_for_more()
    driver.plugged = False
    wait_until(lambda: source.is_lost)
    source.close()
    reader.join(DEADLINE)
    assert not reader.is_alive()


def test_a_broken_jpeg_is_skipped(driver: Driver) -> None:
    source = open_fake(driver)
    reader = Reader(source)
    driver.broken_jpegs = 5
    wait_until(lambda: driver.broken_jpegs == 0)
    reader.wait_for_more()
    assert not source.is_lost
    assert len(driver.opened) == 1
    source.close()


def test_newest_frame_wins_and_skipped_ones_are_counted(driver: Driver) -> None:
    source = open_fake(driver)
    frames = iter(source)
    first = next(frames)
    time.sleep(0.2)
    waited = next(frames)
    assert waited.captured - first.captured > 0.1  # not the one that followed, some milliseconds later
    assert source.skipped > 3
    source.close()


def test_mono_cameras_become_rgb() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(module._rgb(grey), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.skipif(sys.platform != "linux", reason="what Video4Linux says")
@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOENT, SourceNotFoundError, "no such camera"),
        (errno.EBUSY, SourceError, "another program"),
        (errno.EACCES, SourceError, "not allowed"),
        (0, SourceError, "no picture"),
    ],
)
def test_a_camera_that_cannot_be_opened_says_why(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], words: str
) -> None:
    monkeypatch.setattr(module.v4l2, "trouble", lambda path: number)
    driver.plugged = False
    cameras = [Camera(2, "Other Camera", "/dev/video2")]
    with pytest.raises(kind, match=words) as caught:
        CameraSource("0", open_capture=driver, cameras=lambda: cameras)
    assert caught.value.exit_code == 3  # type: ignore[attr-defined]
    if number in (errno.ENOENT, 0):
        assert "2 (Other Camera)" in caught.value.hint  # type: ignore[attr-defined]


def test_a_camera_that_opens_but_gives_nothing_is_an_error(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.flowing.clear()
    monkeypatch.setattr(live_source, "FIRST_FRAME_S", 0.3)
    with pytest.raises(SourceError, match="no picture within"):
        open_fake(driver)


def test_an_unknown_backend_is_a_usage_error(driver: Driver) -> None:
    with pytest.raises(UsageError, match="nonesuch"):
        open_fake(driver, backend="nonesuch")


def test_a_named_backend_is_the_one_used(driver: Driver) -> None:
    open_fake(driver, backend="dshow").close()
    assert {backend for _, backend in driver.opened} == {cv2.CAP_DSHOW}
