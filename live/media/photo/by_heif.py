"""Photos in HEIF files, as `OpenedPhoto`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from livestyle.errors import ColorError
from livestyle.media.depth import Samples, unmultiplied
from livestyle.media.photo import boxes, metadata
from livestyle.media.photo.coding import ColorDescription, coded, refuse_hdr
from livestyle.media.photo.directories import Sliceable
from livestyle.media.photo.heif import HeifPicture, open_heif
from livestyle.media.photo.stored import Notes, Stored, profiles_of


class HeifPhoto:
    """A HEIC or HEIF file."""

    def __init__(self, data: Sliceable, path: Path) -> None:
        self._path = path
        self.picture: HeifPicture = open_heif(bytes(data[0 : len(data)]))
        self._coding = boxes.coding_of(data)

    @property
    def notes(self) -> Notes:
        """What the file says besides its samples."""
        info = self.picture.info
        profile, source_profile = profiles_of(info.get("icc_profile"))
        return Notes(
            name=str(self._path),
            format="HEIF",
            color=self._color(profile) if source_profile is None else ColorDescription(),
            source_profile=source_profile,
            metadata=metadata.of_info(info, str(self._path)),
            pictures=self.picture.pictures,
            has_alpha=self.picture.has_alpha,
            left_out=tuple(self.picture.left_out()),
            info={"chroma": info.get("chroma"), "bit_depth": info.get("bit_depth")},
        )

    def read(self) -> Stored:
        """Decode the samples; libheif turns them upright."""
        samples = self.picture.read()
        count = samples.shape[2]
        if count not in (1, 2, 3, 4):
            raise ColorError(
                f"{self._path} has {count} samples a pixel, which cannot be styled", hint="export it as RGB"
            )
        alpha = cast(Samples, np.ascontiguousarray(samples[..., -1])) if count in (2, 4) else None
        colors = samples[..., : 1 if count < 3 else 3]
        if alpha is not None and self.picture.image.premultiplied_alpha:
            colors = unmultiplied(colors, alpha)
        return Stored("grey" if count < 3 else "rgb", colors, alpha)

    def _color(self, profile: bytes | None) -> ColorDescription:
        name = str(self._path)
        nclx = self.picture.info.get("nclx_profile") or {}
        primaries = nclx.get("color_primaries", self._coding.primaries)
        transfer = nclx.get("transfer_characteristics", self._coding.transfer)
        if profile is None:
            return coded(primaries, transfer, name)
        refuse_hdr(transfer, name)
        return ColorDescription(profile)
