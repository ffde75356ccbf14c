"""livestyle as a program of its own: started, signalled, waited for with a limit; and what its folder holds then."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign.pool import Outcome, private_folders

PROGRAM = (sys.executable, "-m", "livestyle")
LIMIT_S = 45.0  # for a run to begin or to end; the machine may be busy with others


class Terminal:
    """A terminal whose window is this process: what is written to it is kept in a file until it is closed."""

    def __init__(self, kept: Any) -> None:
        self._ours, self.theirs = pty.openpty()
        self._kept, self._closing = kept, threading.Event()
        os.set_blocking(self._ours, False)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def started(self) -> None:
        """Give up our copy of the program's end, now that the program has its own."""
        os.close(self.theirs)

    def close(self) -> None:
        """Close the window. Twice is fine."""
        if not self._closing.is_set():
            self._closing.set()
            self._thread.join()
            os.close(self._ours)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the program has closed its end
            while True:
                try:
                    self._kept.write(os.read(self._ours, 65536))
                except BlockingIOError:
                    if self._closing.is_set():
                        return
                    time.sleep(0.02)


@dataclass
class Program:
    """A running command."""

    process: subprocess.Popen[bytes]
    printed: tuple[Any, Any]  # files with stdout and stderr
    terminal: Terminal | None
    started: float = field(default_factory=time.monotonic)

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def hang_up(self) -> None:
        """Close its terminal, as closing the window does."""
        if self.terminal is not None:
            self.terminal.close()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def outcome(self, limit: float = LIMIT_S) -> Outcome:
        """Wait for its end; kill it when it does not come within `limit` seconds."""
        hung = False
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            hung = True
            self.process.kill()
            self.process.wait()
        self.hang_up()
        stdout, stderr = (_text(file) for file in self.printed)
        code = self.process.returncode
        return Outcome(code if code >= 0 else None, stdout, stderr, signal=-code if code < 0 and not hung else None,
                       hung=hung, seconds=time.monotonic() - self.started)  # fmt: skip


def start(
    arguments: Sequence[str | Path],
    folder: Path,
    *,
    terminal: bool = False,
    program: Sequence[str] = PROGRAM,
    prepare: Callable[[], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Program:
    """Start a command in `folder`.

    `terminal`: in a terminal of its own that `hang_up` closes; `prepare` runs in the new process before it;
    `environment` is added to ours.
    """
    home = folder.with_name(folder.name + "-home")
    home.mkdir(parents=True, exist_ok=True)
    printed = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed once they were read
    window = Terminal(printed[1]) if terminal else None
    ends: list[Any] = [window.theirs] * 3 if window else [subprocess.DEVNULL, *printed]
    process = subprocess.Popen(
        [*program, *map(str, arguments)], cwd=folder, stdin=ends[0], stdout=ends[1], stderr=ends[2],
        env={**os.environ, **private_folders(home), "TMPDIR": str(home), **(environment or {})},
        preexec_fn=lambda: _prepare(window, prepare), start_new_session=True,
    )  # fmt: skip
    if window is not None:
        window.started()
    return Program(process, printed, window)


def _prepare(window: Terminal | None, more: Callable[[], None] | None) -> None:
    """In the new process: signals as a shell leaves them, and the terminal as its own."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if window is not None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if more is not None:
        more()


def _text(file: Any) -> str:
    file.seek(0)
    text = file.read()[-200_000:].decode("utf-8", "backslashreplace")
    file.close()
    return str(text)


def wait_for(condition: Callable[[], object], program: Program, limit: float = LIMIT_S) -> bool:
    """Wait until `condition()` is true; False when the program ended or time was up before."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if condition():
            return True
        if not program.running:
            return bool(condition())
        time.sleep(0.02)
    return False


def files_in(folder: Path) -> list[Path]:
    """Every file below `folder`, hidden ones too."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
