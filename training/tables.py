"""The figures of an evaluation as Markdown tables, models side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from livestyle.frame import REGIONS
from livestyle.training.classes import CLASSES
from livestyle.training.composed import ValidationSet
from livestyle.training.evaluate import Evaluation
from livestyle.training.measures import HEAD_HEIGHTS, KEPT, HandCount, all_hands
from livestyle.training.metrics import RELIABILITY_BINS, TONE_PICTURES, TONES, Overlap, Tally

Overlaps = Callable[[Tally], dict[str, Overlap]]


def _markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _by_set(
    evaluations: list[Evaluation], sets: Sequence[ValidationSet], names: tuple[str, ...], of: Overlaps
) -> list[list[str]]:
    """A row for each set and each of `names` that its labels show for certain."""
    rows = []
    for labelled in sets:
        described = labelled.described
        tallies = [e.tallies[described.name] for e in evaluations]
        for name in names:
            if any(name in of(tally) and of(tally)[name].truth for tally in tallies):
                cells = [_cell(e, of(e.tallies[described.name]), name) for e in evaluations]
                rows.append([f"{described.about} ({described.name})", str(tallies[0].pictures), name, *cells])
    return rows


def _cell(evaluation: Evaluation, overlaps: dict[str, Overlap], name: str) -> str:
    measured = name in overlaps and (name not in REGIONS or name in evaluation.regions)
    return _number(overlaps[name].iou) if measured else "–"


def regions(evaluations: list[Evaluation], sets: Sequence[ValidationSet]) -> str:
    """IoU of each region on each set, and how much of empty pictures is taken for people."""
    rows = _by_set(evaluations, sets, REGIONS, lambda tally: tally.regions)
    for source in evaluations[0].false_people:
        cells = [f"{100 * e.false_people[source]:.2f} %" for e in evaluations]
        rows.append([f"nobody: {source}", str(evaluations[0].empty[source]), "hair or skin", *cells])
    return _markdown(["set", "pictures", "region", *(e.name for e in evaluations)], rows)


def boundaries(evaluations: list[Evaluation], sets: Sequence[ValidationSet]) -> str:
    """Boundary IoU of each region on each set."""
    rows = _by_set(evaluations, sets, REGIONS, lambda tally: tally.boundaries)
    return _markdown(["set", "pictures", "region", *(e.name for e in evaluations)], rows)


def classes(evaluations: list[Evaluation], sets: Sequence[ValidationSet]) -> str:
    """IoU of each class on each set, for models that tell all classes apart."""
    rows = _by_set(evaluations, sets, CLASSES, lambda tally: tally.classes)
    return _markdown(["set", "pictures", "class", *(e.name for e in evaluations)], rows)


def hands(evaluations: list[Evaluation], sets: Sequence[ValidationSet]) -> str:
    """Hands by person: share called skin, share of what surrounds them called arms, and called any skin."""
    rows = []
    for measured in sets:
        described = measured.described
        tallies = [e.tallies[described.name] for e in evaluations]
        people = list(tallies[0].hands)
        for person in [*people, *(["all"] if len(people) > 1 else [])]:
            counts = [all_hands(t.hands) if person not in people else t.hands[person] for t in tallies]
            cells = [
                _hand_cell(count) if "skin" in e.regions else "–" for e, count in zip(evaluations, counts, strict=True)
            ]
            rows.append([f"{described.about} ({described.name})", person, str(counts[0].pictures), *cells])
    head = ["set", "person", "pictures", *(f"{e.name} (recall / spill / skin around)" for e in evaluations)]
    return _markdown(head, rows) if rows else ""


def _hand_cell(count: HandCount) -> str:
    return " / ".join(_number(value) for value in (count.recall, count.spill, count.skin_around))


def heads(evaluations: list[Evaluation], sets: Sequence[ValidationSet]) -> str:
    """Recall of hair and skin by the height of heads in pixels of the picture."""
    rows = []
    for measured in sets:
        described = measured.described
        tallies = [e.tallies[described.name].heads for e in evaluations]
        for name, _ in HEAD_HEIGHTS:
            for region in KEPT if name in tallies[0] else ():
                recalls = [t[name].recall(region) if region in e.regions else math.nan
                           for t, e in zip(tallies, evaluations, strict=True)]  # fmt: skip
                row = [f"{described.about} ({described.name})", name, str(tallies[0][name].people), region]
                rows.append([*row, *map(_number, recalls)])
    head = ["set", "head", "people", "region", *(e.name for e in evaluations)]
    return _markdown(head, rows) if rows else ""


def tones(evaluations: list[Evaluation]) -> str:
    """IoU and recall of skin by skin tone, over all sets and on each, and between the best and the worst tone.

    Sets differ in difficulty and in tones, so part of a gap over all sets is one between sets.
    """
    rows = _tones("all", [e.total for e in evaluations])
    for name in evaluations[0].tallies:
        rows += _tones(name, [e.tallies[name] for e in evaluations])
    return _markdown(["set", "skin tone", "pictures", *(f"{e.name} (IoU / recall)" for e in evaluations)], rows)


def _tones(name: str, tallies: list[Tally]) -> list[list[str]]:
    """A row for each tone of a set and one for the gap, none where no label shows skin for certain."""
    rows = []
    for tone, _ in TONES:
        if tone in tallies[0].tones:
            cells = [f"{_number(t.tones[tone].iou)} / {_number(t.tones[tone].recall)}" for t in tallies]
            rows.append([name, tone, str(tallies[0].tone_pictures[tone]), *cells])
    if rows:
        gaps = [f"{_number(g['iou'])} / {_number(g['recall'])}" for g in (t.tone_gap() for t in tallies)]
        rows.append([name, "best − worst", f"≥ {TONE_PICTURES}", *gaps])
    return rows


def confusion(evaluation: Evaluation) -> str:
    """Where the pixels of each labelled region go, in per cent, over all sets."""
    counts = evaluation.total.confusion
    rows = [
        [region, str(int(row.sum())), *(f"{100 * n / row.sum():.1f} %" for n in row)]
        for region, row in zip(REGIONS, counts, strict=True)
        if row.sum()
    ]
    return _markdown(["labelled", "pixels", *(f"called {region}" for region in REGIONS)], rows)


def reliability(evaluations: list[Evaluation]) -> str:
    """How often a model is right for each tenth of confidence, and the share of pixels about which it is so sure."""
    totals = [e.total for e in evaluations]
    rows = [
        [f"{k / RELIABILITY_BINS:.1f} to {(k + 1) / RELIABILITY_BINS:.1f}", *(_sureness(t, k) for t in totals)]
        for k in range(RELIABILITY_BINS)
        if any(t.seen[k] for t in totals)
    ]
    rows.append(["calibration error", *(_number(t.calibration_error()) for t in totals)])
    return _markdown(["confidence", *(f"{e.name}: right (share)" for e in evaluations)], rows)


def _sureness(tally: Tally, k: int) -> str:
    seen = int(tally.seen[k])
    return f"{tally.right[k] / seen:.3f} ({100 * seen / int(np.sum(tally.seen)):.1f} %)" if seen else "–"


def everything(evaluations: list[Evaluation], sets: Sequence[ValidationSet]) -> str:
    """All tables under their headings; those that no set has anything for are left out."""
    parts = [
        ("IoU by region", regions(evaluations, sets)),
        ("Boundary IoU by region", boundaries(evaluations, sets)),
        ("IoU by class", classes(evaluations, sets)),
        ("Hands", hands(evaluations, sets)),
        ("Recall by height of heads", heads(evaluations, sets)),
        ("Skin by tone", tones(evaluations)),
        *((f"Confusion of {e.name}, all sets together", confusion(e)) for e in evaluations),
        ("Reliability, all sets together", reliability(evaluations)),
    ]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts if table)
