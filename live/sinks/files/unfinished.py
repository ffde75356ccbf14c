"""Temporary files of outputs: their names, and whether the run that writes one is still there.

A run holds a lock on each of its temporary files, which the system releases however the run ends. So a file whose lock
can be taken is left over. Two kinds: a "part" is worthless unless it is finished; a "recording" of a live run plays as
far as it goes, because it cannot be made again.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["part", "recording"]

_NAME = re.compile(r"\.(?P<name>.+)\.(?P<kind>part|recording)-[0-9a-f]{8}(?:\.[^.]+)?", re.DOTALL)
_LONGEST_NAME = 255  # bytes, on nearly every file system
_YOUNG_S = 10.0  # an empty file younger than this may be about to be locked by its run
# Flags that only some systems have.
_BINARY: int = getattr(os, "O_BINARY", 0)
_NO_LINKS: int = getattr(os, "O_NOFOLLOW", 0)
_MOVES_OPEN_FILES = sys.platform != "win32"
_LOCKED_BYTE = 1 << 40  # Windows locks bytes against everyone, so one far beyond the data is taken


def temporary_path(path: Path, kind: Kind) -> Path:
    """A hidden name beside `path`, with its suffix, by which muxers and people recognise the format."""
    end = f".{kind}-{secrets.token_hex(4)}{path.suffix}"
    room = _LONGEST_NAME - 1 - len(os.fsencode(end)) - len(os.fsencode(path.suffix))
    stem = os.fsencode(path.stem)
    # Cut between two characters where the name is UTF-8, anywhere where it is not.
    kept = path.stem if len(stem) <= room else stem[:room].decode("utf-8", "ignore") or os.fsdecode(stem[:room])
    return path.with_name(f".{kept}{path.suffix}{end}")


class Claim:
    """A lock on a temporary file for as long as this process lives, or until `release`."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    @classmethod
    def of_new(cls, path: Path) -> Claim:
        """Create `path`, which must not exist, and lock it. Raises OSError."""
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | _BINARY, 0o666)
        with suppress(OSError):  # file systems without locks: `of_leftover` cannot take one there either
            _lock(handle, wait=True)
        return cls(handle)

    @classmethod
    def of_leftover(cls, path: Path) -> Claim | None:
        """A claim on a file whose run is gone; None where it is alive, or where that is unknown."""
        try:
            handle = os.open(path, os.O_RDWR | _BINARY | _NO_LINKS)
        except OSError:
            return None
        try:
            _lock(handle, wait=False)
            state = os.fstat(handle)
            if not os.path.samestat(os.stat(path), state):  # it was removed by the process that had the lock
                raise FileNotFoundError
            if state.st_size == 0 and time.time() - state.st_mtime < _YOUNG_S:
                raise BlockingIOError
        except OSError:
            os.close(handle)
            return None
        return cls(handle)

    def sync(self) -> None:
        """Have the system flush the file to the disk. Raises OSError."""
        handle = self._handle
        if handle is not None:
            os.fsync(handle)

    def release_with(self, move: Callable[[], None]) -> None:
        """Call what moves or removes the file, and release the lock.

        Not before, as another run could take the file for a leftover; but Windows moves no file that is open.
        """
        if not _MOVES_OPEN_FILES:
            self.release()
        try:
            move()
        finally:
            self.release()

    def release(self) -> None:
        """Release the lock. Twice is fine."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A temporary file of a run that is gone, claimed by this one."""

    path: Path
    target: Path  # the output it was to become
    kind: Kind


@contextmanager
def claimed(leftover: Leftover) -> Iterator[Claim | None]:
    """Hold the claim on a leftover; None where another process has it by now, or has handled it."""
    claim = Claim.of_leftover(leftover.path)
    try:
        yield claim
    finally:
        if claim is not None:
            claim.release()


def leftovers(folder: Path) -> list[Leftover]:
    """Temporary files in `folder` whose runs are gone, in the order of their names; none where it cannot be read."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.startswith("."))
    except OSError:
        return []
    found = (_leftover(folder, name) for name in names)
    return [leftover for leftover in found if leftover is not None and _is_left_over(leftover)]


def _leftover(folder: Path, name: str) -> Leftover | None:
    match = _NAME.fullmatch(name)
    if match is None or not (folder / name).is_file():
        return None
    kind: Kind = "recording" if match["kind"] == "recording" else "part"
    return Leftover(folder / name, folder / match["name"], kind)


def _is_left_over(leftover: Leftover) -> bool:
    with claimed(leftover) as claim:
        return claim is not None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, wait: bool) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int, *, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
