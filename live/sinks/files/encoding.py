"""RGB frames to packets of a video stream, with the colour tags that say how they were encoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import numpy as np

from livestyle.frame import Alpha, ColorInfo, Pixels
from livestyle.media.color import (
    MATRICES,
    PRIMARIES,
    SWSCALE_MATRICES,
    SWSCALE_RANGES,
    TRANSFERS,
    code_of,
    complete_color,
)
from livestyle.media.pyav import av, cv2
from livestyle.media.resize import Size, resize_for_file

_INTERPOLATION = av.video.reformatter.Interpolation
_FLAGS = (
    _INTERPOLATION.BICUBIC | _INTERPOLATION.ACCURATE_RND | _INTERPOLATION.FULL_CHR_H_INT | _INTERPOLATION.FULL_CHR_H_INP
)
# libswscale takes 255 * 2^8 of a 16-bit RGB sample for white, so 65535 would become a level too bright.
_SWSCALE_WHITE = 65280
_SVT_LOG = "SVT_LOG"
_WITH_ALPHA = {"bgra", "gbrap16le", "yuva420p", "yuva444p10le"}
_CLEAR = 255  # where a GIF palette has the transparent entry
_DIRECT = {"gbrp16le", "gbrap16le", "rgb24", "bgr0", "bgra", "pal8"}  # RGB formats: no matrix is applied


def output_color(color: ColorInfo, size: Size, pixel_format: str) -> ColorInfo:
    """Complete tags for the file: the source's own, and for RGB sources those that a player would guess."""
    if pixel_format in _DIRECT:
        base = complete_color(color, size, is_rgb=True)
        return replace(base, range="pc")
    if color.matrix in (None, "gbr"):
        guess = complete_color(ColorInfo(primaries=color.primaries), size, is_rgb=False)
        transfer = color.transfer or guess.transfer
        return replace(guess, transfer=transfer, range="tv")
    return complete_color(color, size, is_rgb=False)


def set_tags(target: av.VideoCodecContext | av.VideoFrame, color: ColorInfo) -> None:
    """All four tags on an encoder or a frame."""
    target.color_primaries = code_of(PRIMARIES, color.primaries)
    target.color_trc = code_of(TRANSFERS, color.transfer)
    target.colorspace = code_of(MATRICES, color.matrix)
    target.color_range = SWSCALE_RANGES[color.range or "tv"]


@contextmanager
def quiet_encoder(codec: str) -> Iterator[None]:
    """While an encoder is opened: keep SVT-AV1 from printing about itself, unless its user set SVT_LOG.

    It has no other switch than that variable, so other threads see it for the moment. It looks once per process.
    """
    if codec != "libsvtav1" or _SVT_LOG in os.environ:
        yield
        return
    os.environ[_SVT_LOG] = "1"  # errors only
    try:
        yield
    finally:
        os.environ.pop(_SVT_LOG, None)


class Converter:
    """RGB pixels to frames in the encoder's pixel format and size. Keeps libswscale's tables between frames."""

    def __init__(self, size: Size, pixel_format: str, color: ColorInfo) -> None:
        """`size`: (width, height) of the output, to which pictures are scaled; `color`: complete, of the output."""
        self._size = size
        self._format = pixel_format
        self._color = color
        self._scale = av.video.reformatter.VideoReformatter()

    def convert(self, pixels: Pixels, alpha: Alpha | None = None) -> av.VideoFrame:
        """A frame of `pixels` for the encoder, without times; `alpha`: (H, W) where the format keeps it."""
        pixels = resize_for_file(pixels, self._size)
        if self._format in _WITH_ALPHA:
            full = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
            alpha = full if alpha is None else _resized(alpha, self._size)
        if self._format == "gbrap16le" and alpha is not None:
            return self._tagged(av.VideoFrame.from_ndarray(_joined(pixels, alpha), format="gbrap16le"))
        if self._format == "gbrp16le":
            return self._tagged(av.VideoFrame.from_ndarray(pixels, format="gbrp16le"))
        if self._format == "pal8":
            return _with_palette(pixels, None if alpha is None else _resized(alpha, self._size))
        matrix = SWSCALE_MATRICES[self._color.matrix or "bt709"]
        frame = self._scale.reformat(
            _rgb_frame(pixels, alpha if self._format in _WITH_ALPHA else None),
            format=self._format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=SWSCALE_RANGES["pc"],
            dst_color_range=SWSCALE_RANGES[self._color.range or "tv"],
            interpolation=_FLAGS,
        )
        return self._tagged(frame)

    def _tagged(self, frame: av.VideoFrame) -> av.VideoFrame:
        set_tags(frame, self._color)
        return frame


def _with_palette(pixels: Pixels, alpha: Alpha | None) -> av.VideoFrame:
    """A GIF frame: each picture has the 256 colours that suit it best, dithered; with `alpha` 255, and none at all."""
    from PIL import Image

    # The upper byte: that cuts off less than dithering adds.
    shallow = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    count = 256 if alpha is None else _CLEAR
    image = Image.fromarray(shallow).quantize(count, dither=Image.Dither.NONE)
    image = Image.fromarray(shallow).quantize(palette=image, dither=Image.Dither.FLOYDSTEINBERG)
    colors = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)[:count]
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 0] = 255  # ARGB, opaque
    palette[: len(colors), 1:] = colors
    indices = np.array(image)
    if alpha is not None:
        palette[_CLEAR] = 0
        indices[alpha <= np.iinfo(alpha.dtype).max // 2] = _CLEAR
    indexed: Any = (indices, palette)  # what "pal8" takes; the type stubs leave the pair out
    return av.VideoFrame.from_ndarray(indexed, format="pal8")


def _resized(alpha: Alpha, size: Size) -> Alpha:
    """(H, W) alpha in the size of the output."""
    if alpha.shape == size[::-1]:
        return alpha
    return cast(Alpha, cv2.resize(alpha, size, interpolation=cv2.INTER_AREA))


def _rgb_frame(pixels: Pixels, alpha: Alpha | None) -> av.VideoFrame:
    if pixels.dtype == np.uint8:
        if alpha is not None:
            return av.VideoFrame.from_ndarray(_joined(pixels, alpha), format="rgba")
        return av.VideoFrame.from_ndarray(pixels, format="rgb24")
    scaled = cv2.addWeighted(pixels, _SWSCALE_WHITE / 65535, pixels, 0, 0)
    if alpha is not None:
        return av.VideoFrame.from_ndarray(_joined(cast(Pixels, scaled), alpha), format="rgba64le")
    return av.VideoFrame.from_ndarray(scaled, format="rgb48le")


def _joined(pixels: Pixels, alpha: Alpha) -> Pixels:
    """(H, W, 4)."""
    return cast(Pixels, np.dstack([pixels, alpha]))


def aspect_after(aspect: Fraction, before: Size, after: Size) -> Fraction:
    """Pixel aspect that keeps the picture's shape when (width, height) `before` is scaled to `after`."""
    changed = aspect * Fraction(before[0] * after[1], before[1] * after[0])
    # Rounding a size to whole pixels does not change the shape of the pixels.
    return aspect if abs(float(changed / aspect) - 1) < 0.02 else changed.limit_denominator(1000)
