"""Workers watched from outside: a run that hangs or crashes its process is reported, and work goes on."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PRODUCT = "livestyle.cli.main:main"
START_S = 120.0  # for a new process to be ready, which imports everything
RUNS = 2000  # after so many a worker is replaced: what a library leaks must not add up to a failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run did."""

    code: int | None  # the exit code; None: it did not end, or crashed
    stdout: str
    stderr: str
    exception: str = ""  # the traceback of what came out of the product's entry
    signal: int | None = None  # that ended the process
    hung: bool = False  # stopped by the watchdog
    megabytes: int = 0  # the most memory during the run, of the process or of a child
    descriptors: Sequence[str] = ()  # open files that were left
    threads: Sequence[str] = ()  # names of threads that were left
    seconds: float = 0.0


class Worker:
    """A process that runs command lines one after the other; a new one takes its place after a crash or a hang."""

    def __init__(self, scratch: Path, *, entry: str = PRODUCT) -> None:
        """`scratch`: a folder for what runs print and for temporary files."""
        self._scratch, self._entry = scratch, entry
        self.temporary = scratch / "tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self._printed = scratch / "stdout", scratch / "stderr"
        self._process: subprocess.Popen[str] | None = None
        self._runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def run(self, folder: Path, arguments: list[str], limit: float) -> Outcome:
        """Run one command line in `folder`; it has `limit` seconds before it counts as hanging."""
        process = self._ready()
        assert process.stdin is not None
        started = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"folder": str(folder), "arguments": arguments}) + "\n")
            process.stdin.flush()
        answer = _answer(process, limit)
        self._runs += 1
        seconds = time.monotonic() - started
        if answer is None:
            return self._gone(process, seconds)
        return Outcome(**answer, stdout=_text(self._printed[0]), stderr=_text(self._printed[1]), seconds=seconds)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            _end(self._process)
            self._process = None

    def _ready(self) -> subprocess.Popen[str]:
        if self._process is None or self._runs >= RUNS or self._process.poll() is not None:
            self.close()
            self._process, self._runs = self._start(), 0
        return self._process

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), *map(str, self._printed), self._entry]
        environment = {**os.environ, **private_folders(self._scratch), "TMPDIR": str(self.temporary)}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True,
                                   start_new_session=True)  # fmt: skip
        if _answer(process, START_S) is None:
            _end(process)
            raise RuntimeError(f"a worker does not start: {_text(self._printed[1])[-500:]}")
        return process

    def _gone(self, process: subprocess.Popen[str], seconds: float) -> Outcome:
        """The process has died, or is ended with a traceback of where it hangs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)  # a process that crashes closes its pipes before it can be waited for
        hung = process.poll() is None
        if hung:
            process.send_signal(signal.SIGABRT)  # faulthandler then prints every thread's stack
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
        _end(process)
        self._process = None
        died = None if hung or process.returncode >= 0 else -process.returncode
        return Outcome(None, _text(self._printed[0]), _text(self._printed[1]), signal=died, hung=hung, seconds=seconds)


def private_folders(scratch: Path) -> dict[str, str]:
    """Environment in which the user's own configuration, styles and caches are not seen."""
    home = str(scratch / "home")
    return {
        "HOME": home,
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "PYTHONWARNINGS": "",
    }


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="livestyle-campaign-", dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _answer(process: subprocess.Popen[str], limit: float) -> dict[str, Any] | None:
    """The worker's line; None when none came in time or the process ended."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], limit)
    line = process.stdout.readline() if ready else ""
    return json.loads(line) if line else None


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the process and what it started, which shares its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _text(path: Path) -> str:
    """What was printed; bytes that are not UTF-8 become escapes."""
    return path.read_bytes()[-200_000:].decode("utf-8", "backslashreplace")
