"""How good live masks may be within a budget of latency and processor time: pure decisions, one per window.

The governor is at one step of a ladder, best first. Once a window (some seconds, see livestyle.governor.monitor) it
gets what the run costs at this step. What keeps it from oscillating:

- It goes one step down after BAD windows in a row over the budget, one up after GOOD in a row with room.
- "Room" means: the better step would cost at most HEADROOM of the budget. What it would cost is known from when it was
  left: the windows before the step down, divided by those after, measured under the same load.
- That estimate decays with a half-life of MEMORY windows, and is RISE at most, since the load may have been temporary.
  When a better step fails again soon after it was tried, both double: under a steady load, tries become rare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace

BAD = 2  # windows in a row over the budget, after which it is one step down
GOOD = 5  # windows in a row with room for the better step, after which it is taken
HEADROOM = 0.85  # share of the budget that the better step may be expected to cost
MEMORY = 20  # windows: half-life of what is known about the better step; a step held for longer has not failed
LONGEST_MEMORY = 32 * MEMORY
RISE = 2.0  # times as expensive as this step: the most that is assumed of the better step until a try of it has failed
MIN_GAIN = 1.25  # factor by which all steps down together must reduce latency, or they are undone
REST = 150  # windows for which latency is then ignored; twice as many the next time


@dataclass(frozen=True, slots=True)
class Step:
    """One way to make live masks. A better one looks better and costs more."""

    name: str
    rate: float = math.inf  # masks begun per second, at most
    share: float = 1.0  # of the sides of the model's own picture, 0..1
    refined: bool = True  # whether masks get the picture's edges
    model: str | None = None  # a bundled model's name; None: the run's own

    def about(self) -> str:
        """A description for messages."""
        parts = [
            "masks as fast as possible" if math.isinf(self.rate) else f"at most {self.rate:g} masks a second",
            "" if self.model is None else f"model {self.model}",
            "" if self.share == 1 else f"the model's input at {self.share:.0%}",
            "edges refined" if self.refined else "edges not refined",
        ]
        return ", ".join(part for part in parts if part)


def ladder(*, smaller: str | None = None, resizable: bool = True, paced: bool = True) -> tuple[Step, ...]:
    """The steps that there are, best first.

    `smaller`: name of a smaller model that is installed. `resizable`: whether the model accepts other input sizes.
    `paced`: whether masks run beside the frames; where each frame waits for its own there is no rate to choose.
    """
    small = (0.75, 0.625) if smaller else (0.625, 0.5)
    steps = (
        Step("full"),
        Step("paced", rate=12),
        Step("light", rate=12, share=0.75),
        *((Step("compact", rate=12, model=smaller),) if smaller else ()),
        Step("sparse", rate=8, share=small[0], model=smaller),
        Step("coarse", rate=5, share=small[1], model=smaller),
        # Last, because edges show most: without refinement, colours along them are three times as wrong.
        Step("least", rate=5, share=small[1], refined=False, model=smaller),
    )
    kept: dict[Step, Step] = {}
    for step in steps:
        step = replace(step, rate=step.rate if paced else math.inf, share=step.share if resizable else 1.0)
        kept.setdefault(replace(step, name=""), step)  # a step that changes nothing is left out
    return tuple(kept.values())


@dataclass(frozen=True, slots=True)
class Cost:
    """What a window measured."""

    latency: float  # seconds from capture to the last sink: the 95th percentile of the frames
    cpu: float  # share of the processor time of all cores, 0..1
    gap: float = 0.0  # seconds from one mask to the next, on the average

    def times(self, factor: Cost) -> Cost:
        """Each multiplied by `factor`'s."""
        return Cost(self.latency * factor.latency, self.cpu * factor.cpu, self.gap * factor.gap)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost, in the units of Cost; infinity where it does not matter."""

    latency: float = math.inf
    cpu: float = math.inf
    gap: float = math.inf

    @property
    def unlimited(self) -> bool:
        """True when nothing is limited."""
        return all(math.isinf(limit) for limit in (self.latency, self.cpu, self.gap))

    def strain(self, cost: Cost) -> float:
        """The largest share of its budget that `cost` takes; above 1 it is over."""
        return max(cost.latency / self.latency, cost.cpu / self.cpu, cost.gap / self.gap)

    def describe(self, cost: Cost) -> str:
        """The part of `cost` that takes the largest share of its budget, and that budget, for messages."""
        if cost.latency / self.latency >= self.strain(cost):
            return f"latency p95 is {cost.latency * 1e3:.0f} ms, the budget {self.latency * 1e3:.0f} ms"
        if cost.cpu / self.cpu >= self.strain(cost):
            return f"processor time is {cost.cpu:.0%} of all cores, the budget {self.cpu:.0%}"
        return f"masks are {cost.gap:.1f} s apart, at most {self.gap:.1f} s are allowed"


@dataclass(frozen=True, slots=True)
class Change:
    """One decision: from `was` to `now`, and the sentence that says why."""

    was: Step
    now: Step
    why: str


@dataclass(slots=True)
class _Memory:
    """What the step above costs, as a multiple of this one's cost."""

    before: Cost | None = None  # of the step above, when it was left
    after: list[Cost] = field(default_factory=list)  # the first windows of this one, up to GOOD
    learning: bool = False  # until this step is left too: by then the load may be another
    age: int = 0  # windows since
    half_life: int = MEMORY

    def saw(self, cost: Cost) -> None:
        """One more window on this step."""
        self.age += 1
        if self.learning and len(self.after) < GOOD:
            self.after.append(cost)

    def left(self, before: Cost) -> None:
        """The step above was left just now, at the cost of `before`."""
        self.before, self.after, self.age, self.learning = before, [], 0, True

    def factor(self, *, faded: bool = True) -> Cost:
        """The multiple, 1 where nothing is known; as time goes on it fades to 1."""
        if self.before is None or not self.after:
            return Cost(1, 1, 1)
        kept = 0.5 ** (self.age / self.half_life) if faded else 1.0
        pairs = zip(astuple(self.before), astuple(_mean(self.after)), strict=True)
        most = RISE * self.half_life / MEMORY
        return Cost(*(_faded(min(before / max(after, 1e-6), most), kept) for before, after in pairs))


class Governor:
    """Stands on one of `steps`, best first, and decides once a window. No clock, no threads."""

    def __init__(self, steps: Sequence[Step], budget: Budget) -> None:
        self._steps = list(steps)
        self.limits = budget
        self._at = 0
        self._bad: list[Cost] = []  # the windows over the budget, in a row
        self._good = 0
        self._memories = {step: _Memory() for step in steps}
        self._tried: int | None = None  # windows since this step was taken from below; None: it was not
        self._descent: list[Step] = []  # the steps down in a row, from the first
        self._rest = 0  # windows for which latency is ignored
        self._next_rest = REST

    @property
    def step(self) -> Step:
        """The current one."""
        return self._steps[self._at]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them, best first."""
        return tuple(self._steps)

    @property
    def budget(self) -> Budget:
        """The one that applies now: latency may be ignored for a while."""
        return replace(self.limits, latency=math.inf) if self._rest else self.limits

    def judge(self, cost: Cost) -> Change | None:
        """Take one window, all of it at `step`; returns the change of step, if any."""
        self._note(cost)
        if self.budget.strain(cost) > 1:
            self._good = 0
            self._bad = [*self._bad, cost][-BAD:]
            return self._down() if len(self._bad) >= BAD else None
        self._bad, self._descent = [], []
        self._good = self._good + 1 if self._has_room(cost) else 0
        return self._up(cost) if self._good >= GOOD else None

    def refuse(self, step: Step) -> Change:
        """`step`, the current one, is not available: it and all steps with its model and size are removed."""
        why = f"step {step.name} is not available"
        removed = [other for other in self._steps if (other.model, other.share) == (step.model, step.share)]
        better = [other for other in self._steps[: self._at] if other not in removed]
        self._steps = [other for other in self._steps if other not in removed]
        return self._go(self._steps.index(better[-1]) if better else 0, why, was=step)

    def _note(self, cost: Cost) -> None:
        self._rest = max(0, self._rest - 1)
        self._memories[self.step].saw(cost)
        if self._tried is not None:
            self._tried += 1
            if self._tried > MEMORY:  # it holds
                self._tried = None
                below = self._memory_below()
                below.half_life = max(MEMORY, below.half_life // 2)

    def _memory_below(self) -> _Memory:
        return self._memories[self._steps[min(self._at + 1, len(self._steps) - 1)]]

    def _has_room(self, cost: Cost) -> bool:
        return self._at > 0 and self.budget.strain(cost.times(self._memories[self.step].factor())) <= HEADROOM

    def _up(self, cost: Cost) -> Change:
        why = f"{self.budget.describe(cost)}: there is room"
        change = self._go(self._at - 1, why)
        self._tried = 0
        return change

    def _down(self) -> Change | None:
        cost = _mean(self._bad)
        self._descent = self._descent or [self.step]
        to = next((at for at in range(self._at + 1, len(self._steps)) if self._differs(at, cost)), None)
        if to is None:
            return self._give_up(cost)
        memory = self._memories[self._steps[to]]
        if self._tried is not None:  # it was tried too early
            memory.half_life = min(2 * memory.half_life, LONGEST_MEMORY)
        why = self.budget.describe(cost)
        memory.left(cost)
        self._descent.append(self._steps[to])
        return self._go(to, why)

    def _differs(self, at: int, cost: Cost) -> bool:
        """Whether the step does more than limit masks to a rate that is not reached anyway."""
        other = self._steps[at]
        return replace(self.step, name=other.name, rate=other.rate) != other or cost.gap * other.rate < 1

    def _give_up(self, cost: Cost) -> Change | None:
        """The last step is over the budget too. Where the steps down gained nothing, masks are not the cause."""
        began, *below = self._descent
        # Step by step, since the load may have grown meanwhile.
        gained = math.prod(self._memories[step].factor(faded=False).latency for step in below)
        only_late = replace(self.budget, latency=math.inf).strain(cost) <= 1 and math.isinf(self.budget.cpu)
        if not below or not only_late or gained >= MIN_GAIN:
            return None
        why = f"{self.budget.describe(cost)}, and cheaper masks do not help: the time goes elsewhere"
        self._rest, self._next_rest = self._next_rest, 2 * self._next_rest
        return self._go(self._steps.index(began), why)

    def _go(self, to: int, why: str, was: Step | None = None) -> Change:
        was = was or self.step
        self._memories[was].learning = False
        self._at, self._bad, self._good, self._tried = to, [], 0, None
        return Change(was, self.step, f"{why}; {self._place()}")

    def _place(self) -> str:
        step = self.step
        return f"step {self._at + 1} of {len(self._steps)}, {step.name}: {step.about()}"


def _mean(costs: Sequence[Cost]) -> Cost:
    return Cost(*(sum(values) / len(costs) for values in zip(*map(astuple, costs), strict=True)))


def _faded(factor: float, kept: float) -> float:
    return 1 + (max(1.0, factor) - 1) * kept
