"""The Linux virtual camera, against a kernel whose devices answer as v4l2loopback does."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from livestyle.errors import VirtualCameraError
from livestyle.sinks.virtual_camera import loopback
from livestyle.sinks.virtual_camera.loopback import FORMAT, S_FMT, YUYV, Linux, LoopbackOutput, find_devices
from livestyle.system.v4l2 import _CAPABILITY, _QUERYCAP

SIZE = (64, 48)
BYTES = 64 * 48 * 2
FOURCC = int.from_bytes(b"YUY2", "little")
OUTPUT, CAPTURE, BOTH = 0x2, 0x1, 0x3


@dataclass
class Node:
    """One device. Numbers are errnos, 0 for none."""

    label: str = "Dummy"
    driver: str = "v4l2 loopback"
    flags: int = OUTPUT
    opening: int = 0
    asking: int = 0
    formatting: int = 0
    fixed: tuple[int, int, int] | None = None  # the width, height and format that stay, whatever is asked for
    fed: bool = False
    locked: bool = False
    writes: list[int] = field(default_factory=list)  # answers to come: bytes taken, or negative errnos; then all
    frames: list[bytes] = field(default_factory=list)
    tries: int = 0


class FakeKernel:
    def __init__(self, **nodes: Node) -> None:
        self.by_path = {f"/dev/{name}": node for name, node in nodes.items()}
        self.handles: dict[int, Node] = {}
        self.opened = 0

    def nodes(self) -> list[str]:
        return list(self.by_path)

    def is_fed(self, path: str) -> bool:
        return self.by_path[path].fed

    def open(self, path: str) -> int:
        node = self.by_path.get(path)
        number = errno.ENOENT if node is None else node.opening
        if node is None or number:
            raise OSError(number, os.strerror(number))
        self.opened += 1
        self.handles[self.opened] = node
        return self.opened

    def lock(self, handle: int) -> None:
        if self.handles[handle].locked:
            raise BlockingIOError(errno.EAGAIN, "locked")

    def ioctl(self, handle: int, request: int, data: bytearray) -> object:
        node = self.handles[handle]
        if request == _QUERYCAP:
            fail(node.asking)
            answer = node.driver.encode(), node.label.encode(), b"platform:v4l2loopback-000", 0, 0x80000000, node.flags
            data[:] = _CAPABILITY.pack(*answer)
        elif request == S_FMT:
            fail(node.formatting)
            kind, *wanted = FORMAT.unpack(data)
            assert kind == 2  # V4L2_BUF_TYPE_VIDEO_OUTPUT
            assert wanted[4:6] == [2 * wanted[0], 2 * wanted[0] * wanted[1]]  # bytes of a line, of a picture
            if node.fixed is not None:
                wanted[:3] = node.fixed
            data[:] = FORMAT.pack(kind, *wanted)
        else:
            fail(errno.ENOTTY)
        return 0

    def write(self, handle: int, frame: npt.NDArray[np.uint8]) -> int:
        node = self.handles[handle]
        node.tries += 1
        answer = node.writes.pop(0) if node.writes else frame.nbytes
        fail(-min(answer, 0))
        if answer == frame.nbytes:
            node.frames.append(bytes(frame))
        return answer

    def close(self, handle: int) -> None:
        del self.handles[handle]


def fail(number: int) -> None:
    if number:
        raise OSError(number, os.strerror(number))


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def opened(kernel: FakeKernel, device: str | None = None, clock: Clock | None = None) -> LoopbackOutput:
    clock = clock or Clock()
    return LoopbackOutput(
        width=SIZE[0], height=SIZE[1], fps=30.0, fourcc=FOURCC, device=device, kernel=kernel, clock=clock,
        sleep=clock.sleep,
    )  # fmt: skip


def frame(level: int = 7) -> npt.NDArray[np.uint8]:
    return np.full(BYTES, level, np.uint8)


def send_all(output: LoopbackOutput, count: int) -> None:
    for _ in range(count):
        output.send(frame())


def test_a_frame_is_one_write_of_its_own_memory() -> None:
    """What arrives are the bytes, and nothing was copied on the way."""
    kernel = FakeKernel(video2=Node())
    seen: list[int] = []
    write = kernel.write
    kernel.write = lambda handle, data: seen.append(data.ctypes.data) or write(handle, data)  # type: ignore[method-assign]
    output, picture = opened(kernel, "/dev/video2"), frame()
    output.send(picture)
    output.close()
    assert seen == [picture.ctypes.data]
    assert kernel.by_path["/dev/video2"].frames == [picture.tobytes()]
    assert kernel.handles == {}


@pytest.mark.parametrize("wanted", ["/dev/video7", "7", "video7", "Studio", "studio", "stud"])
def test_a_device_is_found_by_path_number_label_and_part_of_it(wanted: str) -> None:
    kernel = FakeKernel(video2=Node("livestyle"), video7=Node("Studio"), video8=Node("Studio B"))
    assert opened(kernel, wanted).device() == "/dev/video7"


def test_a_label_that_no_device_has_names_those_there_are() -> None:
    with pytest.raises(VirtualCameraError, match="'Studio'") as caught:
        opened(FakeKernel(video2=Node("livestyle")), "Studio")
    assert "/dev/video2 (livestyle)" in caught.value.hint


def test_without_a_name_the_labelled_device_goes_first_and_hardware_is_left_alone() -> None:
    kernel = FakeKernel(video0=Node("Webcam", "uvcvideo", BOTH), video2=Node("OBS"), video7=Node("LiveStyle"))
    assert opened(kernel).device() == "/dev/video7"
    kernel.by_path.pop("/dev/video7")
    assert opened(kernel).device() == "/dev/video2"
    kernel.by_path.pop("/dev/video2")
    with pytest.raises(VirtualCameraError, match="no v4l2 loopback device") as caught:
        opened(kernel)
    assert "modprobe v4l2loopback" in caught.value.hint


@pytest.mark.parametrize(
    "taken",
    [
        Node("livestyle", flags=CAPTURE),  # exclusive_caps=1
        Node("livestyle", flags=BOTH, formatting=errno.EBUSY),  # v4l2loopback since 0.14
        Node("livestyle", flags=BOTH, fed=True),  # before
        Node("livestyle", locked=True),  # by another run of livestyle
        Node("livestyle", opening=errno.EBUSY),  # max_openers
        Node("livestyle", fixed=(640, 480, YUYV)),  # watched with another size
        Node("livestyle", opening=errno.EACCES),
    ],
)
def test_one_that_is_taken_is_passed_over(taken: Node) -> None:
    """The free one is used, and no handle of the other stays open."""
    kernel = FakeKernel(video2=taken, video3=Node("Dummy"))
    output = opened(kernel)
    assert output.device() == "/dev/video3"
    assert list(kernel.handles.values()) == [kernel.by_path["/dev/video3"]]


@pytest.mark.parametrize(
    ("node", "sentence", "advice"),
    [
        (Node(opening=errno.EACCES), "not allowed", "video group"),
        (Node(opening=errno.EPERM), "not allowed", "video group"),
        (Node(opening=errno.EBUSY), "another program feeds", "stop that one"),
        (Node(opening=errno.ENODEV), "no such virtual camera", "modprobe"),
        (Node(opening=errno.ENXIO), "no such virtual camera", "modprobe"),
        (Node(opening=errno.EISDIR), "not a video device", "modprobe"),
        (Node(opening=errno.EIO), "cannot be opened: Input/output error", "reload"),
        (Node(asking=errno.ENOTTY), "not a video device", "modprobe"),
        (Node(asking=errno.EINVAL), "not a video device", "modprobe"),
        (Node(flags=CAPTURE), "another program feeds", "stop that one"),
        (Node("Webcam", "uvcvideo", CAPTURE), r"\(Webcam\) is not a virtual camera", "modprobe"),
        (Node(locked=True), "another program feeds", "stop that one"),
        (Node(formatting=errno.EBUSY), "another program feeds", "stop that one"),
        (Node(formatting=errno.EINVAL), "held with another size or format", "close the call"),
        (Node(formatting=errno.ENOTTY), "takes no pictures", "modprobe"),
        (Node(formatting=errno.ENOMEM), "cannot be opened: Cannot allocate", "reload"),
        (Node(fixed=(640, 480, YUYV)), r"64x48: it is held with 640x480 \(YUYV\)", "--size 640x480"),
        (Node(fixed=(64, 48, int.from_bytes(b"YU12", "little"))), r"held with 64x48 \(YU12\)", "close the call"),
    ],
)
def test_why_a_device_cannot_be_used_is_one_sentence_with_what_to_do(node: Node, sentence: str, advice: str) -> None:
    """Each answer of the driver has its own, and the handle is closed."""
    kernel = FakeKernel(video2=node)
    with pytest.raises(VirtualCameraError, match=sentence) as caught:
        opened(kernel, "/dev/video2")
    assert str(caught.value).startswith("/dev/video2")
    assert advice in caught.value.hint
    assert caught.value.exit_code == 5
    assert ("install v4l2loopback" in caught.value.hint) == (advice == "modprobe")
    assert kernel.handles == {}


def test_another_format_of_the_same_size_is_no_reason_for_another_size() -> None:
    kernel = FakeKernel(video2=Node(fixed=(64, 48, int.from_bytes(b"YU12", "little"))))
    with pytest.raises(VirtualCameraError) as caught:
        opened(kernel, "/dev/video2")
    assert "--size" not in caught.value.hint


def test_a_device_that_does_not_exist() -> None:
    with pytest.raises(VirtualCameraError, match="/dev/video9: there is no such virtual camera"):
        opened(FakeKernel(), "9")


def test_without_permission_for_any_node_that_is_what_is_said() -> None:
    """Not that there is no device: the user has one and may not open it."""
    with pytest.raises(VirtualCameraError, match="not allowed") as caught:
        opened(FakeKernel(video0=Node(opening=errno.EACCES)))
    assert "video group" in caught.value.hint


def test_when_all_are_taken_each_is_named() -> None:
    with pytest.raises(VirtualCameraError, match=r"/dev/video2: .*; /dev/video3: ") as caught:
        opened(FakeKernel(video2=Node(flags=CAPTURE), video3=Node(flags=CAPTURE)))
    assert "stop that one" in caught.value.hint


@pytest.mark.parametrize(
    ("number", "sentence", "advice"),
    [
        (errno.EINVAL, "no longer accepts frames: Invalid argument", "close the programs"),
        (errno.ENODEV, "is gone: No such device", "modprobe"),
        (errno.ENXIO, "is gone", "modprobe"),
        (errno.EBADF, "is gone", "modprobe"),
        (errno.EBUSY, "another program feeds it", "stop that one"),
        (errno.EIO, "Input/output error", "reload"),
        (errno.ENOSPC, "No space", "reload"),
    ],
)
def test_a_write_that_fails_is_an_error_at_once(number: int, sentence: str, advice: str) -> None:
    """The device is closed, so that it can be opened again; the errno is never only printed."""
    node = Node(writes=[BYTES, -number])
    kernel = FakeKernel(video2=node)
    output = opened(kernel)
    output.send(frame())
    with pytest.raises(VirtualCameraError, match=sentence) as caught:
        output.send(frame())
    assert advice in caught.value.hint
    assert kernel.handles == {}
    assert node.tries == 2
    with pytest.raises(VirtualCameraError, match="is gone"):
        output.send(frame())
    assert node.tries == 2
    output.close()
    assert opened(kernel).device() == "/dev/video2"


def test_a_device_that_is_busy_for_a_moment_gets_the_same_frame_again() -> None:
    """EAGAIN and EINTR are waited out, within 0.2 s, and the frame is not lost."""
    node = Node(writes=[-errno.EAGAIN, -errno.EINTR, -errno.EAGAIN])
    clock = Clock()
    output = opened(FakeKernel(video2=node), clock=clock)
    output.send(frame(9))
    assert node.frames == [frame(9).tobytes()]
    assert output.lost == 0
    assert clock.now - 100.0 < 0.2


def test_a_device_that_takes_nothing_loses_frames_and_fails_after_five_seconds() -> None:
    node = Node(writes=[-errno.EAGAIN] * 100_000)
    clock = Clock()
    kernel = FakeKernel(video2=node)
    output = opened(kernel, clock=clock)
    output.send(frame())
    assert output.lost == 1
    assert 0.19 < clock.now - 100.0 < 0.22
    while clock.now - 100.0 < 4.9:
        output.send(frame())
    with pytest.raises(VirtualCameraError, match="no frame for 5 s"):
        send_all(output, 3)
    assert 5.0 <= clock.now - 100.0 < 5.6
    assert kernel.handles == {}


def test_frames_taken_again_end_the_count_of_seconds() -> None:
    node, clock = Node(), Clock()
    output = opened(FakeKernel(video2=node), clock=clock)
    for _ in range(2):
        node.writes = [-errno.EAGAIN] * 1000
        output.send(frame())
        node.writes = []
        output.send(frame())
        clock.now += 60  # no frame is refused meanwhile, so the next one starts from zero
    assert (len(node.frames), output.lost) == (2, 2)


def test_the_rest_of_a_frame_is_never_sent_as_a_frame() -> None:
    """A write is a frame to the driver: after a short one the next write is the next frame."""
    node = Node(writes=[BYTES // 2])
    output = opened(FakeKernel(video2=node))
    output.send(frame(1))
    output.send(frame(2))
    assert node.frames == [frame(2).tobytes()]
    assert (node.tries, output.lost) == (2, 1)


def test_three_cut_frames_in_a_row_are_an_error() -> None:
    """It then has another size or format, and goes on showing nonsense."""
    kernel = FakeKernel(video2=Node(writes=[BYTES // 2, BYTES, *[BYTES // 2] * 3]))
    output = opened(kernel)
    for _ in range(4):
        output.send(frame())
    with pytest.raises(VirtualCameraError, match=f"only {BYTES // 2} of the {BYTES} bytes"):
        output.send(frame())
    assert kernel.handles == {}


def test_only_what_most_programs_take_is_sent() -> None:
    with pytest.raises(VirtualCameraError, match="YUYV"):
        LoopbackOutput(width=64, height=48, fps=30, fourcc=int.from_bytes(b"I420", "little"), kernel=FakeKernel())


def test_what_is_no_device_is_refused_and_unchanged(tmp_path: Path) -> None:
    """On the running system: a file, a folder, a null device."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"picture")
    for path in (photo, tmp_path, "/dev/null"):
        with pytest.raises(VirtualCameraError, match="is not a video device"):
            LoopbackOutput(width=64, height=48, fps=30, fourcc=FOURCC, device=str(path))
    assert photo.read_bytes() == b"picture"


def test_the_running_system_writes_from_the_memory_of_a_frame(tmp_path: Path) -> None:
    linux = Linux()
    path = tmp_path / "device"
    path.touch()
    handle = linux.open(str(path))
    linux.lock(handle)  # no video device: nothing to lock
    picture = np.arange(BYTES, dtype=np.uint8)
    assert linux.write(handle, picture) == BYTES
    linux.close(handle)
    assert path.read_bytes() == picture.tobytes()


def test_devices_are_listed_with_label_and_state() -> None:
    kernel = FakeKernel(video2=Node("livestyle"), video3=Node("Dummy", flags=CAPTURE, fed=True), video4=Node(asking=5))
    assert [(d.path, d.label, d.can_output, d.is_fed) for d in find_devices(kernel)] == [
        ("/dev/video2", "livestyle", True, False),
        ("/dev/video3", "Dummy", False, True),
    ]


def test_hardware_is_told_from_loopback_devices_without_opening_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By where sysfs keeps it; a node that sysfs does not know is asked."""
    (tmp_path / "devices/pci0/usb1/video4linux/video0").mkdir(parents=True)
    (tmp_path / "devices/virtual/video4linux/video2").mkdir(parents=True)
    links = tmp_path / "class"
    links.mkdir()
    (links / "video0").symlink_to(tmp_path / "devices/pci0/usb1/video4linux/video0")
    (links / "video2").symlink_to(tmp_path / "devices/virtual/video4linux/video2")
    monkeypatch.setattr(loopback, "_sysfs", lambda node: links / node)
    assert [loopback._is_hardware(node) for node in ("video0", "video2", "video9")] == [True, False, False]


def test_layouts_add_up() -> None:
    """A pointer's alignment decides where the union of v4l2_format begins."""
    assert FORMAT.size == 200 + struct.calcsize("@I0P")
