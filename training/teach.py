"""Labels that a set leaves open, filled in by a model where it is sure.

A set that tells only people from background says nothing about hair; a model that knows close-ups does. What it is
sure of there, the labels then say, also where the person is later shown small or before something else.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from livestyle.protocols import Segmenter
from livestyle.training.classes import CLASSES, member_bits
from livestyle.training.metrics import enlarged
from livestyle.training.pack import encoded
from livestyle.training.reader import Row, decode_image, decode_mask
from livestyle.training.sets import SetDescription

FIRST_ID = 240  # label id FIRST_ID + k: taught to be of class CLASSES[k]
SURE = 0.85  # probability above which the model is believed
TAUGHT = ("hair", "face", "neck")  # arms are what a model of faces knows least


def _both_ways(model: Segmenter, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(C, H, W): the mean of the model's probabilities for the picture and for its mirror image."""
    height, width = pixels.shape[:2]
    plain = enlarged(model(pixels), height, width)
    mirrored = enlarged(model(np.ascontiguousarray(pixels[:, ::-1])), height, width)[:, :, ::-1]
    return np.asarray((plain + mirrored) / 2, np.float32)


def taught(row: Row, described: SetDescription, model: Segmenter, names: Iterable[str] = TAUGHT) -> Row:
    """The row with label FIRST_ID + k where `model` is sure of class k of `names` and the label allows it and others.

    Raises BadRow.
    """
    labels = decode_mask(row).copy()
    members = described.table()[labels]
    probabilities = _both_ways(model, decode_image(row))
    for name in names:
        bit = member_bits([name])
        open_ = (members & bit > 0) & (members != bit)
        labels[open_ & (probabilities[model.classes.index(name)] > SURE)] = FIRST_ID + CLASSES.index(name)
    return Row(row.name, row.image, encoded(".png", labels))


def with_taught_labels(described: str, names: Iterable[str] = TAUGHT) -> str:
    """The TOML text of a set, with the labels that `taught` writes; [labels] must be its last table."""
    lines = (f'"{FIRST_ID + CLASSES.index(name)}" = ["{name}"]' for name in names)
    return "\n".join((described.rstrip(), *lines, ""))
