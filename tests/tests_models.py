"""Model cards for the small networks that tests make."""

from __future__ import annotations

import hashlib
from pathlib import Path

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
