"""The notebook fine_tune.ipynb: executed from the first cell to the last on drawn people."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from livestyle.models.card import read_card
from livestyle.models.segmenter import load_segmenter
from livestyle.training.checkpoint import load_checkpoint, write_folder
from livestyle.training.network import fresh_network
from livestyle.training.reader import open_sets
from livestyle.training.sets import find_set
from livestyle.training.split import is_validation

NOTEBOOK = Path(__file__).parents[2] / "training" / "fine_tune.ipynb"
REGION_COLORS = {"hair": 1, "skin": 2, "clothes": 3}  # label ids of the drawn people

EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=280, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_the_notebook_is_stored_without_outputs() -> None:
    """Outputs are megabytes of pictures that change with every run: git has none, and no count of executions."""
    code = [cell for cell in cells(NOTEBOOK) if cell["cell_type"] == "code"]
    assert len(code) > 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.fixture(scope="module")
def executed(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the executed notebook, executed.ipynb, and what it wrote, in out/."""
    for package in ("nbclient", "ipykernel", "skimage"):
        pytest.importorskip(package, reason="the notebook needs the extra notebook")
    folder = tmp_path_factory.mktemp("notebook")
    torch.manual_seed(3)
    write_folder(fresh_network("xxsmall"), folder / "start")
    environment = {
        **os.environ,
        "LIVESTYLE_DATA": str(drawn),
        "LIVESTYLE_SETS": str(drawn / "drawn.toml"),
        "LIVESTYLE_LIMIT": "40",
        "LIVESTYLE_START": str(folder / "start"),
        "LIVESTYLE_MINUTES": "0.05",
        "LIVESTYLE_SIZE": "64",
        "LIVESTYLE_OUT": str(folder / "out"),
        "IPYTHONDIR": str(folder / "ipython"),  # nobody's own profile or kernels
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter"),
        "OMP_NUM_THREADS": "1",  # the tests share the machine
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, "-c", EXECUTE, str(NOTEBOOK), str(NOTEBOOK.parent), str(folder / "executed.ipynb")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def output(executed: Path, cell: str) -> str:
    """The text that the cell of that id showed: what it printed, or its Markdown."""
    found = next(c for c in cells(executed / "executed.ipynb") if c["id"] == cell)
    parts = [
        "".join(o.get("text", "") or o.get("data", {}).get("text/markdown", ""))
        for o in found["outputs"]
        if o["output_type"] in ("stream", "execute_result", "display_data")
    ]
    return "".join(parts)


def test_the_table_after_holds_what_the_exported_model_scores(executed: Path, drawn: Path) -> None:
    """Recomputed from the file and the drawn labels by the definition of IoU. 0.002: the table enlarges probabilities
    in another way at edges, and has three digits."""
    rows = {}
    for line in output(executed, "after").splitlines():
        found = re.fullmatch(r"\| drawn people \(drawn\) \| (\d+) \| (\w+) \| (\S+) \| (\S+) \|", line)
        if found:
            rows[found[2]] = int(found[1]), float(found[4])
    assert set(rows) == {"background", "hair", "skin", "clothes"}
    names = [f"p{i}" for i in range(60) if is_validation(f"p{i}")][:4]  # a tenth of the limit of 40
    assert {count for count, _ in rows.values()} == {len(names)}
    model = load_segmenter(executed / "out" / "fine_tuned.onnx", device="cpu")
    labelled = open_sets([find_set(str(drawn / "drawn.toml"))], drawn, validation=True)[0]
    overlap, either = np.zeros(4), np.zeros(4)
    for index, name in enumerate(labelled.names()):
        picture = labelled.picture(index)
        if picture is None or name not in names:
            continue
        truth = np.select([picture.members == 1, picture.members == 2, picture.members == 12], [0, 1, 2], 3)
        planes = cv2.resize(model(picture.pixels).transpose(1, 2, 0), picture.members.shape[::-1])
        regions = ["background", "hair", "skin", "clothes"]
        guess = np.stack(
            [sum(planes[..., k] for k, c in enumerate(model.classes) if model.regions[c] == r) for r in regions]
        ).argmax(0)
        for k in range(4):
            overlap[k] += ((truth == k) & (guess == k)).sum()
            either[k] += ((truth == k) | (guess == k)).sum()
    for k, name in enumerate(["background", "hair", "skin", "clothes"]):
        assert rows[name][1] == pytest.approx(overlap[k] / max(either[k], 1), abs=0.002)


def test_both_sides_of_the_split_are_shown_apart(executed: Path) -> None:
    """The numbers of pictures are those that the hashes of their names give, and nobody is on both sides."""
    text = output(executed, "split")
    held = [i for i in range(60) if is_validation(f"p{i}")]
    assert f"training: {min(40, 60 - len(held))} pictures" in text
    assert f"validation: {min(4, len(held))} pictures" in text
    assert "people on both sides: 0" in text


def test_the_loss_cell_shows_minus_log_of_the_summed_probability(executed: Path) -> None:
    """-log 0.2, -log 0.6, -log 0.8, -log 0.86, and 0 where nothing is known, by hand."""
    numbers = [float(line.split()[0]) for line in output(executed, "loss").splitlines()]
    assert numbers == pytest.approx([1.61, 0.51, 0.22, 0.15, 0.0], abs=0.006)


def test_the_run_trained_and_its_model_differs_from_the_start(executed: Path) -> None:
    """There is a checkpoint with samples, a curve, and a card that says from what and on what the model was made."""
    assert load_checkpoint(executed / "out" / "run")["progress"]["samples"] > 0
    card = read_card(executed / "out" / "fine_tuned.json")
    assert card.input_size == (64, 64)
    assert card.training_data == ("drawn: drawn people",)
    assert "start" in card.provenance
    after = load_segmenter(executed / "out" / "fine_tuned.onnx", device="cpu")
    before = load_segmenter(executed / "out" / "before" / "measured.onnx", device="cpu")
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    assert np.abs(after(pixels) - before(pixels)).max() > 0.001


def test_every_picture_is_drawn_and_the_style_changes_only_colors(executed: Path) -> None:
    """Figures are pictures; the last one is the portrait beside its styled copy of the same size."""
    from skimage import data

    for name in ("labels", "samples", "curves", "comparison"):
        assert cv2.imread(str(executed / "out" / f"{name}.png")) is not None
    both = cv2.imread(str(executed / "out" / "styled.png"))[..., ::-1]
    portrait = data.astronaut()
    assert np.array_equal(both[:, : portrait.shape[1]], portrait)
    assert (both[:, portrait.shape[1] :] != portrait).any()


def test_nothing_in_the_notebook_warns(executed: Path) -> None:
    """Readers should not have to wonder: no cell writes to stderr."""
    streams = [o for c in cells(executed / "executed.ipynb") for o in c.get("outputs", []) if o.get("name") == "stderr"]
    assert not streams
