"""Which cameras there are, and which one is meant."""

from __future__ import annotations

import errno
import json
import os
import struct
import sys
from pathlib import Path

import pytest

from livestyle.errors import RefusedError, SourceError, SourceNotFoundError
from livestyle.sources.camera_names import (
    Camera,
    darwin_cameras,
    find_target,
    linux_cameras,
    list_cameras,
    there_are,
    windows_cameras,
)
from livestyle.system import v4l2

CAMERAS = [
    Camera(0, "Integrated Camera", "/dev/video0"),
    Camera(2, "USB Camera HD", "/dev/video2"),
    Camera(4, "USB Camera", "/dev/video4"),
]


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    for name, label, index in [
        ("video10", "Late One\n", "0"),
        ("video0", "Integrated  Camera: Integrated C\n", "0"),
        ("video1", "Integrated  Camera: Integrated C\n", "1"),
        ("v4l-subdev0", "sensor\n", "0"),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(label)
        (tmp_path / name / "index").write_text(index + "\n")
    return tmp_path


def test_linux_lists_capture_nodes_in_order(sysfs: Path) -> None:
    """The metadata node of a webcam is left out, and video10 comes after video2."""
    found = linux_cameras(sysfs, Path("/dev"), captures=lambda path: path != "/dev/video1")
    assert found == [
        Camera(0, "Integrated Camera: Integrated C", "/dev/video0"),
        Camera(10, "Late One", "/dev/video10"),
    ]


def test_linux_without_permission_lists_first_nodes(sysfs: Path) -> None:
    assert [camera.index for camera in linux_cameras(sysfs, captures=lambda path: None)] == [0, 10]


def test_linux_without_cameras(tmp_path: Path) -> None:
    assert linux_cameras(tmp_path / "missing") == []


def test_listing_on_this_machine_does_not_fail() -> None:
    assert all(camera.name for camera in list_cameras())


def test_darwin_reads_system_profiler() -> None:
    answer = {"SPCameraDataType": [{"_name": "FaceTime HD Camera", "spcamera_unique-id": "47B4"}]}
    assert darwin_cameras(lambda command: json.dumps(answer)) == [Camera(0, "FaceTime HD Camera", "47B4")]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_windows_reads_cim(count: int) -> None:
    """ConvertTo-Json prints nothing, one object or a list."""
    entries = [{"Name": f"Cam {n}", "DeviceID": f"USB\\{n}"} for n in range(count)]
    answer = "" if count == 0 else json.dumps(entries[0] if count == 1 else entries)
    assert windows_cameras(lambda command: answer) == [Camera(n, f"Cam {n}", f"USB\\{n}") for n in range(count)]


def test_a_tool_that_is_missing_lists_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def missing(command: list[str]) -> str:
        raise FileNotFoundError(command[0])

    assert darwin_cameras(missing) == []
    assert "cannot be listed" in caplog.text


@pytest.mark.parametrize(
    ("which", "device"),
    [
        ("0", 0),
        ("7", 7),
        ("integrated", 0),
        ("HD", 2),
        ("usb camera", 4),  # exactly this one, although another name contains it
        ("/dev/video2", "/dev/video2"),
    ],
)
def test_what_is_meant(which: str, device: int | str) -> None:
    if which.startswith("/dev") and sys.platform == "win32":
        pytest.skip("no device paths on Windows")
    assert find_target(which, lambda: CAMERAS).device == device


def test_an_unknown_name_lists_the_cameras() -> None:
    with pytest.raises(SourceNotFoundError, match="'brio'") as caught:
        find_target("brio", lambda: CAMERAS)
    assert "0 (Integrated Camera)" in caught.value.hint
    assert "4 (USB Camera)" in caught.value.hint


def test_an_ambiguous_name_asks_for_the_index() -> None:
    with pytest.raises(SourceError, match="3 cameras") as caught:
        find_target("camera", lambda: CAMERAS)
    assert "2 (USB Camera HD)" in caught.value.hint


def test_a_file_is_not_a_camera(tmp_path: Path) -> None:
    """Named with --camera by mistake."""
    path = tmp_path / "clip.mp4"
    path.touch()
    with pytest.raises(RefusedError, match="is a file") as caught:
        find_target(str(path), list)
    assert "without --camera" in caught.value.hint


def test_no_cameras_at_all() -> None:
    assert "no camera was found" in there_are([])


# Video4Linux, with a plain file for a device and an ioctl that answers as the kernel does

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux")


@pytest.fixture
def node(tmp_path: Path) -> str:
    path = tmp_path / "video0"
    path.touch()
    return str(path)


@linux_only
@pytest.mark.parametrize(
    ("capabilities", "device_caps", "expected"),
    [
        (0x84A00001, 0x04200001, True),  # a webcam's picture node
        (0x84A00001, 0x04A00000, False),  # its metadata node: the device captures, this node does not
        (0x00001000, 0, True),  # an old driver with planes
        (0x85200002, 0x05200002, False),  # a loopback that nobody feeds, with exclusive_caps=1
    ],
)
def test_capabilities_are_those_of_the_node(node: str, capabilities: int, device_caps: int, expected: bool) -> None:
    def ioctl(handle: int, request: int, data: bytearray) -> None:
        assert request == 0x80685600
        assert len(data) == 104  # sizeof(struct v4l2_capability)
        struct.pack_into("II", data, 84, capabilities, device_caps)

    assert v4l2.can_capture(node, ioctl) is expected


@linux_only
def test_a_node_that_cannot_be_asked(node: str, tmp_path: Path) -> None:
    assert v4l2.can_capture(str(tmp_path / "missing")) is None
    assert v4l2.can_capture(node) is None  # a plain file: ENOTTY
    assert v4l2.trouble(str(tmp_path / "missing")) == errno.ENOENT
    assert v4l2.trouble(node) == errno.ENOTTY


@linux_only
def test_a_camera_in_use_refuses_buffers(node: str) -> None:
    def ioctl(handle: int, request: int, data: bytearray) -> None:
        assert len(data) == 20  # sizeof(struct v4l2_requestbuffers)
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    assert v4l2.trouble(node, ioctl) == errno.EBUSY


@linux_only
def test_a_free_camera_gets_its_buffers_back(node: str) -> None:
    counts: list[int] = []
    assert v4l2.trouble(node, lambda handle, request, data: counts.append(data[0])) == 0
    assert counts == [1, 0]
