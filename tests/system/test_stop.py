"""Requests to end a run: what was begun is finished, and nothing that hangs survives them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livestyle.errors import INTERRUPTED
from livestyle.system.interrupts import stop_signals
from livestyle.system.stop import Stop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals are sent")

WAIT_S = 60.0

# argv: folder, "protected" or "", what the main thread does until it is ended
PROGRAM = """
import sys, time
from pathlib import Path
from livestyle.sinks.files.output import Pending
from livestyle.system.stop import Stop
from livestyle.system import stop as module
module.REACT_S, module.REACT_AGAIN_S = 1.0, 0.5
folder, protected, what = sys.argv[1:]
stop = Stop()
with stop.listening(protected=bool(protected)):
    recording = Pending(Path(folder, "call.mp4"), overwrite=False, recording=True)
    recording.temporary.write_bytes(b"what there is")
    part = Pending(Path(folder, "film.mp4"), overwrite=False)
    print("ready", flush=True)
    try:
        while what == "stuck" or (what != "ended by itself" and not stop()):
            time.sleep(0.01)
        stop.finishing()
        print("finishing", flush=True)
        while what in ("finish slowly", "ended by itself") and not Path(folder, "go").exists():
            time.sleep(0.01)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    recording.commit()
    part.discard()
print("ended", flush=True)
"""


@contextmanager
def program(folder: Path, *, protected: bool, what: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(folder), "protected" if protected else "", what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert said(process) == "ready"
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_request_is_seen_between_two_frames(tmp_path: Path, sig: signal.Signals) -> None:
    """Ctrl-C, a service manager and a terminal that is closed."""
    with program(tmp_path, protected=True) as process:
        process.send_signal(sig)
        assert (said(process), said(process), process.wait(WAIT_S)) == ("finishing", "ended", 0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["call.mp4"]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_main_thread_that_does_not_react_is_ended(tmp_path: Path, sig: signal.Signals) -> None:
    """As when native code hangs: the recording keeps what it has, nothing else is left."""
    with program(tmp_path, protected=True, what="stuck") as process:
        process.send_signal(sig)
        assert process.wait(WAIT_S) == INTERRUPTED
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("call.mp4", b"what there is")]


def test_a_second_ctrl_c_waits_for_a_recording(tmp_path: Path) -> None:
    """It cannot be made again, so impatience does not cost it."""
    with program(tmp_path, protected=True, what="finish slowly") as process:
        process.send_signal(signal.SIGINT)
        assert said(process) == "finishing"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2.0)
        (tmp_path / "go").touch()
        assert (said(process), process.wait(WAIT_S)) == ("ended", 0)


def test_the_third_ctrl_c_leaves_a_recording_as_it_is(tmp_path: Path) -> None:
    """For a disk that hangs."""
    with program(tmp_path, protected=True, what="finish slowly") as process:
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)  # signals that wait for one another become one
        assert process.wait(WAIT_S) == INTERRUPTED
    assert [entry.name for entry in tmp_path.iterdir()] == ["call.mp4"]


def test_a_second_ctrl_c_gives_a_file_up(tmp_path: Path) -> None:
    """It can be made again."""
    with program(tmp_path, protected=False, what="finish slowly") as process:
        process.send_signal(signal.SIGINT)
        assert said(process) == "finishing"
        process.send_signal(signal.SIGINT)
        assert (said(process), said(process), process.wait(WAIT_S)) == ("interrupted", "ended", 0)


def test_a_first_ctrl_c_waits_for_a_run_that_ended_by_itself(tmp_path: Path) -> None:
    """Moving the index of a long film to its front takes a while, in which nobody looks at the flag."""
    with program(tmp_path, protected=False, what="ended by itself") as process:
        assert said(process) == "finishing"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2.0)  # twice what a main thread has that does not react
        (tmp_path / "go").touch()
        assert (said(process), process.wait(WAIT_S)) == ("ended", 0)


def test_a_request_between_the_look_and_the_answer_is_not_missed() -> None:
    """What is answered True was seen: the outputs are finished then, however long that takes."""

    class Asked(Stop):
        looks = 0

        @property
        def asked(self) -> bool:
            self.looks += 1
            return self.looks > 1

        @asked.setter
        def asked(self, value: bool) -> None:
            """It comes by itself."""

    stop = Asked()
    assert [(stop(), stop.seen) for _ in range(2)] == [(False, False), (True, True)]


def test_a_process_that_holds_the_lock_of_an_output_still_ends(tmp_path: Path) -> None:
    """A signal handler runs inside of what it interrupts: a file that is just being moved, on a disk that hangs."""
    code = f"""
from pathlib import Path
from livestyle.system import stop
from livestyle.sinks.files.output import Pending
stop.SETTLE_S = 0.1
pending = Pending(Path({str(tmp_path)!r}, "a.png"), overwrite=False)
pending._move = stop.abandon
pending.commit()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=WAIT_S).returncode == INTERRUPTED


def test_what_is_ignored_stays_ignored() -> None:
    """`nohup livestyle …` goes on when the terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in stop_signals()
        with Stop().listening():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP in stop_signals()


def test_handlers_are_put_back() -> None:
    """Outside of a run the signals are somebody else's."""
    before = [signal.getsignal(sig) for sig in stop_signals()]
    with Stop().listening():
        assert [signal.getsignal(sig) for sig in stop_signals()] != before
    assert [signal.getsignal(sig) for sig in stop_signals()] == before
    assert signal.set_wakeup_fd(-1) == -1
