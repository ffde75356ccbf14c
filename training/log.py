"""What a run tells of itself: a table, TensorBoard if asked for, and a bar on a terminal or lines elsewhere."""

from __future__ import annotations

import csv
import logging
import math
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livestyle.training.checkpoint import Progress

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger("livestyle")

TABLE = "log.csv"
LOSSES = ("labels", "guide", "features")
COLUMNS = ("step", "samples", "seconds", "progress", "rate", "size", *LOSSES, "per_second")

_FORMATS = {"seconds": ".1f", "progress": ".5f", "rate": ".3g", "per_second": ".2f"} | dict.fromkeys(LOSSES, ".4f")

Row = dict[str, Any]


def _rows_until(path: Path, step: int) -> list[Row]:
    """The rows of a table up to a step: what came after the last checkpoint before a kill is done again."""
    if step == 0 or not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        # A kill may have left half a line.
        return [row for row in csv.DictReader(file) if None not in row.values() and int(row["step"]) <= step]


class Table:
    """log.csv: one row for each `run.log_every` steps, "nan" for a loss that the run does not have."""

    def __init__(self, folder: Path, step: int) -> None:
        path, draft = folder / TABLE, folder / f"{TABLE}.part"
        kept = _rows_until(path, step)
        with draft.open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, COLUMNS, restval="nan", extrasaction="ignore")
            rows.writeheader()
            rows.writerows(kept)
        os.replace(draft, path)
        self._file = path.open("a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, COLUMNS, restval="nan")

    def write(self, row: Row) -> None:
        """Add a row that a kill cannot take back."""
        self._rows.writerow({name: format(value, _FORMATS.get(name, "")) for name, value in row.items()})
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Board:
    """The same figures for TensorBoard, in the folder `tensorboard` of the run."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=step)

    def write(self, row: Row) -> None:
        """Add a point to every curve."""
        for name, value in row.items():
            if name not in ("step", "progress", "seconds") and not math.isnan(value):
                self._writer.add_scalar(f"loss/{name}" if name in LOSSES else name, value, row["step"])

    def close(self) -> None:
        """Write what is still held back."""
        self._writer.close()


class Lines:
    """A sentence for each row, for people who read a log file."""

    def advance(self, done: float) -> None:
        """Nothing between the rows."""

    def write(self, row: Row) -> None:
        """Say how the run stands."""
        log.info(
            "step %d · %.1f %% · loss %.3f · %d px · %.1f pictures/s",
            *(row["step"], 100 * row["progress"], row["labels"], row["size"], row["per_second"]),
        )

    def close(self) -> None:
        """Nothing to finish."""


class Bar:
    """A bar on the terminal with the loss, the speed and the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.percentage:>5.1f} %"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=Console(stderr=True),
            # The time left is judged by the last few minutes: larger samples later in the run take longer.
            speed_estimate_period=300.0,
        )
        self._task = self._bar.add_task("first steps", total=1.0)
        self._bar.start()

    def advance(self, done: float) -> None:
        """Move on to `done`, 0..1."""
        self._bar.update(self._task, completed=done)

    def write(self, row: Row) -> None:
        """Show the newest figures."""
        text = f"loss {row['labels']:.3f} · {row['size']} px · {row['per_second']:.1f} pictures/s"
        self._bar.update(self._task, description=text)

    def close(self) -> None:
        """Leave the bar on the screen and give the terminal back."""
        self._bar.stop()


class Log:
    """Means over the steps since the last row, written wherever the run is told of; one process of a run is `active`.

    A resumed run goes on where its checkpoint, at `step`, was.
    """

    def __init__(self, folder: Path, step: int, *, active: bool = True, tensorboard: bool = False) -> None:
        self._losses: dict[str, list[Tensor]] = {}
        self._last: float | None = None
        self._since: tuple[float, int] | None = None
        self._stack = ExitStack()
        self._show: Bar | Lines | None = None
        self._writers: list[Table | Board | Bar | Lines] = []
        if active:
            self._show = Bar() if sys.stderr.isatty() else Lines()
            self._writers = [Table(folder, step), *([Board(folder, step)] if tensorboard else []), self._show]
        for writer in self._writers:
            self._stack.callback(writer.close)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def clock(self, seconds: float, start: float) -> float:
        """`seconds` plus the time since the last step ended, so that reading samples counts as well."""
        now = time.monotonic()
        passed = now - (self._last if self._last is not None else start)
        self._last = now
        return seconds + passed

    def add(self, losses: dict[str, Tensor], samples: int, done: float) -> None:
        """Remember the losses of a step; `samples` and `done` (0..1) say how far the run is with it."""
        for name, value in losses.items():
            self._losses.setdefault(name, []).append(value.detach())  # reading it would wait for the GPU
        self._since = self._since or (time.monotonic(), samples)
        if self._show is not None:
            self._show.advance(done)

    def write(self, progress: Progress, done: float, rate: float, size: int) -> None:
        """One row of means."""
        means = {name: sum(float(value) for value in values) / len(values) for name, values in self._losses.items()}
        began, samples = self._since or (time.monotonic(), progress.samples)
        speed = (progress.samples - samples) / max(time.monotonic() - began, 1e-9)
        row = {"step": progress.step, "samples": progress.samples, "seconds": progress.seconds, "progress": done}
        for writer in self._writers:
            writer.write({**row, "rate": rate, "size": size, **means, "per_second": speed})
        self._losses, self._since = {}, (time.monotonic(), progress.samples)
