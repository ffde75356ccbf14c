"""Which way up a picture is stored, and how it is turned upright."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from livestyle.frame import Pixels
from livestyle.media.pyav import av, cv2, side_data

Flip = tuple[bool, bool, bool]  # (transpose, mirror left-right, mirror top-bottom), done in this order

UPRIGHT: Flip = (False, False, False)


def flip_of_matrix(matrix: npt.NDArray[np.int32]) -> Flip:
    """The flip that a display matrix asks for: 9 numbers (a b u c d v x y w), x' = a x + c y, y' = b x + d y.

    Rotations that are not a multiple of 90 degrees are rounded to the nearest one.
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(a) >= abs(b):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def flip_of(frame: av.VideoFrame) -> Flip:
    """The flip that makes this frame upright."""
    data = side_data(frame, "DISPLAYMATRIX")
    return UPRIGHT if data is None else flip_of_matrix(np.frombuffer(data, np.int32))


def make_upright(pixels: Pixels, flip: Flip) -> Pixels:
    """`pixels` with `flip` applied; a view where nothing is to do."""
    transpose, left_right, top_bottom = flip
    turned = cv2.transpose(pixels) if transpose else pixels
    if left_right or top_bottom:
        turned = cv2.flip(turned, {(True, True): -1, (True, False): 1, (False, True): 0}[left_right, top_bottom])
    return cast(Pixels, turned)
