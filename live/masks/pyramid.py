"""The small copies of a frame that masks are made of: each is made once, whoever asks for it."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import Pixels
from livestyle.masks.flow import WORKING_SIDE, Luma, shrink

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""


def medium(pixels: Pixels) -> Picture:
    """What a model sees of a picture, or of a part of one: its longer side below 2 * WORKING_SIDE."""
    return shrink(pixels, 2 * WORKING_SIDE)


class FramePyramid:
    """8-bit copies of a frame's pixels (uint8 or uint16), halved until they are small enough; each covers it exactly.

    The pixels must not change. The largest is made at once, the others when they are first asked for. `seconds` is the
    frame's time in its stream.
    """

    def __init__(self, pixels: Pixels, seconds: float) -> None:
        self.seconds = seconds
        self.large: Picture = shrink(pixels, 4 * WORKING_SIDE)  # what a part of it shows is enough for any model

    @cached_property
    def medium(self) -> Picture:
        """What a model sees of the whole, and files' edges are fitted to."""
        return medium(self.large)

    @cached_property
    def small(self) -> Picture:
        """The working copy: longer side below WORKING_SIDE."""
        return shrink(self.medium, WORKING_SIDE)

    @cached_property
    def luma(self) -> Luma:
        """Of the working copy."""
        return np.asarray(cv2.cvtColor(self.small, cv2.COLOR_RGB2GRAY), np.uint8)
