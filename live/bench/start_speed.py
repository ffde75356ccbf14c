"""How long a command takes to be there: its version, and a file's first styled frame."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from livestyle.bench.colour_speed import in_turns
from livestyle.bench.timing import Timing
from livestyle.errors import BackendError


def measure(clip: Path, rounds: int) -> Iterator[Timing]:
    """Whole processes: `livestyle --version`, and `livestyle CLIP -o …` for one frame. Raises BackendError."""
    with TemporaryDirectory() as folder:
        works = {
            "livestyle: --version": lambda: _run("--version"),
            "livestyle: a file's first frame, and the end": lambda: _run(
                str(clip), "-o", str(Path(folder) / "one.mp4"), "-y", "-q", "--duration", "0.01"
            ),
        }
        for name, seconds in in_turns(works, rounds).items():
            yield Timing.of(name, (0, 0), seconds, None, "")


def _run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "livestyle", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"livestyle {' '.join(arguments)} failed: {done.stderr.strip()}")
