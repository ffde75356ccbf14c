"""Bring a picture to another size, for previews, virtual cameras and files: the only home of resizing but for masks."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import Pixels

Size = tuple[int, int]  # (width, height) in pixels


def size_of(pixels: Pixels) -> Size:
    """(width, height) of (H, W, ...) pixels."""
    return pixels.shape[1], pixels.shape[0]


def size_within(size: Size, box: Size) -> Size:
    """The largest size with the aspect of `size` inside `box`, at least 1 x 1. May be larger than `size`."""
    scale = min(box[0] / size[0], box[1] / size[1])
    return max(1, min(box[0], round(size[0] * scale))), max(1, min(box[1], round(size[1] * scale)))


def resize(pixels: Pixels, size: Size) -> Pixels:
    """`pixels` at `size`; the same array when it has it already. Strong reduction averages, so nothing shimmers."""
    if size_of(pixels) == size:
        return pixels
    strong = pixels.shape[1] >= 2 * size[0] or pixels.shape[0] >= 2 * size[1]
    return _pixels(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if strong else cv2.INTER_LINEAR))


def resize_for_file(pixels: Pixels, size: Size) -> Pixels:
    """As `resize`, with more care: any reduction averages, enlarging is bicubic."""
    if size_of(pixels) == size:
        return pixels
    shrinks = size[0] <= pixels.shape[1] and size[1] <= pixels.shape[0]
    return _pixels(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def enlarge(planes: npt.NDArray[np.uint8], size: Size) -> npt.NDArray[np.uint8]:
    """(h, w) or (h, w, C) samples at a larger `size`, bilinear: for chroma, for what is drawn over a picture."""
    return np.asarray(cv2.resize(planes, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def letterbox(pixels: Pixels, size: Size) -> Pixels:
    """`pixels` centred in `size` with their aspect kept and black bars; the same array when it has that size already.

    A picture at most one pixel smaller (an odd size in an even one) is padded and not resampled.
    """
    if size_of(pixels) == size:
        return pixels
    width, height = size_of(pixels)
    spare = size[0] - width, size[1] - height
    inner = pixels if spare in ((0, 1), (1, 0), (1, 1)) else resize(pixels, size_within((width, height), size))
    return centred(inner, size)


def centred(pixels: Pixels, size: Size) -> Pixels:
    """`pixels` as they are in the middle of a black picture of `size`, which must be large enough."""
    if size_of(pixels) == size:
        return pixels
    canvas = np.zeros((size[1], size[0], *pixels.shape[2:]), pixels.dtype)
    left, top = (size[0] - pixels.shape[1]) // 2, (size[1] - pixels.shape[0]) // 2
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas


def _pixels(array: object) -> Pixels:
    """Give OpenCV's loosely typed result back the type it was made from."""
    result: Pixels = np.asarray(array)
    return result
