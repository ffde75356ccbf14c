"""Scores as a table for people and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from livestyle.bench.masks.compare import Score

Column = tuple[str, int]
"""Key of a figure and its decimals."""

COLUMNS: Sequence[Column] = (
    ("iou", 3), ("biou", 3), ("bf", 3), ("dtssd", 2), ("ndtssd", 2), ("nsteady", 2), ("lag", 2), ("flicker", 2),
    ("flips", 2), ("warp", 2), ("ghosts", 0), ("ghost_run", 0), ("hand_recall", 3), ("hand_grey", 1),
    ("hand_lost", 0), ("fresh_grey", 1), ("small_recall", 3), ("grey", 1), ("spill", 1), ("skin_band", 2),
    ("skin_in", 2), ("skin_p95", 2), ("back_band", 2), ("back_in", 2),
)  # fmt: skip

_WORST = ("lag", "ghost_run", "hand_lost")  # of several films the worst counts, where the others are averaged


def overall(scores: Iterable[Score]) -> dict[str, dict[str, float]]:
    """Method -> its figures over all films: means; the worst `lag`, `ghost_run` and `hand_lost`; the sum of `ghosts`.

    A film that cannot say a figure does not count for it. Costs are means, under "ms STAGE".
    """
    by_method: dict[str, list[Score]] = {}
    for score in scores:
        by_method.setdefault(score.method, []).append(score)
    return {method: _together(group) for method, group in by_method.items()}


def _together(group: Sequence[Score]) -> dict[str, float]:
    figures = {key: _combined(key, [score.figures[key] for score in group]) for key in group[0].figures}
    stages = sorted({stage for score in group for stage in score.cost})
    return figures | {f"ms {stage}": _mean([s.cost[stage] for s in group if stage in s.cost]) for stage in stages}


def _combined(key: str, values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    if key in _WORST:
        return max(known, key=abs)
    return sum(known) if key == "ghosts" else _mean(known)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def text(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Rows of figures as a Markdown table; columns about which nothing is known are left out."""
    columns = [(key, places) for key, places in COLUMNS if any(not math.isnan(row[key]) for row in rows.values())]
    columns.append(("ms all", 1))
    head = ["method", *(key for key, _ in columns)]
    body = [[name, *(_cell(row.get(key, math.nan), places) for key, places in columns)] for name, row in rows.items()]
    widths = [max(len(line[at]) for line in [head, *body]) for at in range(len(head))]
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join("| " + " | ".join(_aligned(line, widths)) + " |" for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]


def _cell(value: float, places: int) -> str:
    return "" if math.isnan(value) else f"{value:.{places}f}"


def stages(rows: Mapping[str, Mapping[str, float]]) -> str:
    """What each method costs by stage, in lines."""
    lines = []
    for name, row in rows.items():
        parts = [f"{key[3:]} {value:.1f}" for key, value in row.items() if key.startswith("ms ") and value >= 0.05]
        lines.append(f"{name}: {', '.join(parts)}")
    return "\n".join(lines)


def as_json(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """For `json.dumps`: what is not known is None."""
    return [_clean(asdict(score)) for score in scores]


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value
