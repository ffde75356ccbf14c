"""Smooth text on a picture, with whatever good font the system has. Pillow is imported when the first text is drawn."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from livestyle.console.terminal import printable

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Canvas = npt.NDArray[np.uint8]  # (H, W, 3) writeable; drawing changes it in place
Color = tuple[int, int, int]

_LONGEST = 300  # characters of a line; more fits on no picture
# Looked for in the system's font folders, widest coverage first; Pillow's own font has ASCII and little more.
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "segoeui.ttf", "Arial Unicode.ttf", "Helvetica.ttc", "arial.ttf")


@lru_cache(maxsize=1)
def _font_file() -> str | None:
    from PIL import ImageFont

    for name in _FONTS:
        try:
            return str(ImageFont.truetype(name, 12).path)
        except OSError:
            continue
    return None


@lru_cache(maxsize=32)
def _font(height: int) -> FreeTypeFont:
    from PIL import ImageFont

    path = _font_file()
    font = ImageFont.truetype(path, height) if path else ImageFont.load_default(height)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels all have FreeType
    return font


@lru_cache(maxsize=256)
def text_mask(text: str, height: int) -> npt.NDArray[np.uint8]:
    """Coverage (h, w) of one line of `text`, 0..255; h depends on `height` (the font's em in pixels) only.

    Line feeds and other controls, which a name may hold, are written out as on a terminal; the end of a very long text
    is left out.
    """
    from PIL import Image, ImageDraw

    text = printable(text)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    font = _font(height)
    ascent, descent = font.getmetrics()
    size = max(1, round(font.getlength(text))), ascent + descent
    image = Image.new("L", size)
    ImageDraw.Draw(image).text((0, 0), text, font=font, fill=255)
    return np.asarray(image, np.uint8)


def text_size(text: str, height: int) -> tuple[int, int]:
    """(width, height) in pixels that `draw_text` covers."""
    mask = text_mask(text, height)
    return mask.shape[1], mask.shape[0]


def draw_text(canvas: Canvas, text: str, at: tuple[int, int], height: int, color: Color = (255, 255, 255)) -> None:
    """Write one line with its upper left corner `at` (x, y); what falls outside the canvas is cut off."""
    mask = text_mask(text, height)
    x, y = at
    left, top = max(0, -x), max(0, -y)
    part = canvas[y + top : max(0, y + mask.shape[0]), x + left : max(0, x + mask.shape[1])]
    weight = mask[top : top + part.shape[0], left : left + part.shape[1], None].astype(np.float32) / 255
    part[:] = np.rint(part + (np.array(color, np.float32) - part) * weight)


def shade(canvas: Canvas, box: tuple[int, int, int, int], keep: float = 0.35) -> None:
    """Darken the rectangle (x, y, width, height) to `keep` of its brightness, so that text on it is readable."""
    x, y, width, height = box
    part = canvas[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    part[:] = part * keep
