"""Descriptions of data sets."""

from __future__ import annotations

import pytest

from livestyle.errors import InputError, SourceNotFoundError
from livestyle.training.classes import CLASSES, REGION_OF, member_bits, member_names, region_bits
from livestyle.training.sets import BUILTIN, find_set, parse_set

GOOD = 'name = "x"\nfile = "x.parquet"\n[labels]\n"0" = ["background"]\n"1,4-6" = ["hair", "face"]\n'


def test_a_label_stands_for_the_set_of_classes_it_names() -> None:
    """Ids, lists and ranges of ids map to sets of classes as bits; an id that is not described has none, by which the
    reader knows it as unknown."""
    described = parse_set(GOOD, "x.toml")
    assert dict(described.labels) == {0: 1, **dict.fromkeys((1, 4, 5, 6), 0b110)}
    assert described.table()[5] == 0b110
    assert described.table()[2] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"hair"', '"wig"'), "'wig'"),
        (('"1,4-6"', '"1,x"'), '"1,x"'),
        (('"1,4-6"', '"0,4"'), "label 0"),
        (('"1,4-6"', '"300"'), "label 300"),
        (("[labels]", "colour = 1\n[labels]"), "colour"),
        (('file = "x.parquet"', ""), "file"),
        (('file = "x.parquet"', 'file = "x.parquet"\nhub = "a/b"'), "hub"),
        (("[labels]", "zoom = [2, 1]\n[labels]"), "zoom"),
        (("[labels]", "cutout = 'green'\n[labels]"), "cutout"),
        (("[labels]", "person = '('\n[labels]"), "person"),
        (('name = "x"', ""), "name"),
        (('name = "x"', "name ="), "x.toml"),
    ],
)
def test_a_broken_description_says_what_is_wrong(change: tuple[str, str], message: str) -> None:
    """Each mistake is an InputError with the file and the key or value: a wrong description would train on wrong labels
    without any sign."""
    with pytest.raises(InputError) as caught:
        parse_set(GOOD.replace(*change), "x.toml")
    assert message in str(caught.value)
    assert "x.toml" in str(caught.value)


@pytest.mark.parametrize("path", sorted(BUILTIN.glob("*.toml")), ids=lambda path: path.stem)
def test_every_built_in_description_reads(path: object) -> None:
    """The descriptions that come along are valid, and each is found by the name that it states."""
    described = find_set(path.stem)  # type: ignore[attr-defined]
    assert described.name == path.stem  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "ids"), [("ccp", 59), ("celebamask", 19), ("human_parsing", 18), ("viton", 20)])
def test_no_label_of_a_long_list_is_forgotten(name: str, ids: int) -> None:
    """The descriptions of large sets cover every id from 0 to the set's last: a forgotten one would make rows bad."""
    assert sorted(find_set(name).labels) == list(range(ids))


def test_an_unknown_set_is_an_error_that_lists_the_built_in_ones() -> None:
    """A name that is neither built in nor a file is an error, and the hint lists the sets there are."""
    with pytest.raises(SourceNotFoundError) as caught:
        find_set("nosuch")
    assert "ccp" in caught.value.hint


def test_regions_part_the_classes() -> None:
    """Each class belongs to exactly one region, and the eight classes fill a byte: labels are stored as one."""
    regions = set(REGION_OF.values())
    assert set(REGION_OF) == set(CLASSES)
    assert sum(region_bits(region) for region in regions) == member_bits(CLASSES) == 255


def test_a_byte_reads_back_as_the_names_it_was_made_of() -> None:
    """All 256 sets of classes: names and bytes say the same."""
    assert member_names(0b10000010) == ("hair", "accessories")
    assert all(member_bits(member_names(bits)) == bits for bits in range(256))
