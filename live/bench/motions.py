"""How people, camera and light move: for every kind of sequence, a shot as a function of time in seconds.

Lengths are in units of the frame's height, so that a kind looks the same at every size; angles are in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Actor = Literal["portrait", "figure", "hand"]


@dataclass(frozen=True, slots=True)
class Pose:
    """Where an actor stands: the middle of its lower edge, and how it is bent around that."""

    x: float = 0.0  # to the right of the frame's middle
    y: float = 0.0  # below the frame's lower edge
    angle: float = 0.0  # clockwise
    scale: float = 1.0
    lean: float = 0.0  # how far the head is to the right of where the body has it
    nod: float = 0.0  # how far the face is below where the head has it
    jaw: float = 0.0  # how far the mouth is open


@dataclass(frozen=True, slots=True)
class Shot:
    """One instant."""

    poses: Mapping[int, Pose]  # number of an actor -> where it is; who is not named is not there
    place: int = 0  # number of the place behind them; another one is another scene
    camera: Pose = Pose()  # moves all that is seen
    exposure: float = 0.0  # in stops
    bands: float = 0.0  # relative depth of the bands that mains light leaves on a rolling shutter
    band_phase: float = 0.0  # radians at the upper edge


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of sequence."""

    name: str
    about: str
    shot: Callable[[float, npt.NDArray[np.float64]], Shot]  # of seconds and eight random numbers in [0, 1)
    seconds: float = 2.0
    actors: tuple[Actor, ...] = ("portrait",)
    heights: tuple[float, ...] = (0.9,)  # of the actors
    still: bool = False  # nothing moves but light and noise: every change of a mask is flicker
    noise: float = 2.0  # standard deviation of the sensor's noise, of 255
    shutter: float = 0.0  # seconds for which it is open: what moves meanwhile is blurred
    places: int = field(default=1)


def _wave(seconds: float, hertz: float, phase: float) -> float:
    return math.sin(2 * math.pi * (hertz * seconds + phase))


Chance = npt.NDArray[np.float64]
LOW = 0.03  # portraits end so far below the frame that no motion shows where they are cut off


def _still(t: float, chance: Chance) -> Shot:
    return Shot({0: Pose(x=0.3 * (chance[0] - 0.5), y=LOW)})


def _sway(t: float, chance: Chance) -> Shot:
    sway = _wave(t, 0.45, chance[0])
    return Shot({0: Pose(x=0.06 * sway, y=LOW, angle=2.5 * sway, lean=0.02 * _wave(t, 0.3, chance[1]))})


def _talk(t: float, chance: Chance) -> Shot:
    nod = 0.012 * _wave(t, 1.3, chance[0])
    jaw = 0.012 * (1 + _wave(t, 3.7, chance[1])) * (0.6 + 0.4 * _wave(t, 0.9, chance[2]))
    turn = _wave(t, 0.6, chance[3])
    return Shot({0: Pose(y=LOW, angle=1.5 * turn, lean=0.02 * turn, nod=nod, jaw=jaw)})


def _fast(t: float, chance: Chance) -> Shot:
    """Peaks at 2 pi x 1.1 Hz x 0.11 of the height: 18 pixels a frame at 720p and 30 frames/s; 12 on average."""
    shake = _wave(t, 1.1, chance[0])
    return Shot({0: Pose(x=0.03 * shake, y=LOW + 0.03, lean=0.08 * shake, angle=4 * _wave(t, 1.1, chance[0] - 0.1))})


def _walk(t: float, chance: Chance) -> Shot:
    """0.4 heights a second to the right or the left: 9.6 pixels a frame at 720p and 30 frames/s."""
    way = 1 if chance[0] < 0.5 else -1
    step = _wave(t, 1.8, chance[1])
    return Shot({0: Pose(x=way * 0.4 * (t - 1.0), y=-0.03 - 0.008 * step, angle=1.2 * _wave(t, 0.9, chance[1]))})


def _pan(t: float, chance: Chance) -> Shot:
    way = 1 if chance[0] < 0.5 else -1
    return Shot({0: Pose(y=LOW + 0.02)}, camera=Pose(x=way * 0.22 * math.sin(math.pi * (t - 1.0) / 2)))


def _shake(t: float, chance: Chance) -> Shot:
    def tremor(at: int) -> float:
        return sum(_wave(t, hertz, chance[at] + k / 3) / (k + 1) for k, hertz in enumerate((1.1, 2.7, 5.3)))

    camera = Pose(x=0.008 * tremor(0), y=0.008 * tremor(1), angle=0.3 * tremor(2))
    return Shot({0: Pose(y=LOW + 0.02, angle=_wave(t, 0.4, chance[3]))}, camera=camera)


def _flicker(t: float, chance: Chance) -> Shot:
    """100 Hz light beside 30 frames/s: bands that wander, and the exposure pumps after them."""
    return Shot(_still(t, chance).poses, exposure=0.08 * _wave(t, 3.3, chance[1]), bands=0.06,
                band_phase=2 * math.pi * (1.7 * t + chance[2]))  # fmt: skip


def _exposure(t: float, chance: Chance) -> Shot:
    """A window opens, and the camera takes a second to adjust."""
    return Shot(_still(t, chance).poses, exposure=-1.2 + 1.6 * _smooth((t - 0.4) / 1.0))


def _cut(t: float, chance: Chance) -> Shot:
    """To another person at another place in the same framing, in the middle."""
    late = int(t >= 1.0 - 1e-9)
    return Shot({late: Pose(x=0.02 * _wave(t, 0.5, chance[late]), y=LOW)}, place=late)


def _leave(t: float, chance: Chance) -> Shot:
    """Out to the right until 1.2 s, nobody until 1.8 s, in again from there."""
    away = _smooth(t / 1.2) if t < 1.5 else 1 - _smooth((t - 1.8) / 1.2)
    return Shot({0: Pose(x=1.55 * away, y=LOW, angle=3 * away)} if away < 1 else {})


def _two(t: float, chance: Chance) -> Shot:
    first = Pose(x=-0.42 + 0.03 * _wave(t, 0.4, chance[0]), y=LOW, angle=2 * _wave(t, 0.4, chance[0]))
    second = Pose(x=0.36 + 0.05 * _wave(t, 0.6, chance[1]), y=LOW + 0.03, lean=0.02 * _wave(t, 0.8, chance[2]))
    return Shot({0: first, 1: second})


def _far(t: float, chance: Chance) -> Shot:
    x = 0.5 * (chance[0] - 0.5) + 0.05 * _wave(t, 0.5, chance[1])
    return Shot({0: Pose(x=x, y=-0.15, angle=1.5 * _wave(t, 0.5, chance[2]))})


def _hands(t: float, chance: Chance) -> Shot:
    """One hand comes in, waves, passes before the face and leaves; the other one gestures before the clothes.

    At their fastest 2.7 heights a second, 65 pixels a frame at 720p and 30 frames/s, as in sign language.
    """
    way = 1 if chance[0] < 0.5 else -1
    turn = _wave(t, 0.5, chance[1])
    poses = {0: Pose(y=LOW, angle=1.2 * turn, lean=0.01 * turn)}
    if (up := _raised(t, 0.15, 2.4)) > 0:
        across = _smooth((t - 1.2) / 0.4) - _smooth((t - 1.8) / 0.4)
        wave = 16 * _wave(t, 1.8, chance[2])
        poses[1] = Pose(x=way * (0.46 - 0.42 * across), y=1.02 - 0.68 * up, angle=wave * (1 - 0.6 * across))
    if (up := _raised(t, 0.5, 9.0)) > 0:
        beat = _wave(t, 1.4, chance[3])
        poses[2] = Pose(x=-way * (0.3 + 0.16 * beat), y=1.02 - (0.5 + 0.07 * _wave(t, 2.1, chance[4])) * up,
                        angle=way * (12 + 14 * beat))  # fmt: skip
    return Shot(poses)


def _raised(t: float, come: float, leave: float) -> float:
    """How far an arm is up, 0..1: it takes 0.4 s either way."""
    return _smooth((t - come) / 0.4) - _smooth((t - leave) / 0.4)


def _group(t: float, chance: Chance) -> Shot:
    """Three people far away: two walk past each other, one walks behind the people in front."""
    first = Pose(x=-0.62 + 0.4 * t, y=-0.44 - 0.004 * _wave(t, 1.9, chance[0]))
    second = Pose(x=0.56 - 0.36 * t, y=-0.4 - 0.004 * _wave(t, 1.7, chance[1]))
    third = Pose(x=-0.1 + 0.14 * t, y=-0.24, angle=1.5 * _wave(t, 0.5, chance[2]))
    sway = [_wave(t, 0.4 + 0.1 * k, chance[3 + k]) for k in range(2)]
    fourth = Pose(x=-0.5 + 0.03 * sway[0], y=LOW, angle=2 * sway[0])
    fifth = Pose(x=0.45 + 0.04 * sway[1], y=LOW, lean=0.02 * sway[1])
    return Shot(dict(enumerate((first, second, third, fourth, fifth))))


def _smooth(x: float) -> float:
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


_ALL = (
    Kind("still", "nothing moves, the sensor is noisy", _still, still=True, noise=4.0),
    Kind("sway", "slow sway", _sway),
    Kind("talk", "talks and nods", _talk),
    Kind("fast", "fast head", _fast),
    Kind("walk", "a whole person walks by", _walk, actors=("figure",), heights=(0.9,)),
    Kind("pan", "the camera pans", _pan),
    Kind("shake", "hand-held camera", _shake),
    Kind("flicker", "light flickers, nothing moves", _flicker, still=True),
    Kind("exposure", "auto-exposure ramp, nothing moves", _exposure, still=True),
    Kind("cut", "hard cut to another person, framed alike", _cut, actors=("portrait", "portrait"), heights=(0.9, 0.9),
         places=2),
    Kind("leave", "leaves and comes back", _leave, seconds=3.0),
    Kind("two", "two people", _two, actors=("portrait", "portrait"), heights=(0.8, 0.75)),
    Kind("far", "a whole person far away", _far, actors=("figure",), heights=(0.4,)),
    Kind("hands", "fast hands before face and clothes", _hands, seconds=3.0, actors=("portrait", "hand", "hand"),
         heights=(0.9, 0.95, 0.95), shutter=1 / 60),
    Kind("group", "five people, three of them small, who cross", _group, seconds=3.0,
         actors=("figure", "figure", "figure", "portrait", "portrait"), heights=(0.24, 0.28, 0.42, 0.55, 0.72)),
)  # fmt: skip

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind of sequence by its name."""
