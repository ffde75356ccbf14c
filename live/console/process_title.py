"""The command line that other users of the machine see (`ps`): a password in it is overwritten."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_ARG_START, _ARG_END = 47, 48  # fields of /proc/self/stat, counted from 0; see proc(5)


def hide_in_process_title(secret: str, shown: str) -> None:
    """Overwrite `secret` with `shown` (cut or filled to its length) where the kernel shows this process's arguments.

    Linux only: elsewhere no system call does it, and the configuration file is the place for a password.
    """
    if not sys.platform.startswith("linux") or not secret:
        return
    try:
        after_name = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        start, end = (int(after_name[field - 2]) for field in (_ARG_START, _ARG_END))  # 2: the number and the name
    except (OSError, ValueError, IndexError):
        return
    if start == 0 or end <= start:  # the kernel does not say
        return
    arguments = ctypes.string_at(start, end - start)
    old = secret.encode("utf-8", "surrogateescape")
    new = shown.encode("utf-8", "replace")[: len(old)].ljust(len(old))
    ctypes.memmove(start, arguments.replace(old, new), end - start)
