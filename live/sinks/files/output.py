"""One rule for every output file: check first, write beside it under a temporary name, then move it into place."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from contextlib import suppress
from itertools import chain
from pathlib import Path

from livestyle.errors import EncodeError, OutputExistsError, UsageError, reason_of
from livestyle.sinks.files.replacing import behind_link, keep_access, move_without_replacing
from livestyle.sinks.files.unfinished import Claim, temporary_path
from livestyle.system.paths import Kind, kind_of_path, shell_word
from livestyle.system.stop import settle_if_abandoned

_TRIES = 100  # to take a free name before another process does

log = logging.getLogger("livestyle")


def check_output(path: Path, source: Path | None, *, overwrite: bool) -> None:
    """Raise UsageError or OutputExistsError when `path` must not be written. `source` is the file being read."""
    _check_folder(path.parent, path)
    kind = kind_of_path(path, UsageError)
    target = behind_link(path)
    if kind == "folder":
        raise UsageError(f"The output {path} is a folder", hint="name a file in it, such as out.mp4")
    if kind == "other":  # replacing it would remove the device
        raise UsageError(f"The output {path} is a pipe or a device, not a file", hint="choose another name with -o")
    if kind == "file" and source is not None and same_file(path, source):
        raise UsageError(f"The output {path} is the input itself", hint="choose another name with -o")
    if not overwrite:
        _refuse_existing(path, target, kind)
    if target != path:
        _check_folder(target.parent, target)
    if kind == "file" and not os.access(target, os.W_OK):
        raise UsageError(f"The output {path} is write-protected", hint="choose another name with -o")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise UsageError(f"The folder {target.parent} cannot be written to", hint="choose another folder with -o")


def _check_folder(folder: Path, output: Path) -> None:
    kind = kind_of_path(folder, UsageError)
    if kind is None:
        raise UsageError(
            f"The folder {folder} for the output {output.name} does not exist", hint=f"mkdir -p {shell_word(folder)}"
        )
    if kind != "folder":
        raise UsageError(
            f"{folder} is a file, so {output.name} cannot go into it", hint="name a folder, or another output"
        )


def _refuse_existing(path: Path, target: Path, kind: Kind | None) -> None:
    if kind is not None:
        raise OutputExistsError(f"The output {path} exists already", hint="give -y to overwrite it, or another name")
    if target != path:
        raise OutputExistsError(
            f"The output {path} is a symbolic link to {target}, which does not exist",
            hint=f"give -y to write {target}, or another name",
        )


class Pending:
    """A temporary file beside `path`: `commit` moves it in place, `discard` removes it. Each works once.

    `recording`: what is written cannot be made again, and plays as far as it goes. Where a file of that name appeared
    meanwhile, `commit` takes a free name, which becomes `path`; after a crash `livestyle.sinks.files.rescue` finds it.
    """

    def __init__(self, path: Path, *, overwrite: bool, recording: bool = False) -> None:
        self.path = path = behind_link(path)
        self._overwrite, self._recording = overwrite, recording
        self.temporary = temporary_path(path, "recording" if recording else "part")
        try:
            self._claim = Claim.of_new(self.temporary)
        except OSError as error:
            raise write_error(path, error) from error
        if overwrite:
            keep_access(path, self.temporary)
        self._lock = threading.Lock()  # `settle_all` comes from another thread
        self._open = True
        settle_if_abandoned(self)

    def commit(self) -> None:
        """Move the finished file in place. Where that fails it is kept under a free name, which the hint says."""
        with self._lock:
            if self._open:
                self._open = False
                if self._recording:
                    with suppress(OSError):  # the name must not reach the disk before the index does
                        self._claim.sync()
                self._claim.release_with(self._move)

    def discard(self) -> None:
        """Remove the temporary file; after `commit` nothing happens."""
        with self._lock:
            if self._open:
                self._open = False
                self._claim.release_with(lambda: self.temporary.unlink(missing_ok=True))

    def settle(self) -> None:
        """Whatever is still written to it: keep a recording as it is, remove anything else."""
        if self._recording and self.temporary.stat().st_size:
            self.commit()
        else:
            self.discard()

    def sync(self) -> None:
        """Have the system flush the file to the disk. Raises OSError."""
        self._claim.sync()

    def _move(self) -> None:
        try:
            if self._overwrite:
                os.replace(self.temporary, self.path)
            else:
                move_without_replacing(self.temporary, self.path)
        except FileExistsError as error:
            kept = _moved_to_free_name(self.temporary, self.path)
            if not self._recording or kept == self.temporary:
                raise OutputExistsError(
                    f"The output {self.path} appeared while it was being made", hint=_where(kept)
                ) from error
            log.warning("%s appeared while it was being recorded: the recording is %s", self.path, kept)
            self.path = kept
        except OSError as error:  # another user's file in a sticky folder such as /tmp, a folder made meanwhile
            kept = _moved_to_free_name(self.temporary, self.path)
            raise EncodeError(write_error(self.path, error).message, hint=_where(kept)) from error


def _where(kept: Path) -> str:
    return f"the finished file is kept as {kept}"


def _moved_to_free_name(temporary: Path, path: Path) -> Path:
    """Where the file is now: beside `path`, under a name that the next run does not mistake for a leftover.

    Where it cannot be moved at all, its temporary one.
    """
    for _ in range(_TRIES):
        free = free_path(path)
        try:
            move_without_replacing(temporary, free)
        except FileExistsError:  # another process was quicker
            continue
        except OSError:
            break
        return free
    return temporary


def free_path(path: Path, word: str = "") -> Path:
    """`path`, or the first of NAME-2, NAME-3 … (NAME-`word`, NAME-`word`-2 …) that does not exist."""
    start = f"{path.stem}-{word}" if word else path.stem
    names = chain([path.name, f"{start}{path.suffix}"], (f"{start}-{count}{path.suffix}" for count in range(2, 10_000)))
    return next((found for name in names if not os.path.lexists(found := path.with_name(name))), path)


def write_error(path: Path, error: Exception) -> EncodeError:
    """The EncodeError for a failed write of `path`; a full disk is named as such."""
    number = getattr(error, "errno", None)  # which FFmpeg's errors have, too, though not all are OSErrors
    if number in (errno.ENOSPC, errno.EDQUOT):
        return EncodeError(
            f"The disk that holds {path.parent.absolute()} is full ({_free(path)} free): {path.name} is not written",
            hint="free some space or write to another disk with -o",
        )
    if number == errno.EFBIG:
        return EncodeError(
            f"{path} would become larger than the disk or its user limit allows ({_free(path)} free on the disk)",
            hint="write to another disk with -o, or raise the limit on file sizes",
        )
    return EncodeError(f"{path} could not be written: {reason_of(error)}")


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.parent).free / 1e6:.1f} MB"
    except OSError:
        return "unknown space"


def same_file(first: Path, second: Path) -> bool:
    """Whether both lead to one file, through symbolic and hard links; paths that lead nowhere are compared."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        return os.path.realpath(first) == os.path.realpath(second)
