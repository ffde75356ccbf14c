"""Recordings examined: which moments of the burnt-in clock are in a file, and what else lies in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from campaign.camera_server import MILLISECONDS
from campaign.clock import read
from campaign.judge import Failure
from campaign.playing import pictures
from campaign.programs import files_in

from livestyle.media.pyav import av


@dataclass(frozen=True, slots=True)
class Watched:
    """A file as a player sees it."""

    frames: int
    numbers: list[int]  # of the clock, in order, where they could be read
    trouble: str  # what stopped playing before the end of the file


def watch(path: Path) -> Watched:
    """Play a file to its end or to where it breaks."""
    numbers: list[int] = []
    frames = 0
    try:
        for picture in pictures(path):
            frames += 1
            number = read(picture.to_ndarray(format="rgb24")[..., 1])
            if number is not None:
                numbers.append(number)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        return Watched(frames, numbers, str(error))
    return Watched(frames, numbers, "")


def missing_s(watched: Watched, moment_ms: int) -> float:
    """Seconds between the last moment in a recording and `moment_ms` of the same clock."""
    if not watched.numbers:
        return float("inf")
    behind = (moment_ms - watched.numbers[-1]) % MILLISECONDS
    return 0.0 if behind > MILLISECONDS // 2 else behind / 1000


def unwanted(folder: Path, wanted: set[Path]) -> list[Failure]:
    """Files in `folder` that should not be there."""
    return [Failure("file left", _plain_name(path)) for path in files_in(folder) if path not in wanted]


def hidden(folder: Path) -> list[Path]:
    """Files under temporary names."""
    return [path for path in files_in(folder) if path.name.startswith(".")]


def _plain_name(path: Path) -> str:
    """Temporary names without what is random in them, so that similar ones count as one."""
    head, _, tail = path.name.rpartition("-")
    return f"{head}-…" if head and len(tail) > 7 else path.name
