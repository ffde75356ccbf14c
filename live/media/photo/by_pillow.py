"""Photos that Pillow opens: JPEG, PNG, WebP, BMP, GIF, JPEG 2000 and AVIF; deep samples come from elsewhere."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat, cast

import numpy as np

from livestyle.errors import ColorError, SourceError
from livestyle.media.depth import Samples, at_full_scale
from livestyle.media.photo import avif, boxes, jpeg, jpeg2000, metadata, png
from livestyle.media.photo.coding import ColorDescription, adobe_rgb, coded
from livestyle.media.photo.directories import Sliceable
from livestyle.media.photo.exif import Exif
from livestyle.media.photo.stored import Notes, Stored, profiles_of
from livestyle.media.pyav import cv2
from livestyle.media.refusals import is_damaged

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "JPEG2000", "AVIF")
# Pillow's other readers run programs (EPS) or scripts, or read formats that nothing here is made for.

_FILLER = np.random.default_rng(0).integers(0, 0xFF, 4096, np.uint8).tobytes()  # no marker in it


class PillowPhoto:
    """One of those, its header read."""

    def __init__(self, image: ImageFile, data: Sliceable, path: Path) -> None:
        self._image, self._data, self._path = image, data, path
        self._format = "JPEG" if image.format == "MPO" else image.format or ""  # MPO: several JPEG pictures in one file
        self._coding = coding = boxes.coding_of(data) if self._format == "AVIF" else boxes.Coding()
        self._bits = jpeg2000.bits_of(data) if self._format == "JPEG2000" else coding.depth
        self._chunks = list(png.chunks(data)) if self._format == "PNG" else []

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits per sample; Pillow itself cuts colour pictures to 8."""
        return self._image.mode.startswith("I") or _has_deep_tiles(self._image) or self._bits > 8

    @property
    def notes(self) -> Notes:
        """What the file says besides its samples."""
        image = self._image
        profile, source_profile = profiles_of(image.info.get("icc_profile"))
        found = self._metadata()
        return Notes(
            name=str(self._path),
            format=self._format,
            orientation=found.exif.orientation,
            color=self._color(profile, found.exif) if source_profile is None else ColorDescription(),
            source_profile=source_profile,
            metadata=found,
            dpi=valid_dpi(image.info.get("dpi")),
            pictures=getattr(image, "n_frames", 1),  # which only images of some formats have
            has_alpha=image.has_transparency_data,
        )

    def read(self) -> Stored:
        """Decode the samples; what libraries print is the caller's to keep quiet."""
        if self.is_deep:
            deep = self._deep()
            if deep is not None:
                return deep
        image = self._loaded()
        if image.mode in ("F", "LAB", "HSV"):
            raise ColorError(f"{self._path} stores colour as {image.mode}, which cannot be styled here",
                             hint="export it as RGB")  # fmt: skip
        if image.mode == "CMYK":
            return Stored("cmyk", np.asarray(image))
        if image.mode in ("1", "L"):
            grey = np.asarray(image.convert("L"))[..., None]
            return _with_transparent_value(Stored("grey", grey), image.info.get("transparency"))
        if image.mode == "LA":
            both = np.asarray(image)
            return Stored("grey", both[..., :1], both[..., 1])
        return _split(np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB")))

    def _color(self, profile: bytes | None, exif: Exif) -> ColorDescription:
        name = str(self._path)
        if profile is None and self._format == "JPEG" and exif.is_adobe_rgb:
            return adobe_rgb()
        if self._format == "PNG":
            return png.color_of(self._chunks, profile, name)
        if profile is None and self._format == "AVIF":
            return coded(self._coding.primaries, self._coding.transfer, name)
        return ColorDescription(profile)

    def _metadata(self) -> metadata.Metadata:
        name = str(self._path)
        if self._format == "JPEG":
            return metadata.of_jpeg(self._data, name)
        if self._format == "PNG":
            return metadata.of_png(self._chunks, name)
        return metadata.of_info({str(key): value for key, value in self._image.info.items()}, name)

    def _loaded(self) -> ImageFile:
        try:
            self._image.load()
            return self._image
        except OSError:
            whole = _without_end_mark(bytes(self._data[0 : len(self._data)])) if self._format == "JPEG" else None
            if whole is None:
                raise
            return whole

    def _deep(self) -> Stored | None:
        """None where only Pillow's 8 bits can be had."""
        if self._format == "AVIF":
            samples = avif.deep_samples(self._path, self._image.size, self._coding)
            return None if samples is None else _split(samples)
        return _with_transparent_value(self._by_opencv(), self._image.info.get("transparency"))

    def _by_opencv(self) -> Stored:
        data = bytes(self._data[0 : len(self._data)])
        cut = data.startswith(png.SIGNATURE) and b"IEND" not in data  # what is missing would be black
        # UNCHANGED: the orientation as it is
        pixels = None if cut else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise SourceError(is_damaged(self._path), hint="open it elsewhere to see whether it is whole")
        if pixels.dtype != np.uint16:
            raise SourceError(
                f"{self._path} holds samples that are neither 8 nor 16 bits", hint="export it as 16-bit PNG or TIFF"
            )
        if 8 < self._bits < 16:  # OpenCV leaves JPEG 2000 as it is stored
            pixels = at_full_scale(pixels, self._bits)
        if pixels.ndim == 2 or pixels.shape[2] == 1:
            return Stored("grey", pixels.reshape(*pixels.shape[:2], 1))
        if pixels.shape[2] == 4 and self._image.mode in ("LA", "L"):  # OpenCV has no grey with alpha
            return Stored("grey", pixels[..., :1], pixels[..., 3])
        code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        return _split(cv2.cvtColor(pixels, code))


def valid_dpi(dpi: tuple[SupportsFloat, SupportsFloat] | None) -> tuple[float, float] | None:
    """Dots per inch as numbers; None for values that are none."""
    if not dpi or not all(1 < float(value) < 1e6 for value in dpi):
        return None
    return float(dpi[0]), float(dpi[1])


def _has_deep_tiles(image: ImageFile) -> bool:
    tile = image.tile[0] if image.format == "PNG" and image.tile else None
    return tile is not None and "16" in str(tile[3])  # the raw mode, as "RGB;16B"


def _split(samples: Samples) -> Stored:
    alpha = cast(Samples, np.ascontiguousarray(samples[..., 3])) if samples.shape[2] == 4 else None
    return Stored("rgb", samples[..., :3], alpha)


def _with_transparent_value(stored: Stored, value: Any) -> Stored:
    """PNG's way to make one grey value transparent."""
    if stored.kind != "grey" or not isinstance(value, int):
        return stored
    most = np.iinfo(stored.samples.dtype).max
    alpha = np.where(stored.samples[..., 0] == value, 0, most)
    return replace(stored, alpha=cast(Samples, alpha.astype(stored.samples.dtype)))


def _without_end_mark(data: bytes) -> ImageFile | None:
    """A JPEG picture of which nothing is missing but the mark at its end; None where samples are missing, too.

    What is missing is decoded from whatever follows: when that makes no difference, there is nothing missing.
    """
    # Zeros and half a mark may stand in its place; a zero may also belong to the samples.
    for start in (data, data.removesuffix(b"\xff"), data.rstrip(b"\0")):
        first = _decoded(start + jpeg.END)
        second = _decoded(start + _FILLER + jpeg.END)
        if first is not None and second is not None and first.tobytes() == second.tobytes():
            return first
    return None


def _decoded(data: bytes) -> ImageFile | None:
    from PIL import Image

    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    try:
        image.load()
    except OSError:
        return None
    return image
