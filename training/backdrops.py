"""Pictures without people: to put people before, and to learn that nobody is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import InputError, SourceError
from livestyle.training.classes import BACKGROUND, Members
from livestyle.training.places import stored_places
from livestyle.training.reader import LabelledSet

log = logging.getLogger("livestyle")

Image = npt.NDArray[np.uint8]

SKIN_TONES = np.array([[236, 200, 178], [214, 168, 136], [178, 124, 92], [124, 82, 58], [70, 46, 36]], np.float32)


def largest_empty_rectangle(members: Members, step: int = 8) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the largest rectangle, on a grid of `step` pixels, that is surely background."""
    empty = members[::step, ::step] == BACKGROUND
    heights = np.zeros(empty.shape[1], int)
    best = (0, 0, 0, 0)
    for row in range(empty.shape[0]):
        heights = np.where(empty[row], heights + 1, 0)
        for left in range(len(heights)):
            lowest = np.minimum.accumulate(heights[left:])
            areas = lowest * np.arange(1, len(lowest) + 1)
            k = int(areas.argmax())
            if areas[k] > best[2] * best[3]:
                best = (left, row - int(lowest[k]) + 1, k + 1, int(lowest[k]))
    x, y, width, height = best
    return x * step, y * step, max(width * step - step, 0), max(height * step - step, 0)


def empty_parts(labelled: LabelledSet, limit: int, smallest: int = 72) -> list[Image]:
    """Up to `limit` parts without people, each at least `smallest` pixels wide and high."""
    parts: list[Image] = []
    for index in range(len(labelled)):
        if len(parts) >= limit:
            break
        picture = labelled.picture(index)
        if picture is None:
            continue
        x, y, width, height = largest_empty_rectangle(picture.members)
        if min(width, height) >= smallest:
            parts.append(picture.pixels[y : y + height, x : x + width].copy())
    return parts


def empty_pictures(path: Path, longest: int = 640, *, validation: bool = False, strict: bool = False) -> list[Image]:
    """One side of the pictures without people at `path`, RGB, no larger than `longest` pixels.

    A folder of pictures, a parquet file, or a folder with both; they are split by name as people are. Nobody may be on
    them: that is not checked. What cannot be decoded is named in the log and left out, or a SourceError where `strict`.
    Raises InputError where there is none, and what stored_places raises.
    """
    wanted = [place for place in stored_places(path) if place.validates == validation]
    decoded = [(place, decode_place(place.data, longest)) for place in wanted]
    torn = [place.origin for place, pixels in decoded if pixels is None]
    if torn and strict:
        raise SourceError(f"{torn[0]} cannot be decoded.", hint="Leave --strict out to skip such pictures.")
    if torn:
        log.warning("%s: left out %d pictures that cannot be decoded: %s.", path, len(torn), ", ".join(torn[:3]))
    pictures = [pixels for _, pixels in decoded if pixels is not None]
    if not pictures:
        side = "validates" if validation else "is left to train on"
        raise InputError(f"{path}: no picture {side}.", hint="About a tenth of all names validate: add more pictures.")
    return pictures


def decode_place(data: bytes, longest: int) -> Image | None:
    """(H, W, 3) RGB, no larger than `longest` pixels; None for what is no picture."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if image is None else np.asarray(cv2.cvtColor(_at_most(image, longest), cv2.COLOR_BGR2RGB), np.uint8)


def _at_most(image: npt.NDArray[Any], longest: int) -> npt.NDArray[Any]:
    scale = longest / max(image.shape[:2])
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def texture(rng: np.random.Generator, size: int) -> Image:
    """A (size, size, 3) random surface, often in the colours of skin: plaster, wood, cloth, sand, gradients."""
    field = np.zeros((size, size), np.float32)
    stretch = int(rng.choice((1, 2, 4, 8, 16)))
    for octave in range(1, int(rng.integers(6, 9))):  # the finest are grain
        cells = 2**octave
        noise = rng.standard_normal((cells, max(1, cells // stretch) + 1)).astype(np.float32)
        if rng.random() < 0.5:
            noise = noise.T
        field += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC) * float(rng.uniform(0.3, 0.9)) ** octave
    field = 1 / (1 + np.exp(-float(rng.uniform(1, 4)) * field))
    return _colored(rng, field)


def _colored(rng: np.random.Generator, field: npt.NDArray[np.float32]) -> Image:
    if rng.random() < 0.5:
        ends = SKIN_TONES[rng.integers(len(SKIN_TONES), size=2)] + rng.normal(0, 15, (2, 3))
    else:
        ends = rng.uniform(0, 255, (2, 3))
    image = ends[0] + field[..., None] * (ends[1] - ends[0])
    return np.asarray(np.clip(image, 0, 255), np.uint8)


class Backdrops:
    """Draws backgrounds: parts of training pictures in which nobody is, whole pictures of places, and textures."""

    def __init__(self, parts: list[Image], places: Sequence[Image] = (), textures: float = 0.15) -> None:
        self._kinds = [kind for kind in (parts, places) if kind]
        self._textures = textures if self._kinds else 1.0

    def draw(self, rng: np.random.Generator, size: int) -> Image:
        """A (size, size, 3) uint8 RGB picture without people."""
        if rng.random() < self._textures:
            return texture(rng, size)
        kind = self._kinds[rng.integers(len(self._kinds)) if len(self._kinds) > 1 else 0]
        part = kind[int(rng.integers(len(kind)))]
        height, width = part.shape[:2]
        h, w = (int(rng.uniform(0.6, 1.0) * side) for side in (height, width))
        y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        crop = cv2.resize(part[y : y + h, x : x + w], (size, size), interpolation=cv2.INTER_LINEAR)
        return np.asarray(crop[:, ::-1] if rng.random() < 0.5 else crop, np.uint8)
