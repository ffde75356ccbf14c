"""Frames to measure speed on: smooth ones, as photographs are, and the worst case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from livestyle.frame import REGIONS, Pixels, PlaneWeights

Size = tuple[int, int]
"""(width, height) in pixels."""


def natural(size: Size) -> Iterator[Pixels]:
    """Light and textures with a little colour and sensor noise: neighbours are similar, as in a photograph."""
    width, height = size
    draw = np.random.default_rng(0)
    while True:
        picture = np.full((height, width, 3), 128, np.float32)
        for cells, contrast in ((4, 60), (24, 40), (120, 20)):
            rows = max(2, cells * height // width)
            light = draw.standard_normal((rows, cells, 1)) + 0.3 * draw.standard_normal((rows, cells, 3))
            picture += contrast * cv2.resize(light.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
        grain = draw.normal(0, 2, (height, width)).astype(np.float32)[..., None]
        yield np.clip(picture + grain, 0, 255).astype(np.uint8)


def noise(size: Size) -> Iterator[Pixels]:
    """Every pixel any colour: the worst case for a look-up table."""
    draw = np.random.default_rng(1)
    while True:
        yield draw.integers(0, 256, (size[1], size[0], 3), np.uint8)


def soft_weights(width: int = 480, height: int = 270) -> PlaneWeights:
    """(R, h, w): a head with hair over clothes in front of a background, with soft edges, as masks come."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    x -= width / height / 2

    def blob(cx: float, cy: float, rx: float, ry: float) -> Any:
        return 0.5 - 0.5 * np.tanh(15 * (np.hypot((x - cx) / rx, (y - cy) / ry) - 1))

    skin, hair, clothes = blob(0, 0.42, 0.16, 0.22), blob(0, 0.33, 0.22, 0.26), blob(0, 1.05, 0.5, 0.45)
    hair = hair * (1 - skin)
    clothes = clothes * (1 - skin) * (1 - hair)
    planes = {"hair": hair, "skin": skin, "clothes": clothes, "background": 1 - skin - hair - clothes}
    return PlaneWeights(np.stack([planes[region] for region in REGIONS]).clip(0, 1).astype(np.float32))
