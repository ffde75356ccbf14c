"""What `ps` shows of a command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from pathlib import Path
from livestyle.console.process_title import hide_in_process_title
hide_in_process_title(sys.argv[2], "http://h/")
sys.stdout.buffer.write(Path("/proc/self/cmdline").read_bytes() + bytes([1]) + Path("/proc/self/environ").read_bytes())
assert sys.argv[2].startswith("http://me")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets a process change it")
@pytest.mark.parametrize("before", ["--camera", "--camera=http://me:s3cret@h/ä"])
def test_an_address_is_overwritten_and_nothing_else(before: str) -> None:
    """In every place; the other arguments, the environment and what Python knows stay."""
    address = "http://me:s3cret@h/ä"
    command = [sys.executable, "-c", SCRIPT, before, address, "-o", "x.mp4"]
    result = subprocess.run(command, capture_output=True, env={"SEEN": "yes"}, check=True, timeout=60)
    arguments, _, environment = result.stdout.partition(b"\1")
    shown = "http://h/".ljust(len(address.encode())).encode()
    assert b"s3cret" not in arguments
    assert arguments.split(b"\0")[-4:-1] == [shown, b"-o", b"x.mp4"]
    assert b"SEEN=yes" in environment
