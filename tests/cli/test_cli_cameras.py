"""The command line and cameras with an address."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests_network import HttpCamera, jpeg, multipart, page, stream

from livestyle.cli.main import main
from livestyle.cli.parameter_types import Wait

SECRET = "s3cr3t"
ADDRESS_LIMIT_S = 60  # a start of the whole program, on a slow machine


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["http://me:{0}@127.0.0.1:1/x"], 2, "use --camera for an address"),
        (["--camera", "0", "-o", "rtmp://h/{0}?k={0}"], 2, "the output must be a file"),
        (["--camera", "127.0.0.1:1/x?k={0}"], 3, "put http:// before it"),
        (["--camera", "rtmp://me:{0}@127.0.0.1/x"], 3, "http://, https://, rtsp://, rtsps://"),
        (["--camera", "http://me:{0}@127.0.0.1:1/x"], 3, "nothing listens at port 1"),
        (["--camera", "http://me:#{0}@127.0.0.1:1/x"], 3, "%23"),
        (["x.mp4", "--wait"], 2, "--wait is for cameras"),
    ],
)
@pytest.mark.parametrize("option", ["--json", "--debug"])
def test_addresses_that_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str, option: str
) -> None:
    """A clear sentence, the right exit code, and no password in what is printed, as JSON and at --debug, too."""
    got, out, err = run(capsys, *(argument.format(SECRET) for argument in arguments), option)
    assert got == code
    assert words in err
    assert SECRET not in out + err
    if option == "--json":
        assert json.loads(out)["exit_code"] == code


@pytest.mark.parametrize(
    ("value", "seconds"), [("", math.inf), (True, math.inf), (False, None), (1, 1.0), ("1:30", 90.0)]
)
def test_how_long_to_wait(value: object, seconds: float | None) -> None:
    """As typed, and as a configuration file has it."""
    assert Wait().convert(value, None, None) == seconds


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    """At once, with 130; what it waits for was reported once; ps does not show the password."""
    with HttpCamera({}) as camera:
        address = camera.address("/x", f"me:{SECRET}@")
    command = [sys.executable, "-m", "livestyle", "--camera", address, "--wait", "--no-window", "-o", "x.mp4"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        killer = threading.Timer(ADDRESS_LIMIT_S, process.kill)
        killer.start()
        assert process.stderr is not None
        first = process.stderr.readline()
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes() if os.path.exists("/proc/self/cmdline") else b""
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        code = process.wait()
        killer.cancel()
    assert code == 130
    assert "waiting for it" in first
    assert "waiting" not in rest
    assert SECRET not in first + rest + shown.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_report_holds_no_password(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A whole run from an address into a file."""
    with HttpCamera({"/x": stream(multipart(jpeg((320, 240))))}) as camera:
        address = camera.address(f"/x?pwd={SECRET}", f"me:{SECRET}@")
        code, out, err = run(
            capsys, "--camera", address, "--no-window", "-o", tmp_path / "x.mp4", "--duration", "1", "--json", "--debug"
        )
        assert json.loads(out)["source"] == camera.address("/x?...")
    assert code == 0
    assert SECRET not in out + err


def test_wait_then_the_reason(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--wait with a number ends with the error that it would have begun with."""
    with HttpCamera({"/x": page("503 Busy")}) as camera:
        code, _, err = run(
            capsys, "--camera", camera.address("/x"), "--no-window", "-o", tmp_path / "x.mp4", "--wait", "0.5"
        )
    assert code == 3
    assert err.count("waiting for it") == 1
    assert "busy" in err.splitlines()[-2]
