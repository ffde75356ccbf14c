"""What each stage costs: processor time of all threads, which other programs disturb far less than the clock's."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from livestyle.frame import Picture, PlaneWeights
from livestyle.masks.flow import FlowEstimator, Luma, Motion, Plane
from livestyle.masks.palette import Palette
from livestyle.masks.tracker import TAU, MaskTracker

P = ParamSpec("P")
T = TypeVar("T")


class Stopwatch:
    """Seconds by stage. A stage inside another one is counted for itself and taken off the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.elapsed: dict[str, float] = defaultdict(float)  # wall time; inner stages are not taken off
        self._inner: list[float] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts what happens inside the `with` for `name`."""
        self._inner.append(0.0)
        start, began = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.elapsed[name] += time.perf_counter() - began
            spent = time.process_time() - start
            self.seconds[name] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent

    def timed(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        """`function`, its calls counted for `name`."""

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.stage(name):
                return function(*args, **kwargs)

        return call


class TimedFlow(FlowEstimator):
    """Optical flow that counts for the stage "flow"."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self._watch = watch

    def between(self, now: Luma, before: Luma) -> Motion:
        """As the flow estimator's own."""
        with self._watch.stage("flow"):
            return super().between(now, before)


class TimedTracker(MaskTracker):
    """A tracker that counts for the stages "carry", "blend" and "color"."""

    def __init__(
        self,
        watch: Stopwatch,
        *,
        tau: float = TAU,
        flow: FlowEstimator | None = None,
        palette: Palette | None = None,
    ) -> None:
        super().__init__(tau=tau, flow=flow, palette=palette)
        self._watch = watch

    def advance(self, luma: Luma, seconds: float, picture: Picture | None = None) -> None:
        """As the tracker's own."""
        with self._watch.stage("carry"):
            super().advance(luma, seconds, picture)

    def decide_by_color(self) -> None:
        """As the tracker's own."""
        with self._watch.stage("color"):
            super().decide_by_color()

    def correct(self, weights: PlaneWeights, seconds: float, seen: Plane | None = None, turns: int = 1) -> bool:
        """As the tracker's own."""
        with self._watch.stage("blend"):
            return super().correct(weights, seconds, seen, turns)
