"""--on-demand as a program: which runs it is for, and a whole run against a device that viewers come to and leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mjpeg_server import MjpegServer, color_bars

from livestyle.cli.main import main
from livestyle.sinks.virtual_camera import loopback, viewers
from livestyle.system import v4l2

WAIT_S = 120.0  # generous: only a fault makes a test wait for it
HEADER = Path("/usr/include/linux/videodev2.h")
COMPILER = shutil.which("cc") or shutil.which("gcc")
SOURCE = Path(__file__).parents[1] / "sinks" / "virtual_camera" / "fake_v4l2loopback.c"
needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None or not HEADER.exists(), reason="needs Linux, a C compiler and headers"
)

PRINTED = """
#include <linux/videodev2.h>
#include <stddef.h>
#include <stdio.h>
#define AT(type, member) offsetof(struct type, member)
int main(void) {
    printf("%zu %zu %zu %zu ", sizeof(struct v4l2_capability), sizeof(struct v4l2_format), sizeof(struct v4l2_event),
           sizeof(struct v4l2_event_subscription));
    printf("%zu %zu %zu %zu ", AT(v4l2_format, fmt.pix.width), AT(v4l2_format, fmt.pix.pixelformat),
           AT(v4l2_format, fmt.pix.sizeimage), AT(v4l2_format, fmt.pix.colorspace));
    printf("%zu %zu %zu ", AT(v4l2_event, u), AT(v4l2_event, pending), AT(v4l2_event_subscription, flags));
    printf("%lu %lu %lu %lu %lu ", (unsigned long)VIDIOC_QUERYCAP, (unsigned long)VIDIOC_S_FMT,
           (unsigned long)VIDIOC_DQEVENT, (unsigned long)VIDIOC_SUBSCRIBE_EVENT,
           (unsigned long)VIDIOC_UNSUBSCRIBE_EVENT);
    printf("%u %u %u %u %u %u", V4L2_PIX_FMT_YUYV, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_FIELD_NONE, V4L2_COLORSPACE_SRGB,
           V4L2_EVENT_PRIVATE_START, V4L2_EVENT_SUB_FL_SEND_INITIAL);
    return 0;
}
"""


def compiled(source: Path, target: Path, *flags: str) -> Path:
    assert COMPILER is not None
    subprocess.run([COMPILER, "-Wall", "-Werror", *flags, str(source), "-o", str(target), "-ldl"], check=True)
    return target


@needs_compiler
def test_layouts_and_numbers_are_those_of_the_header(tmp_path: Path) -> None:
    """What the compiler makes of linux/videodev2.h."""
    (tmp_path / "sizes.c").write_text(PRINTED)
    program = compiled(tmp_path / "sizes.c", tmp_path / "sizes")
    said = [int(n) for n in subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()]
    numbered = loopback.FORMAT.pack(*range(1, 14))
    event = viewers.EVENT.pack(1, 2, 3, 4, 5, 6, 7)
    subscription = viewers.SUBSCRIPTION.pack(1, 2, 3)
    find = [numbered.index(struct.pack("I", field)) for field in (2, 4, 7, 8)]
    assert said == [
        v4l2._CAPABILITY.size, loopback.FORMAT.size, viewers.EVENT.size, viewers.SUBSCRIPTION.size,
        *find,
        event.index(struct.pack("I", 2)), event.index(struct.pack("I", 3)), subscription.index(struct.pack("I", 3)),
        v4l2._QUERYCAP, loopback.S_FMT, viewers.DQEVENT, viewers.SUBSCRIBE, viewers.UNSUBSCRIBE,
        loopback.YUYV, loopback.OUTPUT, loopback._PROGRESSIVE, loopback._SRGB,
        viewers.CLIENT_USAGE - 0x08E00001, viewers.SEND_INITIAL,
    ]  # fmt: skip


class Run:
    """livestyle in a process of its own, with a device that exists only there."""

    def __init__(self, folder: Path, address: str, *options: str) -> None:
        self.frames, self.viewers = folder / "frames", folder / "viewers"
        self.watch(0)
        library = compiled(SOURCE, folder / "loopback.so", "-shared", "-fPIC")
        environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "LOOPBACK_DEVICE": "/dev/video4242",
            "LOOPBACK_FRAMES": str(self.frames),
            "LOOPBACK_VIEWERS": str(self.viewers),
            "XDG_CONFIG_HOME": str(folder),
        }
        command = [sys.executable, "-m", "livestyle", "--camera", address, "--virtual-camera", "4242", "--json"]
        command += ["--style", "stark-mono", "--intensity", "1", *options]
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def watch(self, count: int) -> None:
        """So many watch from now on."""
        new = self.viewers.with_suffix(".new")
        new.write_text(str(count))
        new.replace(self.viewers)

    def levels(self) -> list[int]:
        """The mean of Y of every frame that the device got."""
        data = self.frames.read_bytes() if self.frames.exists() else b""
        return list(struct.unpack(f"={len(data) // 8}Q", data[: len(data) // 8 * 8]))

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, as long as the run goes on."""
        end = time.monotonic() + WAIT_S
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.02)

    def stop(self) -> tuple[int, str, str]:
        """Ctrl-C: exit code, stdout, stderr."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, err


@pytest.fixture
def camera() -> Iterator[MjpegServer]:
    server = MjpegServer(color_bars((160, 120)), rate=20)
    yield server
    server.kill()


@needs_compiler
def test_the_camera_is_open_while_somebody_watches_and_a_card_waits_before(tmp_path: Path, camera: MjpegServer) -> None:
    """Card, picture, card, picture: and the camera has a client only while there is a viewer."""
    run = Run(tmp_path, camera.address, "--on-demand", "--size", "160x120")
    try:
        run.until(lambda: len(run.levels()) >= 5)
        (card,) = set(run.levels())
        assert not camera._clients
        for _ in range(2):
            seen = len(run.levels())
            run.watch(1)
            run.until(lambda seen=seen: sum(level != card for level in run.levels()[seen:]) >= 5)  # type: ignore[misc]
            run.watch(0)
            run.until(lambda: run.levels()[-5:] == [card] * 5 and not camera._clients)
    finally:
        code, out, err = run.stop()
    report = json.loads(out)
    assert (code, report["error"]) == (130, None)
    assert err.count("somebody watches: opening") == 2
    assert err.count("is closed until somebody watches") == 2
    assert report["frames_in"] >= 10
    assert report["held"] >= 10


@needs_compiler
def test_without_on_demand_the_camera_is_open_whoever_watches(tmp_path: Path, camera: MjpegServer) -> None:
    run = Run(tmp_path, camera.address, "--no-window")
    try:
        run.until(lambda: len(set(run.levels())) >= 1)
    finally:
        code, out, err = run.stop()
    assert (code, json.loads(out)["held"]) == (130, 0)
    assert "somebody watches" not in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--camera", "0"], "needs --virtual-camera"),
        (["--camera", "0", "--virtual-camera", "--window"], "a window would always watch"),
        (["--camera", "0", "--virtual-camera", "-o", "call.mp4"], "records nothing while nobody watches"),
        (["film.mp4"], "is for cameras"),
        (["film.mp4", "-o", "styled.mp4"], "is for cameras"),
    ],
)
def test_runs_that_cannot_wait_for_viewers_are_refused(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A usage error, before anything is opened or written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").write_bytes(b"film")
    with pytest.raises(SystemExit) as left:
        main(["--on-demand", *arguments])
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
