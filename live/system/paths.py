"""What is at a given path; where that cannot be found out, an error that says why."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Literal

from livestyle.errors import LivestyleError, SourceError, SourceNotFoundError

Kind = Literal["file", "folder", "other"]

_NOTHING = {errno.ENOENT, errno.ENOTDIR, errno.EBADF}
_NO_NAMES = {21, 123, 1921}  # Windows: a drive without a disk, an impossible name, a link to nothing
_HINTS = {
    errno.EACCES: "check the permissions of the folders on the way to it",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "a symbolic link on the way leads back to itself",
}


def kind_of_path(path: Path, failure: type[LivestyleError]) -> Kind | None:
    """What is at `path`, through symbolic links: a file, a folder, anything else (a pipe, a device), or nothing (None).

    Raises `failure`, naming the path, where that cannot be found out: a folder that may not be searched, a name that is
    too long, links in a circle.
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:
        raise failure(f"{path} is not a possible path: {error}") from error
    except OSError as error:
        if error.errno in _NOTHING or getattr(error, "winerror", None) in _NO_NAMES:
            return None
        raise unreachable(path, error, failure) from error
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def unreachable(path: Path, error: OSError, failure: type[LivestyleError]) -> LivestyleError:
    """The `failure` for a path that the system refuses to examine."""
    hint = _HINTS.get(error.errno or 0, "")
    return failure(f"{path} cannot be reached: {error.strerror or error}", hint=hint)


def check_file(path: Path) -> None:
    """Raise SourceNotFoundError or SourceError unless `path` is a file with something in it."""
    kind = kind_of_path(path, SourceError)
    if kind is None:
        raise SourceNotFoundError(f"There is no file {path}", hint="check the name and the folder")
    if kind == "other":
        raise SourceError(f"{path} is not a file", hint="a camera device is opened with --camera")
    if kind == "folder":
        raise SourceError(f"{path} is a folder, not a photo or video", hint="name a file in it, or add -o FOLDER/")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)", hint="copy or record it again")


def shell_word(path: Path) -> str:
    """The path as it is typed in a shell: quoted where it must be."""
    text = str(path) if not str(path).startswith("-") else f".{os.sep}{path}"
    return subprocess.list2cmdline([text]) if os.name == "nt" else shlex.quote(text)
