"""Native code that may loop, crash or take all memory, in a process of its own.

`run_child` is the parent's side: it starts a module of this package, passes it its input, and waits until the time
limit or a request to stop. `serve` is the child's: it limits itself first, then answers.

The answer is one line of JSON, and after it whatever bytes the module has to return.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from livestyle.errors import LivestyleError
from livestyle.system.interrupts import SLICE_S, Interrupts, noted_interrupts

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LATER_S = 5.0  # a child ends itself so long after its parent should have ended it

Answer = tuple[Mapping[str, Any], bytes]
"""The JSON object, and the bytes after it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a child may use."""

    memory: int  # bytes of address space, where the system can limit it
    processor: int  # seconds of processor time, likewise
    wall: float  # seconds, everywhere


class ChildFailure(Exception):
    """The child gave no answer; `str(error)` says why, as the end of a sentence."""


def run_child(module: str, request: Mapping[str, Any], data: bytes, limits: Limits) -> Answer:
    """What `serve` in `module` answers to `request` and `data`.

    Raises ChildFailure when the child crashes or exceeds a limit, and KeyboardInterrupt on a request to stop
    meanwhile. The child has ended by then, always.
    """
    head = json.dumps({**request, "limits": asdict(limits), "parent": os.getpid()}).encode() + b"\n"
    with noted_interrupts() as interrupts:
        output, code = _communicate(_start(module), head + data, limits.wall, interrupts)
    line, _, rest = output.partition(b"\n")
    try:
        answer: Mapping[str, Any] = json.loads(line)
    except ValueError as error:
        raise ChildFailure(_why(code)) from error
    if "failure" in answer:
        raise ChildFailure(answer["failure"])
    return answer, rest


def _start(module: str) -> subprocess.Popen[bytes]:
    # -P: the folder that the user works in may hold files with the names of modules.
    # One thread: what it does is short, and each further one reserves address space.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        return subprocess.Popen([sys.executable, "-P", "-m", module], env=environment, **pipes)  # type: ignore[call-overload]
    except OSError as error:
        raise ChildFailure(f"Python could not be started a second time ({error.strerror})") from error


def _communicate(
    process: subprocess.Popen[bytes], data: bytes, seconds: float, interrupts: Interrupts
) -> tuple[bytes, int]:
    outputs: list[bytes] = []
    thread = threading.Thread(target=lambda: outputs.append(process.communicate(data)[0]), name="livestyle-child")
    thread.start()
    end = time.monotonic() + seconds
    try:
        while thread.is_alive():
            interrupts.check()
            if time.monotonic() > end:
                raise ChildFailure(_TOO_LONG)
            thread.join(SLICE_S)
    finally:
        process.kill()  # does nothing to one that has ended
        thread.join()
    return outputs[0], process.returncode


_TOO_LONG = "reading it takes too long: it may never end"


def _why(code: int) -> str:
    """How a child ended that did not answer."""
    if code == -getattr(signal, "SIGXCPU", 0):
        return _TOO_LONG
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"reading it crashes ({name})"
    return f"reading it crashes (exit code {code})"


# ---- in the child ----------------------------------------------------------------------------------------------------


def serve(answer: Callable[[Mapping[str, Any], bytes], Answer]) -> None:
    """Read the request, keep to its limits, and write what `answer` makes of it.

    A LivestyleError that it raises is answered by its message (`error`) and its hint (`hint`).
    Standard output is for the answer alone: libraries that print get standard error.
    """
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    _limit_self(Limits(**request["limits"]), request["parent"])
    try:
        said, data = answer(request, sys.stdin.buffer.read())
    except LivestyleError as error:
        said, data = {"error": error.message, "hint": error.hint}, b""
    except MemoryError:
        said, data = {"failure": "reading it needs more memory than is allowed"}, b""
    output.write(json.dumps(said).encode() + b"\n")
    output.write(data)
    output.flush()
    os._exit(0)  # what the libraries do at the end of a process may fail too


def _limit_self(limits: Limits, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes: the parent decides
    _end_with(parent)
    # A thread in C, which needs no interpreter lock, ends the process: also where the parent cannot any more.
    faulthandler.dump_traceback_later(limits.wall + _LATER_S, exit=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with contextlib.suppress(ImportError):
        _limit_resources(importlib.import_module("resource"), limits)


def _limit_resources(resource: Any, limits: Limits) -> None:
    wanted = {"RLIMIT_AS": limits.memory, "RLIMIT_CPU": limits.processor, "RLIMIT_CORE": 0}
    for name, most in wanted.items():
        _, hard = resource.getrlimit(getattr(resource, name))
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS limits no address space
            resource.setrlimit(getattr(resource, name), (most, hard))


def allow_processor(seconds: int) -> None:
    """From now on this process may use so many seconds of processor time, counted from its start."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource: Any = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _end_with(parent: int) -> None:
    """On Linux a child is killed when its parent ends, however that does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before this was said
            os._exit(1)
