"""Rows, bad rows, and people told from their surroundings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livestyle.errors import InputError, SourceError, SourceNotFoundError
from livestyle.training.classes import ANY, BACKGROUND, member_bits
from livestyle.training.cutout import flooded, islands
from livestyle.training.reader import LabelledSet, open_sets
from livestyle.training.sets import SetDescription, parse_set

SET = 'name = "x"\nfile = "x.parquet"\nvalidate = false\n{}[labels]\n"0" = ["background"]\n"1" = ["hair"]\n'
PIXELS = np.full((20, 30, 3), (200, 100, 50), np.uint8)
LABELS = np.zeros((20, 30), np.uint8)
Save = Callable[..., Path]


def _described(extra: str = "") -> SetDescription:
    return parse_set(SET.format(extra), "x.toml")


def test_pictures_are_rgb_and_labels_are_sets_of_classes(save: Save) -> None:
    """A row is read as RGB (cv2 decodes BGR), and labels become sets of classes as the description says, a bit each."""
    labels = LABELS.copy()
    labels[5, 7] = 1
    picture = LabelledSet(_described(), save(("a", PIXELS, labels)), validation=False).picture(0)
    assert picture is not None
    assert picture.name == "a"
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert picture.members[5, 7] == member_bits(["hair"])
    assert int((picture.members == BACKGROUND).sum()) == labels.size - 1


def test_a_mask_stored_with_three_equal_channels_is_read(save: Save) -> None:
    """Some sets store masks as grey RGB pictures; they are the same labels."""
    labels = LABELS.copy()
    labels[0] = 1
    picture = LabelledSet(_described(), save(("a", PIXELS, np.dstack([labels] * 3))), validation=False).picture(0)
    assert picture is not None
    assert (picture.members[0] == member_bits(["hair"])).all()


BAD = {
    "picture cannot be decoded": ("a", b"no picture", LABELS),
    "mask cannot be decoded": ("a", PIXELS, b""),
    "picture and mask differ in size": ("a", PIXELS, LABELS[:, :20]),
    "mask has an unknown label id": ("a", PIXELS, LABELS + 7),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_rows_are_counted_by_kind(save: Save, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """One bad row among thousands does not end a run: it is None, counted by what is wrong with it, and reported at the
    end."""
    labelled = LabelledSet(_described(), save(BAD[kind], ("b", PIXELS, LABELS)), validation=False)
    assert labelled.picture(0) is None
    assert labelled.picture(1) is not None
    assert dict(labelled.bad.counts) == {kind: 1}
    labelled.bad.report("x")
    assert kind in caplog.text


@pytest.mark.parametrize("kind", BAD)
def test_strict_stops_at_a_bad_row(save: Save, kind: str) -> None:
    """Whoever wants to be sure of the data has the first bad row raised instead."""
    labelled = LabelledSet(_described(), save(BAD[kind]), validation=False, strict=True)
    with pytest.raises(SourceError, match=kind):
        labelled.picture(0)


def test_a_missing_file_and_a_file_of_another_kind_are_errors(tmp_path: Path) -> None:
    """Both are named when the set is opened, before anything is trained."""
    with pytest.raises(SourceNotFoundError, match=r"x\.parquet"):
        LabelledSet(_described(), tmp_path, validation=False)
    (tmp_path / "x.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceError, match=r"x\.parquet"):
        LabelledSet(_described(), tmp_path, validation=False)


def test_a_set_that_does_not_validate_has_no_validation_side(save: Save) -> None:
    """A set with `validate = false` trains on all of its pictures, and measuring on it is an error rather than a figure
    over none."""
    folder = save(*((f"n{i}", PIXELS, LABELS) for i in range(40)))
    assert len(LabelledSet(_described(), folder, validation=False)) == 40
    with pytest.raises(InputError):
        open_sets([_described()], folder, validation=True)


def test_a_hub_data_set_is_streamed_by_the_same_reader(save: Save) -> None:
    """A local folder stands for the hub: the call is the same."""
    pytest.importorskip("datasets")
    folder = save(("a", PIXELS, LABELS), ("b", PIXELS, LABELS + 1))
    (folder / "hub").mkdir()
    (folder / "x.parquet").rename(folder / "hub" / "train.parquet")
    described = parse_set(SET.format("").replace('file = "x.parquet"', 'hub = "hub"'), "x.toml")
    labelled = LabelledSet(described, folder, validation=False)
    assert labelled.names() == ["a", "b"]
    picture = labelled.picture(1)
    assert picture is not None
    assert (picture.members == member_bits(["hair"])).all()


def test_black_around_a_person_is_background_and_black_inside_is_not(save: Save) -> None:
    """In cut-outs on black, what is black and touches the border is background (up to JPEG's noise); a black belt
    inside stays what its label says. The person can then be pasted before other places."""
    pixels = PIXELS.copy()
    pixels[:, :8] = 3  # around the person, with JPEG's noise
    pixels[8:12, 15:20] = 0  # a black belt
    described = parse_set(
        SET.format('cutout = "black"\n').replace('"0" = ["background"]', '"0" = ["background", "clothes"]'), "x.toml"
    )
    picture = LabelledSet(described, save(("a", pixels, LABELS)), validation=False).picture(0)
    assert picture is not None
    assert picture.cutout is not None
    assert (picture.members[:, :8] == BACKGROUND).all()
    assert (picture.members[:, 8:] == member_bits(["background", "clothes"])).all()
    np.testing.assert_array_equal(picture.cutout[:, 8:], 255)
    np.testing.assert_array_equal(picture.cutout[:, :8], 0)


def test_studio_white_is_flooded_around_labels_only() -> None:
    """White surroundings end at the labels: clothes as white as the studio are not taken for it."""
    pixels = np.full((40, 40, 3), 245, np.uint8)
    unlabelled = np.ones((40, 40), bool)
    unlabelled[10:40, 10:30] = False  # a person in white
    around = flooded(pixels, unlabelled, "white")
    np.testing.assert_array_equal(around, unlabelled)


def test_small_holes_are_islands_and_the_outside_is_not() -> None:
    """A hole in a label is an eye or a mouth if it is small and does not touch the border; a larger one may be a real
    gap."""
    outside = np.ones((50, 50), bool)
    outside[5:45, 5:45] = False
    outside[20:23, 20:23] = True  # an eye
    outside[30:43, 10:30] = True  # too large to be an eye
    found = islands(outside)
    assert int(found.sum()) == 9
    assert found[21, 21]


def test_islands_become_unknown(save: Save) -> None:
    """With `unknown_holes` such holes are left open, because a set that labels eyes as background would teach holes in
    faces."""
    labels = np.ones((50, 50), np.uint8)
    labels[20:23, 20:23] = 0
    labels[:, 0] = 0
    folder = save(("a", np.zeros((50, 50, 3), np.uint8), labels))
    picture = LabelledSet(_described("unknown_holes = true\n"), folder, validation=False).picture(0)
    assert picture is not None
    assert picture.members[21, 21] == ANY
    assert picture.members[0, 0] == BACKGROUND
