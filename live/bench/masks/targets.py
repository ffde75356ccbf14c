"""What masks have to reach so that nobody notices them, and whether they do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from livestyle.bench.masks.compare import Score
from livestyle.bench.masks.table import overall

Rows = Mapping[str, Mapping[str, float]]
Figure = Callable[[str], float]
"""Key of a figure -> its value for one method; NaN where it is not known."""


@dataclass(frozen=True, slots=True)
class Target:
    """One requirement, measured."""

    what: str
    value: float  # NaN where the films or methods of this run cannot say
    limit: float
    at_least: bool = False

    @property
    def held(self) -> bool | None:
        """Whether it is met; None where nothing is known."""
        if math.isnan(self.value):
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """One line for people."""
        verdict = {True: "held", False: "MISSED", None: "unknown"}[self.held]
        side = "at least" if self.at_least else "at most"
        return f"{verdict:8}{self.what}: {self.value:.3f} ({side} {self.limit:.3g})"


EXACT = ("ours", "ahead")
"""Methods that give every frame its own mask, in the order in which their targets are told."""


def targets(scores: Sequence[Score]) -> list[Target]:
    """All targets for the methods in EXACT that were measured, and what live costs.

    A figure that is a ratio or a difference is one of the means over films; a lag is the worst film's.
    """
    rows = overall(scores)
    found = [target for method in EXACT if method in rows for target in _exact(method, scores, rows)]
    return [*found, *_live(scores)]


def _exact(method: str, scores: Sequence[Score], rows: Rows) -> list[Target]:
    named = [*_steadiness(_of(rows, method), rows), *_edges(_of(rows, method), rows), _ghosts(scores, method)]
    named.append(Target("CPU ms a frame beside inference", _of(rows, method)("ms all"), 6.0))
    named.append(Target("the same in wall time", _of(rows, method)("ms wall time"), 6.0))
    return [replace(target, what=f"{method}: {target.what}") for target in named]


def _steadiness(mine: Figure, rows: Rows) -> list[Target]:
    raw = _of(rows, "raw")
    targets = [
        Target("flicker where nothing moves, share of raw", _share(mine("flicker"), raw("flicker")), 0.15),
        Target("change beside the true one (ndtssd), share of raw", _share(mine("ndtssd"), raw("ndtssd")), 0.5),
        Target("the same for blurred masks (nsteady), share of raw", _share(mine("nsteady"), raw("nsteady")), 0.5),
    ]
    for other in ("ema", "mediapipe"):
        targets.append(Target(f"ndtssd, share of {other}", _share(mine("ndtssd"), _of(rows, other)("ndtssd")), 1.0))
    targets.append(Target("region IoU beyond raw", mine("iou") - raw("iou"), -0.002, at_least=True))
    targets.append(Target("lag in frames, worst film", abs(mine("lag")), 0.5))
    return targets


def _edges(mine: Figure, rows: Rows) -> list[Target]:
    raw, lut = _of(rows, "raw"), _of(rows, "global")
    near = _share(mine("skin_band"), lut("skin_band"))
    return [
        Target("boundary IoU beyond raw", mine("biou") - raw("biou"), 0.05, at_least=True),
        Target("ΔE of skin and hair near the edge, share of the global look", near, 0.5),
        Target("ΔE of skin and hair away from the edge, mean", mine("skin_in"), 0.5),
        Target("the same, 95th percentile", mine("skin_p95"), 2.0),
    ]


def _ghosts(scores: Sequence[Score], method: str) -> Target:
    runs = [s.figures["ghost_run"] for s in scores if s.method == method and s.kind in ("cut", "leave")]
    return Target("frames in a row with a false region after a cut or leaving", _worst(runs), 1.0)


def _live(scores: Sequence[Score]) -> Iterator[Target]:
    slow = sorted({score.kind for score in scores} - {"fast", "hands", "clip"})
    lost = _worst(_lost(scores, kind) for kind in slow)
    yield Target("live: IoU lost, worst kind but the fast head and hands", lost, 0.01)
    yield Target("live: IoU lost, fast head", _lost(scores, "fast"), 0.03)
    grey = _of(overall(scores), "live")("hand_grey") - _of(overall(scores), "raw")("hand_grey")
    yield Target("live: % of hands that goes grey, beyond raw", grey, 5.0)
    ghosts = _ghosts(scores, "live")
    yield replace(ghosts, what=f"live: {ghosts.what}")


def _lost(scores: Sequence[Score], kind: str) -> float:
    """Region IoU that late masks cost on one kind of film."""
    rows = overall(score for score in scores if score.kind == kind)
    return _of(rows, "ours")("iou") - _of(rows, "live")("iou")


def _of(rows: Rows, method: str) -> Figure:
    row = rows.get(method, {})
    return lambda key: row.get(key, math.nan)


def _share(mine: float, other: float) -> float:
    return mine / other if other else math.nan


def _worst(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return max(known) if known else math.nan
