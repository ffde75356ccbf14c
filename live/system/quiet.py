"""Silences C libraries that print messages about damaged files while they decode."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_one_at_a_time = threading.Lock()  # else a second thread would keep the null device for the real stderr


@contextmanager
def libraries_quiet() -> Iterator[None]:
    """What is written to the process's stderr meanwhile is discarded.

    Neither libpng nor libtiff nor libjpeg can be silenced through OpenCV and Pillow. That of other threads is
    lost too, so this belongs around a single call that decodes, whose failure its result or exception tells.
    """
    with _one_at_a_time:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # it is closed: nothing can be printed
            yield
            return
        try:
            _discard_stderr()
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


def _discard_stderr() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _STDERR)
    os.close(null)
