"""One rule for every file written: checked first, written beside its place under a temporary name, then moved in."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

from livestyle.errors import EncodeError, OutputExistsError, UsageError


def check_output(path: Path, source: Path | None, *, overwrite: bool) -> None:
    """Raise UsageError or OutputExistsError when `path` must not be written. `source` is the file being read."""
    folder = path.parent
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{folder} is a file, so {path.name} cannot go into it", hint="name a folder, or another output"
        )
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} for the output {path.name} does not exist", hint=f"mkdir -p {folder}")
    if path.is_dir():
        raise UsageError(f"The output {path} is a folder", hint="name a file in it, such as out.mp4")
    if source is not None and _same_file(path, source):
        raise UsageError(f"The output {path} is the input itself", hint="choose another name with -o")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"The output {path} exists already", hint="give -y to overwrite it, or another name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"The folder {folder} cannot be written to", hint="choose another folder with -o")


class Pending:
    """A temporary file beside `path`: `commit` moves it in place, `discard` removes it. Each works once."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path = path
        self._overwrite = overwrite
        self.temporary = path.with_name(f".{path.name}.part-{secrets.token_hex(4)}{path.suffix}")
        try:
            os.close(os.open(self.temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise write_error(path, error) from error
        self._open = True

    def commit(self) -> None:
        """Move the finished file in place. Where that fails it stays under its temporary name, which the hint says."""
        if not self._open:
            return
        self._open = False
        kept = f"the finished file is kept as {self.temporary}"
        if self.path.exists() and not self._overwrite:
            raise OutputExistsError(f"The output {self.path} appeared while it was being made", hint=kept)
        try:
            os.replace(self.temporary, self.path)
        except OSError as error:  # another user's file in a sticky folder such as /tmp, a folder made meanwhile
            failure = write_error(self.path, error)
            raise EncodeError(failure.message, hint=kept) from error

    def discard(self) -> None:
        """Remove the temporary file; after `commit` nothing happens."""
        if self._open:
            self._open = False
            self.temporary.unlink(missing_ok=True)


def write_error(path: Path, error: BaseException) -> EncodeError:
    """The EncodeError for a failed write of `path`; a full disk is named as such."""
    number = getattr(error, "errno", None)
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
    reason = getattr(error, "strerror", None) or str(error)
    return EncodeError(f"{path} could not be written: {reason}")


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.parent).free / 1e6:.1f} MB"
    except OSError:
        return "unknown space"


def _same_file(first: Path, second: Path) -> bool:
    try:
        return os.path.samefile(first, second)  # through symbolic and hard links
    except OSError:
        return os.path.realpath(first) == os.path.realpath(second)
