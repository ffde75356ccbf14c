"""Photos in files, decoded by Pillow, or by OpenCV where they are deeper than 8 bits."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from livestyle.errors import ColorError, LivestyleError, SourceError, foreign_errors, reason_of
from livestyle.frame import Pixels
from livestyle.media.depth import Samples
from livestyle.media.memory import check_photo
from livestyle.media.orientation import UPRIGHT, Flip, make_upright
from livestyle.media.pyav import cv2
from livestyle.media.refusals import cannot_be_read, is_damaged
from livestyle.system.paths import check_file
from livestyle.system.quiet import libraries_quiet

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

log = logging.getLogger("livestyle")


ORIENTATION = 0x0112  # EXIF tag
_BITS_PER_SAMPLE = 258  # TIFF tag
# Pillow's other readers run programs (EPS) or scripts, or read formats that nothing here is made for.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "JPEG2000", "AVIF")

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


def read_photo(path: Path) -> Photo:
    """Decode a photo. Raises SourceNotFoundError, SourceError, ColorError.

    CMYK becomes sRGB, by the embedded profile where there is one. Other profiles are left to the sink to keep: the
    values stay in the photo's own space.
    """
    with open_photo(path) as image:
        frames: int = getattr(image, "n_frames", 1)  # which only images of some formats have
        if frames > 1:
            log.info("%s holds %d pictures: only the first is styled", path, frames)
        pixels = _deep(path) if is_deep(image) else _shallow(image)
        flip = _FLIPS.get(exif_of(image).get(ORIENTATION, 1), UPRIGHT)
    upright = make_upright(_contiguous(pixels), flip)
    alpha = _contiguous(upright[..., 3]) if upright.shape[2] == 4 else None
    return Photo(_contiguous(upright[..., :3]), alpha)


def _contiguous(samples: Samples) -> Samples:
    return cast(Samples, np.ascontiguousarray(samples))


@contextmanager
def open_photo(path: Path) -> Iterator[ImageFile]:
    """The image, open; whatever fails while it is used is raised as SourceError."""
    from PIL import Image

    check_file(path)
    # Pillow warns of photos of 100 megapixels, which are not attacks, and of slight damage.
    with foreign_errors(lambda error: _unreadable(path, error)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=_FORMATS) as image:
            check_photo(path, image.size, 2 if is_deep(image) else 1)
            yield image


def _unreadable(path: Path, error: Exception) -> LivestyleError:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        megapixels = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        return SourceError(
            f"{path} says it has far more pixels than a photo: {error}",
            hint=f"scale it down: {megapixels} megapixels can be styled",
        )
    if isinstance(error, UnidentifiedImageError):
        return SourceError(f"{path} is not a photo that can be read", hint="PNG, JPEG, WebP, TIFF and BMP can")
    if isinstance(error, PermissionError):
        return cannot_be_read(path, error)
    return SourceError(is_damaged(path, reason_of(error)), hint="copy or export it again")


def exif_of(image: ImageFile) -> Image.Exif:
    """The EXIF data of an image: empty where there is none, or where it is damaged (logged)."""
    from PIL import Image

    try:
        exif = image.getexif()
        hash(exif.get(ORIENTATION))  # a list there would not be looked up
        return exif
    except Exception as error:
        log.warning("The EXIF data of %s are damaged and left out: %s", _name(image), reason_of(error))
        return Image.Exif()


def is_deep(image: ImageFile) -> bool:
    """Whether a PIL image has more than 8 bits per sample; PIL itself cuts such colour pictures to 8."""
    from PIL.TiffImagePlugin import TiffImageFile

    if image.mode.startswith("I"):
        return True
    if isinstance(image, TiffImageFile):
        return bool(max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))) == 16)
    tile = image.tile[0] if image.format == "PNG" and image.tile else None
    return tile is not None and "16" in str(tile[3])  # the raw mode, as "RGB;16B"


def _deep(path: Path) -> Pixels:
    data = path.read_bytes()
    cut = data.startswith(b"\x89PNG") and b"IEND" not in data  # what is missing would be black
    with libraries_quiet():
        # UNCHANGED: the orientation as it is
        pixels = None if cut else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise SourceError(is_damaged(path), hint="open it elsewhere to see whether it is whole")
    if pixels.dtype != np.uint16:
        raise SourceError(
            f"{path} holds samples that are neither 8 nor 16 bits", hint="export it as 16-bit PNG or TIFF"
        )
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return cast(Pixels, cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB))
    code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cast(Pixels, cv2.cvtColor(pixels, code))


def _shallow(image: ImageFile) -> Pixels:
    with libraries_quiet():
        image.load()
    if image.mode in ("F", "LAB", "HSV"):
        raise ColorError(f"{_name(image)} stores colour as {image.mode}, which cannot be styled here",
                         hint="export it as RGB")  # fmt: skip
    if image.mode == "CMYK":
        return np.asarray(_from_cmyk(image))
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _from_cmyk(image: ImageFile) -> Image.Image:
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if not profile:
        return image.convert("RGB")
    try:
        made = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # PyCMSError, OSError: whatever a damaged profile leads to
        log.info("%s has a damaged CMYK profile: its colours are approximate", _name(image))
        return image.convert("RGB")
    assert made is not None  # which only a conversion in place gives
    return made


def _name(image: ImageFile) -> str:
    return os.fsdecode(image.filename)
