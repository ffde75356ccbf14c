"""A model file tried in a child process: what loops, crashes or takes all memory does so there.

`python -m livestyle.models.trial` is started by `livestyle.models.segmenter` through `livestyle.system.child`, for
models that did not come with livestyle.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from livestyle.errors import ModelError
from livestyle.models.card import ModelCard, parse_card
from livestyle.system.child import Answer, ChildFailure, Limits, allow_processor, run_child, serve

MEMORY = 4 << 30  # bytes of address space, and for each byte of the file some more:
MEMORY_PER_BYTE = 8
LOAD_S = 6  # seconds of processor time to load the model and run it on the smallest picture, and
LOAD_BYTES_S = 8 << 20  # for so many bytes of it a second more
RUN_S = 60  # for one picture of the card's size
WALL = 3  # as many times the processor time, on a busy machine

_HINT = "convert the checkpoint again with `python -m livestyle.models.export`, or use a bundled model"


def try_model(card: Mapping[str, Any], model: bytes, path: Path) -> None:
    """Load `model`, whose `card` is as in JSON, and run it twice. Raises ModelError, or KeyboardInterrupt on Ctrl-C."""
    load = LOAD_S + len(model) // LOAD_BYTES_S
    limits = Limits(MEMORY + MEMORY_PER_BYTE * len(model), load, float(WALL * (load + RUN_S)))
    try:
        said, _ = run_child(__name__, {"path": str(path), "card": dict(card)}, model, limits)
    except ChildFailure as error:
        raise ModelError(f"{path}: not a model that can be used: {error}", hint=_HINT) from error
    if "error" in said:
        raise ModelError(said["error"], hint=said["hint"])


def answer(request: Mapping[str, Any], data: bytes) -> Answer:
    """Nothing, or the ModelError that the model causes."""
    from livestyle.models.segmenter import open_for_trial

    card: ModelCard = parse_card(request["card"], request["path"])
    segmenter = open_for_trial(card, data, Path(request["path"]))
    allow_processor(LOAD_S + RUN_S)
    width, height = card.input_size
    segmenter(np.full((height, width, 3), 128, np.uint8))
    return {}, b""


if __name__ == "__main__":
    serve(answer)
