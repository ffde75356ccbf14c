"""Measuring models side by side on the validation pictures of the data sets."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import LivestyleError
from livestyle.frame import REGIONS
from livestyle.protocols import Segmenter
from livestyle.training.backdrops import largest_empty_rectangle, texture
from livestyle.training.classes import CLASSES
from livestyle.training.composed import ValidationSet
from livestyle.training.measures import KEPT, HandCount, count_heads
from livestyle.training.metrics import Planes, Tally, enlarged, merged, region_planes
from livestyle.training.peers import measured_regions
from livestyle.training.reader import LabelledSet, Picture
from livestyle.training.split import person_of

log = logging.getLogger("livestyle")

Image = npt.NDArray[np.uint8]

WITHOUT_PEOPLE = (
    "brick",
    "grass",
    "gravel",
    "coffee",
    "coins",
    "rocket",
    "clock",
    "page",
    "moon",
    "text",
    "colorwheel",
)
"""Pictures of scikit-image on which nobody is (those that an installation lacks are left out)."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one picture went, for finding the worst."""

    set: str
    index: int
    name: str
    value: float  # mean IoU of hair and skin, or of what else the labels show


@dataclass(slots=True)
class Evaluation:
    """What one model scored."""

    name: str
    tallies: dict[str, Tally] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    false_people: dict[str, float] = field(default_factory=dict)  # share of pixels called hair or skin, by source
    empty: dict[str, int] = field(default_factory=dict)  # how many pictures without people, by source
    regions: set[str] = field(default_factory=set)  # those the model can be measured by
    composed: set[str] = field(default_factory=set)  # sets whose people other sets show too

    @property
    def total(self) -> Tally:
        """What the labelled sets have in common, counted together; nobody counts twice."""
        return merged([tally for name, tally in self.tallies.items() if name not in self.composed])

    def report(self) -> dict[str, Any]:
        """The figures as JSON takes them."""
        total = self.total
        figures = total.report()
        error = total.calibration_error()
        return {
            "sets": {name: self._measured(tally.report()) for name, tally in self.tallies.items()},
            **{name: figures[name] for name in ("pictures", "tones", "tone_gap", "confusion", "reliability")},
            "calibration_error": None if math.isnan(error) else round(error, 4),
            "false_people": self.false_people,
            "pictures_without_people": self.empty,
        }

    def _measured(self, figures: dict[str, Any]) -> dict[str, Any]:
        for kind in ("region_iou", "boundary_iou"):
            figures[kind] = {name: value for name, value in figures[kind].items() if name in self.regions}
        if "skin" not in self.regions:
            figures.pop("hands", None)
        for count in figures.get("heads", {}).values():
            count["recall"] = {name: value for name, value in count["recall"].items() if name in self.regions}
        return figures


def judge(model: Segmenter, picture: Picture, tally: Tally, hands_of: str = "") -> dict[str, float]:
    """Count one picture, for a person `hands_of` also their hands. Returns its own IoU by region."""
    height, width = picture.members.shape
    planes = enlarged(model(picture.pixels), height, width)
    if set(model.classes) == set(CLASSES):
        tally.add_classes(planes, tuple(model.classes), picture.members)
    regions = region_planes(planes, tuple(model.classes), model.regions)
    if hands_of:
        count = tally.hands.setdefault(hands_of, HandCount())
        count.add(planes.argmax(0), tuple(model.classes), model.regions, picture.members)
    if picture.shown is not None:
        count_heads(tally.heads, _kept(regions), picture.members, picture.shown)
    return tally.add(regions, picture.pixels, picture.members)


def _kept(planes: Planes) -> dict[str, npt.NDArray[np.bool_]]:
    guess = planes.argmax(0)
    return {region: guess == REGIONS.index(region) for region in KEPT}


def _hands_of(measured: ValidationSet, title: str) -> str:
    """Whose hands a picture shows, "" where labels do not show hands."""
    described = measured.described
    return (person_of(title, described.person) if described.person else "all") if described.hands else ""


def _score(own: Mapping[str, float], measured: set[str]) -> float | None:
    wanted = [own[r] for r in ("hair", "skin") if r in own and r in measured]
    wanted = wanted or [own[r] for r in own if r in measured]
    return float(np.mean(wanted)) if wanted else None


def chosen(measured: ValidationSet, every: int) -> range:
    """Numbers of the pictures that are measured: every n-th; of a composed set, which is small, all."""
    return range(0, len(measured), 1 if measured.composed else every)


def evaluate(
    name: str,
    model: Segmenter,
    sets: Sequence[ValidationSet],
    empty: Mapping[str, list[Image]],
    tick: Callable[[], None] = lambda: None,
    every: int = 1,
) -> Evaluation:
    """Measure a model on the `chosen` pictures of `sets`, `tick` called after each, and on pictures without people."""
    composed = {measured.described.name for measured in sets if measured.composed}
    result = Evaluation(name, regions=measured_regions(model), composed=composed)
    for measured in sets:
        tally = result.tallies.setdefault(measured.described.name, Tally())
        titles = measured.names()
        for index in chosen(measured, every):
            picture = measured.picture(index)
            if picture is not None:
                value = _score(judge(model, picture, tally, _hands_of(measured, titles[index])), result.regions)
                if value is not None:
                    result.scores.append(Score(measured.described.name, index, titles[index], value))
            tick()
    for source, pictures in empty.items():
        result.false_people[source] = round(false_people(model, pictures), 5)
        result.empty[source] = len(pictures)
    return result


def false_people(model: Segmenter, pictures: list[Image]) -> float:
    """Mean share of pixels, 0..1, called hair or skin on pictures where nobody is."""
    shares = []
    for pixels in pictures:
        planes = region_planes(model(pixels), tuple(model.classes), model.regions)
        guess = planes.argmax(0)
        shares.append(float(np.isin(guess, [REGIONS.index("hair"), REGIONS.index("skin")]).mean()))
    return float(np.mean(shares)) if shares else 0.0


def _backgrounds(sets: list[LabelledSet], limit: int) -> list[Image]:
    """Empty parts of validation pictures: the training side has shown the model none of them."""
    parts: list[Image] = []
    for labelled in sets:
        if not labelled.described.backdrops:
            continue
        for index in range(len(labelled)):
            picture = labelled.picture(index)
            if picture is None or len(parts) >= limit:
                break
            x, y, width, height = largest_empty_rectangle(picture.members)
            if min(width, height) >= 96:
                parts.append(np.ascontiguousarray(picture.pixels[y : y + height, x : x + width]))
    return parts


def _flag(rng: np.random.Generator, size: int = 256) -> Image:
    """Three stripes of flat colour with a soft fold across them."""
    colors = rng.integers(0, 256, (3, 3)).repeat([86, 85, 85], axis=0)[:size]
    flag = np.broadcast_to(colors[:, None], (size, size, 3))
    fold = 1 - 0.25 * np.sin(np.linspace(0, 12, size))[None, :, None] ** 2
    folded = flag * fold
    return np.asarray(folded.transpose(1, 0, 2) if rng.random() < 0.5 else folded, np.uint8)


def _grain(rng: np.random.Generator, size: int, across: int, along: int) -> npt.NDArray[np.float64]:
    """(size, size) smooth noise of mean 0 that changes `across` times from left to right, `along` times downwards."""
    noise = rng.standard_normal((along + 1, across + 1))
    return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.float64)


def _wood(rng: np.random.Generator, size: int = 256) -> Image:
    """Planks: rings as waves that lean and bend, another phase and shade on each plank. Nothing trains on it."""
    planks = (np.arange(size) * int(rng.integers(2, 6)) // size)[None]
    phase = 6 * planks + 0.05 * np.arange(size) + 1.5 * _grain(rng, size, 4, 2)
    rings = np.sin(float(rng.uniform(3, 8)) * phase) + 0.6 * _grain(rng, size, 120, 6)
    shade = 1 + 0.08 * rings + 0.12 * rng.standard_normal(6)[planks]
    seams = np.where(np.diff(planks, prepend=0) > 0, 0.5, 1.0)
    color = np.array([[205, 160, 110], [160, 105, 60], [110, 70, 45]])[rng.integers(3)]
    return np.clip((shade * seams)[..., None] * color, 0, 255).astype(np.uint8)


def _sand(rng: np.random.Generator, size: int = 256) -> Image:
    """Ripples in fine grain. Nothing trains on it."""
    y = np.arange(size)[:, None] / size
    ripples = np.sin(2 * np.pi * float(rng.uniform(4, 14)) * (y + 0.08 * _grain(rng, size, 5, 5)))
    shade = 1 + 0.1 * ripples + 0.07 * rng.standard_normal((size, size)) + 0.06 * _grain(rng, size, 3, 3)
    color = np.array([[222, 190, 150], [200, 165, 120], [235, 215, 185]])[rng.integers(3)]
    return np.clip(shade[..., None] * color, 0, 255).astype(np.uint8)


def _packaged() -> list[Image]:
    try:
        from skimage import data
    except ImportError:
        return []
    pictures = []
    for name in WITHOUT_PEOPLE:
        try:
            picture = np.asarray(getattr(data, name)())
        except (AttributeError, OSError, ValueError, ImportError, LivestyleError):
            continue  # scikit-image fetches some of its pictures over the network
        if picture.dtype == np.uint8:
            pictures.append(
                np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else np.ascontiguousarray(picture[..., :3])
            )
    return pictures


def pictures_without_people(sets: list[LabelledSet], limit: int = 120) -> dict[str, list[Image]]:
    """Pictures in which nobody is, by where they come from."""
    rng = np.random.default_rng(2024)
    found = {
        "backgrounds": _backgrounds(sets, limit),
        "objects and surfaces": _packaged(),
        "flags": [_flag(rng) for _ in range(12)],
        "textures": [texture(rng, 256) for _ in range(24)],
        "wood and sand": [draw(rng) for draw in (_wood, _sand) for _ in range(12)],
    }
    return {name: pictures for name, pictures in found.items() if pictures}
