"""One row of a table of times: how it is made, printed and drawn."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livestyle.errors import UsageError


@dataclass(frozen=True, slots=True)
class Timing:
    """One thing measured."""

    what: str
    size: tuple[int, int]  # (width, height) of a frame; (0, 0) where it concerns no frame
    ms: float  # median
    p95_ms: float
    ratio: float | None  # of the median to that of what `against` names; below 1 is faster
    against: str

    @classmethod
    def of(
        cls, what: str, size: tuple[int, int], seconds: Sequence[float], other: float | None, against: str
    ) -> Timing:
        """From the seconds of each round and the median seconds of the other."""
        middle = float(np.median(seconds))
        p95 = float(np.percentile(seconds, 95))
        return cls(what, size, 1e3 * middle, 1e3 * p95, None if other is None else middle / other, against)

    def line(self) -> str:
        """For people."""
        ratio = "" if self.ratio is None else f"{self.ratio:8.2f} x {self.against}"
        size = f"{self.size[0]}x{self.size[1]}" if all(self.size) else ""
        return f"{self.what:<46}{size:>10}{self.ms:>10.2f} ms{self.p95_ms:>10.2f} ms p95{ratio}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


PICTURES = (".png", ".svg", ".pdf")


def check_plot(picture: Path) -> None:
    """Raises UsageError where `draw` could not write: known before anything is measured."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib", hint="pip install matplotlib")
    if picture.suffix.lower() not in PICTURES:
        raise UsageError(f"{picture} cannot be drawn: unknown format", hint=f"name a {', '.join(PICTURES)} file")


def draw(timings: Sequence[Timing], picture: Path) -> None:
    """Bars of every ratio, and a line at 1; `check_plot` says whether it can be done."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [timing for timing in timings if timing.ratio is not None]
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.28 * len(rows)), layout="constrained")
    names = [f"{row.what}, {row.size[1]} lines" for row in rows]
    colors = ["tab:orange" if row.what.startswith("livestyle") else "tab:gray" for row in rows]
    bars = axes.barh(names, [row.ratio or 0 for row in rows], color=colors)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time, 1 = " + " · ".join(dict.fromkeys(row.against for row in rows)))
    axes.invert_yaxis()
    figure.savefig(picture, dpi=150)
    pyplot.close(figure)
