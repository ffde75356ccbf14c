"""The picture that outputs show while there is no styled one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livestyle.frame import Pixels
from livestyle.media.resize import Size
from livestyle.media.text import Canvas, draw_text, text_size

_TOP, _BOTTOM = (58, 62, 70), (34, 37, 43)  # a dark neutral gradient: calm on a wall of faces, no glare at night
_FIRST, _OTHERS = (236, 238, 240), (170, 175, 182)


def hold_card(size: Size, lines: Sequence[str]) -> Pixels:
    """(H, W, 3) uint8 RGB of `size` (width, height): a calm card with `lines` centred, the first one larger.

    Sent instead of a frame that could not be styled, so it holds no part of any picture. Text shrinks to fit.
    """
    canvas = _backdrop(size)
    heights = _line_heights(size, lines)
    pitch = [round(height * 1.7) for height in heights]
    y = (size[1] - sum(pitch)) // 2
    for index, (line, height) in enumerate(zip(lines, heights, strict=True)):
        width, covered = text_size(line, height)
        at = (size[0] - width) // 2, y + (pitch[index] - covered) // 2
        draw_text(canvas, line, at, height, _FIRST if index == 0 else _OTHERS)
        y += pitch[index]
    return canvas


def _backdrop(size: Size) -> Canvas:
    """A vertical gradient of two neighbouring greys."""
    steps = np.linspace(0, 1, size[1], dtype=np.float32)[:, None]
    rows = np.array(_TOP, np.float32) * (1 - steps) + np.array(_BOTTOM, np.float32) * steps
    return np.broadcast_to(np.rint(rows).astype(np.uint8)[:, None], (size[1], size[0], 3)).copy()


def _line_heights(size: Size, lines: Sequence[str]) -> list[int]:
    """Em heights: an eleventh of the picture's shorter side for the first line, reduced until the widest line fits."""
    first = max(8, min(size) // 11)
    heights = [first if index == 0 else max(8, round(first * 0.62)) for index in range(len(lines))]
    widest = max((text_size(line, height)[0] for line, height in zip(lines, heights, strict=True)), default=1)
    shrink = min(1.0, 0.9 * size[0] / max(1, widest))
    return [max(6, int(height * shrink)) for height in heights]
