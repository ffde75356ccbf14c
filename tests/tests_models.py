"""Model cards for the small networks that tests make, and a segmenter that needs none."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from livestyle.frame import Probabilities
from livestyle.models.card import ModelCard


def card_of(path: Path, *, size: tuple[int, int] = (128, 128)) -> ModelCard:
    """The card of a network that tells hair from background at stride 8, stored at `path`."""
    return ModelCard(
        name=path.stem,
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        classes=("background", "hair"),
        regions={"background": "background", "hair": "hair"},
        input_size=size,
        output_stride=8,
        normalisation="inside the graph",
        licence="MIT",
        training_data=("none",),
        provenance="a test",
        opset=17,
        parameters=0,
    )


class Halves:
    """A segmenter that calls light pixels hair, and can be made slow, broken or waited for."""

    classes = ("background", "hair")
    regions: Mapping[str, str] = {"background": "background", "hair": "hair"}
    input_size = (64, 64)
    device = "cpu"

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self, pixels: np.ndarray, /) -> Probabilities:
        self.calls += 1
        assert self.go.wait(10)
        if self.failure:
            raise self.failure
        light = (pixels.mean(axis=2) > 127).astype(np.float32)
        return Probabilities(np.stack([1 - light, light]))
