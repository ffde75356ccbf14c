"""Sheets to look at: every method a row, every sixth of a second a column, the edges of its mask drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livestyle.bench.layers import Image
from livestyle.bench.masks.metrics import Labels, enlarged, labelled
from livestyle.bench.sequences import Film
from livestyle.errors import EncodeError
from livestyle.frame import REGIONS, PlaneWeights
from livestyle.media.text import draw_text

EVERY_S = 1 / 6  # every fifth frame at 30 frames/s
WIDTH = 400  # pixels of one frame on a sheet
MOST = 12  # columns; a longer film goes on without being drawn

_COLORS = np.array([(90, 90, 90), (255, 0, 255), (255, 220, 0), (0, 230, 255)], np.uint8)  # as REGIONS


class Strips:
    """Collects one film's sheet."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._step = max(1, round(film.rate * EVERY_S))
        width, height = film.size
        self._size = WIDTH, max(1, round(WIDTH * height / width))
        self._rows: dict[str, list[Image]] = {}

    def __call__(self, method: str, index: int, weights: PlaneWeights) -> None:
        """Draw a frame if it is one of those shown."""
        row = self._rows.setdefault(method, [])
        if index % self._step == 0 and len(row) < MOST:
            pixels = self._film.moments[index].pixels
            small = np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA), np.uint8)
            row.append(outlined(small, labelled(enlarged(weights, self._size))))

    def write(self, folder: Path) -> Path:
        """Save the sheet as a PNG named after the film; its path. Raises EncodeError."""
        sheet = np.vstack([_named(np.hstack(row), name) for name, row in self._rows.items()])
        path = folder / f"{self._film.name}.png"
        if not cv2.imwrite(str(path), sheet[..., ::-1]):
            raise EncodeError(f"{path} cannot be written", hint="check the folder and the space on its disk")
        return path


def outlined(pixels: Image, labels: Labels) -> Image:
    """(H, W, 3) `pixels` with the edges between regions drawn, in the colour of the region that is not background."""
    drawn = pixels.copy()
    highest = cv2.dilate(labels, np.ones((2, 2), np.uint8))
    edge = highest != cv2.erode(labels, np.ones((2, 2), np.uint8))
    drawn[edge] = _COLORS[highest[edge]]
    return drawn


def _named(row: Image, name: str) -> Image:
    draw_text(row, name, (9, 7), 20, (0, 0, 0))
    draw_text(row, name, (8, 6), 20)
    return row


LEGEND = ", ".join(f"{region} #{''.join(f'{c:02x}' for c in _COLORS[r])}" for r, region in enumerate(REGIONS) if r)
"""Which colour is which region, as text."""
