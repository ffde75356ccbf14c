"""The command as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from livestyle.bench.cli import main

Run = Callable[..., tuple[int, str, str]]

SMALL = ("masks", "--size", "160x90", "--kinds", "sway", "--seconds", "0.4")


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run livestyle-bench with these arguments; its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


def test_without_data_cartoons_are_measured_with_the_oracle(bench: Run, tmp_path: Path) -> None:
    """Without data sets anyone can run the bench: people are drawn and the oracle segments them.

    It prints the methods in the order asked for and what the figures mean, and writes scores, table and a strip of
    pictures for each film.
    """
    code, out, _ = bench(*SMALL, "--rates", "15,30", "--methods", "truth,raw,ours", "--out", tmp_path / "new")
    assert code == 0
    head, _, *rows = out.splitlines()[2:7]
    assert head.split()[:4] == ["|", "method", "|", "iou"]
    assert [row.split()[1] for row in rows] == ["truth", "raw", "ours"]
    assert "biou: boundary IoU" in out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "masks.json", "masks.md", "sway-0-15.png", "sway-0.png"]  # fmt: skip
    scores = json.loads((tmp_path / "new" / "masks.json").read_text("utf-8"))
    assert [(score["film"], score["method"]) for score in scores] == [
        (film, method) for film in ("sway-0-15", "sway-0") for method in ("truth", "raw", "ours")
    ]
    assert 0.9 < scores[0]["figures"]["iou"] <= 1


def test_json_is_all_that_is_printed(bench: Run) -> None:
    """With --json stdout is JSON and nothing else, for programs that read it."""
    code, out, _ = bench(*SMALL, "--methods", "raw", "--json")
    assert code == 0
    assert [score["method"] for score in json.loads(out)] == ["raw"]


def test_a_clip_is_measured_without_truth(bench: Run, media: Path, tmp_path: Path) -> None:
    """A clip has no known truth: methods and columns that need one are left out, and what remains is how steady masks
    are along the motion."""
    code, out, _ = bench(
        "masks", media / "gop.mkv", "--seconds", "0.5", "--methods", "truth,raw,ours", "--out", tmp_path
    )
    assert code == 0
    head, _, *rows = out.splitlines()[2:6]
    assert "warp" in head
    assert "iou" not in head
    assert [row.split()[1] for row in rows] == ["raw", "ours"], "the truth is not known"
    assert (tmp_path / "gop.mkv.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--kinds", "dance"], 2, "There is no kind of sequence called dance"),
        (["--methods", "magic"], 2, "There is no method called magic"),
        (["--rates", "0"], 2, "not a list of rates"),
        (["--style", "nonsense"], 3, "nonsense"),
        (["--model", "nonsense.onnx"], 3, "nonsense.onnx"),
        (["missing.mp4"], 3, "missing.mp4"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(bench: Run, arguments: list[str], code: int, sentence: str) -> None:
    """A mistake is one sentence on stderr and nothing on stdout; the exit code is 2 for usage, 3 for an input."""
    found, out, err = bench("masks", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err


def test_the_oracle_knows_no_truth_of_a_clip(bench: Run, media: Path) -> None:
    """The oracle knows what it has drawn; for a clip it is a usage error rather than masks that are made up."""
    code, _, err = bench("masks", media / "gop.mkv", "--model", "oracle")
    assert code == 2
    assert "oracle" in err


def test_a_folder_without_labelled_people_is_refused(bench: Run, tmp_path: Path) -> None:
    """Data that was asked for and is not there is an input error that names a missing set: drawn people do not stand in
    for it silently."""
    pytest.importorskip("pyarrow", reason="labelled sets need the extra train")
    code, _, err = bench("masks", "--data", tmp_path)
    assert code == 3
    assert "celebamask" in err


def test_the_group_explains_itself(bench: Run) -> None:
    """`livestyle-bench --help` lists the commands."""
    code, out, _ = bench("--help")
    assert code == 0
    assert "masks" in out
