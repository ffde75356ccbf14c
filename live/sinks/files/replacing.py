"""What replacing a file must not change: where a symbolic link leads, who may read the file, whose it is.

And how a file that must not replace any is moved.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path


def behind_link(path: Path) -> Path:
    """The file that is written when `path` is: where the link leads if it is one, else `path` as it is.

    The link stays, as with most programs, and the temporary file goes beside its target, which may lie on another disk.
    """
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


def move_without_replacing(old: Path, new: Path) -> None:
    """Rename a file. Raises FileExistsError where `new` is there, even if another process creates it meanwhile."""
    if os.name == "nt":
        os.rename(old, new)  # refuses by itself
        return
    try:
        os.link(old, new)  # the only call of POSIX that refuses, too
    except FileExistsError:
        raise
    except OSError as error:  # a file system without hard links, such as FAT: the closest that is possible
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from error
        os.replace(old, new)
    else:
        os.unlink(old)


def keep_access(old: Path, new: Path) -> None:
    """Give `new`, which will replace `old`, its permissions and, where this user may, its owner and group.

    Without an `old` file nothing changes: `new` has what the umask leaves. Errors are passed over: some file systems
    know no permissions.
    """
    try:
        state = os.stat(old)
    except OSError:
        return
    if not stat.S_ISREG(state.st_mode):
        return
    with suppress(OSError):
        _keep_owner(state, new)
    with suppress(OSError):
        os.chmod(new, stat.S_IMODE(state.st_mode) & 0o777)  # last: a change of owner takes permissions away


def _keep_owner(state: os.stat_result, new: Path) -> None:
    now = os.stat(new)
    if os.name == "nt" or (now.st_uid, now.st_gid) == (state.st_uid, state.st_gid):
        return
    try:
        os.chown(new, state.st_uid, state.st_gid)
    except PermissionError:  # only root may give files away; anybody may set a group of their own
        os.chown(new, -1, state.st_gid)
