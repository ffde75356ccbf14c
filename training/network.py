"""The network: MobileViT + DeepLabV3 from `transformers`, started from a hub name, a local folder or nothing."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from livestyle.errors import ModelError
from livestyle.models.network import PortraitNetwork, start_decoder
from livestyle.training.backbones import BACKBONES, WIDTH, BackboneNetwork, start_backbone
from livestyle.training.checkpoint import FILE as CHECKPOINT
from livestyle.training.checkpoint import load_checkpoint
from livestyle.training.classes import CLASSES

log = logging.getLogger("livestyle")

_SIZES: dict[str, dict[str, Any]] = {  # Mehta, Rastegari, "MobileViT", 2021, table 4
    "small": {
        "hidden_sizes": [144, 192, 240],
        "neck_hidden_sizes": [16, 32, 64, 96, 128, 160, 640],
        "expand_ratio": 4.0,
    },
    "xsmall": {"hidden_sizes": [96, 120, 144], "neck_hidden_sizes": [16, 32, 48, 64, 80, 96, 384], "expand_ratio": 4.0},
    "xxsmall": {"hidden_sizes": [64, 80, 96], "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 320], "expand_ratio": 2.0},
}
SIZES = tuple(_SIZES)
LEVELS = 3  # of the decoder's features that a guide teaches, the finest first
FINE_WIDTH = 64


def _labels() -> dict[str, Any]:
    return {"id2label": dict(enumerate(CLASSES)), "label2id": {name: k for k, name in enumerate(CLASSES)}}


def fresh_network(size: str) -> PortraitNetwork:
    """An untrained network of a size of SIZES with one output for each of CLASSES."""
    from transformers import MobileViTConfig

    config = MobileViTConfig(
        **_SIZES[size], **_labels(), output_stride=16, hidden_dropout_prob=0.0, classifier_dropout_prob=0.0
    )
    config.fine_width = FINE_WIDTH
    network = PortraitNetwork(config)
    network.apply(_widen)
    assert network.fine is not None
    start_decoder(network.fine)
    return network


def _widen(module: nn.Module) -> None:
    """He initialisation for convolutions: with the library's deviation of 0.02 activations die out layer by layer."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")


def load_network(name_or_folder: str) -> PortraitNetwork:
    """A network in the format of `transformers`. Raises ModelError.

    A head for other classes is replaced, and a checkpoint without the fine decoder gets an untrained one.
    """
    import transformers

    transformers.logging.disable_progress_bar()
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # what is missing is said below, in our words
    try:
        config = transformers.MobileViTConfig.from_pretrained(name_or_folder, **_labels())
        config.fine_width = getattr(config, "fine_width", 0) or FINE_WIDTH
        network, report = PortraitNetwork.from_pretrained(
            name_or_folder,
            config=config,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"No network can be loaded from {name_or_folder}: {error}",
            hint="Give a folder with config.json and model.safetensors, or a hub name.",
        ) from error
    finally:
        transformers.logging.set_verbosity(verbosity)
    if report["mismatched_keys"]:
        log.info("%s tells other classes apart: its last layer starts untrained.", name_or_folder)
    if any(name.startswith("fine.") for name in report["missing_keys"]):
        log.info("%s has no fine decoder: it starts untrained.", name_or_folder)
        assert network.fine is not None
        start_decoder(network.fine)
    result: PortraitNetwork = network
    return result


def reads_bgr(name_or_folder: str) -> bool:
    """Whether a checkpoint was trained on pictures in BGR order, as those converted from ml-cvnets were.

    That is what `do_flip_channel_order` in its preprocessor_config.json says; a checkpoint without one reads RGB.
    """
    local = Path(name_or_folder) / "preprocessor_config.json"
    if Path(name_or_folder).is_dir():
        return local.is_file() and bool(
            json.loads(local.read_text(encoding="utf-8")).get("do_flip_channel_order", False)
        )
    from transformers.utils import cached_file

    try:
        found = cached_file(name_or_folder, "preprocessor_config.json")
    except OSError:
        return False
    return found is not None and bool(
        json.loads(Path(found).read_text(encoding="utf-8")).get("do_flip_channel_order", False)
    )


def flip_input_order(network: nn.Module) -> None:
    """Turn a network that reads BGR into one that reads RGB (or back) by exchanging the first layer's channels."""
    stem: Any = network.mobilevit.conv_stem
    with torch.no_grad():
        stem.convolution.weight.copy_(stem.convolution.weight.flip(1))


def start_network(start: str, size: str, backbone: str = "") -> PortraitNetwork | BackboneNetwork:
    """The network a run starts from: "" for nothing, else a hub name or folder. It reads RGB in [0, 1].

    A size of BACKBONES starts from the ImageNet weights in the file `backbone`, or goes on from the run `start`.
    """
    if size in BACKBONES:
        return _earlier_backbone(size, Path(start)) if start else start_backbone(size, Path(backbone))
    network = load_network(start) if start else fresh_network(size)
    if start and reads_bgr(start):
        log.info("%s reads BGR: its first layer was turned to RGB.", start)
        flip_input_order(network)
    return network


def _earlier_backbone(size: str, run: Path) -> BackboneNetwork:
    network = finished_network(run)
    if not isinstance(network, BackboneNetwork) or network.size != size:
        raise ModelError(f"{run} holds no {size}.", hint="Set model.size to the size of the run in model.start.")
    return network


def guiding_network(name_or_folder: str) -> PortraitNetwork | BackboneNetwork:
    """A better model to learn from, frozen: the folder of a run, or what start_network takes. Raises ModelError."""
    network = finished_network(Path(name_or_folder)) if _is_run(name_or_folder) else start_network(name_or_folder, "")
    network.requires_grad_(False)
    return network.eval()


def _is_run(name_or_folder: str) -> bool:
    return (Path(name_or_folder) / CHECKPOINT).is_file()


def finished_network(run: Path) -> PortraitNetwork | BackboneNetwork:
    """The network of a run's folder with its averaged weights. Raises ModelError."""
    from transformers import MobileViTConfig

    state = load_checkpoint(run)
    network = (
        BackboneNetwork(state["size"])
        if state["size"] in BACKBONES
        else PortraitNetwork(MobileViTConfig(**state["config"]))
    )
    network.load_state_dict(state["average"])
    return network


def feature_width(network: PortraitNetwork | BackboneNetwork) -> int:
    """Channels of the decoder's features."""
    return int(network.config.fine_width) if isinstance(network, PortraitNetwork) else WIDTH


class Student(nn.Module):
    """The network, and while a guide teaches, linear views of its decoder's features at 1/4, 1/8 and 1/16.

    forward: (logits, views or None).
    """

    def __init__(self, network: PortraitNetwork | BackboneNetwork, taught: int = 0) -> None:
        super().__init__()
        self.network = network
        self.views = (
            nn.ModuleList(nn.Conv2d(feature_width(network), taught, 1) for _ in range(LEVELS)) if taught else None
        )

    def forward(self, pixels: Tensor, teach: bool = False) -> tuple[Tensor, list[Tensor] | None]:
        """`pixels` (B, 3, H, W) RGB in [0, 1] -> logits (B, C, H/4, W/4), the finest view first."""
        logits, features = self.network.features(pixels)
        if not teach or self.views is None:
            return logits, None
        return logits, [view(x) for view, x in zip(self.views, features, strict=False)]
