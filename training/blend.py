"""The mean of two models' weights: what a fine-tuned model learnt, without what it forgot."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from livestyle.errors import ModelError
from livestyle.models.network import PortraitNetwork
from livestyle.training.backbones import BackboneNetwork
from livestyle.training.checkpoint import write_folder, write_weights
from livestyle.training.export import as_folder
from livestyle.training.network import finished_network, load_network

Network = PortraitNetwork | BackboneNetwork


def blend(first: Path, second: Path, share: float, folder: Path) -> None:
    """Write finished weights `share` (0..1) of the way from those of `second` to those of `first` to `folder`.

    Between a model and the same model fine-tuned on other pictures, such weights keep what either knows (Wortsman et
    al., "Robust fine-tuning of zero-shot models", CVPR 2022). Both are a run's folder or finished weights. Raises
    ModelError for two different networks.
    """
    network, other = _network(first), _network(second)
    ours, theirs = network.state_dict(), other.state_dict()
    if {name: value.shape for name, value in ours.items()} != {name: value.shape for name, value in theirs.items()}:
        raise ModelError(
            f"{first} and {second} are not the same network.",
            hint="Blend a model with what was trained on from it.",
        )
    mixed = {n: torch.lerp(theirs[n], v, share) if v.is_floating_point() else v for n, v in ours.items()}
    network.load_state_dict(mixed)
    _write(network, folder)


def _network(path: Path) -> Network:
    with tempfile.TemporaryDirectory() as scratch:
        folder = as_folder(path, Path(scratch) / "finished")
        return load_network(str(folder)) if (folder / "config.json").is_file() else finished_network(folder)


def _write(network: Network, folder: Path) -> None:
    if isinstance(network, PortraitNetwork):
        write_folder(network.eval(), folder)
        return
    write_weights(folder, network.size, {}, network.state_dict())
