"""What masks have to reach so that nobody notices them, and whether they do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from livestyle.bench.run import Score
from livestyle.bench.table import overall

Rows = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Bar:
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


def bars(scores: Sequence[Score]) -> list[Bar]:
    """All bars; a figure that is a ratio or a difference is taken of the means over films, a lag by the worst film."""
    rows = overall(scores)
    return [*_steadiness(rows), *_accuracy(scores, rows), *_edges(rows), *_ghosts(scores), _cost(rows)]


def _steadiness(rows: Rows) -> list[Bar]:
    ours, raw = _of(rows, "ours"), _of(rows, "raw")
    bars = [
        Bar("flicker where nothing moves, share of raw", ours("flicker") / raw("flicker"), 0.15),
        Bar("change beside the true one (ndtssd), share of raw", ours("ndtssd") / raw("ndtssd"), 0.5),
        Bar("the same for blurred masks (nsteady), share of raw", ours("nsteady") / raw("nsteady"), 0.5),
    ]
    for other in ("ema", "mediapipe"):
        bars.append(Bar(f"ndtssd, share of {other}", ours("ndtssd") / _of(rows, other)("ndtssd"), 1.0))
    return bars


def _accuracy(scores: Sequence[Score], rows: Rows) -> list[Bar]:
    ours, raw = _of(rows, "ours"), _of(rows, "raw")
    others = sorted({score.kind for score in scores} - {"fast", "clip"})
    late = [overall(score for score in scores if score.kind == kind) for kind in others]
    fast = overall(s for s in scores if s.kind == "fast")
    lost = [_of(one, "ours")("iou") - _of(one, "live")("iou") for one in late]
    return [
        Bar("region IoU beyond raw", ours("iou") - raw("iou"), -0.002, at_least=True),
        Bar("lag in frames, worst film", abs(ours("lag")), 0.5),
        Bar("IoU lost live, worst kind but the fast head", _worst(lost), 0.01),
        Bar("IoU lost live, fast head", _of(fast, "ours")("iou") - _of(fast, "live")("iou"), 0.03),
    ]


def _edges(rows: Rows) -> list[Bar]:
    ours, raw, lut = _of(rows, "ours"), _of(rows, "raw"), _of(rows, "global")
    return [
        Bar("boundary IoU beyond raw", ours("biou") - raw("biou"), 0.05, at_least=True),
        Bar("ΔE of skin and hair near the edge, share of the global look", ours("skin_band") / lut("skin_band"), 0.5),
        Bar("ΔE of skin and hair away from the edge, mean", ours("skin_in"), 0.5),
        Bar("the same, 95th percentile of the worst film", ours("skin_p95"), 2.0),
    ]


def _ghosts(scores: Sequence[Score]) -> Iterable[Bar]:
    for method in ("ours", "live"):
        runs = [s.figures["ghost_run"] for s in scores if s.method == method and s.kind in ("cut", "leave")]
        yield Bar(f"frames in a row with a false region after a cut or leaving, {method}", _worst(runs), 1.0)


def _cost(rows: Rows) -> Bar:
    return Bar("CPU ms a frame beside inference", _of(rows, "ours")("ms all"), 6.0)


def _of(rows: Rows, method: str) -> Callable[[str], float]:
    row = rows.get(method, {})
    return lambda key: row.get(key, math.nan) or math.nan  # a ratio to 0 says nothing


def _worst(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return max(known) if known else math.nan
