"""TIFF files: samples of every layout, in 8 or 16 bits, upright or not; what cannot be kept right is refused by name.

libtiff (through Pillow) unpacks what is compressed; where the bytes then belong, and what they mean, is decided here.
Source: TIFF 6.0; Adobe, "Photoshop TIFF Technical Notes"; Adobe, "TIFF Technical Note 3" (floating point).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livestyle.errors import ColorError, SourceError
from livestyle.media.depth import Samples, at_full_scale, unmultiplied
from livestyle.media.photo.directories import Entries, Sliceable, Tags
from livestyle.media.photo.icc import Chromaticities, Curve, FloatArray
from livestyle.media.photo.tiff_blocks import (
    CCITT,
    JPEG,
    OLD_JPEG,
    WEBP,
    Layout,
    knows_pictures,
    unpack,
    unpack_picture,
)
from livestyle.media.refusals import is_damaged

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_SAMPLES, _PLANES, _PREDICTOR, _COLOR_MAP, _INKS, _EXTRA, _FORMAT = 277, 284, 317, 320, 332, 338, 339
_TRANSFER, _WHITE, _PRIMARIES = 301, 318, 319
_BYTE_WISE = {1, 5, 8, 32773, 32946, 34925, 50000}  # none, LZW, Deflate twice, PackBits, LZMA, Zstandard
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_USABLE = {WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR}
_COLORS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
_REFUSED = {4: "a transparency mask", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32844: "LogL (HDR)",
            32845: "LogLuv (HDR)", 32803: "a camera's raw samples", 34892: "linear raw samples"}  # fmt: skip
_COMPRESSIONS = {1: "none", 2: "CCITT", 3: "CCITT", 4: "CCITT", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "Deflate",
                 32773: "PackBits", 32946: "Deflate", 34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000",
                 34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
                 52546: "JPEG XL"}  # fmt: skip
_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha that is multiplied in, and that is not


@dataclass(frozen=True, slots=True)
class TiffPicture:
    """The picture in a TIFF file as it is stored, not yet turned upright."""

    kind: int  # BLACK_IS_ZERO (white may have been zero), RGB or CMYK
    samples: Samples  # (H, W, 1, 3 or 4); uint8, or uint16 at full scale 65535
    alpha: Samples | None  # (H, W); not multiplied in


class TiffFile:
    """The main picture of a TIFF file: its layout is known when this is made, its samples when they are read."""

    def __init__(self, data: Sliceable, path: Path) -> None:
        """`path`: for messages. Raises SourceError, and ColorError for what cannot be kept right."""
        self._data, self._path = data, path
        try:
            self.tags = Tags(data)
        except ValueError as error:
            raise self._damaged(str(error)) from error
        pages = self.tags.chain(self.tags.first)
        if not pages:
            raise self._damaged("it has no picture")
        whole = [page for page in pages if not self._number(page, _SUBFILE, 0) & 1 and _WIDTH in page]
        self.pages = len(whole)
        self.page = whole[0] if whole else pages[0]
        self.size = (self._number(self.page, _WIDTH, 0), self._number(self.page, _HEIGHT, 0))
        if 0 in self.size:
            raise self._damaged("it does not say how large its picture is")
        bits = self._numbers(_BITS) or [1]
        self._bits = bits[0]
        self._all_bits = bits
        self._count = self._number(self.page, _SAMPLES, len(bits))
        self.kind = self._number(self.page, _PHOTOMETRIC, BLACK_IS_ZERO)
        self._packing = self._number(self.page, _COMPRESSION, 1)
        self._planar = self._number(self.page, _PLANES, 1) == 2 and self._count > 1
        self._check()

    @property
    def sample_bytes(self) -> int:
        """Of the samples that will be read: 1 or 2."""
        return 2 if self._bits > 8 else 1

    @property
    def has_alpha(self) -> bool:
        """Whether a channel says how opaque the picture is."""
        return self._alpha_kind() in (_ASSOCIATED, _UNASSOCIATED)

    def number_of(self, tag: int, missing: int) -> int:
        """The first whole number of a tag of the picture."""
        return self._number(self.page, tag, missing)

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag of the picture; b"" where it has none."""
        found = self.page.get(tag)
        return b"" if found is None else found.raw

    def color(self) -> tuple[Chromaticities | None, Curve | None]:
        """What the tags (not an ICC profile) say about primaries and tone curve."""
        corners = self.tags.fractions(self.page.get(_PRIMARIES))
        white = self.tags.fractions(self.page.get(_WHITE))
        colors: Chromaticities | None = None
        if len(corners) == 6 and len(white) == 2:
            colors = (
                (corners[0], corners[1]),
                (corners[2], corners[3]),
                (corners[4], corners[5]),
                (white[0], white[1]),
            )
        table = np.array(self._numbers(_TRANSFER), np.float64)
        length = 1 << min(self._bits, 16)
        if table.size not in (length, 3 * length):
            return colors, None
        return colors, _table_curve(table[:length] / 65535)

    def read(self) -> TiffPicture:
        """Decode. Raises SourceError."""
        samples = self._samples()
        extra = self._alpha_kind()
        colors = _COLORS[self.kind]
        alpha = samples[..., colors] if extra is not None and samples.shape[2] > colors else None
        picture = samples[..., :colors]
        kind = self.kind
        if kind == PALETTE:
            picture, kind = self._through_palette(picture), RGB
            return TiffPicture(kind, picture, None)
        picture = self._full_scale(picture)
        if kind == WHITE_IS_ZERO:
            picture, kind = ~picture, BLACK_IS_ZERO
        if alpha is not None:
            alpha = self._full_scale(alpha)
            if extra == _ASSOCIATED:
                picture = unmultiplied(picture, alpha)
        return TiffPicture(RGB if kind == YCBCR else kind, picture, alpha)

    # ---- what is refused -----------------------------------------------------------------------------------------

    def _check(self) -> None:
        self._check_color()
        formats = set(self._numbers(_FORMAT) or [1]) - {4}  # 4: not said
        kind = {2: "signed", 3: "floating-point"}.get(max(formats, default=1), "complex" if formats - {1} else "")
        if kind:
            raise ColorError(
                f"{self._path} is a TIFF file with {kind} samples of {self._bits} bits, which have no fixed white",
                hint="export it as 16-bit RGB",
            )
        if len(set(self._all_bits)) > 1 or not 1 <= self._bits <= 32 or 16 < self._bits < 32:
            depths = ", ".join(map(str, self._all_bits))
            raise SourceError(
                f"{self._path} is a TIFF file with samples of {depths} bits", hint="export it as 16-bit RGB"
            )
        if not self._can_unpack():
            name = _COMPRESSIONS.get(self._packing, f"number {self._packing}")
            raise SourceError(
                f"{self._path} is a {self._bits}-bit TIFF file with a compression that is not read here: {name}",
                hint="export it uncompressed, or with LZW or ZIP",
            )

    def _check_color(self) -> None:
        if self.kind not in _USABLE:
            what = _REFUSED.get(self.kind, f"photometric interpretation {self.kind}")
            raise ColorError(f"{self._path} is a TIFF file that stores {what}, which cannot be styled here",
                             hint="export it as RGB")  # fmt: skip
        if self.kind == CMYK and (self._number(self.page, _INKS, 1) == 2 or self._count < 4):
            raise ColorError(f"{self._path} is a TIFF file with inks other than CMYK", hint="export it as RGB")
        if self._count < _COLORS[self.kind] or self._count > 64:
            raise self._damaged(f"{self._count} samples a pixel")
        if self.kind == PALETTE and self._bits > 8:
            raise SourceError(
                f"{self._path} is a TIFF file with a palette of {self._bits} bits", hint="export it as RGB"
            )

    def _can_unpack(self) -> bool:
        if self._packing in (JPEG, OLD_JPEG, WEBP):
            return self._bits == 8
        if self._packing in CCITT:
            return self._bits == 1
        fits = self._number(self.page, _PREDICTOR, 1) == 1 or self._bits in (8, 16, 32)
        return self._packing in _BYTE_WISE and fits and (self.kind != YCBCR or self._bits == 8)

    def _damaged(self, what: str) -> SourceError:
        return SourceError(is_damaged(self._path, what), hint="copy or export it again")

    # ---- tags ----------------------------------------------------------------------------------------------------

    def _numbers(self, tag: int) -> list[int]:
        return self.tags.numbers(self.page.get(tag))

    def _number(self, page: Entries, tag: int, missing: int) -> int:
        found = self.tags.numbers(page.get(tag))
        return found[0] if found else missing

    def _alpha_kind(self) -> int | None:
        """Of the first channel that is not colour. One whose meaning is not said is not alpha."""
        extra = self._numbers(_EXTRA)
        if self._count <= _COLORS[self.kind] or self.kind in (PALETTE, YCBCR):
            return None
        return extra[0] if extra and extra[0] in (_ASSOCIATED, _UNASSOCIATED) else None

    # ---- samples -------------------------------------------------------------------------------------------------

    def _samples(self) -> Samples:
        """(H, W, samples a pixel), as stored: not at full scale yet."""
        layout = Layout(
            self._data, self.tags, self.page, self.size, self._bits, self._count, self._packing,
            planar=self._planar, kept=min(self._count, _COLORS[self.kind] + 1),
        )  # fmt: skip
        try:
            if knows_pictures(self._packing) or self.kind == YCBCR:
                return unpack_picture(layout, self._path)
            return unpack(layout)
        except ValueError as error:
            raise self._damaged(str(error)) from error

    def _full_scale(self, samples: Samples) -> Samples:
        return samples if self._bits == 32 else at_full_scale(samples, self._bits)

    def _through_palette(self, indices: Samples) -> Samples:
        colors = np.array(self._numbers(_COLOR_MAP), np.uint16)
        if colors.size != 3 << self._bits:
            raise self._damaged("its palette has another size")
        table = colors.reshape(3, -1).T
        if (table < 256).all():  # as old programs wrote them
            return np.asarray(table.astype(np.uint8)[indices[..., 0]])
        if (table % 257 == 0).all() or (table & 255 == 0).all():
            return np.asarray((table >> 8).astype(np.uint8)[indices[..., 0]])
        return np.asarray(table[indices[..., 0]])


def _table_curve(table: FloatArray) -> Curve:
    return lambda encoded: np.interp(encoded, np.linspace(0, 1, table.size), table)
