"""The network: MobileViT + DeepLabV3 from `transformers`, started from a hub name, a local folder or nothing."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from livestyle.errors import ModelError
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


def _labels() -> dict[str, Any]:
    return {"id2label": dict(enumerate(CLASSES)), "label2id": {name: k for k, name in enumerate(CLASSES)}}


def fresh_network(size: str) -> nn.Module:
    """An untrained network of a size of SIZES with one output for each of CLASSES."""
    from transformers import MobileViTConfig, MobileViTForSemanticSegmentation

    config = MobileViTConfig(
        **_SIZES[size], **_labels(), output_stride=16, hidden_dropout_prob=0.0, classifier_dropout_prob=0.0
    )
    network: nn.Module = MobileViTForSemanticSegmentation(config)
    network.apply(_widen)
    return network


def _widen(module: nn.Module) -> None:
    """He initialisation for convolutions: with the library's deviation of 0.02 activations die out layer by layer."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")


def load_network(name_or_folder: str) -> nn.Module:
    """A network in the format of `transformers`; a head for other classes is replaced. Raises ModelError."""
    import transformers

    transformers.logging.disable_progress_bar()
    try:
        network, report = transformers.MobileViTForSemanticSegmentation.from_pretrained(
            name_or_folder,
            **_labels(),
            num_labels=len(CLASSES),
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"No network can be loaded from {name_or_folder}: {error}",
            hint="Give a folder with config.json and model.safetensors, or a hub name.",
        ) from error
    if report["mismatched_keys"]:
        log.info("%s tells other classes apart: its last layer starts anew.", name_or_folder)
    result: nn.Module = network
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


def start_network(start: str, size: str) -> nn.Module:
    """The network a run starts from: "" for nothing, else a hub name or folder. It reads RGB in [0, 1]."""
    network = load_network(start) if start else fresh_network(size)
    if start and reads_bgr(start):
        log.info("%s reads BGR: its first layer was turned to RGB.", start)
        flip_input_order(network)
    return network


def follow_network(name_or_folder: str) -> nn.Module:
    """A better model to learn from: as start_network gives it, frozen. It must tell CLASSES apart already."""
    network = start_network(name_or_folder, "")
    network.requires_grad_(False)
    return network.eval()


class Student(nn.Module):
    """The network, and while a teacher teaches, a linear view of its last features. forward: (logits, view or None)."""

    def __init__(self, network: nn.Module, taught: int = 0) -> None:
        super().__init__()
        self.network = network
        features = network.config.neck_hidden_sizes[-2]
        self.view = nn.Conv2d(features, taught, 1) if taught else None

    def forward(self, pixels: Tensor, teach: bool = False) -> tuple[Tensor, Tensor | None]:
        """`pixels` (B, 3, H, W) RGB in [0, 1] -> logits (B, C, H/16, W/16)."""
        network: Any = self.network
        states = network.mobilevit.encoder(
            network.mobilevit.conv_stem(pixels), output_hidden_states=True, return_dict=True
        )
        logits: Tensor = network.segmentation_head(states.hidden_states)
        return logits, self.view(states.last_hidden_state) if teach and self.view is not None else None
