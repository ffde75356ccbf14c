"""Look-up pictures: LUTs as PNG or TIFF. How one is laid out is told by its content, for sizes are shared.

| layout | example | the lattice of N points along an axis |
|---|---|---|
| HALD | 512x512, N = 64 | pixel after pixel, row after row, red fastest, then green, then blue |
| tiles | 512x512, N = 64 | N x N tiles, row after row, one for each blue; red to the right in them, green down |
| strip | 1024x32, N = 32 | the same with all tiles in one row or column |

Some programs have green upwards in tiles. Sources: Eskil Steenberg, "CLUT" (quelsolaar.com/technology/clut.html) for
HALD; GPUImage's lookup filter for tiles; Unreal Engine and ReShade for strips.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from livestyle.errors import StyleError
from livestyle.frame import Pixels
from livestyle.shaders.lut import MAX_SIZE, MIN_SIZE, Lut3D, interpolate, lattice
from livestyle.shaders.lut_text import BROKEN, shown
from livestyle.system.quiet import libraries_quiet

log = logging.getLogger("livestyle")

PICTURE_SUFFIXES = (".png", ".tif", ".tiff")
_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}

MAX_POINTS = 256  # along an axis: a HALD picture of level 16, 4096 pixels square
SAMPLED = 65  # points along an axis that are kept of more than MAX_SIZE
_STEEPEST = 6  # times the identity's step between neighbours, in the mean: no look is as rough as a photo

Lattice = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(N, N, N, 3), indexed [r, g, b]."""


def read_picture(path: Path, data: bytes) -> Lut3D:
    """The LUT in a picture. Raises StyleError, also for a picture that is none."""
    size = _points(path, data)
    pixels = _decoded(path, data)
    table = _most_even(_candidates(pixels, size))
    _refuse_photos(path, table)
    table = _with_green_downwards(path, table)
    scale = np.float32(np.iinfo(pixels.dtype).max)
    if size > MAX_SIZE:  # looked up in the picture's own integers, of which there are many
        points = lattice(SAMPLED)
        sampled = interpolate(np.ascontiguousarray(table), points.reshape(-1, 3)).reshape(points.shape)
        return Lut3D(sampled.astype(np.float32) / scale)
    return Lut3D(table.astype(np.float32) / scale)


def _points(path: Path, data: bytes) -> int:
    """N, by the size in the header, before anything is decoded."""
    with _opened(path, data) as picture:
        width, height = picture.size
    size = round((width * height) ** (1 / 3))
    fits = size**3 == width * height and width % size == 0 and height % size == 0
    if not fits or not max(MIN_SIZE, 4) <= size <= MAX_POINTS:
        raise StyleError(
            f"{path}: expected a look-up picture: HALD (8x8, 27x27, 64x64 … at most 4096x4096), "
            f"tiles (512x512) or a strip (256x16, 1024x32 …), found {width}x{height}",
            hint="it must be kept at its own size, without scaling or cropping",
        )
    return size


def _candidates(pixels: Pixels, size: int) -> list[Lattice]:
    """The lattices that the picture could hold."""
    height, width = pixels.shape[:2]
    columns, rows = width // size, height // size
    # rows of tiles, green, columns of tiles, red -> red, green, blue
    tiles = pixels.reshape(rows, size, columns, size, 3).transpose(3, 1, 0, 2, 4).reshape(size, size, size, 3)
    if width != height:
        return [tiles]
    return [pixels.reshape(size, size, size, 3).transpose(2, 1, 0, 3), tiles]


def _most_even(candidates: list[Lattice]) -> Lattice:
    """The one in which neighbours differ least: laid out wrongly, a LUT is torn apart."""
    return min(candidates, key=_step)


def _step(table: Lattice) -> float:
    """The mean difference between neighbours along the three axes, of full scale 1."""
    values = table.astype(np.float32) / np.iinfo(table.dtype).max
    return float(np.mean([np.abs(np.diff(values, axis=axis)).mean() for axis in range(3)]))


def _refuse_photos(path: Path, table: Lattice) -> None:
    usual = 1 / 3 / (len(table) - 1)  # the identity's: along each axis one of three channels takes one step
    if _step(table) > max(_STEEPEST * usual, 0.03) and len(table) >= 16:
        raise StyleError(
            f"{path}: expected a look-up picture, found one whose neighbouring colours are not alike: a photo?",
            hint="name a LUT file, or give the picture as the input to style",
        )


def _with_green_downwards(path: Path, table: Lattice) -> Lattice:
    """Turned over where green alone falls along its own axis: it was written upwards."""
    slopes = [float(np.diff(table.astype(np.float32), axis=axis)[..., axis].mean()) for axis in range(3)]
    if slopes[1] < 0 < min(slopes[0], slopes[2]):
        log.info("%s has green upwards: turned over", path)
        return table[:, ::-1]
    return table


@contextmanager
def _opened(path: Path, data: bytes) -> Iterator[Any]:
    """The PIL image, not decoded yet, and its errors as ours."""
    from PIL import Image, UnidentifiedImageError

    kind = _FORMATS[path.suffix.lower()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its size, which is checked here, and of slight damage
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                yield picture
    except StyleError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise StyleError(f"{path}: expected a {kind} picture: {shown(str(error), 120)}", hint=BROKEN) from error


def _decoded(path: Path, data: bytes) -> Pixels:
    """(H, W, 3) RGB. Pillow checks the file, for it raises where OpenCV prints; OpenCV keeps 16 bits."""
    import cv2  # not needed, and waited for, by who uses no look-up pictures

    with libraries_quiet():
        with _opened(path, data) as picture:
            picture.load()
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        raise StyleError(f"{path}: expected a picture in colour, found grey")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise StyleError(f"{path}: expected samples of 8 or 16 bits", hint="export it as 16-bit PNG or TIFF")
    return cast(Pixels, pixels[..., 2::-1])
