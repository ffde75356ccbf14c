"""Native code in a child process: whatever it does, the parent gets an answer or a reason, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from livestyle.system import child
from livestyle.system.child import ChildFailure, Limits, run_child

ROOM = Limits(memory=2 << 30, processor=20, wall=60.0)

MODULE = """
import os, signal, sys, time
from livestyle.system.child import serve
from livestyle.errors import StyleError

def answer(request, data):
    what = request["what"]
    if what == "echo":
        print("a library prints")
        return {"length": len(data)}, data[::-1]
    if what == "refuse":
        raise StyleError("it is broken", hint="mend it")
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "memory":
        return {}, bytes(8 << 30)
    if what == "exit":
        os._exit(7)
    if what == "loop":
        import re
        re.match(r"(a+)+$", "a" * 64 + "b")  # holds the interpreter lock for ever
    if what == "announce":
        with open(request["file"], "w") as file:
            file.write(str(os.getpid()))
        os.rename(request["file"], request["file"] + ".pid")
        time.sleep(600)

if __name__ == "__main__":
    serve(answer)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that the child runs, and that misbehaves as it is told."""
    (tmp_path / "misbehaving.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "misbehaving"


def test_the_answer_comes_back_with_its_bytes(module: str) -> None:
    """What the child's libraries print does not get between the answer and its bytes."""
    data = os.urandom(3_000_000)
    said, back = run_child(module, {"what": "echo"}, data, ROOM)
    assert said == {"length": len(data)}
    assert back == data[::-1]


def test_what_the_child_refuses_is_answered(module: str) -> None:
    said, _ = run_child(module, {"what": "refuse"}, b"", ROOM)
    assert said == {"error": "it is broken", "hint": "mend it"}


@pytest.mark.parametrize(("what", "reason"), [("crash", "SIGSEGV"), ("exit", "exit code 7")])
def test_a_crash_is_a_reason(module: str, what: str, reason: str) -> None:
    with pytest.raises(ChildFailure, match=reason):
        run_child(module, {"what": what}, b"", ROOM)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space")
def test_more_memory_than_is_allowed_is_a_reason(module: str) -> None:
    with pytest.raises(ChildFailure, match="memory"):
        run_child(module, {"what": "memory"}, b"", ROOM)


@pytest.mark.parametrize("limits", [Limits(2 << 30, 1, 600.0), Limits(2 << 30, 600, 3.0)], ids=["processor", "wall"])
def test_a_loop_that_holds_the_interpreter_lock_is_ended(module: str, limits: Limits) -> None:
    if limits.processor == 1 and sys.platform == "win32":
        pytest.skip("Windows has no limit of processor time")
    with pytest.raises(ChildFailure, match="never end"):
        run_child(module, {"what": "loop"}, b"", limits)


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_ends_the_wait_and_the_child(module: str, tmp_path: Path, sig: signal.Signals) -> None:
    """Also where a handler only sets a flag, as the application's do."""
    seen: list[int] = []
    before = signal.signal(sig, lambda number, _: seen.append(number))
    told = tmp_path / "told"
    try:
        sender = threading.Thread(target=_signal_when_started, args=(told.with_name("told.pid"), sig))
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            run_child(module, {"what": "announce", "file": str(told)}, b"", Limits(2 << 30, 600, 600.0))
        sender.join()
    finally:
        signal.signal(sig, before)
    assert seen == [sig]
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.with_name("told.pid").read_text()), 0)


def _signal_when_started(file: Path, sig: signal.Signals) -> None:
    pause = threading.Event()
    while not file.exists():
        pause.wait(0.01)
    os.kill(os.getpid(), sig)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_child_does_not_outlive_a_parent_that_was_killed(module: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    request = {"what": "announce", "file": str(told)}
    code = f"from livestyle.system.child import *; run_child({module!r}, {request!r}, b'', Limits(2 << 30, 600, 600.0))"
    parent = subprocess.Popen([sys.executable, "-c", code])
    pid_file, pause = told.with_name("told.pid"), threading.Event()
    while not pid_file.exists():
        assert parent.poll() is None
        pause.wait(0.01)
    parent.kill()
    parent.wait()
    while _is_running(int(pid_file.read_text())):  # the system does it soon, not at once
        pause.wait(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_python_that_cannot_be_started_is_a_reason(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child.sys, "executable", "/nowhere/python")
    with pytest.raises(ChildFailure, match="could not be started"):
        run_child(module, {"what": "echo"}, b"", ROOM)
