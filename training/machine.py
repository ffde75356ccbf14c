"""What a run finds on the machine: the device, the precision that is fast there, and the C library's memory."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os

import torch

from livestyle.errors import DeviceError, UsageError

log = logging.getLogger("livestyle")

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_NEVER = -1


def choose_device(name: str) -> torch.device:
    """The device named, or the best there is for "auto". Raises DeviceError for one that is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        log.info("Training on %s.", name)
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not here.get(name.split(":")[0], False):
        raise DeviceError(f"The device {name} is not available here.", hint="Set run.device to auto or cpu.")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if name == "cuda" else torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """The precision named, or the fastest that is safe for "auto": "bf16", "fp16" or "fp32".

    Raises UsageError for fp16 without CUDA. A machine without bf16 instructions may have bf16, with a warning: it
    imitates them, on a processor ten times slower than it computes in fp32.
    """
    if name == "fp16" and device.type != "cuda":
        raise UsageError("run.precision = fp16 needs CUDA.", hint="Use auto, bf16 or fp32.")
    fast = _has_bf16(device)
    if name == "auto":
        name = "bf16" if fast else "fp16" if device.type == "cuda" else "fp32"
        log.info("Training in %s.", name)
    elif name == "bf16" and not fast:
        log.warning("This machine has no bf16 instructions: run.precision = auto would be many times faster.")
    return name


def _has_bf16(device: torch.device) -> bool:
    """Whether it computes in bf16 itself. Of Apple's GPUs: all that torch runs on."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True


def keep_memory() -> None:
    """Have glibc keep what is freed for the next step instead of giving it back to the system; elsewhere nothing.

    Each step otherwise asks for gigabytes again, and the system clears every page of them: half of a step's time.
    """
    with contextlib.suppress(OSError, AttributeError):  # another libc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
