"""Photos in TIFF files, as `OpenedPhoto`."""

from __future__ import annotations

from pathlib import Path

from livestyle.media.photo import metadata
from livestyle.media.photo.by_pillow import valid_dpi
from livestyle.media.photo.coding import ColorDescription, described, is_plausible
from livestyle.media.photo.directories import Sliceable
from livestyle.media.photo.stored import Kind, Notes, Stored, profiles_of
from livestyle.media.photo.tiff import BLACK_IS_ZERO, CMYK, TiffFile

_ICC, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 34675, 282, 283, 296
_LAYERS = 37724
_PER_INCH = {2: 1.0, 3: 2.54}  # of ResolutionUnit: inch, centimetre


class TiffPhoto:
    """A TIFF file."""

    def __init__(self, data: Sliceable, path: Path) -> None:
        self._data, self._path = data, path
        self.file = TiffFile(data, path)

    @property
    def notes(self) -> Notes:
        """What the file says besides its samples."""
        page = {tag: entry.raw for tag, entry in self.file.page.items()}
        profile, source_profile = profiles_of(page.get(_ICC))
        found = metadata.of_tiff(self._data, page, str(self._path))
        orientation = self.file.number_of(274, 1)
        return Notes(
            name=str(self._path),
            format="TIFF",
            orientation=orientation if 1 <= orientation <= 8 else 1,
            color=self._color(profile) if source_profile is None else ColorDescription(),
            source_profile=source_profile,
            metadata=found,
            dpi=self._dpi(),
            pictures=self.file.pages,
            has_alpha=self.file.has_alpha,
            left_out=("the layers of Photoshop",) if _LAYERS in page else (),
        )

    def read(self) -> Stored:
        """Decode the samples."""
        picture = self.file.read()
        kinds: dict[int, Kind] = {BLACK_IS_ZERO: "grey", CMYK: "cmyk"}
        return Stored(kinds.get(picture.kind, "rgb"), picture.samples, picture.alpha)

    def _color(self, profile: bytes | None) -> ColorDescription:
        if profile:
            return ColorDescription(profile)
        colors, curve = self.file.color()
        usable = colors if colors is not None and is_plausible(colors) else None
        return described(None, usable, curve=curve) if usable or curve else ColorDescription()

    def _dpi(self) -> tuple[float, float] | None:
        factor = _PER_INCH.get(self.file.number_of(_RESOLUTION_UNIT, 2))
        page, tags = self.file.page, self.file.tags
        both = [tags.fractions(page.get(tag)) for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
        if factor is None or not all(both):
            return None
        return valid_dpi((both[0][0] * factor, both[1][0] * factor))
