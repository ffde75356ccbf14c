"""The tables that livestyle-evaluate prints, against figures counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.frame import REGIONS
from livestyle.training import tables
from livestyle.training.classes import CLASSES, REGION_OF, member_bits
from livestyle.training.evaluate import Evaluation
from livestyle.training.measures import HandCount, HeadCount
from livestyle.training.metrics import TONE_PICTURES, Tally, region_planes
from livestyle.training.sets import parse_set

SET = parse_set(
    'name = "x"\nabout = "drawn"\nfile = "x.parquet"\n[labels]\n"0" = ["background"]\n"1" = ["hair"]\n"2" = ["face"]\n',
    "x.toml",
)
CONFIDENCE = 0.93
TONES = {"tan": (198, 140, 104), "dark": (90, 56, 37)}


class Described:
    """What the tables need of a LabelledSet."""

    described = SET


def _tally(hair_found: float, pictures: int = TONE_PICTURES) -> Tally:
    """Of 100 rows: 40 background, 20 hair of which a share is found and the rest called background, 40 face."""
    labels = np.array([member_bits([name]) for name in ("background", "hair", "face")], np.uint8)
    members = np.repeat(labels, [40, 20, 40])[:, None]
    guess = np.repeat([0, 1, 0, 2], [40, round(20 * hair_found), 20 - round(20 * hair_found), 40])[:, None]
    rest = (1 - CONFIDENCE) / (len(CLASSES) - 1)
    planes = np.where(np.arange(len(CLASSES))[:, None, None] == guess, CONFIDENCE, rest).astype(np.float32)
    tally = Tally()
    for color in TONES.values():
        for _ in range(pictures):
            tally.add(region_planes(planes, CLASSES, REGION_OF), np.full((100, 1, 3), color, np.uint8), members)
            tally.add_classes(planes, CLASSES, members)
    return tally


def _evaluation(name: str, hair_found: float, regions: set[str] | None = None) -> Evaluation:
    return Evaluation(
        name,
        {"x": _tally(hair_found)},
        false_people={"flags": 0.0123},
        empty={"flags": 12},
        regions=regions or set(REGIONS),
    )


def _cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()]


@pytest.fixture(scope="module")
def two() -> list[Evaluation]:
    """A model that finds half of the hair and one that finds all, which was made for hair alone."""
    return [_evaluation("half", 0.5), _evaluation("peer", 1.0, {"hair"})]


def test_regions_stand_side_by_side_and_what_a_model_does_not_tell_is_left_open(two: list[Evaluation]) -> None:
    """Background: 40 right of 40 labelled + 10 hair."""
    head, _, *rows = _cells(tables.regions(two, [Described()]))  # type: ignore[list-item]
    assert head == ["set", "pictures", "region", "half", "peer"]
    assert rows == [
        ["drawn (x)", "40", "background", "0.800", "–"],
        ["drawn (x)", "40", "hair", "0.500", "1.000"],
        ["drawn (x)", "40", "skin", "1.000", "–"],
        ["nobody: flags", "12", "hair or skin", "1.23 %", "1.23 %"],
    ]


def test_classes_that_no_label_shows_for_certain_are_left_out(two: list[Evaluation]) -> None:
    """A class without a certain pixel has no row: there is no figure for it."""
    rows = _cells(tables.classes(two, [Described()]))[2:]  # type: ignore[list-item]
    assert [row[2] for row in rows] == ["background", "hair", "face"]
    assert rows[1][3:] == ["0.500", "1.000"]


def test_boundaries_are_those_of_the_tally(two: list[Evaluation]) -> None:
    """The table prints the tally's own boundary IoU, and half of the hair that is not found shows in it."""
    rows = _cells(tables.boundaries(two, [Described()]))[2:]  # type: ignore[list-item]
    found = {row[2]: row[3] for row in rows}
    assert found["hair"] == f"{two[0].tallies['x'].boundaries['hair'].iou:.3f}"
    assert float(found["hair"]) < 0.8


def test_tones_come_from_dark_to_light_with_their_gap(two: list[Evaluation]) -> None:
    """Skin tones stand from dark to light with their pictures, IoU and recall, for all sets and for each, and end with
    the gap between the best and the worst."""
    rows = _cells(tables.tones(two))[2:]
    assert rows[0] == ["all", "dark", str(TONE_PICTURES), "1.000 / 1.000", "1.000 / 1.000"]
    assert [row[:2] for row in rows] == [[s, tone] for s in ("all", "x") for tone in ("dark", "tan", "best − worst")]
    assert rows[2][3] == "0.000 / 0.000"


def test_confusion_says_where_the_pixels_of_a_region_go(two: list[Evaluation]) -> None:
    """A row is a labelled region with its pixels and the shares by guess, which tells what it is mistaken for; regions
    without labels have no row."""
    rows = _cells(tables.confusion(two[0]))[2:]
    assert rows[1] == ["hair", "800", "50.0 %", "50.0 %", "0.0 %", "0.0 %"]
    assert [row[0] for row in rows] == ["background", "hair", "skin"]


def test_reliability_is_by_tenth_of_confidence(two: list[Evaluation]) -> None:
    """Of 100 rows 10 are wrong. The rest of the confidence, 0.07, is shared by seven classes, three of them skin."""
    rows = _cells(tables.reliability(two))[2:]
    assert [row[0] for row in rows] == ["0.9 to 1.0", "calibration error"]
    assert rows[0][1:] == ["0.900 (100.0 %)", "1.000 (100.0 %)"]
    mean = 0.6 * CONFIDENCE + 0.4 * (CONFIDENCE + 3 * 0.01)  # where skin is guessed its other classes add up
    assert float(rows[1][1]) == pytest.approx(mean - 0.9, abs=6e-4)


def test_hands_stand_by_person_and_together() -> None:
    """Of two people's hands of 100 pixels, in a ring of as many, a model finds one and calls half of the other's ring
    arms. A model that tells no arms has no spill, one that tells no skin nothing at all, in JSON too."""
    evaluations = [_evaluation("mine", 1.0), _evaluation("peer", 1.0), _evaluation("hair", 1.0, {"hair"})]
    evaluations[2].tallies["x"].hands = {"p1": HandCount(2, 100, 0, 100, 0, 0), "p2": HandCount(3, 100, 0, 100, 0, 0)}
    evaluations[0].tallies["x"].hands = {
        "p1": HandCount(2, 100, 100, 100, 0, 0), "p2": HandCount(3, 100, 0, 100, 50, 50)}  # fmt: skip
    evaluations[1].tallies["x"].hands = {
        "p1": HandCount(2, 100, 80, 100, 0, 10, False), "p2": HandCount(3, 100, 80, 100, 0, 10, False)}  # fmt: skip
    head, _, *rows = _cells(tables.hands(evaluations, [Described()]))  # type: ignore[list-item]
    assert head[:3] == ["set", "person", "pictures"]
    assert rows == [
        ["drawn (x)", "p1", "2", "1.000 / 0.000 / 0.000", "0.800 / – / 0.100", "–"],
        ["drawn (x)", "p2", "3", "0.000 / 0.500 / 0.500", "0.800 / – / 0.100", "–"],
        ["drawn (x)", "all", "5", "0.500 / 0.250 / 0.250", "0.800 / – / 0.100", "–"],
    ]
    mine, _, hair = (one.report()["sets"]["x"] for one in evaluations)
    assert mine["hands"]["all"] == {"pictures": 5, "recall": 0.5, "spill": 0.25, "skin_around": 0.25}
    assert "hands" not in hair


def test_recall_stands_by_the_height_of_heads() -> None:
    """From small to large, for hair and skin, with how many people that are; what a model does not tell is open."""
    evaluations = [_evaluation("mine", 1.0), _evaluation("peer", 1.0, {"hair"})]
    for one in evaluations:
        one.tallies["x"].heads = {
            "> 48 px": HeadCount(4, {"hair": 10, "skin": 10}, {"hair": 9, "skin": 8}),
            "< 24 px": HeadCount(7, {"hair": 0, "skin": 10}, {"hair": 0, "skin": 1})}  # fmt: skip
    rows = _cells(tables.heads(evaluations, [Described()]))[2:]  # type: ignore[list-item]
    assert rows == [
        ["drawn (x)", "< 24 px", "7", "hair", "–", "–"],
        ["drawn (x)", "< 24 px", "7", "skin", "0.100", "–"],
        ["drawn (x)", "> 48 px", "4", "hair", "0.900", "0.900"],
        ["drawn (x)", "> 48 px", "4", "skin", "0.800", "–"],
    ]
    assert evaluations[1].report()["sets"]["x"]["heads"]["> 48 px"] == {"people": 4, "recall": {"hair": 0.9}}


def test_every_table_is_under_its_heading(two: list[Evaluation]) -> None:
    """The whole report has each table once under a heading, and a confusion for each model by name; hands and heads,
    which no set here shows, have none."""
    text = tables.everything(two, [Described()])  # type: ignore[list-item]
    headings = [line[4:] for line in text.splitlines() if line.startswith("### ")]
    assert len(headings) == 7
    assert "Confusion of half, all sets together" in headings
