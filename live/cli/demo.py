"""A demonstration without camera or file: a clip made from a photograph, styled, and a sheet of all styles on it.

The photograph is scikit-image's `astronaut`: Eileen Collins by NASA, in the public domain.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from livestyle.cli.outputs import make_folder
from livestyle.console.terminal import printable
from livestyle.current_style import CurrentStyle
from livestyle.errors import BackendError, UsageError
from livestyle.feed import Feed
from livestyle.frame import ColorInfo, Frame, Pixels, PlaneWeights, StreamInfo, read_only
from livestyle.loop import run
from livestyle.masks.exact import ExactMasks
from livestyle.media.pyav import cv2
from livestyle.report import Meter, Report
from livestyle.session import style_file
from livestyle.settings import Settings
from livestyle.shaders.compile import compile_look
from livestyle.shaders.cpu import CpuGrade
from livestyle.shaders.recipe import Adjust
from livestyle.sinks.files.output import check_output
from livestyle.sinks.files.rescue import tidied
from livestyle.system.paths import kind_of_path
from livestyle.system.stop import Stop

SIDE = 480  # pixels; the photograph has 512, so the camera can move inside it
FRAMES = 90
RATE = Fraction(30)
TILE = 240  # pixels, of one style on the sheet
COLUMNS = 5
WRITTEN = ("clip.mp4", "styled.mp4", "before-after.png", "styles.png")

log = logging.getLogger("livestyle")


def photograph() -> Pixels:
    """(512, 512, 3) uint8 RGB. Raises BackendError without the extra `demo`."""
    try:
        from skimage.data import astronaut
    except ImportError:
        raise BackendError(
            "the demonstration's photograph comes with scikit-image, which is not installed",
            hint='install it with: pip install "livestyle[demo]"',
        ) from None
    return np.asarray(astronaut(), np.uint8)


class MovingPhoto:
    """A source: the view of a hand-held camera that moves, turns and zooms over a photograph."""

    def __init__(self, photo: Pixels, frames: int = FRAMES) -> None:
        self._photo, self._frames = photo, frames
        self.info = StreamInfo(
            "the demonstration", (SIDE, SIDE), 1 / RATE, RATE, ColorInfo("bt709", "bt709", "bt709", "tv"), frames=frames
        )

    def __iter__(self) -> Iterator[Frame]:
        """`frames` frames, 30 a second."""
        for at in range(self._frames):
            yield Frame(read_only(self._view(at / RATE.numerator)), at, time.monotonic())

    def close(self) -> None:
        """Nothing to release."""

    def _view(self, seconds: float) -> Pixels:
        height, width = self._photo.shape[:2]
        phase = 2 * np.pi * seconds / 3
        zoom = 1.12 + 0.1 * np.sin(phase)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 4 * np.sin(phase * 2), zoom)
        matrix[:, 2] += (SIDE - width) / 2 + 14 * np.sin(phase), (SIDE - height) / 2 + 8 * np.cos(phase)
        flags = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.warpAffine(self._photo, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REFLECT))


def run_demo(folder: Path, style: CurrentStyle, settings: Settings, stop: Stop) -> Report:
    """Write the four files of WRITTEN into `folder`; the report of the styling.

    Raises OutputExistsError for one that is there already, unless overwriting was allowed.
    """
    kind = kind_of_path(folder, UsageError)
    if kind != "folder" and (kind is not None or folder.suffix):
        raise UsageError(f"{folder} is not a folder", hint="-o names a folder for --demo")
    photo = photograph()
    make_folder(folder)
    for name in WRITTEN:
        check_output(folder / name, None, overwrite=settings.overwrite)
    clip, styled = folder / "clip.mp4", folder / "styled.mp4"
    with tidied([folder]):
        _write_clip(MovingPhoto(photo), clip, stop)
        report = style_file(clip, styled, style, replace(settings, overwrite=True), stop, quiet=False)
    _write_picture(folder / "before-after.png", before_after(photo, style))
    _write_picture(folder / "styles.png", contact_sheet(photo, style))
    log.info("the demonstration is in %s: %s", folder.resolve(), ", ".join(WRITTEN))
    return report


def before_after(photo: Pixels, style: CurrentStyle) -> Pixels:
    """The photograph and its styled version side by side: (H, 2W, 3) uint8 RGB."""
    weights = _weights(photo, style)
    return np.asarray(np.hstack([photo, style.grade()(photo, weights)]), np.uint8)


def contact_sheet(photo: Pixels, style: CurrentStyle) -> Pixels:
    """Every style on the photograph, with its name, after the original: (rows·TILE, COLUMNS·TILE, 3) uint8 RGB."""
    weights = _weights(photo, style)
    tiles = [_tile(photo, "original")]
    for recipe in style.recipes:
        tiles.append(_tile(CpuGrade(compile_look(recipe, Adjust()))(photo, weights), recipe.name))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[at : at + COLUMNS]) for at in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows)


def _write_clip(source: MovingPhoto, path: Path, stop: Stop) -> None:
    from livestyle.sinks.files.video import VideoSink

    with closing(VideoSink(path, source.info, crf=16, overwrite=True)) as sink, Feed(source) as feed:
        run(feed, lambda frame: frame, [sink], Meter(), stop=stop)


def _weights(photo: Pixels, style: CurrentStyle) -> PlaneWeights:
    if style.grade().is_identity:
        raise UsageError("a sheet needs a style that does something", hint="give --intensity above 0")
    with closing(ExactMasks(style.segmenter(live=False), time_base=1 / RATE)) as masks:
        return masks.weights(Frame(read_only(photo), 0, time.monotonic()))


def _tile(pixels: Pixels, name: str) -> Pixels:
    tile = np.asarray(cv2.resize(pixels, (TILE, TILE), interpolation=cv2.INTER_AREA))
    for color, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(tile, printable(name), (8, TILE - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, thickness, cv2.LINE_AA)
    return tile


def _write_picture(path: Path, pixels: Pixels) -> None:
    from livestyle.sinks.files.photo import PhotoSink

    with closing(PhotoSink(path, None, overwrite=True)) as sink:
        sink.write(Frame(read_only(pixels), 0, time.monotonic()))
