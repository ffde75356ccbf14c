"""The split into training and validation."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestyle.training.sets import BUILTIN, find_set
from livestyle.training.split import is_validation, person_of

DATA = Path(__file__).parents[2].parent / "shared" / "data"
HELD = ["ccp_0020", "ccp_0043", "ccp_0053", "ccp_0057", "ccp_0060"]


def test_the_sides_of_known_names_never_change() -> None:
    """The rule is part of every published figure: these sides were fixed before the first training run."""
    held = [f"ccp_{i:04d}" for i in range(1, 61) if is_validation(f"ccp_{i:04d}")]
    assert held == HELD


def test_about_a_tenth_is_held_out() -> None:
    """Binomial with n = 10,000 and p = 0.1: five standard deviations are 0.015."""
    share = sum(is_validation(f"picture {i}") for i in range(10_000)) / 10_000
    assert share == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("lfw_hair", "lfw_hair_Hu_Jintao_0001", "lfw_hair_Hu_Jintao_0012"),
        ("fasseg", "fasseg_V3_Train_+15-personne05247+0+15", "fasseg_V3_Test_-75-personne05241+0-75"),
        ("sfa", "sfa_train_401", "sfa_train_499"),
    ],
)
def test_a_person_is_on_one_side(name: str, one: str, other: str) -> None:
    """Names of two pictures of one person give the same person, whatever else differs in them: a model must not be
    measured on people that it has seen."""
    pattern = find_set(name).person
    assert person_of(one, pattern) == person_of(other, pattern)


def test_different_people_are_told_apart() -> None:
    """Names that begin alike are different people, and a name that the pattern does not fit counts for itself;
    otherwise large groups would fall on one side together."""
    pattern = find_set("lfw_hair").person
    assert person_of("lfw_hair_Hu_Jintao_0001", pattern) != person_of("lfw_hair_Hu_Jia_0001", pattern)
    assert person_of("fasseg_frontal03_003", find_set("fasseg").person) == "fasseg_frontal03_003"


@pytest.mark.skipif(not DATA.is_dir(), reason="the labelled pictures are not here")
def test_no_person_and_no_picture_of_the_real_sets_is_on_both_sides() -> None:
    """In the real sets nobody is on both sides, no name occurs twice, and about a tenth of each set validates,
    or up to a third where people are held out by name."""
    pq = pytest.importorskip("pyarrow.parquet")
    for path in sorted(BUILTIN.glob("*.toml")):
        described = find_set(path.stem)
        if not (DATA / described.file).is_file():
            continue
        names = pq.read_table(DATA / described.file, columns=["name"])["name"].to_pylist()
        sides: dict[str, set[bool]] = {}
        for name in names:
            sides.setdefault(person_of(name, described.person), set()).add(described.validates(name))
        assert all(len(side) == 1 for side in sides.values())
        assert len(names) == len(set(names))
        share = sum(map(described.validates, names)) / len(names)
        assert 0.05 < share < (0.35 if described.held else 0.16), path.stem
