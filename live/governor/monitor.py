"""Measures a live run window by window, asks the governor, and switches what it decides."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from livestyle.frame import Frame
from livestyle.governor.policy import Budget, Change, Cost, Governor, Step

WINDOW_S = 2.0  # one decision
FRAMES = 10  # with fewer a 95th percentile means nothing: the window is extended
SETTLE_S = 0.5  # after a change, and at the start, before the next window begins: caches, the first mask
PAUSE_S = 1.0  # without a frame (the camera was away), after which a new window begins
GAP_S = 0.5  # between two masks: with more they are warped too far, and in the end too old to be used
FRAME_S = 1 / 30  # the shortest default for latency: faster cameras may drop frames before masks get worse for it

_KEPT = 100  # changes kept for the report: the newest

log = logging.getLogger("livestyle")


def budget_of(max_latency: float | None, max_cpu: float | None, *, rate: float | None, default: bool) -> Budget:
    """The requested budget, from milliseconds (0: no limit) and percent.

    Where `default` holds and no latency was requested, a frame has to be out before the next one of a camera with
    `rate` frames a second comes, or within FRAME_S. Where there is a budget at all, masks may be GAP_S apart.
    """
    if max_latency is None:
        latency = max(FRAME_S, 1 / rate if rate else 0) if default else math.inf
    else:
        latency = max_latency / 1e3 or math.inf
    cpu = math.inf if max_cpu is None else max_cpu / 100
    return Budget(latency, cpu, math.inf if math.isinf(min(latency, cpu)) else GAP_S)


class Switch(Protocol):
    """What BudgetMonitor needs of livestyle.governor.switch.QualitySwitch."""

    @property
    def ready(self) -> bool:
        """Whether the last `switch_to` is in force; raises what prevented it."""

    @property
    def masks(self) -> int:
        """Masks computed so far."""

    def switch_to(self, step: Step) -> None:
        """Go to `step`."""


@dataclass(slots=True)
class _Window:
    began: float  # seconds of the clock
    cpu: float  # seconds of processor time by then
    masks: int  # by then
    latencies: list[float] = field(default_factory=list)
    masked: bool = True  # whether every frame so far had masks: at intensity 0 none are needed


class BudgetMonitor:
    """Keeps a live run within its budget: told of each styled frame that every sink has, it switches quality steps.

    `clock` and `cpu_clock` give seconds: of wall time, and of the process's processor time over all threads.
    """

    def __init__(
        self,
        governor: Governor,
        switch: Switch,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._governor, self._switch = governor, switch
        self._clock, self._cpu_clock = clock, cpu_clock
        self._cores = usable_cores()
        self._window: _Window | None = None
        self._opens = -math.inf  # before that nothing is measured
        self._began = clock()
        self._newest = -math.inf
        self._windows = self._over = self._count = 0
        self._changes: deque[dict[str, object]] = deque(maxlen=_KEPT)

    @property
    def reduced(self) -> str:
        """The name of the step in force; empty on the best one."""
        step = self._governor.step
        return "" if step == self._governor.steps[0] else step.name

    def wrote(self, frame: Frame) -> None:
        """Count one styled frame, now that every sink has it; decide when the window is full.

        Hold cards must not be counted: they need no masks.
        """
        now = self._clock()
        if not self._in_force() or now - self._newest > PAUSE_S:
            self._window, self._opens = None, now + SETTLE_S
        self._newest = now
        if now >= self._opens:
            self._count_in(now, now - frame.captured, masked=frame.masks is not None)

    def report(self) -> dict[str, Any]:
        """Budget, step in force, windows measured and over the budget, and the changes (the newest 100)."""
        budget = self._governor.limits
        return {
            "max_latency_ms": None if math.isinf(budget.latency) else round(budget.latency * 1e3, 1),
            "max_cpu_percent": None if math.isinf(budget.cpu) else round(budget.cpu * 100, 1),
            "step": self._governor.step.name,
            "steps": [step.name for step in self._governor.steps],
            "windows": self._windows,
            "over_budget": self._over,
            "changes": self._count,
            "changed": list(self._changes),
        }

    def _count_in(self, now: float, latency: float, *, masked: bool) -> None:
        if self._window is None:
            self._window = _Window(now, self._cpu_clock(), self._switch.masks)
        self._window.latencies.append(latency)
        self._window.masked &= masked
        if now - self._window.began >= WINDOW_S and len(self._window.latencies) >= FRAMES:
            window, self._window = self._window, None
            self._judge(window, now)

    def _judge(self, window: _Window, now: float) -> None:
        cost = self._cost(window, now - window.began)
        self._windows += 1
        self._over += self._governor.limits.strain(cost) > 1
        log.debug("window on step %s: %s", self._governor.step.name, cost)
        change = self._governor.judge(cost)
        if change is not None:
            self._shift(change)
            log.info("%s", change.why)

    def _cost(self, window: _Window, span: float) -> Cost:
        latency = float(np.percentile(window.latencies, 95, method="inverted_cdf"))
        cpu = (self._cpu_clock() - window.cpu) / (span * self._cores)
        return Cost(latency, cpu, span / max(self._switch.masks - window.masks, 1) if window.masked else 0.0)

    def _in_force(self) -> bool:
        try:
            return self._switch.ready
        except Exception as error:  # anything that a model, its file or its device raises: the one in use stays
            change = self._governor.refuse(self._governor.step)
            self._shift(change)
            log.warning("%s (%s)", change.why, error)
            return False

    def _shift(self, change: Change) -> None:
        self._switch.switch_to(change.now)
        self._window, self._opens = None, self._clock() + SETTLE_S
        self._count += 1
        at = round(self._clock() - self._began, 2)
        self._changes.append({"at_s": at, "from": change.was.name, "to": change.now.name, "why": change.why})


def usable_cores() -> int:
    """How many cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
