"""What is measured in a window, and when the governor is asked: with clocks that a test moves."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import pytest

from livestyle.errors import ModelError
from livestyle.frame import Frame, Masks, read_only
from livestyle.governor import monitor
from livestyle.governor.monitor import FRAME_S, PAUSE_S, SETTLE_S, WINDOW_S, BudgetMonitor, budget_of
from livestyle.governor.policy import BAD, Budget, Change, Cost, Governor, Step, ladder

PIXELS = read_only(np.zeros((2, 2, 3), np.uint8))
MASKS = Masks(np.ones((1, 1, 1), np.float32), ("background",))
RATE = 30
STEPS = ladder()
CORES = 4


class Asked(Governor):
    """Notes what it is asked."""

    def __init__(self, steps: Sequence[Step] = STEPS) -> None:
        super().__init__(steps, Budget(latency=0.033))
        self.costs: list[Cost] = []

    def judge(self, cost: Cost) -> Change | None:
        self.costs.append(cost)
        return super().judge(cost)


class Stage:
    """The clocks, the switch, and a camera that delivers RATE frames a second."""

    def __init__(self, governor: Governor) -> None:
        self.now, self.cpu = 1000.0, 0.0
        self.load = 1.0  # cores that the process keeps busy
        self.masks = 0
        self.ready_at = 0.0
        self.failure: Exception | None = None
        self.shifts: list[Step] = []
        self.monitor = BudgetMonitor(governor, self, lambda: self.now, lambda: self.cpu)

    @property
    def ready(self) -> bool:
        if self.failure is not None:
            raise self.failure
        return self.now >= self.ready_at

    def switch_to(self, step: Step) -> None:
        self.shifts.append(step)
        self.failure = None

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.cpu += seconds * self.load

    def frames(self, seconds: float, latency: float = 0.01, *, plain: bool = False) -> None:
        for _ in range(round(seconds * RATE)):
            self.wait(1 / RATE)
            self.masks += not plain
            masks = None if plain else MASKS
            self.monitor.wrote(Frame(PIXELS, 0, self.now - latency, before=PIXELS, masks=masks))


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "usable_cores", lambda: CORES)


@pytest.fixture
def governor() -> Asked:
    return Asked()


@pytest.fixture
def stage(governor: Asked) -> Stage:
    return Stage(governor)


def test_one_question_a_window_with_the_95th_percentile_and_the_share_of_all_cores(stage: Stage, governor: Asked):
    stage.load = 1.5
    stage.frames(SETTLE_S)
    for _ in range(200):  # one frame in ten is slow: p95 sees it, the mean would not
        for latency in (*[0.01] * 9, 0.025):
            stage.frames(1 / RATE, latency)
    span = SETTLE_S + 2000 / RATE
    assert abs(len(governor.costs) - (span - SETTLE_S) / WINDOW_S) <= 2
    for cost in governor.costs:
        assert cost.latency == pytest.approx(0.025)
        assert cost.cpu == pytest.approx(1.5 / CORES)
        assert cost.gap == pytest.approx(1 / RATE, rel=0.05)


def test_the_slow_first_frames_are_not_counted(stage: Stage, governor: Asked):
    stage.frames(0.9 * SETTLE_S, latency=5.0)
    stage.frames(SETTLE_S + 3 * WINDOW_S)
    assert governor.costs
    assert max(cost.latency for cost in governor.costs) < 0.02


def test_a_style_of_no_strength_needs_no_masks(stage: Stage, governor: Asked):
    stage.frames(SETTLE_S + 3 * WINDOW_S, plain=True)
    assert {cost.gap for cost in governor.costs} == {0.0}


def test_a_pause_begins_a_window_anew(stage: Stage, governor: Asked):
    """Otherwise processor time and masks of before and after would be divided by the pause as well."""
    stage.frames(SETTLE_S + 0.8 * WINDOW_S)
    stage.wait(PAUSE_S + 60)
    stage.frames(SETTLE_S + WINDOW_S + 0.5)
    assert len(governor.costs) == 1
    assert governor.costs[0].gap == pytest.approx(1 / RATE, rel=0.05)


def test_few_frames_make_a_window_longer(stage: Stage, governor: Asked):
    for _ in range(30):  # 2 frames a second: ten frames take five seconds
        stage.wait(0.4)
        stage.frames(1 / RATE)
    assert len(governor.costs) == 2


def test_after_a_change_the_next_window_waits_until_it_is_in_force(stage: Stage, governor: Asked):
    stage.frames(SETTLE_S)
    while not stage.shifts:
        stage.frames(0.1, latency=0.05)
    assert stage.shifts == [governor.steps[1]]
    assert len(governor.costs) == BAD
    stage.ready_at = stage.now + 5  # the model takes long
    stage.frames(5 + SETTLE_S + 0.9 * WINDOW_S, latency=0.05)
    assert len(governor.costs) == BAD
    stage.frames(0.3 * WINDOW_S)
    assert len(governor.costs) == BAD + 1


def test_changes_are_said_and_reported(stage: Stage, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "livestyle"):
        stage.frames(SETTLE_S + BAD * WINDOW_S + 0.5, latency=0.05)
    (change,) = stage.monitor.report()["changed"]
    assert (change["from"], change["to"]) == ("full", "paced")
    assert change["at_s"] == pytest.approx(SETTLE_S + BAD * WINDOW_S, abs=0.2)
    assert caplog.messages == [change["why"]]
    assert "50 ms" in change["why"]
    report = stage.monitor.report()
    assert (report["windows"], report["over_budget"], report["changes"]) == (BAD, BAD, 1)
    assert (report["step"], report["max_latency_ms"], report["max_cpu_percent"]) == ("paced", 33.0, None)
    assert stage.monitor.reduced == "paced"


def test_a_model_that_cannot_be_opened_costs_its_step_and_nothing_else(caplog: pytest.LogCaptureFixture):
    governor = Asked(steps=ladder(smaller="xxsmall"))
    stage = Stage(governor)
    while not any(step.model for step in stage.shifts):
        stage.frames(1.0, latency=0.05)
    before = stage.shifts[-2]
    stage.failure = ModelError("the file is damaged")
    stage.frames(1.0)
    assert stage.shifts[-1] == before == governor.step
    assert "compact" not in [step.name for step in governor.steps]
    assert any("the file is damaged" in message for message in caplog.messages)


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        ({}, Budget(FRAME_S)),
        ({"rate": 30}, Budget(1 / 30)),
        ({"rate": 60}, Budget(FRAME_S)),
        ({"rate": 15}, Budget(1 / 15)),
        ({"max_latency": 50}, Budget(0.05)),
        ({"max_latency": 0}, Budget()),
        ({"max_cpu": 25}, Budget(FRAME_S, 0.25)),
        ({"max_cpu": 25, "max_latency": 0}, Budget(cpu=0.25)),
        ({"default": False}, Budget()),
        ({"default": False, "max_cpu": 50}, Budget(cpu=0.5)),
    ],
)
def test_budgets_from_what_was_asked(given: dict, budget: Budget):
    found = budget_of(**{"max_latency": None, "max_cpu": None, "rate": None, "default": True, **given})
    assert found.latency == pytest.approx(budget.latency)
    assert found.cpu == pytest.approx(budget.cpu)
    assert found.unlimited == math.isinf(found.gap) == (budget == Budget())
