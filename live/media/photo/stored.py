"""A photo as its file stores it, and the way from there to upright RGB."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import cv2
import numpy as np

from livestyle.frame import Pixels
from livestyle.media.depth import Samples, to_8_bit
from livestyle.media.photo.coding import ColorDescription
from livestyle.media.photo.icc import grey_curve, space_of, srgb_encoded
from livestyle.media.photo.metadata import Metadata

log = logging.getLogger("livestyle")

Kind = Literal["grey", "rgb", "cmyk"]


@dataclass(frozen=True, slots=True)
class Notes:
    """What a photo's file says besides its samples."""

    name: str  # the file, for messages
    format: str  # "JPEG", "PNG", "TIFF", "HEIF" …: Pillow's names
    orientation: int = 1  # EXIF's, 1..8, of the samples as they are read
    color: ColorDescription = field(
        default_factory=ColorDescription
    )  # of RGB values; of grey and CMYK, once they are converted: sRGB
    source_profile: bytes | None = None  # ICC of the samples where those are grey or CMYK
    metadata: Metadata = field(default_factory=Metadata)
    dpi: tuple[float, float] | None = None
    pictures: int = 1  # in the file
    has_alpha: bool = False
    left_out: tuple[str, ...] = ()  # what else is in the file, in words
    info: Mapping[str, Any] = field(default_factory=dict)  # further facts of the format, for its encoder


@dataclass(frozen=True, slots=True)
class Stored:
    """Decoded samples."""

    kind: Kind
    samples: Samples  # (H, W, 1, 3 or 4), by kind; uint8, or uint16 at full scale 65535
    alpha: Samples | None = None  # (H, W) of the same dtype, not multiplied in


class OpenedPhoto(Protocol):
    """A photo's file, its header read."""

    @property
    def notes(self) -> Notes:
        """What it says besides its samples."""
        ...

    def read(self) -> Stored:
        """Decode the samples. Raises SourceError, ColorError, and whatever a decoder may raise."""


def profiles_of(profile: bytes | None) -> tuple[bytes | None, bytes | None]:
    """An ICC profile as (that of RGB values, that of grey or CMYK samples)."""
    if not profile:
        return None, None
    space = space_of(profile)
    return (profile if space == "RGB" else None), (profile if space in ("GRAY", "CMYK") else None)


def to_rgb(stored: Stored, notes: Notes) -> Pixels:
    """(H, W, 3): grey and CMYK through their profiles to sRGB, where they have one."""
    samples = stored.samples
    if stored.kind == "rgb":
        return cast(Pixels, np.ascontiguousarray(samples))
    if stored.kind == "cmyk":
        return _from_cmyk(samples, notes)
    grey = _through_profile(samples, notes)
    return cast(Pixels, cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2RGB))


def _through_profile(grey: Samples, notes: Notes) -> Samples:
    profile = notes.source_profile
    if profile is None or space_of(profile) != "GRAY":
        return grey
    curve = grey_curve(profile)
    if curve is None:
        log.info("%s has a damaged grey profile: its values are taken as sRGB", notes.name)
        return grey
    most = 65535 if grey.dtype == np.uint16 else 255
    table = np.round(srgb_encoded(curve(np.linspace(0, 1, most + 1))) * most).astype(grey.dtype)
    return np.asarray(table[grey])


def _from_cmyk(samples: Samples, notes: Notes) -> Pixels:
    """With a profile by LittleCMS, in 8 bits; without one (1 - ink) (1 - black), at any depth."""
    profile = notes.source_profile
    if profile is not None and space_of(profile) == "CMYK":
        made = _by_profile(to_8_bit(samples), profile, notes.name)
        if made is not None:
            if samples.dtype == np.uint16:
                log.info("%s is converted from CMYK through its profile in 8 bits", notes.name)
            return made
    most = 65535 if samples.dtype == np.uint16 else 255
    light = (most - samples).astype(np.uint64)
    return cast(Pixels, ((light[..., :3] * light[..., 3:] + most // 2) // most).astype(samples.dtype))


def _by_profile(samples: Samples, profile: bytes, name: str) -> Pixels | None:
    from PIL import Image, ImageCms

    image = Image.frombytes("CMYK", (samples.shape[1], samples.shape[0]), np.ascontiguousarray(samples).tobytes())
    try:
        made = ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # PyCMSError, OSError: whatever a damaged profile leads to
        log.info("%s has a damaged CMYK profile: its colours are approximate", name)
        return None
    assert made is not None  # which only a conversion in place gives
    return np.asarray(made)
