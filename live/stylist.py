"""Frame in, styled frame out: masks, then the grade."""

from __future__ import annotations

from dataclasses import replace

from livestyle.frame import Frame, Masks, read_only
from livestyle.protocols import Grade, MaskMaker


class Stylist:
    """Styles the frames of one stream with the masks of `masks`, which whoever opened it closes.

    Keeps nothing itself. Use from one thread. `grade` may be replaced between two frames.
    """

    def __init__(self, masks: MaskMaker, grade: Grade) -> None:
        self.grade = grade
        self._masks = masks

    def render(self, frame: Frame) -> Frame:
        """`frame` styled, with `before` and `masks` set; size, dtype, pts and captured stay.

        Where the grade changes nothing, the pixels are the frame's own and no masks are made. Raises what the maker of
        masks and the grade raise.
        """
        if self.grade.is_identity:
            return replace(frame, before=frame.pixels, masks=None)
        weights = self._masks.weights(frame)
        pixels = read_only(self.grade(frame.pixels, weights))
        return replace(frame, pixels=pixels, before=frame.pixels, masks=Masks(weights))
