"""Checkpoints: everything a run needs to go on as if it had not stopped, and the finished weights for others."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from livestyle.errors import ModelError

FILE = "checkpoint.pt"


@dataclass(slots=True)
class Progress:
    """How far a run has come."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0  # trained, not counting time between a stop and a resume


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old or the new one whole."""
    draft = folder / f"{FILE}.part"
    torch.save(state, draft)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(draft, folder / FILE)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state saved by save_checkpoint; `path` is the run's folder or the file. Raises ModelError."""
    path = path / FILE if path.is_dir() else path
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"The checkpoint {path} cannot be read: {error}.") from error
    return state


def write_folder(network: nn.Module, folder: Path) -> None:
    """The weights in half precision and the configuration, as `transformers` reads them."""
    import copy

    folder.mkdir(parents=True, exist_ok=True)
    half: Any = copy.deepcopy(network).half()
    half.save_pretrained(folder)


def write_finished(run: Path, folder: Path) -> None:
    """The averaged weights of a run in half precision, without what only going on needs; `model.guide` takes it."""
    state = load_checkpoint(run)
    write_weights(folder, state["size"], state["config"], state["average"])


def write_weights(folder: Path, size: str, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Weights in half precision, as load_checkpoint reads them; `size` and `config` say of which network."""
    half = {name: v.half() if v.is_floating_point() else v for name, v in weights.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder, {"size": size, "config": config, "average": half})
