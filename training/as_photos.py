"""A model as livestyle uses it on a photo: with closer looks at people who are small, and the picture's edges."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing

import numpy as np

from livestyle.frame import REGIONS, Frame, Picture, Probabilities, read_only
from livestyle.masks.exact import ExactMasks
from livestyle.protocols import Segmenter


class AsPhotos:
    """Gives each picture the weights that a photo is styled with. Implements livestyle.protocols.Segmenter."""

    classes = REGIONS
    regions: Mapping[str, str] = {region: region for region in REGIONS}

    def __init__(self, model: Segmenter) -> None:
        self._model = model

    @property
    def input_size(self) -> tuple[int, int]:
        """The model's."""
        return self._model.input_size

    @property
    def device(self) -> str:
        """The model's."""
        return self._model.device

    def __call__(self, picture: Picture, /) -> Probabilities:
        """(H, W, 3) uint8 RGB -> (4, h, w), the weights of REGIONS; where a style fades, the rest is background."""
        with closing(ExactMasks(self._model)) as masks:
            weights = masks.weights(Frame(read_only(picture.copy()), 0, time.monotonic()))
        planes = np.array(weights, np.float32)
        planes[0] += 1 - planes.sum(axis=0)
        return Probabilities(planes)
