"""AVIF photos with 10 and 12 bits, of which Pillow gives only 8: decoded by FFmpeg, converted here."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from livestyle.media.depth import Samples
from livestyle.media.photo.boxes import Coding
from livestyle.media.pyav import av, cv2, open_input, samples_of

log = logging.getLogger("livestyle")

_LUMA = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}  # H.273, table 4: Kr, Kb
_BT601 = (0.299, 0.114)
_IDENTITY = 0
_KNOWN = (0, 1, 2, 4, 5, 6, 7, 9)

Plane = npt.NDArray[np.float32]


def deep_samples(path: Path, size: tuple[int, int], coding: Coding) -> Samples | None:
    """(H, W, 3) uint16 of the picture of (width, height) `size`, not turned; None where it cannot be had so.

    That is: pictures with transparency or of several tiles, matrices that are not known.
    """
    frame = _frame(path, size) if coding.matrix in _KNOWN else None
    if frame is None:
        log.info("%s has %d bits, of which 8 are read", path, coding.depth)
        return None
    most = (1 << coding.depth) - 1
    planes: list[Plane] = [
        np.divide(_plane(frame, index, size), most, dtype=np.float32) for index in range(len(frame.planes))
    ]
    rgb = np.dstack(_to_rgb(planes, coding))
    return np.asarray(np.round(np.clip(rgb, 0, 1) * 65535), np.uint16)


def _frame(path: Path, size: tuple[int, int]) -> av.VideoFrame | None:
    try:
        with open_input(path) as container:
            if len(container.streams.video) != 1:
                return None
            frame = next(container.decode(container.streams.video[0]))
    except (av.error.FFmpegError, StopIteration):
        return None
    name = frame.format.name
    is_known = name.startswith(("yuv4", "gbrp1", "gray1")) and name.endswith("le")
    return frame if is_known and (frame.width, frame.height) == size else None


def _plane(frame: av.VideoFrame, index: int, size: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """A plane at the size of the picture: that of chroma is enlarged."""
    plane = frame.planes[index]
    samples: npt.NDArray[np.uint16] = samples_of(plane, np.uint16)[:, : plane.width].astype(np.uint16, copy=False)
    if samples.shape == size[::-1]:
        return samples
    return cv2.resize(samples, size, interpolation=cv2.INTER_LINEAR)


def _to_rgb(planes: list[Plane], coding: Coding) -> list[Plane]:
    """H.273, equations 41 and following, for non-constant luminance."""
    low, span = (0.0, 1.0) if coding.full_range else _video_range(coding.depth, 219)
    if len(planes) == 1:
        return [(planes[0] - low) / span] * 3
    if coding.matrix == _IDENTITY:  # FFmpeg's GBR
        return [(planes[index] - low) / span for index in (2, 0, 1)]
    chroma_span = 1.0 if coding.full_range else _video_range(coding.depth, 224)[1]
    middle = (1 << (coding.depth - 1)) / ((1 << coding.depth) - 1)
    luma = (planes[0] - low) / span
    blue, red = ((plane - middle) / chroma_span for plane in planes[1:3])
    of_red, of_blue = _LUMA.get(coding.matrix, _BT601)
    r = luma + 2 * (1 - of_red) * red
    b = luma + 2 * (1 - of_blue) * blue
    return [r, (luma - of_red * r - of_blue * b) / (1 - of_red - of_blue), b]


def _video_range(depth: int, levels: int) -> tuple[float, float]:
    """Where black is and how far white is from it, of full scale 1."""
    step = (1 << (depth - 8)) / ((1 << depth) - 1)
    return 16 * step, levels * step
