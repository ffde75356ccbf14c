"""A styled photo to a file, with the colour description, metadata, resolution and transparency of its source."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from livestyle.errors import EncodeError, UsageError, foreign_errors
from livestyle.frame import Frame, Pixels
from livestyle.media.depth import Samples, to_8_bit, to_16_bit
from livestyle.media.photo.stored import Notes
from livestyle.media.photo.working import table_of, with_own_curve
from livestyle.media.photo_file import open_photo, read_photo
from livestyle.sinks.files.containers import PHOTO_FORMATS
from livestyle.sinks.files.output import Pending, check_output, write_error
from livestyle.sinks.files.photo_encoding import DEEP, TRANSPARENT, encode, extras_of

log = logging.getLogger("livestyle")


class PhotoSink:
    """Writes one frame to `path`; the name's ending chooses JPEG, HEIC, PNG, TIFF, WebP, AVIF, BMP or GIF.

    16-bit frames stay 16-bit in PNG and TIFF, have 10 or 12 bits in HEIC, and are rounded to 8 elsewhere. Transparency
    of `source` is kept in PNG, TIFF, WebP, HEIC and AVIF; in other formats the picture is laid on white.
    """

    def __init__(self, path: str | Path, source: Path | None, *, overwrite: bool = False) -> None:
        """`source`: the photo that the frame comes from. Raises UsageError, OutputExistsError, EncodeError."""
        self._path = Path(path)
        self._format = _format_of(self._path)
        check_output(self._path, source, overwrite=overwrite)
        self._source = source
        self._overwrite = overwrite
        self._pending: Pending | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def write(self, frame: Frame) -> None:
        """Encode the frame. Raises EncodeError, also for a second frame."""
        if self._pending is not None or self._closed:
            raise EncodeError(f"{self._path} is a photo and already has its frame")
        pending = Pending(self._path, overwrite=self._overwrite)
        try:
            with foreign_errors(lambda error: write_error(self._path, error)):
                pending.temporary.write_bytes(self._encode(frame.pixels))
        except BaseException:
            pending.discard()
            raise
        self._pending = pending

    def idle(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Move the photo in place, if there is one."""
        if not self._closed:
            self._closed = True
            if self._pending is not None:
                self._pending.commit()

    def _encode(self, pixels: Pixels) -> bytes:
        size = (pixels.shape[1], pixels.shape[0])
        notes, alpha, pixels = _with_source(self._source, pixels)
        if pixels.dtype == np.uint16 and self._format not in DEEP:
            log.info("%s has 8 bits: %s is not written with more", self._path, self._format)
            pixels = to_8_bit(pixels)
        if alpha is not None and self._format not in TRANSPARENT:
            log.info("%s is laid on white: %s keeps no transparency here", self._path, self._format)
            pixels, alpha = _over_white(to_8_bit(pixels), to_8_bit(alpha)), None
        return encode(_with_alpha(pixels, alpha), self._format, extras_of(notes, size))


def _format_of(path: Path) -> str:
    known = PHOTO_FORMATS.get(path.suffix.lower())
    if known is None:
        choices = ", ".join(sorted(PHOTO_FORMATS))
        raise UsageError(f"Photos cannot be written as {path.suffix or path.name!r}", hint=f"use one of {choices}")
    return known


def _with_source(source: Path | None, pixels: Pixels) -> tuple[Notes, Samples | None, Pixels]:
    """What the photo's file says, its transparency where that is as large, and the pixels with its own tone curve."""
    if source is None:
        return Notes("", ""), None, pixels
    with open_photo(source) as photo:
        notes = photo.notes
    if not notes.has_alpha and table_of(notes, np.dtype(np.uint8)) is None:
        return notes, None, pixels
    original = read_photo(source)
    table = table_of(notes, original.pixels.dtype)
    if table is not None and pixels.dtype == np.uint16:
        pixels = with_own_curve(pixels, table, original.pixels)
    alpha = original.alpha
    return notes, alpha if alpha is not None and alpha.shape == pixels.shape[:2] else None, pixels


def _with_alpha(pixels: Pixels, alpha: Samples | None) -> Pixels:
    if alpha is None:
        return pixels
    if alpha.dtype != pixels.dtype:
        alpha = to_16_bit(alpha) if pixels.dtype == np.uint16 else to_8_bit(alpha)
    return cast(Pixels, np.dstack([pixels, alpha]))


def _over_white(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    cover = alpha[..., None].astype(np.uint16)
    return ((pixels * cover + 255 * (255 - cover) + 127) // 255).astype(np.uint8)
