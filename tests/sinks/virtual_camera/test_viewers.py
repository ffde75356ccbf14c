"""Who watches a loopback device: by the driver's event, else by the files that other processes have open."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livestyle.errors import VirtualCameraError
from livestyle.sinks.virtual_camera import viewers
from livestyle.sinks.virtual_camera.viewers import (
    CLIENT_USAGE,
    DQEVENT,
    EVENT,
    SEND_INITIAL,
    SUBSCRIBE,
    SUBSCRIPTION,
    UNSUBSCRIBE,
    EventViewers,
    ProcViewers,
    is_open_elsewhere,
    open_viewers,
)


class Driver:
    """v4l2loopback since 0.13, seen from one handle at a time."""

    def __init__(self) -> None:
        self.count = 0
        self.waiting: list[tuple[int, int]] = []  # type, count
        self.subscribed = self.gone = self.silent = False
        self.opened = self.closed = self.subscriptions = 0

    def watch(self, count: int, *, tell: bool = True) -> None:
        self.count = count
        if tell and self.subscribed:
            self.waiting = [(CLIENT_USAGE, count)]  # the driver keeps the newest

    def open(self, path: str) -> int:
        assert path == "/dev/video2"
        self._fail(errno.ENOENT)
        self.opened += 1
        return self.opened

    def close(self, handle: int) -> None:
        assert handle == self.opened
        self.closed += 1
        self.subscribed, self.waiting = False, []

    def ioctl(self, handle: int, request: int, data: bytearray) -> object:
        assert handle == self.opened > self.closed
        self._fail(errno.ENODEV)
        if request == DQEVENT:
            if not self.waiting:
                raise OSError(errno.ENOENT, "no event")
            kind, count = self.waiting.pop(0)
            data[:] = EVENT.pack(kind, count, len(self.waiting), 0, 0, 0, 0)
            return 0
        kind, ident, flags = SUBSCRIPTION.unpack(data)
        assert (kind, ident) == (CLIENT_USAGE, 0)
        if request == UNSUBSCRIBE:
            self.subscribed, self.waiting = False, []
        elif request == SUBSCRIBE:
            assert flags == SEND_INITIAL
            self.subscriptions += 1
            self.subscribed = True
            self.waiting = [] if self.silent else [(1, 99), (CLIENT_USAGE, self.count)]  # one of a control before it
        else:
            raise AssertionError(hex(request))
        return 0

    def _fail(self, number: int) -> None:
        if self.gone:
            raise OSError(number, os.strerror(number))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_answer_is_known_at_once_and_later_ones_come_by_event() -> None:
    driver, clock = Driver(), Clock()
    driver.count = 1
    who = EventViewers("/dev/video2", driver, clock)
    assert who.watched()
    driver.watch(0)
    assert not who.watched()
    assert not who.watched()
    driver.watch(2)
    assert who.watched()
    assert driver.subscriptions == 1
    who.close()
    who.close()
    assert driver.closed == 1


def test_an_event_that_was_lost_is_made_good_within_seconds() -> None:
    driver, clock = Driver(), Clock()
    who = EventViewers("/dev/video2", driver, clock)
    driver.watch(1, tell=False)
    assert not who.watched()
    clock.now += 5
    assert who.watched()


def test_a_device_that_is_away_counts_as_watched_until_it_answers_again() -> None:
    """What is not known must not switch somebody's camera off; the device is opened again once a second at most."""
    driver, clock = Driver(), Clock()
    who = EventViewers("/dev/video2", driver, clock)
    assert not who.watched()
    driver.gone = True
    assert who.watched()
    assert driver.closed == 1
    clock.now += 2
    assert who.watched()
    driver.gone = False
    assert who.watched()  # within the same second
    assert driver.opened == 1
    clock.now += 2
    assert not who.watched()
    assert driver.opened == 2


@pytest.mark.parametrize("attribute", ["gone", "silent"])
def test_without_the_event_the_open_files_are_looked_at(attribute: str) -> None:
    """A driver that refuses the event, and one that accepts every request and sends none."""
    driver = Driver()
    setattr(driver, attribute, True)
    if not Path("/proc/self/fd").is_dir():
        with pytest.raises(VirtualCameraError, match="--on-demand"):
            open_viewers("/dev/video2", driver)
        return
    who = open_viewers("/dev/video2", driver)
    assert isinstance(who, ProcViewers)
    assert driver.opened == driver.closed


def test_without_either_it_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers.os.path, "isdir", lambda _: False)
    driver = Driver()
    driver.gone = True
    with pytest.raises(VirtualCameraError, match="cannot tell whether somebody watches") as caught:
        open_viewers("/dev/video2", driver)
    assert "drop --on-demand" in caught.value.hint


def scans(*answers: bool) -> Callable[[str], bool]:
    left = list(answers)
    return lambda path: left.pop(0)


def test_a_program_that_only_looks_is_no_viewer() -> None:
    """It has the device open in one scan; who watches has it open in the next one too."""
    clock = Clock()
    who = ProcViewers("/dev/video2", scans(False, True, False, True, True, True, False), clock)
    seen = []
    for _ in range(7):
        seen.append(who.watched())
        clock.now += 1
    assert seen == [False, False, False, False, True, True, False]


def test_scans_take_a_small_share_of_the_time() -> None:
    """The longer one takes, the rarer they are."""
    clock = Clock()
    times = []

    def slow(_: str) -> bool:
        times.append(clock.now)
        clock.now += 0.05
        return False

    who = ProcViewers("/dev/video2", slow, clock)
    while clock.now < 60:
        who.watched()
        clock.now += 0.1
    assert len(times) * 0.05 / 60 < 0.012


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_file_that_another_process_has_open_is_seen_through_a_link(tmp_path: Path) -> None:
    """And one that only this process has open is not."""
    device, link = tmp_path / "device", tmp_path / "link"
    device.touch()
    link.symlink_to(device)
    script = (
        f"file = open({str(device)!r}); print('open', flush=True); input(); "
        "file.close(); print('closed', flush=True); input()"
    )
    with device.open(), subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert is_open_elsewhere(str(link))
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "closed\n"
        assert not is_open_elsewhere(str(link))
        other.communicate("\n")
