"""The networks: sizes, starts, channel order, the fine decoder; the backbones that start from ImageNet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from livestyle.errors import ModelError
from livestyle.models.network import PortraitNetwork
from livestyle.training.backbones import BACKBONES, WIDTH, BackboneNetwork, SameConv2d, start_backbone, unfold_norms
from livestyle.training.checkpoint import write_folder
from livestyle.training.classes import CLASSES
from livestyle.training.network import FINE_WIDTH, Student, fresh_network, load_network, reads_bgr, start_network

WEIGHTS = Path(__file__).parents[2].parent / "shared" / "init" / "mobilenetv2_imagenet_timm.pt"


@pytest.mark.parametrize(("size", "millions"), [("xxsmall", 1.85), ("xsmall", 2.94), ("small", 6.35)])
def test_sizes_have_the_published_number_of_parameters(size: str, millions: float) -> None:
    """Mehta & Rastegari 2021, table 4 (DeepLabv3): 1.9, 2.9 and 6.4 million; the fine decoder adds 2 % at most."""
    network = fresh_network(size)
    fine = sum(p.numel() for p in network.fine.parameters())  # type: ignore[union-attr]
    assert (sum(p.numel() for p in network.parameters()) - fine) / 1e6 == pytest.approx(millions, abs=0.01)
    assert fine / 1e6 < 0.02 * millions


def _saved(folder: Path, *, bgr: bool | None) -> torch.nn.Module:
    torch.manual_seed(0)
    network = fresh_network("xxsmall").eval()
    nn.init.normal_(network.fine.classifier.weight, std=0.1)  # type: ignore[union-attr]
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
    """A folder without a checkpoint is a ModelError that names it, not an exception of the library that reads it."""
    with pytest.raises(ModelError, match=tmp_path.name):
        load_network(str(tmp_path))


def test_a_checkpoint_without_the_fine_decoder_gives_the_same_logits_enlarged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The untrained decoder adds nothing, so fine-tuning goes on from where the checkpoint stood."""
    from transformers import MobileViTForSemanticSegmentation

    torch.manual_seed(0)
    plain = MobileViTForSemanticSegmentation(fresh_network("xxsmall").config).eval()
    plain.config.fine_width = 0
    plain.save_pretrained(tmp_path)
    with caplog.at_level("INFO"):
        network = load_network(str(tmp_path)).eval()
    assert "fine decoder" in caplog.text
    pixels = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        coarse = F.interpolate(plain(pixels).logits, scale_factor=4, mode="bilinear", align_corners=False)
        torch.testing.assert_close(network(pixels).logits, coarse)
        without = PortraitNetwork.from_pretrained(tmp_path).eval()
        torch.testing.assert_close(without(pixels).logits, plain(pixels).logits)


def test_the_student_gives_what_the_network_gives_and_views_of_its_features() -> None:
    """What is trained is the network itself: the views that distillation compares are an addition, of the better
    model's width at each stride, and are left out when nothing teaches."""
    network = fresh_network("xxsmall").eval()
    student = Student(network, taught=5).eval()
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, views = student(pixels, teach=True)
        torch.testing.assert_close(logits, network(pixels).logits)
    assert [view.shape for view in views] == [(2, 5, 16, 24), (2, 5, 8, 12), (2, 5, 4, 6)]
    assert network.features(pixels)[1][0].shape[1] == FINE_WIDTH
    assert student(pixels)[1] is None


def _imagenet_weights() -> dict[str, torch.Tensor]:
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


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    """A file of backbone weights under timm's names, as `start_backbone` reads it."""
    torch.save(_imagenet_weights(), tmp_path / "backbone.pt")
    return tmp_path / "backbone.pt"


def test_a_backbone_has_the_decoders_features_at_four_strides(backbone: Path) -> None:
    """A network on a backbone gives logits at stride 4 and features of one width at strides 4, 8, 16 and 32, as
    MobileViT's does: training and export treat both alike."""
    network = start_backbone("mobilenetv2", backbone)
    logits, features = network.features(torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)))
    assert logits.shape == (2, len(CLASSES), 16, 24)
    assert [x.shape for x in features] == [(2, WIDTH, 64 // s, 96 // s) for s in (4, 8, 16, 32)]


@pytest.mark.parametrize(
    ("size", "millions"), [("mobilenetv2", 1.81), ("efficientnet-lite0", 2.96), ("efficientnet-lite2", 4.36)]
)
def test_backbones_have_the_published_number_of_parameters(size: str, millions: float) -> None:
    """3.5, 4.7 and 6.1 million with the last convolution (c x 1280), its norm and the classifier of 1001 or 1000."""
    assert size in BACKBONES
    network = BackboneNetwork(size)
    backbone = sum(p.numel() for name, p in network.named_parameters() if not name.startswith("fine."))
    assert backbone / 1e6 == pytest.approx(millions, abs=0.01)


def test_efficientnets_weights_are_read_under_the_names_of_its_pytorch_version(tmp_path: Path) -> None:
    """It numbers all blocks in one row, and counts norms from 0 where timm counts from 1."""
    torch.manual_seed(0)
    network = BackboneNetwork("efficientnet-lite0")
    renamed, number = {"_conv_stem": network.conv_stem, "_bn0": network.bn1}, 0
    for stage in network.blocks:
        for block in stage:  # type: ignore[union-attr,operator]
            parts = dict(block.named_children())
            if number:
                renamed |= {f"_blocks.{number}._expand_conv": parts["conv_pw"], f"_blocks.{number}._bn0": parts["bn1"]}
            names = ("conv_dw", "bn2", "conv_pwl", "bn3") if number else ("conv_dw", "bn1", "conv_pw", "bn2")
            for old, new in zip(("_depthwise_conv", "_bn1", "_project_conv", "_bn2"), names, strict=True):
                renamed[f"_blocks.{number}.{old}"] = parts[new]
            number += 1
    weights = {f"{name}.{k}": v for name, part in renamed.items() for k, v in part.state_dict().items()}
    torch.save(weights | {"_fc.weight": torch.zeros(1000, 1280)}, tmp_path / "lite0.pth")
    read = start_backbone("efficientnet-lite0", tmp_path / "lite0.pth")
    torch.testing.assert_close(read.blocks.state_dict(), network.blocks.state_dict())
    assert read.bn1.eps == 1e-3  # TensorFlow's


def _backbone_output(network: BackboneNetwork, pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.blocks(F.relu6(network.bn1(network.conv_stem(pixels * 2 - 1))))  # type: ignore[no-any-return]


def test_unfolded_norms_measure_the_batch_and_change_nothing(backbone: Path) -> None:
    """In evaluation the function stays; in training, batches no longer change the scale of a layer."""
    network = start_backbone("mobilenetv2", backbone).eval()
    pixels = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    before = _backbone_output(network, pixels)
    unfold_norms(network, pixels)
    torch.testing.assert_close(_backbone_output(network, pixels), before, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(_backbone_output(network.train(), pixels), before, rtol=0.05, atol=0.01)
    assert float(network.bn1.running_var.std()) > 0  # type: ignore[union-attr]


def test_padding_is_tensorflows_same() -> None:
    """A 3 × 3 convolution of stride 2 on an even side pads one pixel at the end only."""
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    for stride, pads in ((2, (0, 1, 0, 1)), (1, (1, 1, 1, 1))):
        conv = SameConv2d(1, 1, 3, stride)
        torch.testing.assert_close(conv(x), F.conv2d(F.pad(x, pads), conv.weight, stride=stride))


def test_a_file_without_a_backbone_is_an_error(tmp_path: Path) -> None:
    """Each file that is not this backbone's weights is a ModelError that says what is wrong: other tensors, no tensors,
    a layer missing, another backbone, a training checkpoint. Starting from part of the weights would only show as a
    worse model."""
    torch.save({"a": torch.zeros(1)}, tmp_path / "t.pt")
    with pytest.raises(ModelError, match=r"t\.pt"):
        start_backbone("mobilenetv2", tmp_path / "t.pt")
    (tmp_path / "u.pt").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"u\.pt"):
        start_backbone("mobilenetv2", tmp_path / "u.pt")
    weights = _imagenet_weights()
    del weights["blocks.3.1.conv_dw.weight"]
    torch.save(weights, tmp_path / "v.pt")
    with pytest.raises(ModelError, match=r"blocks\.3\.1"):
        start_backbone("mobilenetv2", tmp_path / "v.pt")
    torch.save(_imagenet_weights(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="efficientnet-lite0"):
        start_backbone("efficientnet-lite0", tmp_path / "w.pt")
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"x\.pt"):
        start_backbone("mobilenetv2", tmp_path / "x.pt")


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the ImageNet weights are not here")
def test_the_real_backbone_knows_a_cat() -> None:
    """With its classifier put back, the backbone calls scikit-image's cat a cat: ImageNet's 281 to 285."""
    import cv2
    from skimage import data

    network = start_backbone("mobilenetv2", WEIGHTS).eval()
    weights = torch.load(WEIGHTS, weights_only=True)
    pixels = torch.from_numpy(cv2.resize(data.chelsea()[:, 75:375], (224, 224), interpolation=cv2.INTER_AREA))
    unfold_norms(network, torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(1)))
    features = _backbone_output(network, pixels.permute(2, 0, 1)[None] / 255)
    head = F.conv2d(features, weights["conv_head.weight"].float()) + weights["bn2.bias"].float().view(1, -1, 1, 1)
    odds = F.relu6(head).mean((2, 3)) @ weights["classifier.weight"].float().T + weights["classifier.bias"].float()
    assert int(odds.argmax()) - 1 in range(281, 286)  # the first of 1001 is "nothing"
