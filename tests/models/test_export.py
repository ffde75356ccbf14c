"""Exported files against the checkpoints that they come from, and what is not exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livestyle.errors import ModelError
from livestyle.models.card import read_card
from livestyle.models.export import export, main, read_facts
from livestyle.models.segmenter import load_segmenter

torch = pytest.importorskip("torch", reason="torch (extra `train`) is not installed")
transformers = pytest.importorskip("transformers", reason="transformers (extra `train`) is not installed")
pytest.importorskip("onnx", reason="onnx (extra `train`) is not installed")

torch.set_num_threads(1)  # tiny operators: on busy cores a second thread is waited for far longer than it helps

NAMES = ("Background", "Hair", "Face", "Upper-clothes")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny MobileViT with random weights, saved as training saves it."""
    torch.manual_seed(0)
    config = transformers.MobileViTConfig(
        hidden_sizes=[16, 16, 24],
        neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 48],
        num_attention_heads=2,
        aspp_out_channels=16,
        image_size=64,
        id2label=dict(enumerate(NAMES)),
        label2id={name: index for index, name in enumerate(NAMES)},
        output_stride=16,
    )
    model = transformers.MobileViTForSemanticSegmentation(config)
    for weight in model.parameters():  # transformers' own start makes a deep network's output flat
        if weight.dim() > 1:
            torch.nn.init.kaiming_normal_(weight)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():  # one pass over pictures gives the statistics that keep signals from fading
        model.train()(pixel_values=torch.rand(8, 3, 64, 64))
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder)
    return folder


def with_preprocessing(checkpoint: Path, folder: Path, **values: Any) -> Path:
    """A copy of the checkpoint in `folder`, with these values in its preprocessor_config.json."""
    for file in checkpoint.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder


def expected(checkpoint: Path, samples: np.ndarray) -> np.ndarray:
    """What the checkpoint gives in torch, (1, 3, H, W) -> (C, H/4, W/4)."""
    model = transformers.MobileViTForSemanticSegmentation.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        logits = model(pixel_values=torch.from_numpy(samples)).logits
        logits = torch.nn.functional.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
        return np.asarray(logits.softmax(1)[0])


def picture(height: int, width: int) -> np.ndarray:
    """Noise of that size, (height, width, 3) uint8, the same in each call."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model file of the tiny checkpoint, exported for 128 x 96 pixels."""
    folder = tmp_path_factory.mktemp("exported")
    return folder / export(checkpoint, folder, name="tiny", input_size=(128, 96)).file


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 128), (128, 32)])
def test_the_file_gives_what_the_checkpoint_gives_at_any_size(
    checkpoint: Path, exported: Path, height: int, width: int
) -> None:
    """The graph was traced at one size and gives what the checkpoint gives in torch at every other one, square, wide or
    tall."""
    pixels = picture(height, width)
    samples = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
    result = load_segmenter(exported, "cpu")._run(pixels)
    # What fp16 storage of the weights changes here is below 1e-4; the planes differ by more than 20 times that.
    np.testing.assert_allclose(result, expected(checkpoint, samples), atol=1e-4)
    assert np.ptp(result, axis=(1, 2)).max() > 2e-3, "a flat output would agree with anything"


def test_the_card_says_what_was_converted(exported: Path) -> None:
    """The card has the checkpoint's classes in order, a region for each, the size that was asked for and the measured
    error of the conversion."""
    card = read_card(exported.with_suffix(".json"))
    assert card.classes == tuple(name.lower() for name in NAMES)
    assert card.regions == {"background": "background", "hair": "hair", "face": "skin", "upper-clothes": "clothes"}
    assert card.input_size == (128, 96)
    assert card.figures["largest_difference_from_fp16_checkpoint"] < 1e-3


def test_a_bgr_checkpoint_is_flipped_inside_the_graph(checkpoint: Path, tmp_path: Path) -> None:
    """Callers always give RGB; a checkpoint that reads BGR is turned round in the graph, and its card says so.

    1e-3 is PARITY, which the exporter holds itself to.
    """
    folder = with_preprocessing(checkpoint, tmp_path, do_flip_channel_order=True)
    card = export(folder, tmp_path / "out", name="tiny", input_size=(64, 64))
    pixels = picture(64, 64)
    samples = pixels[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    result = load_segmenter(tmp_path / "out" / card.file, "cpu")(pixels)
    np.testing.assert_allclose(result, expected(checkpoint, samples), atol=1e-3)
    assert "bgr" in card.normalisation


def test_a_mean_and_deviation_are_applied_inside_the_graph(checkpoint: Path, tmp_path: Path) -> None:
    """What the checkpoint's preprocessor does for each channel is part of the graph: callers give uint8 pictures and do
    nothing else."""
    folder = with_preprocessing(
        checkpoint, tmp_path, do_normalize=True, image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]
    )
    card = export(folder, tmp_path / "out", name="tiny", input_size=(64, 64))
    pixels = picture(64, 64)
    unit = (pixels / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
    result = load_segmenter(tmp_path / "out" / card.file, "cpu")(pixels)
    np.testing.assert_allclose(
        result, expected(checkpoint, unit.transpose(2, 0, 1)[None].astype(np.float32)), atol=1e-3
    )


def test_facts_come_from_the_checkpoints_folder(checkpoint: Path, tmp_path: Path) -> None:
    """Licence, training data and figures, which weights do not show, go from card.toml in the folder into the card."""
    folder = with_preprocessing(checkpoint, tmp_path)
    (folder / "card.toml").write_text('licence = "MIT"\ntraining_data = ["a", "b"]\n[figures]\nhair = 0.5\n')
    card = export(folder, tmp_path / "out", name="tiny", input_size=(64, 64))
    assert (card.licence, card.training_data, card.figures["hair"]) == ("MIT", ("a", "b"), 0.5)


@pytest.mark.parametrize("text", ["licence = ", 'license = "MIT"'])
def test_broken_facts_are_refused(tmp_path: Path, text: str) -> None:
    """Facts that are not TOML or have a key that is not known, such as `license`, are an error: otherwise the card
    would lack its licence without anybody noticing."""
    (tmp_path / "card.toml").write_text(text)
    with pytest.raises(ModelError, match=r"card\.toml"):
        read_facts(tmp_path / "card.toml")


def test_an_empty_folder_is_refused_with_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without a checkpoint ends the command with 3 and the name of what is missing, and creates nothing."""
    assert main([str(tmp_path), str(tmp_path / "out"), "--name", "tiny"]) == 3
    assert "config.json" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_an_unknown_class_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """A class of which no region is known is an error that names it, for its pixels would be styled as something else.

    Nothing is written.
    """
    folder = with_preprocessing(checkpoint, tmp_path)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace("Upper-clothes", "Umbrella"))
    with pytest.raises(ModelError, match="umbrella"):
        export(folder, tmp_path / "out", name="tiny")
    assert not (tmp_path / "out").exists()
