"""What a run reports while it trains: log.csv, TensorBoard, a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from livestyle.errors import UsageError
from livestyle.training.checkpoint import Progress
from livestyle.training.log import COLUMNS, Log
from livestyle.training.settings import parse_settings

Row = dict[str, str]


def _step(table: Log, number: int, **losses: float) -> None:
    table.add({name: torch.tensor(value) for name, value in losses.items()}, 8 * number, number / 10)


def _rows(folder: Path) -> list[Row]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _written(folder: Path, steps: range, start: int = 0) -> list[Row]:
    with Log(folder, start) as table:
        for number in steps:
            _step(table, number, labels=float(number))
            table.write(Progress(number, 8 * number, 3.0), number / 10, 1e-3, 64)
    return _rows(folder)


def test_a_row_holds_the_means_since_the_row_before(tmp_path: Path) -> None:
    """A row of log.csv has the mean of each loss since the row before, and "nan" for a loss that the run does not have;
    nothing of one row is left in the next."""
    with Log(tmp_path, 0) as table:
        for number, loss in ((1, 2.0), (2, 4.0)):
            _step(table, number, labels=loss, guide=1.0)
        table.write(Progress(2, 16, 3.25), 0.2, 1e-3, 64)
        _step(table, 3, labels=9.0)
        table.write(Progress(3, 24, 4.0), 0.3, 1e-3, 96)
    first, second = _rows(tmp_path)
    assert tuple(first) == COLUMNS
    assert (first["labels"], first["guide"], first["features"]) == ("3.0000", "1.0000", "nan")
    assert (second["step"], second["labels"], second["size"]) == ("3", "9.0000", "96")


def test_a_resumed_run_drops_the_rows_that_it_does_again(tmp_path: Path) -> None:
    """Killed while row 20 was written, of which "2,16" is there; the last checkpoint was at step 3."""
    _written(tmp_path, range(1, 6))
    with (tmp_path / "log.csv").open("a") as file:
        file.write("2,16")
    steps = [row["step"] for row in _written(tmp_path, range(4, 7), start=3)]
    assert steps == [str(number) for number in range(1, 7)]


def test_a_new_run_begins_a_new_table(tmp_path: Path) -> None:
    """A run that starts at step 0 does not go on with the table of an earlier one in its folder."""
    _written(tmp_path, range(1, 4))
    assert [row["step"] for row in _written(tmp_path, range(1, 2))] == ["1"]


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several processes only the first writes files and prints; otherwise rows would be there twice."""
    with Log(tmp_path, 0, active=False, tensorboard=True) as table:
        _step(table, 1, labels=1.0)
        table.write(Progress(1, 8, 1.0), 0.1, 1e-3, 64)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        """Always true."""
        return True


def test_a_terminal_shows_how_far_the_run_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar shows how much of the run is done, the loss, the size of samples and the speed."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    _written(tmp_path, range(1, 8))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "70.0 %" in shown
    assert "loss 7.000 · 64 px" in shown
    assert "pictures/s" in shown


def test_what_is_no_terminal_gets_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Elsewhere, as in Slurm's log files, each row is one line of the log."""
    with caplog.at_level("INFO", "livestyle"):
        _written(tmp_path, range(1, 3))
    assert [message[:30] for message in caplog.messages] == [
        "step 1 · 10.0 % · loss 1.000 ·",
        "step 2 · 20.0 % · loss 2.000 ·",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_gets_the_same_curves(tmp_path: Path) -> None:
    """TensorBoard gets the table's figures at the same steps, and no curve for a loss that the run does not have."""
    pytest.importorskip("tensorboard", reason="TensorBoard is in the extra train")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Log(tmp_path, 0, tensorboard=True) as table:
        for number in (1, 2):
            _step(table, number, labels=float(number))
            table.write(Progress(number, 8 * number, 1.0), number / 10, 1e-3, 64)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss/labels")] == [(1, 1.0), (2, 2.0)]
    assert {"rate", "size", "per_second", "samples"} <= set(events.Tags()["scalars"])
    assert "loss/guide" not in events.Tags()["scalars"]


def test_tensorboard_that_is_not_installed_is_said_before_anything_starts(
    settings_text: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that asks for TensorBoard where it is not installed is refused when its settings are read; other runs do
    not need it."""
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    text = settings_text().replace("[run]", "[run]\ntensorboard = true")
    with pytest.raises(UsageError, match="tensorboard"):
        parse_settings(text, "s.toml")
    assert parse_settings(settings_text(), "s.toml").run.tensorboard is False
