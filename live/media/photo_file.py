"""Photos in files: opened by the reader of their format, decoded to upright RGB with what they say besides."""

from __future__ import annotations

import logging
import mmap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from livestyle.errors import LivestyleError, SourceError, foreign_errors, reason_of
from livestyle.frame import Pixels
from livestyle.media.depth import Samples
from livestyle.media.memory import check_photo
from livestyle.media.orientation import UPRIGHT, Flip, make_upright
from livestyle.media.photo.by_heif import HeifPhoto
from livestyle.media.photo.by_pillow import FORMATS, PillowPhoto
from livestyle.media.photo.by_tiff import TiffPhoto
from livestyle.media.photo.directories import Sliceable
from livestyle.media.photo.raw import raw_name, raw_refusal
from livestyle.media.photo.signatures import is_heif, is_tiff
from livestyle.media.photo.stored import Notes, OpenedPhoto, to_rgb
from livestyle.media.refusals import cannot_be_read, is_damaged
from livestyle.system.paths import check_file
from livestyle.system.quiet import libraries_quiet

log = logging.getLogger("livestyle")

# EXIF orientation -> (transpose, mirror left-right, mirror top-bottom)
_FLIPS: dict[int, Flip] = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo, upright."""

    pixels: Pixels  # (H, W, 3) RGB, uint8 or uint16 (full scale 65535); not multiplied by alpha
    alpha: Samples | None  # (H, W) of the same dtype; None where opaque
    notes: Notes


def read_photo(path: Path) -> Photo:
    """Decode a photo. Raises SourceNotFoundError, SourceError, ColorError.

    Grey and CMYK become sRGB, by the embedded profile where there is one. RGB values stay in the photo's own space,
    which `notes.color` describes.
    """
    with open_photo(path) as photo:
        notes = photo.notes
        if notes.pictures > 1:
            log.info("%s holds %d pictures: only the main one is styled", path, notes.pictures)
        if notes.left_out:
            log.info("%s also holds %s: left out", path, " and ".join(notes.left_out))
        with libraries_quiet():
            stored = photo.read()
        flip = _FLIPS.get(notes.orientation, UPRIGHT)
        pixels = make_upright(to_rgb(stored, notes), flip)
        alpha = None if stored.alpha is None else _contiguous(make_upright(stored.alpha, flip))
    return Photo(cast(Pixels, np.ascontiguousarray(pixels)), alpha, notes)


def _contiguous(samples: Samples) -> Samples:
    return cast(Samples, np.ascontiguousarray(samples))


@contextmanager
def open_photo(path: Path) -> Iterator[OpenedPhoto]:
    """The photo, open; whatever fails while it is used is raised as SourceError.

    Raises SourceNotFoundError, SourceError (camera raw files too), ColorError.
    """
    check_file(path)
    # Pillow warns of photos of 100 megapixels, which are not attacks, and of slight damage.
    with foreign_errors(lambda error: _unreadable(path, error)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            raw = raw_name(data)
            if raw is not None:
                raise raw_refusal(str(path), raw)
            with _opened(data, path) as photo:
                yield photo


@contextmanager
def _opened(data: Sliceable, path: Path) -> Iterator[OpenedPhoto]:
    from PIL import Image

    head = bytes(data[0:32])
    if is_tiff(head):
        tiff = TiffPhoto(data, path)
        check_photo(path, tiff.file.size, tiff.file.sample_bytes)
        yield tiff
    elif is_heif(head):
        heif = HeifPhoto(data, path)
        check_photo(path, heif.picture.size, 2 if heif.picture.is_deep else 1)
        yield heif
    else:
        with Image.open(path, formats=FORMATS) as image:
            photo = PillowPhoto(image, data, path)
            check_photo(path, image.size, 2 if photo.is_deep else 1)
            yield photo


def _unreadable(path: Path, error: Exception) -> LivestyleError:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        megapixels = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        return SourceError(
            f"{path} says it has far more pixels than a photo: {error}",
            hint=f"scale it down: {megapixels} megapixels can be styled",
        )
    if isinstance(error, UnidentifiedImageError):
        return SourceError(
            f"{path} is not a photo that can be read",
            hint="JPEG, HEIC, PNG, TIFF, WebP, AVIF, JPEG 2000, GIF and BMP can",
        )
    if isinstance(error, PermissionError):
        return cannot_be_read(path, error)
    return SourceError(is_damaged(path, reason_of(error)), hint="copy or export it again")
