"""The console commands from end to end, on drawn people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from livestyle.errors import ModelError, UsageError
from livestyle.frame import REGIONS
from livestyle.models.card import read_card
from livestyle.models.segmenter import load_segmenter
from livestyle.training import cli
from livestyle.training.as_photos import AsPhotos
from livestyle.training.backbones import BackboneNetwork
from livestyle.training.evaluate import evaluate, false_people, pictures_without_people
from livestyle.training.network import start_network
from livestyle.training.peers import measured_regions, open_peer
from livestyle.training.reader import open_sets
from livestyle.training.sets import find_set

Text = Callable[..., str]
PLAIN = np.full((96, 64, 3), 90, np.uint8)
PEERS = Path(__file__).parents[2].parent / "shared" / "peers"


def test_settings_that_make_no_sense_end_with_2_before_anything_starts(settings_text: Text, tmp_path: Path) -> None:
    """A setting that cannot work, here given by --set, ends the command with 2 and the setting's name, before a folder
    is made for the run."""
    (tmp_path / "s.toml").write_text(settings_text())
    done = CliRunner().invoke(cli.train, [str(tmp_path / "s.toml"), "--set", "recipe.batch=1"])
    assert done.exit_code == 2
    assert "recipe.batch" in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("change", ["recipe=1", "recipe.batch", "recipe.batch="])
def test_a_change_that_is_no_setting_is_a_usage_error(change: str) -> None:
    """What follows --set is section.key=value; anything less is a usage error rather than ignored."""
    with pytest.raises(UsageError):
        cli._overridden("[recipe]\n", (change,))


def test_evaluate_writes_figures_table_and_json(finished: Path, drawn: Path, tmp_path: Path) -> None:
    """The command prints the tables that it writes, and its JSON adds up: every labelled pixel is in the confusion,
    every bin in the reliability, one set alone is the total. The plots are pictures."""
    command = [f"mine={finished}", "--data", str(drawn), "--sets", str(drawn / "drawn.toml"), "--out", str(tmp_path)]
    done = CliRunner().invoke(cli.evaluate, [*command, "--input-size", "64x64"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "| drawn people (drawn) |" in done.output
    assert (tmp_path / "tables.md").read_text() in done.output
    report = json.loads((tmp_path / "evaluation.json").read_text())["mine"]
    figures = report["sets"]["drawn"]
    assert set(figures["region_iou"]) == set(REGIONS)
    assert all(0 <= value <= 1 for value in figures["region_iou"].values())
    assert np.array(figures["confusion"]["pixels"]).sum() == figures["pictures"] * 96 * 80
    assert report["confusion"]["pixels"] == figures["confusion"]["pixels"]  # of one set, all sets together
    assert set(report["pictures_without_people"]) == set(report["false_people"])
    assert sum(row["share"] for row in report["reliability"]) == pytest.approx(1, abs=1e-3)
    for name in ("comparison", "worst", "reliability"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_export_writes_a_model_that_gives_what_torch_gives(finished: Path, drawn: Path, tmp_path: Path) -> None:
    """A run's folder becomes a model file that livestyle loads, of the input size asked for and with probabilities that
    sum to 1, and a `transformers` folder beside it."""
    command = [
        str(finished),
        str(tmp_path / "out"),
        "--name",
        "mine",
        "--input-size",
        "64x96",
        "--folder",
        str(tmp_path / "f"),
    ]
    done = CliRunner().invoke(cli.export, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "opset" in done.output
    assert (tmp_path / "f" / "model.safetensors").is_file()
    segmenter = load_segmenter(tmp_path / "out" / "mine.onnx", device="cpu")
    assert segmenter.input_size == (64, 96)
    planes = segmenter(np.zeros((96, 64, 3), np.uint8))
    np.testing.assert_allclose(planes.sum(0), 1, atol=1e-4)


def test_a_backbone_is_trained_measured_kept_and_listened_to(
    settings_text: Text, drawn: Path, tmp_path: Path, keep_signals: None
) -> None:
    """From ImageNet weights to its finished weights, which guide a run and start another."""
    torch.manual_seed(0)
    torch.save(BackboneNetwork("efficientnet-lite0").state_dict(), tmp_path / "imagenet.pth")
    (tmp_path / "s.toml").write_text(settings_text(steps=2))

    def train(name: str, *changes: str) -> None:
        sets = [f"--set={change}" for change in (f"run.folder={(tmp_path / name).as_posix()}", *changes)]
        done = CliRunner().invoke(cli.train, [str(tmp_path / "s.toml"), *sets], catch_exceptions=False)
        assert done.exit_code == 0, done.output

    lite = "model.size=efficientnet-lite0"
    train("backbone", lite, f"model.backbone={(tmp_path / 'imagenet.pth').as_posix()}")
    kept = tmp_path / "kept"
    command = [str(tmp_path / "backbone"), str(tmp_path / "out"), "--name", "lite", "--folder", str(kept)]
    done = CliRunner().invoke(cli.export, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (kept / "checkpoint.pt").stat().st_size < 8e6  # 3 million weights in half precision
    np.testing.assert_allclose(load_segmenter(tmp_path / "out" / "lite.onnx")(PLAIN).sum(0), 1, atol=1e-4)
    (kept / "card.toml").write_text('licence = "free"\n')  # exporting it again keeps the facts beside it
    again = CliRunner().invoke(
        cli.export, [str(kept), str(tmp_path / "again"), "--name", "lite"], catch_exceptions=False
    )
    assert again.exit_code == 0, again.output
    assert read_card(tmp_path / "again" / "lite.json").licence == "free"
    data = ["--data", str(drawn), "--sets", str(drawn / "drawn.toml"), "--input-size", "64x64"]
    measured = CliRunner().invoke(cli.evaluate, [f"kept={kept}", *data], catch_exceptions=False)
    assert "| drawn people (drawn) |" in measured.output
    train("student", f"model.guide={kept.as_posix()}")
    assert "guide" in (tmp_path / "student" / "log.csv").read_text()
    train("onward", lite, f"model.start={kept.as_posix()}")
    with pytest.raises(ModelError, match="mobilenetv2"):
        start_network(str(kept), "mobilenetv2")


def test_plot_draws_the_learning_curves(finished: Path, tmp_path: Path) -> None:
    """The log of a finished run is enough to draw its curves."""
    done = CliRunner().invoke(cli.plot, [str(finished), str(tmp_path / "l.png")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "l.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_holds_no_model_ends_with_3(tmp_path: Path, drawn: Path) -> None:
    """A folder without a model is an input error (3) that names it."""
    (tmp_path / "empty").mkdir()
    command = [str(tmp_path / "empty"), str(tmp_path / "out"), "--name", "x"]
    done = CliRunner().invoke(cli.export, command)
    assert done.exit_code == 3
    assert "empty" in done.output


class Seer:
    """Knows the colours that people are drawn in, so it sees them exactly; takes nothing for a person elsewhere."""

    classes = REGIONS
    input_size = (96, 96)
    colors = np.array([(40, 90, 160), (60, 40, 20), (220, 170, 140), (180, 30, 40)])

    @property
    def regions(self) -> dict[str, str]:
        """Its classes are the regions themselves."""
        return {name: name for name in REGIONS}

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """(4, H, W): 1 for the region whose drawn colour is nearest; background where none is near."""
        distance = np.abs(pixels[None].astype(int) - self.colors[:, None, None]).sum(-1)
        nearest = np.where(distance.min(0) < 90, distance.argmin(0), 0)
        return (np.arange(4)[:, None, None] == nearest).astype(np.float32)


def test_a_model_that_sees_everything_scores_one(drawn: Path) -> None:
    """0.999: noise moves single pixels past the nearest colour."""
    sets = open_sets([find_set(str(drawn / "drawn.toml"))], drawn, validation=True)
    result = evaluate("seer", Seer(), sets, {})
    assert all(overlap.iou > 0.999 for overlap in result.tallies["drawn"].regions.values())
    assert min(score.value for score in result.scores) > 0.99


def test_a_model_is_measured_as_photos_are_segmented(drawn: Path) -> None:
    """The same picture through the whole of livestyle's masks: as right inside, and what is asked of a segmenter."""
    sets = open_sets([find_set(str(drawn / "drawn.toml"))], drawn, validation=True)
    model = AsPhotos(Seer())
    planes = model(sets[0].picture(0).pixels)
    np.testing.assert_allclose(planes.sum(axis=0), 1, atol=1e-4)
    assert planes.min() > -1e-4
    result = evaluate("seer", model, sets, {})
    assert all(overlap.iou > 0.9 for overlap in result.tallies["drawn"].regions.values())


def test_false_people_are_counted_where_nobody_is() -> None:
    """The figure is the share of pixels that are called hair or skin on pictures of nobody: 0 for a wall, 0.5 where
    half of it has the colour of hair. Pictures to measure it on can be made without any data set."""
    assert false_people(Seer(), [np.full((10, 10, 3), (40, 90, 160), np.uint8)]) == 0
    half = np.full((10, 10, 3), (40, 90, 160), np.uint8)
    half[:5] = (60, 40, 20)
    assert false_people(Seer(), [half]) == 0.5
    found = pictures_without_people([])
    assert {"flags", "textures"} <= set(found)
    assert all(p.dtype == np.uint8 and p.ndim == 3 for pictures in found.values() for p in pictures)


@pytest.mark.parametrize("text", ["pan", "pan=nosuch.onnx", "bird=x"])
def test_a_peer_that_is_not_there_is_a_usage_error(text: str) -> None:
    """A kind of peer that is not known, or a file that is missing, is a usage error before anything is measured."""
    with pytest.raises(UsageError):
        open_peer(text)


@pytest.mark.skipif(not PEERS.is_dir(), reason="the peers are not here")
def test_a_peer_follows_the_seam_of_a_segmenter() -> None:
    """Other people's models behave as ours do, with a plane for each class that sum to 1, so that all are measured by
    the same code."""
    name, peer = open_peer(f"pan={PEERS / 'pan_mnv3s_skin_clothes_hair.onnx'}")
    planes = peer(np.full((40, 60, 3), 90, np.uint8))
    assert name == "pan"
    assert planes.shape[0] == len(peer.classes) == 4
    np.testing.assert_allclose(planes.sum(0), 1, atol=1e-5)
    assert measured_regions(peer) == set(REGIONS)
