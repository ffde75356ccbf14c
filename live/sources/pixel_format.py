"""Decoded video frames (any pixel format) to upright full-range RGB."""

from __future__ import annotations

import re
from typing import cast

import numpy as np
import numpy.typing as npt

from livestyle.frame import Alpha, ColorInfo, Pixels, read_only
from livestyle.media.color import SWSCALE_MATRICES, SWSCALE_RANGES
from livestyle.media.depth import at_full_scale
from livestyle.media.orientation import Flip, make_upright
from livestyle.media.pyav import av, cv2, samples_of

# Without these flags libswscale truncates: a third of a level too dark on average.
_FLAGS = (
    av.video.reformatter.Interpolation.BILINEAR
    | av.video.reformatter.Interpolation.ACCURATE_RND
    | av.video.reformatter.Interpolation.FULL_CHR_H_INT
)
# libswscale counts white as 255 * 2^7 of 2^15 inside, so 16-bit planes reach only 65283 of 65535 (measured; linear).
SWSCALE_WHITE_16 = 65283
_PLANES_WITH_ALPHA = re.compile(r"(yuva4\d\dp|gbrap)(\d+le)?")
_PLANES_RGB = (2, 0, 1)  # where R, G, B are in FFmpeg's "gbrp" formats


def bit_depth(video_format: av.VideoFormat) -> int:
    """Significant bits of the deepest colour sample of a pixel format, at most 16 (floats count as 16)."""
    bits = max((part.bits for part in video_format.components), default=8)
    return min(int(bits), 16)


def is_rgb(video_format: av.VideoFormat) -> bool:
    """True for RGB in any packing, palettes included."""
    return bool(video_format.is_rgb) or "pal8" in video_format.name


def has_alpha(video_format: av.VideoFormat) -> bool:
    """True where the format can hold transparency."""
    return any(part.is_alpha for part in video_format.components) or "pal8" in video_format.name


def has_full_chroma(video_format: av.VideoFormat) -> bool:
    """True for 4:4:4 and RGB."""
    return is_rgb(video_format) or "444" in video_format.name


def is_transparent(alpha: Alpha | None) -> bool:
    """Whether a picture is less than opaque anywhere."""
    return alpha is not None and bool((alpha < np.iinfo(alpha.dtype).max).any())


class PictureReader:
    """Converts frames of one stream; keeps libswscale's tables between frames. For one thread."""

    def __init__(self, color: ColorInfo, size: tuple[int, int], depth: int, flip: Flip) -> None:
        """`color`: complete; `size`: coded (width, height) that frames are scaled to; `depth`: bits per sample."""
        self._color = color
        self._size = size
        self._deep = depth > 8
        self._flip = flip
        self._swscale = av.video.reformatter.VideoReformatter()

    def read(self, frame: av.VideoFrame) -> Pixels:
        """(H, W, 3) upright read-only RGB, uint8 or uint16."""
        pixels = self._deep_rgb(frame) if self._deep else self._rgb(frame)
        return read_only(make_upright(pixels, self._flip))

    def read_alpha(self, frame: av.VideoFrame) -> Alpha | None:
        """(H, W) upright read-only opacity at the depth of `read`; None for formats without it."""
        if not has_alpha(frame.format):
            return None
        dtype = np.uint16 if self._deep else np.uint8
        same_size = (frame.width, frame.height) == self._size
        if same_size and _PLANES_WITH_ALPHA.fullmatch(frame.format.name):
            plane = samples_of(frame.planes[3], dtype)[:, : frame.width]
            alpha = at_full_scale(plane, bit_depth(frame.format))
        else:
            whole = self._convert(frame, "rgba64le" if self._deep else "rgba").to_ndarray()
            alpha = cast(Alpha, np.ascontiguousarray(whole[..., 3]))
        return read_only(make_upright(alpha, self._flip))

    def _rgb(self, frame: av.VideoFrame) -> Pixels:
        if is_rgb(frame.format):
            return cast(Pixels, np.array(self._convert(frame, "rgb24").to_ndarray()))
        return _merge(self._convert(frame, "gbrp"), np.uint8)

    def _deep_rgb(self, frame: av.VideoFrame) -> Pixels:
        """Planar RGB keeps its own samples, stretched to 65535; the rest goes through libswscale's 16-bit planes."""
        same_size = (frame.width, frame.height) == self._size
        if same_size and frame.format.name.startswith("gbrp") and frame.format.name.endswith("le"):
            return _stretch(_merge(frame, np.uint16), (1 << bit_depth(frame.format)) - 1)
        if same_size and frame.format.name in ("rgb48le", "rgb48be"):
            return cast(Pixels, np.array(frame.to_ndarray()))
        return _stretch(_merge(self._convert(frame, "gbrp16le"), np.uint16), SWSCALE_WHITE_16)

    def _convert(self, frame: av.VideoFrame, target: str) -> av.VideoFrame:
        matrix = SWSCALE_MATRICES[self._color.matrix or "bt709"]
        return self._swscale.reformat(
            frame,
            width=self._size[0],
            height=self._size[1],
            format=target,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=SWSCALE_RANGES[self._color.range or "tv"],
            dst_color_range=SWSCALE_RANGES["pc"],
            interpolation=_FLAGS,
        )


def _merge(frame: av.VideoFrame, dtype: type[np.uint8] | type[np.uint16]) -> Pixels:
    planes = [samples_of(frame.planes[index], dtype)[:, : frame.width] for index in _PLANES_RGB]
    return cast(Pixels, cv2.merge(planes))


def _stretch(pixels: Pixels, white: int) -> Pixels:
    """uint16 samples whose full scale is `white` to full scale 65535, rounded; above white is clipped."""
    if white == 65535:
        return pixels
    table = np.minimum(np.arange(65536, dtype=np.uint64) * 65535 + white // 2, 65535 * white) // white
    stretched: npt.NDArray[np.uint16] = np.take(table.astype(np.uint16), pixels)
    return stretched
