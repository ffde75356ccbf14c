"""Runs command lines of livestyle in this one process, one after the other, and reports what each did.

A process for every input would spend its time on starting. The parent (`pool`) writes a JSON line for each run to this
process's input and reads one back; what the run printed goes to two files that the parent named. Memory, open files and
threads are measured around each run. Nothing is repaired here: what hangs or crashes does so, and the parent sees it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import json
import os
import resource
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

MOST_MEMORY = 12 << 30
"""Bytes of address space, so that one input cannot take the machine's memory; far above what counts as a failure."""

KEPT_THREADS = "livestyle-grade"
"""Threads that are started once for the whole process, by the first picture that is large enough."""


def main() -> None:
    """Answer the parent's lines until there are no more."""
    answers, printed = os.fdopen(os.dup(1), "w"), sys.argv[1:3]
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(printed, 1):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    command = _command(sys.argv[3])
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in requests:
        request = json.loads(line)
        print(json.dumps(_run(command, request)), file=answers, flush=True)


def _command(entry: str) -> Any:
    """The function to call with a list of arguments: `module:function`, the product's own but for our tests."""
    module, _, function = entry.partition(":")
    command = getattr(__import__(module, fromlist=[function]), function)
    if module.startswith("livestyle"):
        _keep_bundled_models()
    return command


def _keep_bundled_models() -> None:
    """Load a bundled model once: it is not what is damaged, and takes longer than all the rest."""
    from livestyle import current_style

    load = current_style.open_segmenter
    kept = functools.cache(load)

    @functools.wraps(load)
    def load_or_keep(model: str | None, device: str, **options: Any) -> Any:
        return (load if model is not None and "/" in model else kept)(model, device, **options)

    current_style.open_segmenter = load_or_keep
    load_or_keep("xxsmall", "auto", threads=None)  # what libraries open once for all must not count for an input


def _run(command: Any, request: dict[str, Any]) -> dict[str, Any]:
    os.chdir(request["folder"])
    for number in (1, 2):
        os.ftruncate(number, 0)
    before = _open_files(), set(threading.enumerate())
    _forget_peak()
    code, error = _called(command, request["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    return {
        "code": code,
        "exception": error,
        "megabytes": _peak() // 1024,
        "descriptors": _more_files(before[0]),
        "threads": _more_threads(before[1]),
    }


def _called(command: Any, arguments: list[str]) -> tuple[int | None, str]:
    """(exit code, the exception that came out in place of one)."""
    try:
        command(arguments)
    except SystemExit as end:
        return (end.code if isinstance(end.code, int) else 0 if end.code is None else 1), ""
    except BaseException:  # this is what is looked for
        return None, traceback.format_exc()
    return 0, ""


def _open_files() -> dict[str, str]:
    """Number -> what it is, of this process's open files."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists them
            found[number] = os.readlink(f"/proc/self/fd/{number}")
    return found


def _more_files(before: dict[str, str]) -> list[str]:
    """Open files that the run left behind; garbage that was not collected yet does not count."""
    if len(_open_files()) > len(before):
        gc.collect()
    return [target for number, target in _open_files().items() if before.get(number) != target]


def _more_threads(before: set[threading.Thread]) -> list[str]:
    """Threads that the run left behind and that do not end by themselves soon."""
    more = [thread for thread in threading.enumerate() if thread not in before and KEPT_THREADS not in thread.name]
    for thread in more:
        thread.join(2.0)
    return [thread.name for thread in more if thread.is_alive()]


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak of memory


def _peak() -> int:
    """The most memory since `_forget_peak`, KiB, of this process or of a child that has ended."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return max(int(line.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return 0


if __name__ == "__main__":
    main()
