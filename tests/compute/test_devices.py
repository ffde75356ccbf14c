"""Which device runs what; what happens when its memory is full, and when it is lost on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livestyle import loop
from livestyle.compute import devices
from livestyle.compute.devices import (
    Backend,
    BackendIndex,
    Backends,
    Colors,
    FallbackGrade,
    FallbackSegmenter,
    open_segmenter,
)
from livestyle.current_style import CurrentStyle
from livestyle.errors import DeviceError, DeviceMemoryError
from livestyle.frame import REGIONS, Frame, Masks, Pixels, PlaneWeights, Probabilities
from livestyle.masks.exact import ExactMasks
from livestyle.session import style_file
from livestyle.settings import Settings
from livestyle.shaders.cpu import CpuGrade
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice
from livestyle.sources.files.video import VideoSource
from livestyle.system.stop import Stop

LOOK = Look((Lut3D(1 - lattice(3)),) * 4)
PIXELS = np.full((6, 8, 3), 40, np.uint8)
WEIGHTS = np.full((4, 2, 2), 0.25, np.float32)

FULL = DeviceMemoryError("the colour pass found the memory of the device 'cuda' full: out of memory")
LOST = DeviceError("the colour pass failed on the device 'cuda': unspecified launch failure")


class Gpu:
    """A grade on a device that a test holds in its hand: `failing` is raised as long as it is set."""

    def __init__(self, backend: str = "triton") -> None:
        self.failing: DeviceError | None = None
        self.opened = self.calls = 0
        self.backend = backend
        self.is_identity = False
        self._grade = CpuGrade(LOOK)

    def open(self) -> Gpu:
        if self.failing is LOST:
            raise LOST
        self.opened += 1
        return self

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        self.calls += 1
        if self.failing is not None:
            raise self.failing
        return self._grade(pixels, weights)


def fallback(*gpus: Gpu, index: BackendIndex | None = None) -> FallbackGrade:
    backends = [Backend(f"on number {number}", gpu.open) for number, gpu in enumerate(gpus)]
    return FallbackGrade(LOOK, Backends("the colour pass", backends, lambda gpu: gpu.backend, index))


def test_full_memory_is_answered_by_the_next_way_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    large, small = Gpu(), Gpu("compiled")
    grade = fallback(large, small)
    large.failing = FULL
    for _ in range(3):
        assert (grade(PIXELS, WEIGHTS) == 215).all()
    assert large.calls == 1
    assert grade.backend == "compiled"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "out of memory. From now on the colour pass runs on number 1." in caplog.text


def test_with_no_way_left_full_memory_is_an_error() -> None:
    gpu = Gpu()
    grade = fallback(gpu)
    gpu.failing = FULL
    with pytest.raises(DeviceMemoryError):
        grade(PIXELS, WEIGHTS)


def test_styles_of_one_run_share_what_was_learnt_about_memory() -> None:
    index, large, other = BackendIndex(), Gpu(), Gpu()
    large.failing = FULL
    fallback(large, Gpu(), index=index)(PIXELS, WEIGHTS)
    fallback(other, Gpu("compiled"), index=index)(PIXELS, WEIGHTS)
    assert other.calls == 0


def test_a_lost_device_is_an_error_and_opened_anew_for_the_next_frame() -> None:
    gpu, spare = Gpu(), Gpu("compiled")
    grade = fallback(gpu, spare)
    gpu.failing = LOST
    for _ in range(3):
        with pytest.raises(DeviceError, match="launch failure"):
            grade(PIXELS, WEIGHTS)
    assert spare.opened == 0  # a loss is told, never covered up by another device
    assert grade.backend == "triton"  # the report can still say what it was
    gpu.failing = None
    assert (grade(PIXELS, WEIGHTS) == 215).all()
    assert gpu.opened == 2


class Backdrop:
    """Says background, or what the test wants it to raise."""

    classes = REGIONS
    regions = {region: region for region in REGIONS}  # noqa: RUF012
    input_size = (64, 64)
    device = "cuda"

    def __init__(self) -> None:
        self.failing: DeviceError | None = None

    def resized(self, share: float) -> Backdrop:
        return self

    def __call__(self, _: Any, /) -> Probabilities:
        if self.failing is not None:
            raise self.failing
        weights = np.zeros((4, 4, 4), np.float32)
        weights[0] = 1
        return weights


def test_a_model_steps_down_too_and_the_report_names_the_device_really_used() -> None:
    large, small = Backdrop(), Backdrop()
    small.device = "cpu"
    backends = Backends(
        "the model", [Backend("on cuda", lambda: large), Backend("on the CPU", lambda: small)], lambda s: s.device
    )
    segmenter = FallbackSegmenter(backends)
    with closing(ExactMasks(segmenter, time_base=1)) as masks:
        frame = Frame(np.zeros((32, 32, 3), np.uint8), 0, 0.0)
        masks.weights(frame)
        assert masks.stats()["device"] == "cuda"
        large.failing = FULL
        masks.weights(replace(frame, pts=1))
        assert masks.stats()["device"] == "cpu"
        assert segmenter.resized(0.5).device == "cpu"


def test_live_a_lost_device_shows_hold_cards_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """Never the raw picture; the same grade serves again once its driver does."""
    gpu = Gpu()
    grade = fallback(gpu)

    def render(frame: Frame) -> Frame:
        gpu.failing = LOST if 2 <= frame.pts < 5 else None
        return replace(frame, pixels=grade(frame.pixels, WEIGHTS), masks=Masks(WEIGHTS))

    guarded = loop._FailClosed(render)
    frames = [Frame(PIXELS, pts, 0.0) for pts in range(8)]
    shown = ["card" if (out := guarded(frame)) is None else int(out.pixels[0, 0, 0]) for frame in frames]
    assert shown == [215, 215, "card", "card", "card", 215, 215, 215]
    assert caplog.text.count("hold card") == 1


def test_a_file_ends_with_a_clear_error_and_keeps_what_was_finished(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backdrop, gpu = Backdrop(), Gpu()
    monkeypatch.setattr("livestyle.current_style.open_segmenter", lambda *_, **__: backdrop)
    style = CurrentStyle(Settings())
    grade = fallback(gpu)
    monkeypatch.setattr(style, "grade", lambda: Fails(grade, gpu, after=4))
    report = style_file(media / "bframes.mp4", tmp_path / "out.mp4", style, Settings(), Stop(), quiet=True)
    assert report.exit_code == 5
    assert "launch failure" in str(report.error)
    assert report.frames_out == 4
    with closing(VideoSource(tmp_path / "out.mp4")) as source:
        assert len(list(source)) == 4


class Fails:
    """A grade whose device is lost after some frames."""

    is_identity = False

    def __init__(self, grade: FallbackGrade, gpu: Gpu, after: int) -> None:
        self._grade, self._gpu, self._left = grade, gpu, after

    @property
    def backend(self) -> str:
        return self._grade.backend

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        if not self._left:
            self._gpu.failing = LOST
        self._left -= 1
        return self._grade(pixels, weights)


# ---- choosing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def torch_with() -> Iterator[Callable[..., None]]:
    """Pretend that torch has these devices."""
    patch = pytest.MonkeyPatch()
    yield lambda *names: patch.setattr(devices, "torch_has", lambda name: name in names)
    patch.undo()


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices for which a grade was requested from torch."""
    asked: list[str] = []

    def open_grade(look: Look, device: str, rows_at_once: int | None = None) -> Gpu:
        asked.append(device)
        return Gpu()

    monkeypatch.setattr(devices, "_torch_grade", open_grade)
    return asked


@pytest.mark.parametrize(
    ("device", "there", "used"),
    [
        ("auto", ("cuda",), "cuda"),
        ("cuda", ("cuda",), "cuda"),
        ("tensorrt", ("cuda",), "cuda"),
        ("mps", ("mps",), "mps"),
        ("auto", ("mps",), None),
        ("auto", (), None),
        ("cpu", ("cuda", "mps"), None),
        ("directml", ("cuda",), None),
        ("cuda", (), None),
    ],
)
def test_colors_go_where_torch_has_the_device(
    torch_with: Callable[..., None], graded: list[str], device: str, there: tuple[str, ...], used: str | None
) -> None:
    torch_with(*there)
    grade = Colors(device).grade(LOOK)
    assert graded == ([used] if used else [])
    assert grade.backend == ("triton" if used else CpuGrade(LOOK).backend)


def test_a_named_device_without_torch_says_that_the_cpu_does_the_colors(
    torch_with: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    torch_with()
    with caplog.at_level(logging.INFO, "livestyle"):
        Colors("cuda").grade(LOOK)
    assert "Colours are computed on the CPU" in caplog.text


def test_only_auto_may_leave_the_device(torch_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    torch_with("cuda")
    asked: list[int | None] = []

    def open_grade(look: Look, device: str, rows_at_once: int | None = None) -> Gpu:
        asked.append(rows_at_once)
        gpu = Gpu()
        gpu.failing = FULL
        return gpu

    monkeypatch.setattr(devices, "_torch_grade", open_grade)
    with pytest.raises(DeviceMemoryError):
        Colors("cuda").grade(LOOK)(PIXELS, WEIGHTS)
    asked.clear()
    grade = Colors("auto").grade(LOOK)
    assert (grade(PIXELS, WEIGHTS) == 215).all()
    assert asked == [None, devices.FEW_ROWS]
    assert grade.backend == CpuGrade(LOOK).backend


def test_auto_takes_the_cpu_where_cuda_does_not_start_after_all(
    torch_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise DeviceError("the model failed on the device 'cuda': no kernel image is available")

    torch_with("cuda")
    monkeypatch.setattr(devices, "_on_torch", refuse)
    with caplog.at_level(logging.INFO, "livestyle"):
        assert open_segmenter().device == "cpu"
    assert "No CUDA after all" in caplog.text
    with pytest.raises(DeviceError, match="no kernel image"):
        open_segmenter(device="cuda")


def test_without_a_driver_torch_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_nvidia_driver_is_there", lambda: False)
    monkeypatch.setattr(devices, "find_spec", lambda name: pytest.fail("torch was looked for"))
    devices.torch_has.cache_clear()
    try:
        assert not devices.torch_has("cuda")
    finally:
        devices.torch_has.cache_clear()
