"""Short films whose truth is known to the pixel, because they are made here.

People are cut out of labelled pictures and moved over another background by known warps; their labels go the same way.
What a sequence shows is a function of its kind, rate, size and seed alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.bench.layers import BACKGROUND, Image, Layer, Planes
from livestyle.bench.motions import KINDS, Kind, Pose, Shot
from livestyle.bench.people import People
from livestyle.bench.warps import Field, Stand, taken
from livestyle.frame import REGIONS

Composed = tuple[Field, Planes, Planes]
"""(H, W, 3) colours, and (H, W, R) shares that are surely and that may be each region."""

MARGIN = 1.3  # a place is so much wider and higher than the frame, for the camera to move in
SHARES = 255  # soft truth is kept as uint8 shares of this


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the regions of one frame really are, as far as the labels say."""

    may: Image  # (H, W): bit r is set where the pixel may be of REGIONS[r]; several bits: nobody knows
    least: Image  # (h, w, R) at half the size, in 1/255: what is surely each region
    most: Image  # (h, w, R): what may be; equal to `least` where it is known

    def inside(self, region: int) -> npt.NDArray[np.bool_]:
        """(H, W): pixels that are surely of the region."""
        return np.asarray(self.may == 1 << region)

    def outside(self, region: int) -> npt.NDArray[np.bool_]:
        """(H, W): pixels that are surely not of the region."""
        return np.asarray((self.may & (1 << region)) == 0)

    @property
    def weights(self) -> Planes:
        """(h, w, R) float32 in [0, 1] at half the size; in the middle of what is possible where it is not known."""
        return np.asarray((self.least.astype(np.float32) + self.most) * np.float32(0.5 / SHARES))

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(h, w, R): where `weights` are known to within 4 %."""
        return np.asarray(self.most - self.least <= 10)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame of a film."""

    pixels: Image  # (H, W, 3) RGB, read-only
    pts: int  # in units of 1/90000 s
    scene: int = 0  # another number after a cut
    truth: Truth | None = None  # None in a real clip
    stands: tuple[Stand, ...] = ()  # who is there and how, the hindmost first


TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True)
class Film:
    """A sequence of moments, all of one size, and how often they come."""

    name: str
    moments: tuple[Moment, ...]
    rate: Fraction  # frames per second
    kind: Kind | None = None  # None: a real clip

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        height, width = self.moments[0].pixels.shape[:2]
        return width, height


def make_film(kind: str, people: People, *, rate: int = 30, size: tuple[int, int] = (1280, 720), seed: int = 0,
              seconds: float | None = None) -> Film:  # fmt: skip
    """The film of `kind` (a key of KINDS) with the `people`; `seconds` cuts it short."""
    what = KINDS[kind]
    count = max(2, round(rate * min(seconds or what.seconds, what.seconds)))
    stage = _Stage(what, people, size, seed)
    moments = tuple(stage.moment(index, Fraction(index, rate)) for index in range(count))
    name = f"{kind}-{seed}" + (f"-{rate}" if rate != 30 else "")
    return Film(name, moments, Fraction(rate), what)


class _Stage:
    def __init__(self, kind: Kind, people: People, size: tuple[int, int], seed: int) -> None:
        self._kind, self._size = kind, size
        self._draw = np.random.default_rng((zlib.crc32(kind.name.encode()), seed))
        self._chance = self._draw.random(8)
        # Portraits of the first seeds come from sets whose labels know every region: see Labelled.portrait.
        first = len(kind.actors) * seed + 2 * int(self._draw.integers(0, 10))
        self._actors = [_actor(people, what, first + 2 * k, round(share * size[1]))
                        for k, (what, share) in enumerate(zip(kind.actors, kind.heights, strict=True))]  # fmt: skip
        behind = int(self._draw.integers(0, 1000))
        around = round(size[0] * MARGIN), round(size[1] * MARGIN)
        self._places = [people.place(behind + k, around) for k in range(kind.places)]
        self._noise = _noise_bank(size, kind.noise)
        self._seen: object = None
        self._last: tuple[Field, Truth] | None = None

    def moment(self, index: int, seconds: Fraction) -> Moment:
        shot = self._kind.shot(float(seconds), self._chance)
        colors, truth = self._composed(shot)
        pixels = self._exposed(colors, shot, index)
        pixels.flags.writeable = False
        return Moment(pixels, int(seconds / TIME_BASE), shot.place, truth, tuple(self._stands(shot)))

    def _stands(self, shot: Shot) -> Iterator[Stand]:
        for number, pose in shot.poses.items():
            x, y, angle = pose.x + shot.camera.x, pose.y + shot.camera.y, pose.angle + shot.camera.angle
            yield Stand(self._actors[number], replace(pose, x=x, y=y, angle=angle), self._size)

    def _composed(self, shot: Shot) -> tuple[Field, Truth]:
        """Before light and noise; where nothing has moved since the last frame, what was composed for that."""
        seen = shot.place, shot.camera, tuple(shot.poses.items())
        if self._last is None or self._seen != seen:
            picture = self._behind(shot)
            for stand in self._stands(shot):
                picture = _laid_over(picture, stand)
            colors, least, most = picture
            self._seen, self._last = seen, (colors, _truth(least, most))
        return self._last

    def _behind(self, shot: Shot) -> Composed:
        place = self._places[shot.place]
        field = _filling(place, shot.camera, self._size).from_frame((0, 0, *self._size))
        colors = taken(place.pixels, field, cv2.BORDER_REFLECT_101)
        least = np.zeros((*colors.shape[:2], len(REGIONS)), np.float32)
        least[..., BACKGROUND] = 1
        return colors, least, least

    def _exposed(self, colors: Field, shot: Shot, index: int) -> Image:
        """Light is scaled as light, so the encoded values (exponent 1/2.2) by the same root; then the noise comes."""
        rows = np.linspace(0, 2.5 * 2 * np.pi, self._size[1], dtype=np.float32) + np.float32(shot.band_phase)
        gain = 2.0**shot.exposure * (1 + shot.bands * np.sin(rows))
        colors = colors * (gain ** (1 / 2.2)).astype(np.float32)[:, np.newaxis, np.newaxis]
        x, y = np.random.default_rng((index, len(self._noise))).integers(0, _NOISE_ROOM, 2)
        colors += self._noise[y : y + self._size[1], x : x + self._size[0]]
        return np.asarray(np.clip(colors + 0.5, 0, 255), np.uint8)


_NOISE_ROOM = 61  # pixels that the noise is moved about by, in both directions


@lru_cache(maxsize=4)
def _noise_bank(size: tuple[int, int], deviation: float) -> Field:
    draw = np.random.default_rng(7)
    noise = draw.standard_normal((size[1] + _NOISE_ROOM, size[0] + _NOISE_ROOM, 3), np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6)  # demosaicing correlates neighbours
    return np.asarray(noise * (deviation / noise.std()), np.float32)


def _actor(people: People, what: str, number: int, height: int) -> Layer:
    return people.portrait(number, height) if what == "portrait" else people.figure(number, height)


def _filling(place: Layer, camera: Pose, size: tuple[int, int]) -> Stand:
    """A place with its middle in the middle of the frame, that follows the camera."""
    below = (place.size[1] - size[1]) / 2 / size[1]
    return Stand(place, Pose(camera.x, camera.y + below, camera.angle), size)


def _laid_over(below: Composed, stand: Stand) -> Composed:
    """Writes into `below`."""
    colors, least, most = below
    left, top, right, bottom = box = stand.reach()
    if left >= right or top >= bottom:
        return below
    layer = stand.layer
    if most is least and layer.most is not layer.least:
        most = least.copy()
    field, part = stand.from_frame(box), np.s_[top:bottom, left:right]
    cover = taken(layer.cover, field, cv2.BORDER_CONSTANT)[..., np.newaxis]
    _cover(colors[part], layer.pixels, field, cover)
    _cover(least[part], layer.least, field, cover)
    if most is not least:
        _cover(most[part], layer.most, field, cover)
    return colors, least, most


def _cover(below: Field, above: Planes | Image, field: Field, cover: Field) -> None:
    below += cover * (taken(above, field, cv2.BORDER_REPLICATE) - below)


def _truth(least: Planes, most: Planes) -> Truth:
    possible = most >= 0.5
    may = np.packbits(possible, axis=2, bitorder="little")[..., 0]
    may[may == 0] = (1 << len(REGIONS)) - 1  # three regions meet: nobody says whose it is
    sure = _halved(least)
    return Truth(may, sure, sure if most is least else _halved(most))


def _halved(planes: Planes) -> Image:
    size = max(1, planes.shape[1] // 2), max(1, planes.shape[0] // 2)
    return np.asarray(np.rint(cv2.resize(planes, size, interpolation=cv2.INTER_AREA) * SHARES), np.uint8)


def kinds_named(names: Several[str]) -> Iterator[str]:
    """`names`, each of which must be a kind; all kinds for none. Raises UsageError."""
    from livestyle.errors import UsageError

    for name in names or KINDS:
        if name not in KINDS:
            raise UsageError(f"There is no kind of sequence called {name}", hint=f"kinds: {', '.join(KINDS)}")
        yield name
