"""What the preview draws on a picture. Pure functions on RGB canvases at preview size; no window is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from livestyle.frame import Masks, Pixels, PlaneWeights
from livestyle.media.depth import to_8_bit
from livestyle.media.resize import Size, enlarge, letterbox, resize, size_of
from livestyle.media.text import Canvas, Color, draw_text, shade, text_size
from livestyle.sinks.preview.keys import help_rows

TINTS: dict[str, Color] = {"hair": (255, 190, 0), "skin": (255, 60, 110), "clothes": (40, 130, 255)}
"""Colours of the mask overlay; the background stays as it is. They also differ for people who confuse red and green."""

_TINT = 0.6  # of the picture that a region's colour takes where its weight is 1
_LINE: Color = (255, 255, 255)
_QUIET: Color = (190, 195, 200)


@dataclass
class View:
    """What the person at the window chose to see."""

    wipe: float | None = None  # where the before/after line stands, 0 left .. 1 right; None: no wipe
    masks: bool = False
    mirror: bool = False
    help: bool = False
    hud: bool = True

    def toggle(self, what: str) -> bool:
        """Show what was hidden, or hide it; False where `what` is not "masks", "mirror", "help" or "hud"."""
        match what:
            case "masks":
                self.masks = not self.masks
            case "mirror":
                self.mirror = not self.mirror
            case "help":
                self.help = not self.help
            case "hud":
                self.hud = not self.hud
            case _:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame as the preview keeps it: its own small copies, never the frame's pixels."""

    after: Pixels  # (h, w, 3) uint8 RGB at preview size
    before: Pixels | None  # the same before the style, where it was requested
    masks: Masks | None
    may_mirror: bool = True  # False for a hold card, whose words must stay readable


def scaled(pixels: Pixels, size: Size) -> Pixels:
    """(h, w, 3) uint8 at `size`, from any size and depth; may be the same array."""
    return to_8_bit(resize(pixels, size))


def compose(scene: Scene, view: View, status: str = "", toast: str = "") -> Canvas:
    """The picture to show: a new (h, w, 3) uint8 RGB array."""
    if not scene.may_mirror:
        view = replace(view, mirror=False)
    canvas = _oriented(scene.after, view.mirror)
    notices: list[str] = []
    if view.masks:
        _draw_masks(canvas, scene.masks, view.mirror, notices)
    if view.wipe is not None:
        _draw_wipe(canvas, scene.before, view, notices)
    if view.hud and status:
        draw_line(canvas, status, top=True)
    if toast or notices:
        draw_line(canvas, "   ".join([toast] * bool(toast) + notices), top=False)
    if view.help:
        draw_help(canvas)
    return canvas


def text_height(size: Size) -> int:
    """The em height for overlays on a picture of `size`: readable, and small beside a face."""
    return max(10, min(28, min(size) // 32))


def tint(canvas: Canvas, masks: Masks) -> None:
    """Mix each region's colour into the canvas in proportion to its weight. `masks` covers the whole canvas."""
    colors = np.array([TINTS.get(region, (0, 0, 0)) for region in masks.regions], np.float32)
    shares = np.array([_TINT * (region in TINTS) for region in masks.regions], np.float32)
    mix = np.hstack([colors * shares[:, None], -255 * shares[:, None]])  # (R, 4): a colour, and what to keep less
    small = cv2.transform(cv2.merge(list(masks.weights)), mix.T) + np.array((0, 0, 0, 255), np.float32)
    large = enlarge(np.asarray(cv2.convertScaleAbs(small), np.uint8), size_of(canvas))
    kept = cv2.cvtColor(large[:, :, 3], cv2.COLOR_GRAY2RGB)
    darkened = cv2.multiply(canvas, kept, scale=1 / 255)
    cv2.add(darkened, cv2.cvtColor(large, cv2.COLOR_RGBA2RGB), dst=canvas)


def wipe(canvas: Canvas, before: Pixels, position: float) -> None:
    """Put `before` left of the line at `position` (0..1 of the width), and draw the line."""
    height, width = canvas.shape[:2]
    x = min(width, max(0, round(position * width)))
    canvas[:, :x] = before[:, :x]
    thick = max(1, text_height((width, height)) // 8)
    canvas[:, max(0, x - thick) : x + thick] = _LINE


def draw_line(canvas: Canvas, text: str, *, top: bool) -> None:
    """One line of text on a dark strip in the upper left or lower middle, shrunk to fit the width."""
    width, height = size_of(canvas)
    em = fitting_height(text, text_height((width, height)), width - 16)
    across, down = text_size(text, em)
    x = 8 if top else (width - across) // 2
    y = 8 if top else height - down - 12
    shade(canvas, (x - 6, y - 3, across + 12, down + 6))
    draw_text(canvas, text, (x, y), em)


def fitting_height(text: str, em: int, width: int) -> int:
    """`em`, reduced until `text` is at most `width` pixels wide; never below 6."""
    needed = text_size(text, em)[0]
    return em if needed <= width else max(6, em * max(1, width) // needed)


def draw_help(canvas: Canvas) -> None:
    """All keys in a panel in the middle."""
    rows = help_rows()
    width, height = size_of(canvas)
    em = max(6, min(text_height((width, height)) + 2, int(height * 0.9 / (len(rows) * 1.45))))
    em = min(em, _fitting_help(rows, em, int(width * 0.9)))
    column, panel, pitch = _help_columns(rows, em)
    left, top = (width - panel) // 2, (height - pitch * len(rows)) // 2
    shade(canvas, (left - em, top - em // 2, panel + 2 * em, pitch * len(rows) + em), keep=0.22)
    for number, (keys, what) in enumerate(rows):
        draw_text(canvas, keys, (left, top + number * pitch), em, TINTS["hair"])
        draw_text(canvas, what, (left + column, top + number * pitch), em)


def _help_columns(rows: Sequence[tuple[str, str]], em: int) -> tuple[int, int, int]:
    """Width of the first column, width of the panel, height of a row."""
    column = max(text_size(keys, em)[0] for keys, _ in rows) + em
    panel = column + max(text_size(what, em)[0] for _, what in rows)
    return column, panel, round(em * 1.45)


def _fitting_help(rows: Sequence[tuple[str, str]], em: int, width: int) -> int:
    panel = _help_columns(rows, em)[1] + 2 * em
    return em if panel <= width else max(6, em * width // panel)


def _oriented(pixels: Pixels, mirror: bool) -> Canvas:
    """A writeable copy, mirrored for a preview in which one's left hand is on the left."""
    return np.asarray(cv2.flip(pixels, 1), np.uint8) if mirror else np.array(pixels, np.uint8, order="C")


def _draw_masks(canvas: Canvas, masks: Masks | None, mirror: bool, notices: list[str]) -> None:
    if masks is None:
        notices.append("no masks for this picture")
        return
    weights = masks.weights[:, :, ::-1] if mirror else masks.weights
    tint(canvas, Masks(PlaneWeights(weights), masks.regions))
    _draw_legend(canvas, masks.regions)


def _draw_legend(canvas: Canvas, regions: Sequence[str]) -> None:
    """Colour and name of each region in the upper right."""
    em = text_height(size_of(canvas))
    names = [region for region in regions if region in TINTS]
    across = max((text_size(name, em)[0] for name in names), default=0) + 2 * em
    left, pitch = canvas.shape[1] - across - em, round(em * 1.5)
    shade(canvas, (left - em // 2, 8, across + em, pitch * len(names) + em // 2))
    for number, name in enumerate(names):
        y = 8 + em // 4 + number * pitch
        canvas[y + em // 4 : y + em, left : left + em] = TINTS[name]
        draw_text(canvas, name, (left + round(1.5 * em), y), em)


def _draw_wipe(canvas: Canvas, before: Pixels | None, view: View, notices: list[str]) -> None:
    if before is None or view.wipe is None:
        notices.append("nothing to compare with")
        return
    # A frame that changed its size may still meet the picture before it: then the older one is fitted.
    wipe(canvas, letterbox(_oriented(before, view.mirror), size_of(canvas)), view.wipe)
    em = text_height(size_of(canvas))
    x = round(view.wipe * canvas.shape[1])
    y = canvas.shape[0] - 4 * em
    for word, at in (("before", x - text_size("before", em)[0] - em), ("after", x + em)):
        across, down = text_size(word, em)
        shade(canvas, (at - 4, y - 2, across + 8, down + 4), keep=0.5)
        draw_text(canvas, word, (at, y), em, _QUIET)
