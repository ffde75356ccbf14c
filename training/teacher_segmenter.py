"""A teacher as a segmenter, to be measured beside the models that are shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from livestyle.frame import Weights
from livestyle.models.card import ModelCard
from livestyle.models.export import OUTPUT_STRIDE, REGION_OF
from livestyle.models.segmenter import CardSegmenter, fit
from livestyle.training.classes import CLASSES
from livestyle.training.network import finished_network


class TeacherSegmenter(CardSegmenter):
    """The averaged weights in a run's folder, in fp32 on the CPU, seeing pictures as exported models do.

    Implements livestyle.protocols.Segmenter. Raises ModelError.
    """

    device = "cpu"

    def __init__(self, run: Path, input_size: tuple[int, int]) -> None:
        self._network = finished_network(run).eval()
        self.card = ModelCard(
            name=run.name, file="", sha256="", classes=CLASSES, regions={name: REGION_OF[name] for name in CLASSES},
            input_size=input_size, output_stride=OUTPUT_STRIDE, normalisation="", licence="", training_data=(),
            provenance="", opset=0, parameters=sum(p.numel() for p in self._network.parameters()),
        )  # fmt: skip

    @torch.inference_mode()
    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> Weights:
        """(H, W, 3) uint8 RGB -> (C, h, w) float32 in [0, 1], sum over C is 1."""
        small = fit(pixels, self.network_size(pixels.shape[1], pixels.shape[0]))
        given = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        return np.asarray(self._network.features(given)[0][0].softmax(0).numpy(), np.float32)
