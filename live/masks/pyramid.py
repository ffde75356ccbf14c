"""The small copies of a frame that masks are made from: each is made once, when it is first needed."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from livestyle.frame import Picture, Pixels
from livestyle.masks.flow import WORKING_SIDE, Luma, shrink


def medium(pixels: Pixels) -> Picture:
    """What a model sees of a picture, or of a part of one: its longer side below 2 * WORKING_SIDE."""
    return shrink(pixels, 2 * WORKING_SIDE)


class FramePyramid:
    """8-bit copies of a frame's pixels (uint8 or uint16), halved until they are small enough; each covers it exactly.

    The pixels must not change. The largest is made at once, the others when they are first needed. `seconds` is the
    frame's time in its stream.
    """

    def __init__(self, pixels: Pixels, seconds: float) -> None:
        self.seconds = seconds
        self.large: Picture = shrink(pixels, 4 * WORKING_SIDE)  # a crop of it is detailed enough for any model

    @cached_property
    def medium(self) -> Picture:
        """What a model sees of the whole frame, and the edges of files are fitted to."""
        return medium(self.large)

    @cached_property
    def small(self) -> Picture:
        """The working copy: longer side below WORKING_SIDE."""
        return shrink(self.medium, WORKING_SIDE)

    @cached_property
    def luma(self) -> Luma:
        """Of the working copy."""
        return np.asarray(cv2.cvtColor(self.small, cv2.COLOR_RGB2GRAY), np.uint8)
