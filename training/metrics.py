"""How right a model is, counted over pictures whose labels are sets of classes.

A pixel counts for or against a region only where its label says for certain whether it belongs there; the rest is left
out. Counts are summed over a set and divided once, so large and small pictures weigh by their pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import REGIONS
from livestyle.training.classes import ANY, CLASSES, Members, member_bits, region_bits, surely, surely_not
from livestyle.training.measures import HandCount, HeadCount, all_hands

Mask = npt.NDArray[np.bool_]
Planes = npt.NDArray[np.float32]

RELIABILITY_BINS = 10
BOUNDARY = 0.02  # of the diagonal, the band of boundary IoU

TONES = (
    ("dark", -90.0),
    ("brown", -30.0),
    ("tan", 10.0),
    ("intermediate", 28.0),
    ("light", 41.0),
    ("very light", 55.0),
)
"""Skin-tone bins: name and smallest individual typology angle in degrees (Chardon et al. 1991; Del Bino 2006)."""


TONE_PICTURES = 20  # a bin of fewer pictures says more of those pictures than of the tone


@dataclass(slots=True)
class Overlap:
    """Pixel counts of one region's overlap; IoU is 0..1, NaN where nothing was certain."""

    both: int = 0
    truth: int = 0
    guess: int = 0

    def add(self, guess: Mask, inside: Mask, outside: Mask) -> None:
        """Count one picture: where the model says so, where labels say so, where labels deny it."""
        self.both += int((guess & inside).sum())
        self.truth += int(inside.sum())
        self.guess += int((guess & (inside | outside)).sum())

    @property
    def iou(self) -> float:
        """Intersection over union."""
        union = self.truth + self.guess - self.both
        return self.both / union if self.truth else math.nan

    @property
    def recall(self) -> float:
        """Share of the labelled pixels that were found."""
        return self.both / self.truth if self.truth else math.nan


def region_planes(planes: Planes, classes: tuple[str, ...], regions: Mapping[str, str]) -> Planes:
    """(C, h, w) class probabilities -> (R, h, w) of livestyle.frame.REGIONS."""
    out = np.zeros((len(REGIONS), *planes.shape[1:]), np.float32)
    for plane, name in zip(planes, classes, strict=True):
        out[REGIONS.index(regions[name])] += plane
    return out


def enlarged(planes: Planes, height: int, width: int) -> Planes:
    """(C, h, w) -> (C, height, width), bilinear with pixel centres aligned, as masks are composited."""
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes])


def _band(mask: Mask) -> Mask:
    """The pixels of `mask` closer than BOUNDARY of the diagonal to its edge inside the picture."""
    distance = cv2.distanceTransform(np.ascontiguousarray(mask, dtype=np.uint8), cv2.DIST_L2, 3)
    return np.asarray(mask & (distance <= max(1.0, BOUNDARY * math.hypot(*mask.shape))))


def typology_angle(pixels: npt.NDArray[np.uint8], skin: Mask) -> float:
    """Individual typology angle in degrees: atan2(L* - 50, b*) of the median labelled skin, (H, W, 3) sRGB uint8."""
    samples = pixels[skin].reshape(-1, 1, 3).astype(np.float32) / 255
    lab = np.median(cv2.cvtColor(samples, cv2.COLOR_RGB2LAB).reshape(-1, 3), axis=0)
    return math.degrees(math.atan2(float(lab[0]) - 50, max(float(lab[2]), 1e-3)))


def tone_of(angle: float) -> str:
    """The bin of TONES for a typology angle."""
    return next(name for name, least in reversed(TONES) if angle >= least)


@dataclass(slots=True)
class Tally:
    """Counts of one model on one set."""

    pictures: int = 0
    regions: dict[str, Overlap] = field(default_factory=dict)
    classes: dict[str, Overlap] = field(default_factory=dict)
    boundaries: dict[str, Overlap] = field(default_factory=dict)
    tones: dict[str, Overlap] = field(default_factory=dict)
    tone_pictures: dict[str, int] = field(default_factory=dict)
    hands: dict[str, HandCount] = field(default_factory=dict)  # by person, where labels show hands
    heads: dict[str, HeadCount] = field(default_factory=dict)  # by bin of HEAD_HEIGHTS, where it is known who is where
    confusion: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(REGIONS), len(REGIONS)), np.int64))
    sure: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(RELIABILITY_BINS))  # summed confidence
    right: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(RELIABILITY_BINS, np.int64))
    seen: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(RELIABILITY_BINS, np.int64))

    def add(self, planes: Planes, pixels: npt.NDArray[np.uint8], members: Members) -> dict[str, float]:
        """Count one picture from its (R, H, W) region probabilities. Returns its own IoU by region."""
        self.pictures += 1
        guess, own = planes.argmax(0), {}
        for k, region in enumerate(REGIONS):
            inside, outside = surely(members, region_bits(region)), surely_not(members, region_bits(region))
            self.regions.setdefault(region, Overlap()).add(guess == k, inside, outside)
            one = Overlap()
            one.add(guess == k, inside, outside)
            if inside.mean() > 0.002:
                own[region] = one.iou
                self._add_boundary(region, guess == k, inside, outside)
            for j in range(len(REGIONS)):
                self.confusion[k, j] += int((inside & (guess == j)).sum())
        self._add_tone(guess == REGIONS.index("skin"), pixels, members)
        self._add_reliability(planes, guess, members)
        return own

    def add_classes(self, planes: Planes, classes: tuple[str, ...], members: Members) -> None:
        """Count one picture by class, for a model that tells all of CLASSES apart. (C, H, W)."""
        guess = planes.argmax(0)
        for name in CLASSES:
            bits = member_bits([name])
            found = guess == classes.index(name)
            self.classes.setdefault(name, Overlap()).add(found, surely(members, bits), surely_not(members, bits))

    def _add_boundary(self, region: str, guess: Mask, inside: Mask, outside: Mask) -> None:
        """Boundary IoU (Cheng et al. 2021), on pixels of which the label is certain."""
        near, edge = _band(guess), _band(inside)
        self.boundaries.setdefault(region, Overlap()).add(near, edge, (inside & ~edge) | outside)

    def _add_tone(self, guess: Mask, pixels: npt.NDArray[np.uint8], members: Members) -> None:
        bits = region_bits("skin")
        inside = surely(members, bits)
        if inside.mean() < 0.005:
            return
        tone = tone_of(typology_angle(pixels, inside))
        self.tones.setdefault(tone, Overlap()).add(guess, inside, surely_not(members, bits))
        self.tone_pictures[tone] = self.tone_pictures.get(tone, 0) + 1

    def _add_reliability(self, planes: Planes, guess: npt.NDArray[np.int64], members: Members) -> None:
        """Confidence against correctness, where the label says whether the guessed region is right."""
        bits = np.array([region_bits(region) for region in REGIONS], np.uint8)[guess]
        right, wrong = (members & ~bits) == 0, (members & bits) == 0
        known = (right | wrong) & (members != ANY)
        confidence = planes.max(0)[known]
        bins = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
        self.sure += np.bincount(bins, confidence, RELIABILITY_BINS)
        self.right += np.bincount(bins, right[known], RELIABILITY_BINS).astype(np.int64)
        self.seen += np.bincount(bins, minlength=RELIABILITY_BINS)

    def report(self) -> dict[str, object]:
        """The figures as JSON takes them; regions that no label of the set shows for certain are left out."""
        gap = {kind: round(value, 4) for kind, value in self.tone_gap().items() if not math.isnan(value)}
        return {
            "pictures": self.pictures,
            "region_iou": _figures(self.regions),
            "class_iou": _figures(self.classes),
            "boundary_iou": _figures(self.boundaries),
            "tones": {
                tone: {"pictures": self.tone_pictures[tone], "iou": round(o.iou, 4), "recall": round(o.recall, 4)}
                for tone, o in self.tones.items()
            },
            "tone_gap": gap,
            **self._people(),
            "confusion": {
                "rows": "labelled",
                "columns": "guessed",
                "regions": list(REGIONS),
                "pixels": self.confusion.tolist(),
            },
            "reliability": self.reliability(),
        }

    def _people(self) -> dict[str, object]:
        """Hands by person and together, people by the height of their heads; neither where labels do not show it."""
        hands = {person: count.report() for person, count in self.hands.items()}
        heads = {name: count.report() for name, count in self.heads.items()}
        together = {"all": all_hands(self.hands).report()}
        return {**({"hands": hands | together} if hands else {}), **({"heads": heads} if heads else {})}

    def tone_gap(self) -> dict[str, float]:
        """IoU and recall of skin: the best tone's minus the worst's, among tones of enough pictures. NaN below two."""
        enough = [o for tone, o in self.tones.items() if self.tone_pictures[tone] >= TONE_PICTURES]
        kinds = {"iou": [o.iou for o in enough], "recall": [o.recall for o in enough]}
        return {kind: max(values) - min(values) if len(values) > 1 else math.nan for kind, values in kinds.items()}

    def calibration_error(self) -> float:
        """Expected calibration error, 0..1 (Naeini, Cooper, Hauskrecht 2015): mean |confidence - share right|."""
        return float(np.abs(self.sure - self.right).sum() / self.seen.sum()) if self.seen.any() else math.nan

    def reliability(self) -> list[dict[str, float]]:
        """For each bin of confidence that occurs: its mean, the share that was right, the share of all pixels."""
        rows = []
        for sure, right, seen in zip(self.sure, self.right, self.seen, strict=True):
            if seen:
                row = {"confidence": sure / seen, "right": right / seen, "share": seen / self.seen.sum()}
                rows.append({name: round(float(value), 4) for name, value in row.items()})
        return rows


def _figures(overlaps: Mapping[str, Overlap]) -> dict[str, float]:
    return {name: round(o.iou, 4) for name, o in overlaps.items() if o.truth}


def merged(tallies: list[Tally]) -> Tally:
    """All counts of several sets together; for skin tones and reliability, which single sets show too few of."""
    total = Tally()
    for tally in tallies:
        total.pictures += tally.pictures
        total.confusion += tally.confusion
        total.sure, total.right, total.seen = (
            total.sure + tally.sure,
            total.right + tally.right,
            total.seen + tally.seen,
        )
        for tone, overlap in tally.tones.items():
            sums = total.tones.setdefault(tone, Overlap())
            sums.both, sums.truth, sums.guess = (
                sums.both + overlap.both,
                sums.truth + overlap.truth,
                sums.guess + overlap.guess,
            )
            total.tone_pictures[tone] = total.tone_pictures.get(tone, 0) + tally.tone_pictures[tone]
    return total
