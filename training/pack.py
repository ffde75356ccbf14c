"""Data sets made small: for a machine behind a slow line, and for disks that are slower than training is.

A network that looks at 256 pixels learns nothing from the fourth megapixel. Names stay, so the split stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import OutputExistsError
from livestyle.training.parquet import write_parquet
from livestyle.training.reader import BadRow, BadRows, Row, decode_image, decode_mask, read_rows
from livestyle.training.sets import SetDescription


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of a set: pictures written, and bytes of pictures and masks before and after."""

    pictures: int
    before: int
    after: int


def encoded(kind: str, image: npt.NDArray[np.uint8], *options: int) -> bytes:
    """A BGR picture or labels as a file of the `kind` ".png" or ".webp", with OpenCV's `options`."""
    return bytes(cv2.imencode(kind, image, options)[1])


def shrunk(image: npt.NDArray[np.uint8], side: int, interpolation: int) -> npt.NDArray[np.uint8]:
    """`image` with a short side of `side` pixels at most."""
    height, width = image.shape[:2]
    scale = side / min(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)


def packed(row: Row, side: int, quality: int) -> Row:
    """The row with a picture and mask whose short side is at most `side` pixels. Raises BadRow.

    The picture becomes WebP of that `quality` (1..100), which takes half the bytes of a JPEG that looks the same;
    where it would not become smaller in pixels or in bytes it stays as it was. Masks are PNG and lose nothing but size.
    """
    pixels, labels = decode_image(row), decode_mask(row)
    if labels.shape != pixels.shape[:2]:
        raise BadRow("picture and mask differ in size")
    small = shrunk(pixels, side, cv2.INTER_AREA)
    image = encoded(".webp", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), cv2.IMWRITE_WEBP_QUALITY, quality)
    if small is pixels and len(image) >= len(row.image):
        image = row.image
    mask = shrunk(labels, side, cv2.INTER_NEAREST_EXACT)
    return Row(row.name, image, encoded(".png", mask, cv2.IMWRITE_PNG_COMPRESSION, 9))


def packed_path(described: SetDescription, folder: Path) -> Path:
    """Where in `folder` the reader looks for the set."""
    return folder / (described.file or f"{described.hub}/train.parquet")


def pack_set(
    described: SetDescription,
    data: Path,
    out: Path,
    *,
    side: int = 384,
    quality: int = 85,
    bad: BadRows | None = None,
    change: Callable[[Row], Row] | None = None,
) -> Packed:
    """Write a set of the folder `data` again into `out`, smaller; both sides of the split, in the same order.

    `change`, if given, is applied to every row first. Rows that cannot be decoded are counted in `bad` and left out.
    Raises OutputExistsError, EncodeError and what read_rows raises.
    """
    path = packed_path(described, out)
    if path.exists():
        raise OutputExistsError(f"{path} is there already.", hint="Give another folder, or remove the file.")
    counted, sizes = bad or BadRows(), np.zeros(3, np.int64)

    def smaller() -> Iterator[Row]:
        for row in read_rows(described, data):
            try:
                result = packed(change(row) if change else row, side, quality)
            except BadRow as error:
                counted.add(f"{described.name} {row.name}", str(error))
                continue
            sizes[:] += 1, len(row.image) + len(row.mask), len(result.image) + len(result.mask)
            yield result

    write_parquet(path, ("image", "mask"), map(asdict, smaller()))
    return Packed(*map(int, sizes))
