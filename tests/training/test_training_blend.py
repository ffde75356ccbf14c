"""Averages of two models' weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from livestyle.errors import ModelError
from livestyle.training.blend import blend
from livestyle.training.checkpoint import save_checkpoint, write_folder
from livestyle.training.network import finished_network, fresh_network, load_network


def _lite(folder: Path, seed: int) -> dict[str, torch.Tensor]:
    from livestyle.training.backbones import BackboneNetwork

    torch.manual_seed(seed)
    network = BackboneNetwork("efficientnet-lite0")
    folder.mkdir()
    state = {"size": network.size, "config": {}, "average": network.state_dict()}
    save_checkpoint(folder, state)
    return network.state_dict()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_blend_is_the_weighted_mean_of_every_weight(tmp_path: Path, share: float) -> None:
    """In half precision, as finished weights are kept: 2^-10 of the value, and counts stay whole numbers."""
    first, second = _lite(tmp_path / "a", 1), _lite(tmp_path / "b", 2)
    blend(tmp_path / "a", tmp_path / "b", share, tmp_path / "out")
    found = finished_network(tmp_path / "out").state_dict()
    for name, value in found.items():
        expected = first[name] * share + second[name] * (1 - share) if value.is_floating_point() else first[name]
        torch.testing.assert_close(value.float(), expected.float(), rtol=2e-3, atol=1e-5)


def test_a_transformers_folder_blends_too(tmp_path: Path) -> None:
    """A model with itself is itself."""
    network = fresh_network("xxsmall")
    write_folder(network, tmp_path / "a")
    blend(tmp_path / "a", tmp_path / "a", 0.5, tmp_path / "out")
    before, after = (load_network(str(tmp_path / name)).state_dict() for name in ("a", "out"))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)


def test_two_different_networks_are_refused(tmp_path: Path) -> None:
    """Their weights have nothing to do with each other."""
    _lite(tmp_path / "a", 1)
    write_folder(fresh_network("xxsmall"), tmp_path / "b")
    with pytest.raises(ModelError, match="not the same network"):
        blend(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
