"""The virtual camera, against a backend that records what a device would get."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests_devices import Recorder

from livestyle.errors import UsageError, VirtualCameraError
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.sinks.virtual_camera import camera
from livestyle.sinks.virtual_camera.camera import VirtualCamera, VirtualCameraOpener, how_to_get_one

pyvirtualcam = pytest.importorskip("pyvirtualcam")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Recorder]]:
    from pyvirtualcam.camera import BACKENDS

    monkeypatch.setattr(Recorder, "opened", [])
    pyvirtualcam.register_backend("recorder", Recorder)
    yield Recorder
    BACKENDS.pop("recorder")


def frame_of(pixels: np.ndarray, pts: int = 0) -> Frame:
    return Frame(read_only(pixels), pts, time.monotonic())


def picture(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def test_frames_arrive_as_they_were_written(recorder: type[Recorder]) -> None:
    """RGB backends get the very pixels, neither mirrored nor with red and blue exchanged."""
    pixels = picture(64, 48)
    sink = VirtualCamera((64, 48), rate=30, backend="recorder")
    sink.write(frame_of(pixels))
    sink.close()
    (device,) = recorder.opened
    assert device.size == (64, 48)
    assert device.fps == 30
    assert np.array_equal(device.frames[0].reshape(48, 64, 3), pixels)


def test_size_stays_when_the_input_changes(recorder: type[Recorder]) -> None:
    """A camera that comes back in another size is letterboxed into the size of the session, with its aspect kept."""
    sink = VirtualCamera(StreamInfo("camera", (64, 48), Fraction(1, 1000000), Fraction(15)), backend="recorder")
    sink.write(frame_of(picture(64, 48)))
    sink.write(frame_of(np.full((32, 128, 3), 200, np.uint8), 1))
    (device,) = recorder.opened
    assert device.fps == 15
    got = device.frames[1].reshape(48, 64, 3)
    assert np.all(got[16:32] == 200)  # 128x32 becomes 64x16 in the middle
    assert not got[:16].any()
    assert not got[32:].any()


def test_odd_sizes_are_padded_not_resampled(recorder: type[Recorder]) -> None:
    pixels = picture(63, 47)
    sink = VirtualCamera((63, 47), backend="recorder")
    sink.write(frame_of(pixels))
    assert sink.size == (64, 48)
    assert np.array_equal(recorder.opened[0].frames[0].reshape(48, 64, 3)[:47, :63], pixels)


def test_sixteen_bits_become_eight(recorder: type[Recorder]) -> None:
    pixels = picture(16, 16)
    sink = VirtualCamera((16, 16), backend="recorder")
    sink.write(frame_of(pixels.astype(np.uint16) * 257))
    assert np.array_equal(recorder.opened[0].frames[0].reshape(16, 16, 3), pixels)


def test_the_last_picture_is_sent_again_in_a_pause(recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of the device must not freeze while no frames come; before the first frame there is nothing to send."""
    now = [100.0]
    monkeypatch.setattr("livestyle.sinks.virtual_camera.camera.time.monotonic", lambda: now[0])
    sink = VirtualCamera((16, 16), backend="recorder")
    sink.idle()
    sink.write(Frame(read_only(picture(16, 16)), 0, 0.0))
    sink.idle()
    (device,) = recorder.opened
    assert len(device.frames) == 1
    now[0] += 1
    sink.idle()
    sink.idle()
    assert len(device.frames) == 2
    assert np.array_equal(device.frames[0], device.frames[1])


def test_nothing_of_the_frame_is_kept(recorder: type[Recorder]) -> None:
    pixels = picture(16, 16)
    sink = VirtualCamera((16, 16), backend="recorder")
    sink.write(Frame(pixels, 0, 0.0))
    sent = recorder.opened[0].frames[0].copy()
    pixels[:] = 0
    sink._sent_at = -10.0
    sink.idle()
    assert np.array_equal(recorder.opened[0].frames[1], sent)


def test_close_twice_closes_the_device_once(recorder: type[Recorder]) -> None:
    sink = VirtualCamera((16, 16), backend="recorder")
    sink.close()
    sink.close()
    sink.idle()
    assert sink.closed
    assert recorder.opened[0].closed == 1


def test_loopback_gets_limited_range_yuyv() -> None:
    """4:2:2 in BT.601 limited range: white is Y 235, black 16, red has V 240 (tolerance 1: integer arithmetic)."""
    from livestyle.sinks.virtual_camera.camera import _yuyv

    colors = np.zeros((2, 6, 3), np.uint8)
    colors[:, 0:2], colors[:, 4:6] = 255, (255, 0, 0)
    got = _yuyv(colors).astype(int)  # (H, W, 2): Y with U and V in turns
    assert got.shape == (2, 6, 2)
    assert np.abs(got[0, [0, 2, 4], 0] - (235, 16, 81)).max() <= 1
    assert np.abs(got[0, [4, 5], 1] - (90, 240)).max() <= 1
    back = cv2.cvtColor(got.astype(np.uint8), cv2.COLOR_YUV2RGB_YUYV)
    assert np.abs(back.astype(int) - colors).max() <= 2


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        ("No v4l2 loopback device found at /dev/video[0-99].", how_to_get_one()),
        ("Virtual camera device /dev/video2 is already in use.", "another program"),
        ("Could not open due to missing permissions.", "video group"),
        ("The device could not be configured: Invalid argument", "close the programs"),
    ],
)
def test_a_refusal_says_what_to_do(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, refusal: str, advice: str
) -> None:
    monkeypatch.setattr(Recorder, "refuse", refusal)
    with pytest.raises(VirtualCameraError, match="cannot be opened") as caught:
        VirtualCamera((16, 16), backend="recorder")
    assert advice in caught.value.hint
    assert caught.value.exit_code == 5


def test_how_to_get_one_names_the_program_of_each_system() -> None:
    assert "exclusive_caps=1" in how_to_get_one("linux")
    assert "OBS Studio" in how_to_get_one("darwin")
    assert "OBS Studio" in how_to_get_one("win32")
    assert "register_backend" in how_to_get_one("plan9")


def test_an_unknown_backend_is_a_usage_error(recorder: type[Recorder]) -> None:
    with pytest.raises(UsageError, match="nonesuch") as caught:
        VirtualCamera((16, 16), backend="nonesuch")
    assert "recorder" in caught.value.hint


def test_a_device_that_vanishes_is_an_error(recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    sink = VirtualCamera((16, 16), backend="recorder")
    monkeypatch.setattr(Recorder, "broken", True)
    with pytest.raises(VirtualCameraError, match="No such device") as caught:
        sink.write(frame_of(picture(16, 16)))
    assert caught.value.hint == how_to_get_one()
    sink.close()


def test_what_else_a_backend_fails_with_is_no_reason_to_install_anything(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("error writing frame: Invalid argument")

    sink = VirtualCamera((16, 16), backend="recorder")
    monkeypatch.setattr(Recorder, "send", refuse)
    with pytest.raises(VirtualCameraError, match="no longer accepts frames: error writing frame") as caught:
        sink.write(frame_of(picture(16, 16)))
    assert "close the programs" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="the message of the Linux backend")
def test_without_a_device_the_real_backend_says_how_to_get_one() -> None:
    if any(Path("/dev").glob("video*")):
        pytest.skip("this machine has video devices")
    with pytest.raises(VirtualCameraError, match="v4l2 loopback") as caught:
        VirtualCamera((640, 480), backend="v4l2loopback")
    assert "modprobe v4l2loopback" in caught.value.hint


def test_the_same_pixels_are_converted_once(recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    """A card comes ten times a second for hours; a new array is a new picture, whatever address it has."""
    converted: list[int] = []
    fit = camera.letterbox
    monkeypatch.setattr(camera, "letterbox", lambda pixels, size: converted.append(1) or fit(pixels, size))
    sink = VirtualCamera((16, 16), backend="recorder")
    card = read_only(picture(16, 16))
    for pts in range(3):
        sink.write(Frame(card, pts, 0.0))
    assert len(converted) == 1
    for level in range(3):
        sink.write(frame_of(np.full((16, 16, 3), level, np.uint8), 3 + level))
    assert [int(sent[0]) for sent in recorder.opened[0].frames[3:]] == [0, 1, 2]


def test_a_backend_that_cannot_tell_who_watches_says_so(recorder: type[Recorder]) -> None:
    """OBS's camera, Unity Capture's and those of others: exit code 5 and what to drop."""
    sink = VirtualCamera((16, 16), backend="recorder")
    with pytest.raises(VirtualCameraError, match="cannot tell whether somebody watches") as caught:
        sink.viewers()
    assert "drop --on-demand" in caught.value.hint


def test_what_failed_is_opened_again_where_it_was(
    recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The call watches that device, whichever else is free by then. Of one that is gone there is nothing to keep to."""
    monkeypatch.setattr("pyvirtualcam.camera.BACKENDS", {"recorder": recorder})
    opener = VirtualCameraOpener((16, 16), 30, None)
    monkeypatch.setattr(VirtualCamera, "device", property(lambda _: str(tmp_path / "video3")))
    opener()
    opener()
    (tmp_path / "video3").touch()
    opener()
    assert [device.name for device in recorder.opened] == ["Recorder", "Recorder", str(tmp_path / "video3")]


@pytest.mark.skipif(sys.platform != "linux", reason="replaces the Linux backend")
def test_linux_devices_are_fed_by_our_backend_and_only_in_place_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever cleared pyvirtualcam's list keeps what they registered; other backends see nothing of ours."""
    from pyvirtualcam import camera

    with pytest.raises(VirtualCameraError, match="/dev/video999: there is no such virtual camera"):
        VirtualCamera((16, 16), device="/dev/video999")
    monkeypatch.setattr(camera, "BACKENDS", {})
    with pytest.raises(VirtualCameraError, match="there is no backend"):
        VirtualCamera((16, 16))
    assert camera.BACKENDS == {}


def test_of_several_backends_each_says_why_it_cannot(recorder: type[Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "refuse", "no luck")
    monkeypatch.setattr("pyvirtualcam.camera.BACKENDS", {"one": recorder, "two": recorder})
    with pytest.raises(VirtualCameraError, match="virtual camera: cannot be opened: no luck; no luck"):
        VirtualCamera((16, 16))
