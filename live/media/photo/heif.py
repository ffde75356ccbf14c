"""HEIC and HEIF photos, by libheif (pillow-heif): tiles, transparency and rotation are its work."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from livestyle.frame import Pixels
from livestyle.media.depth import Samples, at_full_scale
from livestyle.media.photo.coding import ColorDescription

QUALITY = 90
"""Of x265 in libheif, 0..100."""

_PRESET = "fast"  # of x265: twice as fast as the default, "slow", and 5 % larger (measured)
_THREADS = 4


@dataclass(frozen=True, slots=True)
class HeifPicture:
    """An opened HEIF file: its main picture, upright, not decoded yet."""

    image: Any  # pillow_heif.HeifImage, which has no types
    pictures: int

    @property
    def info(self) -> Mapping[str, Any]:
        """What the file says, in the words of Pillow's Image.info."""
        found: Mapping[str, Any] = self.image.info
        return found

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), upright."""
        return int(self.image.size[0]), int(self.image.size[1])

    @property
    def is_deep(self) -> bool:
        """Whether its samples have more than 8 bits."""
        return int(self.info.get("bit_depth", 8)) > 8

    @property
    def has_alpha(self) -> bool:
        """Whether it is transparent anywhere, for all that is known before it is decoded."""
        return bool(self.image.has_alpha)

    def left_out(self) -> list[str]:
        """What else is in the file, and does not come along."""
        found = ["the depth map"] if self.info.get("depth_images") else []
        if any("hdrgainmap" in str(kind) for kind in self.info.get("aux", {})):
            found.append("the HDR gain map")
        return found

    def read(self) -> Samples:
        """(H, W, 1 to 4) uint8 or uint16 at full scale. Raises what libheif raises."""
        samples = np.array(self.image)
        if samples.ndim == 2:
            samples = samples[..., None]
        if samples.dtype != np.uint16:
            return samples
        # libheif shifts 10 and 12 bits up: white would be 65472.
        bits = int(self.info["bit_depth"])
        return at_full_scale(np.asarray(samples >> (16 - bits), np.uint16), bits)


def open_heif(data: bytes) -> HeifPicture:
    """The main picture of a HEIF file. Raises what pillow-heif raises."""
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = _THREADS
    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    return HeifPicture(file[file.primary_index], len(file))


def encode_heif(
    pixels: Pixels, source: Mapping[str, Any], *, color: ColorDescription, exif: bytes | None, xmp: bytes | None
) -> bytes:
    """(H, W, 3 or 4) as HEIC.

    Chroma and depth are those of `source` (`HeifPicture.info`; empty for photos of other formats), else 4:2:0, which
    every viewer shows, and 8 or 10 bits. `exif`: beginning with its TIFF header.
    """
    import pillow_heif

    mode = "RGBA" if pixels.shape[2] == 4 else "RGB"
    deep = pixels.dtype == np.uint16
    size = (pixels.shape[1], pixels.shape[0])
    file = pillow_heif.from_bytes(f"{mode};16" if deep else mode, size, np.ascontiguousarray(pixels).tobytes())
    options: dict[str, Any] = {
        "quality": QUALITY,
        "chroma": str(source.get("chroma") or 420),
        "enc_params": {"preset": _PRESET},
        "exif": exif,
        "xmp": xmp,
    }
    if deep:
        options["bit_depth"] = 12 if source.get("bit_depth") == 12 else 10
    if color.profile:
        options |= {"icc_profile": color.profile, "icc_profile_type": "prof"}
    buffer = io.BytesIO()
    file.save(buffer, **options)
    return buffer.getvalue()
