"""Short films whose truth is known to the pixel, because they are made here.

People are cut out of labelled pictures and moved over another background by known warps; their labels go the same way.
What a sequence shows is a function of its kind, rate, size and seed alone.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.bench.canvas import Canvas
from livestyle.bench.layers import Image, Layer, Planes
from livestyle.bench.motions import KINDS, Kind, Pose, Shot
from livestyle.bench.people import People
from livestyle.bench.warps import Field, Stand
from livestyle.frame import REGIONS

Mask = npt.NDArray[np.bool_]

SMALL = 0.5
"""Of the frame's height: people less high are far away, their heads at most a fourteenth of the frame."""

MARGIN = 1.3  # a place is so much wider and higher than the frame, for the camera to move in
MARKS = ("hands", "small")  # what Moment says separately of each frame
STEP = 3.5  # pixels that an outline moves at most between two instants of which a blurred frame is the mean
MOST_STEPS = 12
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
    hands: Mask | None = None  # (h, w) at half the size: where a hand's skin surely is; None where no hands are cast
    small: Mask | None = None  # the same of hair and skin of people less than SMALL high


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
        self._actors: list[Layer] = []
        for k, (what, share) in enumerate(zip(kind.actors, kind.heights, strict=True)):
            owner = self._actors[0] if self._actors else None
            self._actors.append(_actor(people, what, first + 2 * k, round(share * size[1]), owner))
        marks = [_marks(*of) for of in zip(kind.actors, kind.heights, self._actors, strict=True)]
        self._marked = [name for k, name in enumerate(MARKS) if any(one[..., k].any() for one in marks)]
        self._marks = [one[..., [MARKS.index(name) for name in self._marked]] for one in marks]
        behind = int(self._draw.integers(0, 1000))
        around = round(size[0] * MARGIN), round(size[1] * MARGIN)
        self._places = [people.place(behind + k, around) for k in range(kind.places)]
        self._noise = _noise_bank(size, kind.noise)
        self._seen: object = None
        self._last: Canvas | None = None

    def moment(self, index: int, seconds: Fraction) -> Moment:
        shot = self._kind.shot(float(seconds), self._chance)
        canvas = self._composed(shot, float(seconds))
        pixels = self._exposed(canvas.colors, shot, index)
        pixels.flags.writeable = False
        stands = tuple(self._stand(shot, number) for number in shot.poses)
        marks = {name: _halved(canvas.marks[..., k]) > SHARES / 2 for k, name in enumerate(self._marked)}
        return Moment(pixels, int(seconds / TIME_BASE), shot.place, _truth(canvas.least, canvas.most), stands,
                      marks.get("hands"), marks.get("small"))  # fmt: skip

    def _stand(self, shot: Shot, number: int) -> Stand:
        pose = shot.poses[number]
        x, y, angle = pose.x + shot.camera.x, pose.y + shot.camera.y, pose.angle + shot.camera.angle
        return Stand(self._actors[number], replace(pose, x=x, y=y, angle=angle), self._size)

    def _composed(self, shot: Shot, seconds: float) -> Canvas:
        """Before light and noise; where nothing has moved since the last frame, what was composed for that."""
        seen = shot.place, shot.camera, tuple(shot.poses.items())
        if self._last is None or self._seen != seen:
            place = self._places[shot.place]
            field = _filling(place, shot.camera, self._size).from_frame((0, 0, *self._size))
            canvas = Canvas(place, field, len(self._marked))
            for number in shot.poses:
                canvas.lay(self._exposures(shot, number, seconds), self._marks[number])
            self._seen, self._last = seen, canvas
        return self._last

    def _exposures(self, shot: Shot, number: int, seconds: float) -> list[Stand]:
        """How an actor stands while the shutter is open, at so many instants that its outline is smooth."""
        still, shutter = [self._stand(shot, number)], self._kind.shutter
        ends = [self._kind.shot(seconds + shutter * side / 2, self._chance) for side in (-1, 1)]
        if not shutter or any(number not in end.poses for end in ends):
            return still
        count = min(MOST_STEPS, math.ceil(_moved(*(self._stand(end, number) for end in ends)) / STEP))
        times = [seconds + shutter * ((k + 0.5) / count - 0.5) for k in range(count)]
        return [self._stand(self._kind.shot(time, self._chance), number) for time in times] if count > 1 else still

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


def _actor(people: People, what: str, number: int, height: int, owner: Layer | None) -> Layer:
    if what == "hand":
        return people.hand(number, height, owner)
    return people.portrait(number, height) if what == "portrait" else people.figure(number, height)


def _marks(what: str, height: float, layer: Layer) -> Planes:
    """(h, w, M): 1 where a layer shows each of MARKS: a hand's skin, hair and skin of who is less than SMALL high."""
    hair, skin = (layer.least[..., REGIONS.index(region)] for region in ("hair", "skin"))
    nothing = np.zeros_like(skin)
    return np.dstack([skin if what == "hand" else nothing,
                      hair + skin if what == "figure" and height < SMALL else nothing])  # fmt: skip


def _moved(one: Stand, other: Stand) -> float:
    """Pixels that the upper end of a layer moves between two stands, about."""
    (_, height), first, second = one.layer.size, one.pose, other.pose
    across = second.x - first.x + second.lean - first.lean
    turned = math.radians(second.angle - first.angle) * height
    return math.hypot(across * one.frame[1] + turned, (second.y - first.y) * one.frame[1])


def _filling(place: Layer, camera: Pose, size: tuple[int, int]) -> Stand:
    """A place with its middle in the middle of the frame, that follows the camera."""
    below = (place.size[1] - size[1]) / 2 / size[1]
    return Stand(place, Pose(camera.x, camera.y + below, camera.angle), size)


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
