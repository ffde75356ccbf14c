"""What a governor switches: nothing of it makes a frame wait, drop or flash."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests_devices import Driver

from livestyle import loop
from livestyle.current_style import CurrentStyle
from livestyle.errors import ModelError
from livestyle.frame import REGIONS, Frame, PlaneWeights, Probabilities, read_only
from livestyle.governor import monitor
from livestyle.governor.policy import Step, ladder
from livestyle.governor.switch import FADE_S, TURN_S, CrossfadedEdges, QualitySwitch, RatedInference, SwitchedSegmenter
from livestyle.masks.edges import refine, unrefined
from livestyle.masks.live import LiveMasks
from livestyle.media.pyav import cv2
from livestyle.models.segmenter import SMALLER_MODEL
from livestyle.session import run_camera
from livestyle.settings import Settings
from livestyle.system.stop import Stop

WAIT_S = 30.0  # only a hang makes a test wait for it
PICTURE = np.zeros((8, 8, 3), np.uint8)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


class Certain:
    """Everything is one class of its own list; can be made to wait."""

    device = "cpu"
    input_size = (32, 32)

    def __init__(self, name: str = "skin", classes: tuple[str, ...] = ("background", "skin"), side: int = 4) -> None:
        self.side = side
        self.classes = classes
        self.regions: Mapping[str, str] = {each: each if each in REGIONS else "skin" for each in classes}
        self.name = name
        self.sizes: list[tuple[int, ...]] = []
        self.go = threading.Event()
        self.go.set()

    def resized(self, share: float) -> Certain:
        return self

    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> Probabilities:
        assert self.go.wait(WAIT_S)
        self.sizes.append(pixels.shape)
        planes = np.zeros((len(self.classes), self.side, self.side), np.float32)
        planes[self.classes.index(self.name)] = 1
        return planes


# The rate of masks


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("rate", "fps"), [(12, 30), (5, 30), (8, 25), (12, 60)])
def test_on_the_average_a_rate_is_kept_though_frames_come_in_coarse_steps(rate: float, fps: float) -> None:
    """Ten seconds of frames: the rate, to one mask in either direction, and no gap longer by more than a frame."""
    clock, begun = Clock(), []

    def segment(picture: np.ndarray) -> PlaneWeights:
        begun.append(picture.item() / fps)
        return np.zeros((4, 1, 1), np.float32)

    with closing(RatedInference(segment, rate, clock)) as inference:
        for index in range(int(10 * fps)):
            clock.now = index / fps
            inference.offer(np.array([[index]]), clock.now)
            until(lambda: not inference.waiting)
        until(lambda: inference.result() is not None)
    assert abs(len(begun) - 10 * rate) <= 1
    assert np.diff(begun).max() <= 1 / rate + 1 / fps + 1e-9  # rounding


def test_without_a_rate_every_picture_is_taken() -> None:
    with closing(RatedInference(lambda picture: np.zeros((4, 1, 1), np.float32))) as inference:
        for index in range(5):
            inference.offer(PICTURE, index)
            assert inference.wait(WAIT_S).seconds == index


def test_a_frame_that_waits_for_its_mask_gets_it_whatever_the_rate() -> None:
    """After a cut the picture must not wait until it is time for the next mask."""
    clock = Clock()
    with closing(RatedInference(lambda picture: np.zeros((4, 1, 1), np.float32), 0.001, clock)) as inference:
        inference.offer(PICTURE, 1.0)
        assert inference.wait(WAIT_S).seconds == 1.0
        for index in range(2, 6):
            inference.offer(PICTURE, float(index))
        assert inference.result() is None
        assert inference.wait(WAIT_S).seconds == 5.0  # the newest


def test_while_one_is_worked_on_the_newest_picture_waits_not_the_first() -> None:
    """A slow model at a rate that it cannot reach: masks would be older than they need be."""
    go, clock = threading.Event(), Clock()
    began = threading.Event()

    def segment(picture: np.ndarray) -> PlaneWeights:
        began.set()
        assert go.wait(WAIT_S)
        return np.zeros((4, 1, 1), np.float32)

    with closing(RatedInference(segment, 10, clock)) as inference:
        inference.offer(PICTURE, 0.0)
        assert began.wait(WAIT_S)
        for index in range(1, 10):
            clock.now = index * 0.03
            inference.offer(PICTURE, clock.now)
        go.set()
        seen: set[float] = set()
        while clock.now not in seen:
            seen.add(inference.wait(WAIT_S).seconds)
        assert seen <= {0.0, clock.now}  # the first may be replaced before anybody asks


# Edges


def one_hot(region: str, height: int = 2, width: int = 2) -> npt.NDArray[np.float32]:
    planes = np.zeros((height, width, len(REGIONS)), np.float32)
    planes[..., REGIONS.index(region)] = 1
    return planes


@pytest.mark.parametrize("larger", [1, 2])
def test_edges_fade_out_and_in_again_and_cost_nothing_when_out(larger: int) -> None:
    """Refined masks may be larger than the plain ones: on the way they are mixed at the larger size."""
    clock, calls = Clock(), []
    side = 2 * larger

    def refine(planes: npt.NDArray[np.float32], guide: np.ndarray) -> PlaneWeights:
        calls.append(clock.now)
        return np.ascontiguousarray(one_hot("clothes", side, side).transpose(2, 0, 1))

    edges = CrossfadedEdges(refine, clock)
    shares: list[float] = []
    for index in range(60):
        edges.refined = not 10 <= index < 35
        clock.now = index / 30
        weights = edges(one_hot("background"), np.zeros((side, side, 3), np.uint8))
        assert np.allclose(weights.sum(axis=0), 1)
        if not 24 <= index < 26:  # the fade's end, to float rounding
            assert weights.shape[1:] == ((2, 2) if 26 <= index < 35 else (side, side))
        shares.append(float(weights[REGIONS.index("clothes"), 0, 0]))
    steps = np.abs(np.diff(shares))
    assert shares[9] == shares[59] == 1
    assert shares[26] == shares[34] == 0
    assert steps.max() <= 1 / (FADE_S * 30) + 1e-6  # a frame's part of the fade; float32
    assert not [at for at in calls if 26 <= at * 30 <= 34]


def test_masks_without_the_pictures_edges_are_otherwise_the_same() -> None:
    """Where the picture has none, refined and plain masks agree: steps down and up show along edges only."""
    ramp = np.linspace(0, 1, 96, dtype=np.float32)[np.newaxis, :].repeat(48, axis=0)
    planes = np.ascontiguousarray(np.dstack([1 - ramp, 0 * ramp, ramp, 0 * ramp]))
    grey = np.full((48, 96, 3), 0.5, np.float32)
    assert np.abs(unrefined(planes, grey) - refine(planes, grey)).max() < 1e-3  # float32 sums in another order


# Another model


def test_another_model_is_opened_beside_the_frames_and_takes_over_without_a_gap() -> None:
    """The frames go on with the old one until the new one has run once, on a picture of the size in use."""
    slow = Certain("clothes", ("background", "hair", "clothes"))
    slow.go.clear()
    opened: list[str] = []

    def open_step(step: Step) -> Certain:
        opened.append(threading.current_thread().name)
        return slow if step.model else Certain()

    steps = ladder(smaller="xxsmall")
    switch = QualitySwitch(steps[0], open_step)
    random = np.random.default_rng(2).integers(0, 255, (48, 64, 3), np.uint8)
    frames: list[PlaneWeights] = []
    masks = LiveMasks(switch.segmenter, time_base=1 / 30, inference=switch.inference, refine=switch.edges)
    with closing(switch), closing(masks):

        def go_on(count: int) -> PlaneWeights:
            for _ in range(count):
                frames.append(masks.weights(Frame(read_only(random), len(frames), time.monotonic())))
                time.sleep(0.001)
            return frames[-1]

        skin, clothes = REGIONS.index("skin"), REGIONS.index("clothes")
        assert go_on(5)[skin].min() > 0.99
        assert switch.ready
        switch.switch_to(next(step for step in steps if step.model))
        assert go_on(20)[skin].min() > 0.99
        assert not switch.ready
        slow.go.set()
        until(lambda: bool(go_on(1)[clothes].min() > 0.99))
        until(lambda: switch.ready)
    assert opened == ["MainThread", "livestyle-model"]
    assert slow.sizes[0] == random.shape


def test_faces_are_told_from_other_skin() -> None:
    """People are found by them; together the two are what the model gives skin."""
    classes = ("background", "face", "arms")
    model = Certain("face", classes)
    planes = dict(zip(SwitchedSegmenter.classes, SwitchedSegmenter(model)(PICTURE), strict=True))
    assert planes["face"].min() == 1
    assert planes["skin"].max() == 0
    planes = dict(zip(SwitchedSegmenter.classes, SwitchedSegmenter(Certain("arms", classes))(PICTURE), strict=True))
    assert planes["face"].max() == 0
    assert planes["skin"].min() == 1


def test_the_planes_are_regions_and_faces_whatever_the_classes_of_the_model() -> None:
    """While one turns into another they are a mixture, at the larger size, that goes from the one to the other."""
    clock = Clock()
    first, second = Certain(), Certain("clothes", ("background", "hair", "clothes"), side=6)
    switched = SwitchedSegmenter(first, clock)
    assert switched(PICTURE)[REGIONS.index("skin")].min() == 1
    assert not switched.turning
    clock.now = 10.0
    switched.turn_to(second)
    shares = []
    for index in range(21):
        clock.now = 10 + TURN_S * index / 20
        weights = switched(PICTURE)
        assert weights.shape == (len(SwitchedSegmenter.classes), 6, 6)
        assert np.allclose(weights.sum(axis=0), 1)
        assert switched.turning == (index < 20)
        shares.append(float(weights[REGIONS.index("clothes")].mean()))
    assert np.allclose(shares, np.linspace(0, 1, 21))
    asked = len(first.sizes)
    switched(PICTURE)
    assert len(first.sizes) == asked  # the old one is not asked any more
    assert switched.masks == 23


def test_what_kept_a_model_from_opening_is_raised_and_the_old_one_goes_on() -> None:
    first = Certain()

    def open_step(step: Step) -> Certain:
        if step.model:
            raise ModelError("the file is damaged")
        return first

    steps = ladder(smaller="xxsmall")
    with closing(QualitySwitch(steps[0], open_step)) as switch:
        switch.switch_to(steps[-1])
        with pytest.raises(ModelError, match="damaged"):
            until(lambda: switch.ready)
        assert switch.segmenter.current is first
        switch.switch_to(steps[2])
        until(lambda: switch.ready)


# The whole run


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    driver = Driver((64, 48))
    monkeypatch.setattr(cv2, "VideoCapture", driver)
    monkeypatch.setattr(loop, "HOLD_AFTER_S", WAIT_S)
    monkeypatch.setattr(monitor, "WINDOW_S", 0.05)
    monkeypatch.setattr(monitor, "SETTLE_S", 0.02)
    monkeypatch.setattr(monitor, "FRAMES", 3)
    yield driver
    driver.flowing.set()


@pytest.mark.usefixtures("driver")
def test_a_camera_run_over_its_budget_goes_down_the_steps_and_reports_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No processor time at all is left to it: every step is taken, no frame is held, and the report says so."""
    monkeypatch.setattr("livestyle.current_style.open_segmenter", lambda *_, **__: Certain())
    settings = Settings(style="stark-mono", intensity=1.0, window=False, max_cpu=0.01, max_latency=0)
    names = [step.name for step in ladder(smaller=SMALLER_MODEL)]
    stop = Stop()
    end = time.monotonic() + WAIT_S
    reached: list[str] = []

    class Watched(monitor.BudgetMonitor):
        def wrote(self, frame: Frame) -> None:
            super().wrote(frame)
            reached.append(self.reduced)
            stop.asked = self.reduced == names[-1] or time.monotonic() > end

    monkeypatch.setattr("livestyle.job.BudgetMonitor", Watched)
    report = run_camera("0", tmp_path / "call.mp4", CurrentStyle(settings), settings, stop)
    quality = json.loads(json.dumps(report.as_json()))["quality"]
    assert quality["step"] == names[-1]
    assert (quality["max_latency_ms"], quality["max_cpu_percent"]) == (None, 0.0)
    assert set(reached) <= {"", *names}
    assert len(quality["changed"]) == quality["changes"] <= len(names) - 1  # rates not reached anyway are passed over
    assert (report.held, report.error) == (0, None)
    assert f"quality step {names[-1]} after" in report.line()


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("changed", "limit"),
    [({}, pytest.approx(1000 / 30, abs=0.1)), ({"max_latency": 80.0}, 80.0), ({"max_latency": 0.0}, None),
     ({"sync": "exact"}, None), ({"sync": "exact", "max_latency": 200.0}, 200.0)],
)  # fmt: skip
def test_which_runs_have_a_governor(
    changed: dict[str, object], limit: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cameras with late masks, for the time of a frame; others only when they were given a budget."""
    monkeypatch.setattr("livestyle.current_style.open_segmenter", lambda *_, **__: Certain())
    settings = replace(Settings(window=False, duration=0.1), **changed)
    report = run_camera("0", tmp_path / "call.mp4", CurrentStyle(settings), settings, Stop())
    assert (None if report.quality is None else report.quality["max_latency_ms"]) == limit
    if limit is not None and settings.sync == "exact":
        assert report.quality is not None
        assert report.quality["steps"] == [step.name for step in ladder(smaller=SMALLER_MODEL, paced=False)]
