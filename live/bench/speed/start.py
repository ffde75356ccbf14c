"""How long a command takes to start: its version, and a file's first styled frame."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from livestyle.bench.speed.color import in_turns
from livestyle.bench.speed.timing import Timing
from livestyle.errors import BackendError
from livestyle.settings import Settings
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource


def measure(clip: Path, settings: Settings, rounds: int) -> Iterator[Timing]:
    """Whole processes: `livestyle --version`, and styling the clip's first frame into a file. Raises BackendError."""
    options = ["--style", settings.style, "--device", settings.device]
    options += ["--model", settings.model] if settings.model else []
    with TemporaryDirectory() as folder:
        one, styled = Path(folder) / "one.mp4", Path(folder) / "styled.mp4"
        _cut(clip, one)
        works = {
            "livestyle: --version": partial(_run, "--version"),
            "livestyle: a file's first frame, and the end": partial(
                _run, str(one), "-o", str(styled), "-y", "-q", *options
            ),
        }
        for name, seconds in in_turns(works, rounds).items():
            yield Timing.of(name, (0, 0), seconds, None, "")


def _cut(clip: Path, target: Path) -> None:
    """The first frame of the clip as a film of its own."""
    with closing(VideoSource(clip)) as source, closing(VideoSink(target, replace(source.info, path=None))) as sink:
        sink.write(next(iter(source)))


def _run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "livestyle", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"livestyle {' '.join(arguments)} failed: {done.stderr.strip()}")
