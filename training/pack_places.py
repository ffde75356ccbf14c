"""Pictures without people, gathered from folders of anything into one parquet file that `data.places` reads.

Packages with textures, furniture, wallpapers and manuals hold thousands of such pictures, and beside them icons, the
same picture in several sizes, and some on which people are. Which ones are kept depends on names and pixels alone.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import OutputExistsError
from livestyle.protocols import Segmenter
from livestyle.training.evaluate import false_people
from livestyle.training.pack import encoded, shrunk
from livestyle.training.parquet import write_parquet
from livestyle.training.places import Place, stored_places

log = logging.getLogger("livestyle")

Image = npt.NDArray[np.uint8]

PEOPLE = 0.005
"""Share of pixels called hair or skin from which on a picture counts as one of people."""

ALIKE = 4.0
"""Levels of 255 (root mean square) up to which two pictures of 16 x 16 pixels are the same one."""

_THUMBNAIL = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """Which pictures are kept."""

    smallest: int = 128  # pixels of the short side at least
    each: int = 0  # at most so many from each folder directly in the one that is packed, 0: all
    unwanted: Sequence[str] = ()  # patterns (fnmatch) of names to leave out, found by looking at the pictures
    model: Segmenter | None = None  # leaves out what it sees people on


@dataclass(slots=True)
class PackedPlaces:
    """What became of the pictures: how many were written, and why the others were left out."""

    pictures: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


class _Seen:
    """Small copies of the pictures that were kept."""

    def __init__(self) -> None:
        self._thumbnails = np.zeros((0, 3 * _THUMBNAIL**2), np.float32)

    def knows(self, pixels: Image) -> bool:
        """Whether a picture that was kept looks like this one at 16 x 16 pixels; if not, it is kept from now on."""
        small = cv2.resize(pixels, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
        flat = small.reshape(1, -1).astype(np.float32)
        if (np.square(self._thumbnails - flat).mean(axis=1) <= ALIKE**2).any():
            return True
        self._thumbnails = np.vstack([self._thumbnails, flat])
        return False


def decoded(data: bytes, behind: Image | None = None) -> Image | None:
    """(H, W, 3) RGB of 8 bits; what is transparent shows `behind`, grey without it. None for what is no picture."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        return None
    if image.dtype != np.uint8:
        image = cv2.convertScaleAbs(image, alpha=1 / 257 if image.dtype == np.uint16 else 255)
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
    pixels = np.asarray(cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_BGR2RGB), np.uint8)
    return pixels if image.shape[2] == 3 else _over(pixels, image[..., 3], behind)


def _over(pixels: Image, alpha: Image, behind: Image | None) -> Image:
    """`pixels` laid over the picture `behind`, which fills their size."""
    height, width = alpha.shape
    if behind is None:
        back = np.full_like(pixels, 128)
    else:
        back = np.asarray(cv2.resize(behind, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    share = alpha[..., None].astype(np.float32) / 255
    return np.asarray(np.rint(share * pixels + (1 - share) * back), np.uint8)


def _shuffled(places: Iterable[Place]) -> list[Place]:
    """In the order of hashes of their names: the first few of a folder are then spread over all of it.

    Not the hash that splits (split.py), or those that validate would come first and fill each folder's share.
    """

    def order(place: Place) -> tuple[bytes, str]:
        return hashlib.blake2b(place.name.encode()).digest(), place.origin

    return sorted(places, key=order)


class _Chooser:
    """Goes through pictures and says of each why it is left out, if it is."""

    def __init__(self, choice: Choice, side: int) -> None:
        self._choice, self._side = choice, side
        self._seen = _Seen()
        self._each: Counter[str] = Counter()
        self._behind: Image | None = None  # the last picture that was kept: cut-outs are laid over it

    def judge(self, place: Place) -> tuple[Image | None, str]:
        """The picture at its final size and "", or None and why it is left out."""
        folder = place.name.split("/")[0]
        if any(fnmatchcase(place.name, pattern) for pattern in self._choice.unwanted):
            return None, "listed"
        if self._choice.each and self._each[folder] >= self._choice.each:
            return None, "more than wanted of one folder"
        pixels = decoded(place.data, self._behind)
        if pixels is None:
            return None, "not decodable"
        if min(pixels.shape[:2]) < self._choice.smallest:
            return None, "too small"
        pixels = shrunk(pixels, self._side, cv2.INTER_AREA)
        if self._seen.knows(pixels):
            return None, "seen before"
        if self._shows_people(place, pixels):
            return None, "people"
        self._each[folder] += 1
        self._behind = pixels
        return pixels, ""

    def _shows_people(self, place: Place, pixels: Image) -> bool:
        share = false_people(self._choice.model, [pixels]) if self._choice.model else 0.0
        if share > PEOPLE:
            log.info("%.1f %% hair or skin: %s", 100 * share, place.name)
        return share > PEOPLE


def pack_places(source: Path, out: Path, choice: Choice, *, side: int = 384, quality: int = 85) -> PackedPlaces:
    """Write what `choice` keeps of the pictures at `source` into the parquet file `out`, as WebP of that `quality`.

    No short side is longer than `side` pixels. Names stay, and with them the split; what is transparent shows another
    of the pictures. Raises OutputExistsError, EncodeError and what stored_places raises.
    """
    if out.exists():
        raise OutputExistsError(f"{out} is there already.", hint="Give another name, or remove the file.")
    result, chooser = PackedPlaces(), _Chooser(choice, side)

    def kept() -> Iterator[dict[str, str | bytes]]:
        for place in _shuffled(stored_places(source)):
            pixels, reason = chooser.judge(place)
            if pixels is None:
                result.left_out[reason] += 1
                continue
            result.pictures += 1
            image = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            yield {"name": place.name, "image": encoded(".webp", image, cv2.IMWRITE_WEBP_QUALITY, quality)}

    write_parquet(out, ("image",), kept())
    return result
