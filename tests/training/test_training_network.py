"""The network's sizes, starts and channel order, and the teacher of features."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from livestyle.errors import ModelError
from livestyle.training.checkpoint import write_folder
from livestyle.training.classes import CLASSES
from livestyle.training.network import Student, fresh_network, load_network, reads_bgr, start_network
from livestyle.training.teacher import CHANNELS, MobileNetV2Features, _padded_same, load_teacher

WEIGHTS = Path(__file__).parents[2].parent / "shared" / "init" / "mobilenetv2_imagenet_timm.pt"


@pytest.mark.parametrize(("size", "millions"), [("xxsmall", 1.85), ("xsmall", 2.94), ("small", 6.35)])
def test_sizes_have_the_published_number_of_parameters(size: str, millions: float) -> None:
    """Mehta & Rastegari 2021, table 4 (DeepLabv3): 1.9, 2.9 and 6.4 million."""
    assert sum(p.numel() for p in fresh_network(size).parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def _saved(folder: Path, *, bgr: bool | None) -> torch.nn.Module:
    torch.manual_seed(0)
    network = fresh_network("xxsmall").eval()
    write_folder(network, folder)
    if bgr is not None:
        text = json.dumps({"do_flip_channel_order": bgr})
        (folder / "preprocessor_config.json").write_text(text)
    return network


@pytest.mark.parametrize("bgr", [True, False, None])
def test_a_checkpoint_that_reads_bgr_is_turned_to_rgb(tmp_path: Path, bgr: bool | None) -> None:
    """The right order differs from the checkpoint by rounding to half precision, the wrong one ten times as much."""
    network = _saved(tmp_path, bgr=bgr)
    assert reads_bgr(str(tmp_path)) is bool(bgr)
    started = start_network(str(tmp_path), "small").eval()
    rgb = torch.zeros(1, 3, 64, 64)
    rgb[:, 0, 16:48, 16:48] = 1.0  # a red square
    with torch.no_grad():
        found = started(rgb).logits
        right, wrong = network(rgb.flip(1) if bgr else rgb).logits, network(rgb if bgr else rgb.flip(1)).logits
    assert (found - right).abs().max() < 0.1 * (found - wrong).abs().max()


def test_a_head_for_other_classes_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As apple/deeplabv3-mobilevit-small comes: 21 classes."""
    from transformers import MobileViTForSemanticSegmentation

    config = fresh_network("xxsmall").config
    config.update({"id2label": {k: f"thing {k}" for k in range(21)}, "label2id": {f"thing {k}": k for k in range(21)}})
    MobileViTForSemanticSegmentation(config).save_pretrained(tmp_path)
    with caplog.at_level("INFO"):
        network = load_network(str(tmp_path)).eval()
    assert network(torch.zeros(1, 3, 64, 64)).logits.shape[1] == len(CLASSES)
    assert tuple(network.config.id2label.values()) == CLASSES  # type: ignore[union-attr,operator]
    assert "last layer" in caplog.text


def test_a_folder_without_a_network_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=tmp_path.name):
        load_network(str(tmp_path))


def test_the_student_gives_what_the_network_gives_and_a_view_of_its_features() -> None:
    network = fresh_network("xxsmall").eval()
    student = Student(network, taught=CHANNELS).eval()
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, view = student(pixels, teach=True)
        torch.testing.assert_close(logits, network(pixels).logits)
    assert view.shape == (2, CHANNELS, 4, 6)
    assert student(pixels)[1] is None


def _teacher_weights() -> dict[str, torch.Tensor]:
    """Random weights under timm's names: (channels in, out, blocks, expansion) of Sandler et al. 2018, table 2."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, torch.Tensor] = {}

    def conv(name: str, norm: str, out: int, inner: int, kernel: int) -> None:
        weights[f"{name}.weight"] = torch.randn(out, inner, kernel, kernel, generator=generator) / (inner * kernel)
        for part, value in (("weight", 1.0), ("bias", 0.1), ("running_mean", 0.0), ("running_var", 1.0)):
            weights[f"{norm}.{part}"] = torch.full((out,), value)

    conv("conv_stem", "bn1", 32, 3, 3)
    channels = 32
    for stage, (out, blocks) in enumerate(((16, 1), (24, 2), (32, 3), (64, 4), (96, 3), (160, 3), (320, 1))):
        for block in range(blocks):
            name, wide = f"blocks.{stage}.{block}", channels * (6 if stage else 1)
            if stage:
                conv(f"{name}.conv_pw", f"{name}.bn1", wide, channels, 1)
                conv(f"{name}.conv_dw", f"{name}.bn2", wide, 1, 3)
                conv(f"{name}.conv_pwl", f"{name}.bn3", out, wide, 1)
            else:
                conv(f"{name}.conv_dw", f"{name}.bn1", wide, 1, 3)
                conv(f"{name}.conv_pw", f"{name}.bn2", out, wide, 1)
            channels = out
    return weights


def test_the_teacher_gives_two_stages_at_one_sixteenth() -> None:
    teacher = MobileNetV2Features(_teacher_weights())
    features = teacher(torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)))
    assert features.shape == (2, CHANNELS, 4, 6)
    assert torch.isfinite(features).all()
    assert features.std((0, 2, 3)).min() > 0


def test_padding_is_tensorflows_same() -> None:
    """A 3 × 3 convolution of stride 2 on an even side pads one pixel at the end only."""
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    torch.testing.assert_close(_padded_same(x, 3, 2), F.pad(x, (0, 1, 0, 1)))
    torch.testing.assert_close(_padded_same(x, 3, 1), F.pad(x, (1, 1, 1, 1)))


def test_a_file_without_a_teacher_is_an_error(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "t.pt")
    with pytest.raises(ModelError, match=r"t\.pt"):
        load_teacher(tmp_path / "t.pt", torch.device("cpu"))
    (tmp_path / "u.pt").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"u\.pt"):
        load_teacher(tmp_path / "u.pt", torch.device("cpu"))


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the teacher's weights are not here")
def test_the_real_teacher_sees_structure() -> None:
    """Its features must not depend on where a pattern stands: shifting by one cell shifts them (away from edges)."""
    teacher = load_teacher(WEIGHTS, torch.device("cpu"))
    wide = torch.rand(1, 3, 192, 224, generator=torch.Generator().manual_seed(1))
    one, other = teacher(wide[..., :192]), teacher(wide[..., 32:])
    fine, shifted = one[:, :96, 5:7, 6:7], other[:, :96, 5:7, 4:5]
    assert float(F.cosine_similarity(fine.flatten(), shifted.flatten(), dim=0)) > 0.9
