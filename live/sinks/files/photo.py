"""A styled photo to a file, with the profile, EXIF, resolution and transparency of the photo it came from."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat, cast

import numpy as np
import numpy.typing as npt

from livestyle.errors import EncodeError, UsageError, foreign_errors
from livestyle.frame import Frame, Pixels
from livestyle.media.depth import Samples, to_8_bit, to_16_bit
from livestyle.media.photo_file import ORIENTATION, exif_of, open_photo, read_photo
from livestyle.media.pyav import cv2
from livestyle.sinks.files.containers import PHOTO_FORMATS
from livestyle.sinks.files.output import Pending, check_output, write_error

if TYPE_CHECKING:
    from PIL.Image import Exif
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

log = logging.getLogger("livestyle")

_DEEP = {"PNG", "TIFF"}
_TRANSPARENT = {"PNG", "TIFF", "WEBP"}
_OPTIONS: dict[str, dict[str, Any]] = {  # Any: each encoder of Pillow has its own
    # 4:4:4: a coloured edge between skin and background must not bleed by half a pixel.
    "JPEG": {"quality": 95, "subsampling": 0, "optimize": True},
    "WEBP": {"quality": 95, "method": 4},
}
_EXIF_IFD = 0x8769
_POINTERS = (_EXIF_IFD, 0x8825)  # camera details, place
# TIFF tags that describe how the old file stored its samples (or copies of the picture that are not styled).
_LAYOUT = {
    *(
        254,
        255,
        256,
        257,
        258,
        259,
        262,
        266,
        273,
        277,
        278,
        279,
        284,
        301,
        317,
        318,
        319,
        320,
        322,
        323,
        324,
        325,
        330,
    ),
    *(332, 338, 339, 347, 512, 513, 514, 529, 530, 531, 532, 700, 34377, 34675),
}
_PIXEL_SIZE = (0xA002, 0xA003)  # PixelXDimension, PixelYDimension


class PhotoSink:
    """Writes one frame to `path`; the name's ending chooses PNG, JPEG, WebP, TIFF, BMP or GIF.

    16-bit frames stay 16-bit in PNG and TIFF and are rounded to 8 elsewhere. Transparency of `source` is kept in PNG,
    TIFF and WebP; in other formats the picture is laid on white.
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
        notes = _read_notes(self._source, (pixels.shape[1], pixels.shape[0]))
        if pixels.dtype == np.uint16 and self._format in _DEEP:
            return _encode_deep(_with_alpha(pixels, notes.alpha), self._format, notes)
        shallow = to_8_bit(pixels)
        alpha = None if notes.alpha is None else to_8_bit(notes.alpha)
        if alpha is not None and self._format not in _TRANSPARENT:
            log.info("%s is laid on white: %s keeps no transparency here", self._path, self._format)
            return _save(_over_white(shallow, alpha), self._format, notes)
        joined = _with_alpha(shallow, alpha)
        return _tiff(joined, notes) if self._format == "TIFF" else _save(joined, self._format, notes)


@dataclass(frozen=True, slots=True)
class _Notes:
    """What is copied from the source photo."""

    profile: bytes | None = None  # ICC, only when it describes RGB
    exif: Exif | None = None  # with the orientation taken out, None where there is none
    dpi: tuple[float, float] | None = None
    alpha: Samples | None = None  # (H, W), only when it has the frame's size


def _format_of(path: Path) -> str:
    known = PHOTO_FORMATS.get(path.suffix.lower())
    if known is None:
        choices = ", ".join(sorted(PHOTO_FORMATS))
        raise UsageError(f"Photos cannot be written as {path.suffix or path.name!r}", hint=f"use one of {choices}")
    return known


def _read_notes(source: Path | None, size: tuple[int, int]) -> _Notes:
    if source is None:
        return _Notes()
    with open_photo(source) as image:
        profile = image.info.get("icc_profile")
        # A CMYK or grey profile does not describe the RGB that was made of the photo.
        profile = profile if profile and profile[16:20] == b"RGB " else None
        exif = _exif(exif_of(image), size)
        dpi = image.info.get("dpi")
        transparent = image.has_transparency_data
    alpha = read_photo(source).alpha if transparent else None
    fits = alpha is not None and alpha.shape == size[::-1]
    return _Notes(profile, exif, _valid_dpi(dpi), alpha if fits else None)


def _exif(exif: Exif, size: tuple[int, int]) -> Exif | None:
    """The frame is upright already, so viewers must not turn it again. The thumbnail (IFD 1) is not copied."""
    if not exif:
        return None
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    for tag in _LAYOUT & set(exif):
        del exif[tag]
    details = exif.get_ifd(_EXIF_IFD)
    for tag, length in zip(_PIXEL_SIZE, size, strict=True):
        if tag in details:
            details[tag] = length
    return exif


def _valid_dpi(dpi: tuple[SupportsFloat, SupportsFloat] | None) -> tuple[float, float] | None:
    if not dpi or not all(1 < float(value) < 1e6 for value in dpi):
        return None
    return float(dpi[0]), float(dpi[1])


def _with_alpha(pixels: Pixels, alpha: Samples | None) -> Pixels:
    if alpha is None:
        return pixels
    if alpha.dtype != pixels.dtype:
        alpha = to_16_bit(alpha) if pixels.dtype == np.uint16 else to_8_bit(alpha)
    return cast(Pixels, np.dstack([pixels, alpha]))


def _over_white(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    cover = alpha[..., None].astype(np.uint16)
    return ((pixels * cover + 255 * (255 - cover) + 127) // 255).astype(np.uint8)


def _save(pixels: Pixels, kind: str, notes: _Notes) -> bytes:
    from PIL import Image

    options = dict(_OPTIONS.get(kind, {}))
    if notes.profile:
        options["icc_profile"] = notes.profile
    if notes.exif is not None:
        options["exif"] = notes.exif
    if notes.dpi:
        options["dpi"] = notes.dpi
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _encode_deep(pixels: Pixels, kind: str, notes: _Notes) -> bytes:
    return _deep_png(pixels, notes) if kind == "PNG" else _tiff(pixels, notes)


def _deep_png(pixels: Pixels, notes: _Notes) -> bytes:
    """OpenCV writes the 16-bit samples, which Pillow cannot; the rest are chunks behind the header."""
    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    data = cv2.imencode(".png", cv2.cvtColor(pixels, code))[1].tobytes()
    extra = b""
    if notes.profile:
        extra += _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(notes.profile))
    if notes.dpi:
        extra += _chunk(b"pHYs", struct.pack(">IIB", *(round(dpi / 0.0254) for dpi in notes.dpi), 1))
    if notes.exif is not None:
        extra += _chunk(b"eXIf", notes.exif.tobytes()[6:])  # without the JPEG prefix "Exif\0\0"
    header_end = 8 + 25  # signature, IHDR
    return bytes(data[:header_end] + extra + data[header_end:])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _tiff(pixels: Pixels, notes: _Notes) -> bytes:
    """One deflated strip of samples (TIFF 6.0); Pillow writes only the directory of tags before it.

    Pillow's own writer has no 16-bit colour, and cannot write compressed pictures with an EXIF directory.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    strip = zlib.compress(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes(), 6)
    tags = ImageFileDirectory_v2()
    if notes.exif is not None:
        _copy_exif(tags, notes.exif)
    height, width, samples = pixels.shape
    tags[256], tags[257], tags[258] = width, height, (8 * pixels.itemsize,) * samples
    tags[259], tags[262], tags[277], tags[278], tags[284] = 8, 2, samples, height, 1  # deflate, RGB, one strip, chunky
    if samples == 4:
        tags[338] = 2  # alpha that is not multiplied in
    if notes.profile:
        tags.tagtype[34675] = 7
        tags[34675] = notes.profile
    if notes.dpi:
        tags[282], tags[283], tags[296] = notes.dpi[0], notes.dpi[1], 2
    tags[279] = len(strip)
    tags[273] = 0  # Pillow adds where the directory ends
    return b"II*\0" + struct.pack("<I", 8) + tags.tobytes(8) + strip


def _copy_exif(tags: ImageFileDirectory_v2, exif: Exif) -> None:
    for tag, value in exif.items():
        if tag not in _POINTERS:
            tags[tag] = value
    for tag in _POINTERS:
        if exif.get_ifd(tag):
            tags[tag] = dict(exif.get_ifd(tag))
