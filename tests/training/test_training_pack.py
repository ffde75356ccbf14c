"""Data sets written again, smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from livestyle.errors import EncodeError, OutputExistsError, SourceError, SourceNotFoundError
from livestyle.training.cli_pack import pack
from livestyle.training.pack import pack_set, packed
from livestyle.training.reader import BadRows, LabelledSet, Row, decode_image, decode_mask, read_rows
from livestyle.training.sets import find_set, parse_set

Save = Callable[..., Path]
SET = 'name = "x"\nfile = "x.parquet"\n[labels]\n"0" = ["background"]\n"1" = ["hair"]\n"2" = ["face"]\n'


def _portrait(height: int = 200, width: int = 300) -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((height, width), np.uint8)
    cv2.circle(labels, (width // 2, height // 2), height // 3, 1, -1)
    cv2.circle(labels, (width // 2, height // 2), height // 5, 2, -1)
    return np.array([(40, 90, 160), (60, 40, 20), (220, 170, 140)], np.uint8)[labels], labels


def _row(pixels: np.ndarray, labels: np.ndarray, kind: str = ".jpg") -> Row:
    image = cv2.imencode(kind, pixels[..., ::-1])[1].tobytes()
    return Row("a", image, cv2.imencode(".png", labels)[1].tobytes())


def test_the_commands_set_keeps_names_split_and_labels(drawn: Path, tmp_path: Path) -> None:
    """Half the size: all but a ring of one pixel around what is drawn keeps its label, 4 % of these pictures."""
    described = str(drawn / "drawn.toml")
    command = [str(drawn), str(tmp_path / "out"), "--sets", described, "--side", "40"]
    done = CliRunner().invoke(pack, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "drawn: 60 pictures" in done.output
    for validation in (False, True):
        before = LabelledSet(find_set(described), drawn, validation=validation)
        after = LabelledSet(find_set(described), tmp_path / "out", validation=validation)
        assert after.names() == before.names()
        for index in range(len(after)):
            large, small = before.picture(index), after.picture(index)
            assert large is not None
            assert small is not None
            assert small.members.shape == (48, 40)
            assert (np.kron(small.members, np.ones((2, 2), np.uint8)) == large.members).mean() > 0.96


def test_a_row_keeps_its_proportions_and_colors() -> None:
    """Eight levels in the mean: WebP halves the resolution of colour, which shows along edges."""
    pixels, labels = _portrait()
    small = packed(_row(pixels, labels), 100, 85)
    found = decode_image(small)
    assert found.shape == (100, 150, 3)
    assert decode_mask(small).shape == (100, 150)
    assert small.image[8:12] == b"WEBP"
    assert np.abs(found.astype(int) - cv2.resize(pixels, (150, 100), interpolation=cv2.INTER_AREA)).mean() < 8
    assert set(np.unique(decode_mask(small))) == {0, 1, 2}


def test_a_picture_that_would_not_become_smaller_stays_as_it_is() -> None:
    """A picture that is small already is not encoded again to more bytes, since every encoding loses something; its
    labels stay the same."""
    pixels, labels = _portrait(40, 60)
    row = _row(pixels, labels)
    tiny = Row("a", cv2.imencode(".webp", pixels, (cv2.IMWRITE_WEBP_QUALITY, 1))[1].tobytes(), row.mask)
    kept = packed(tiny, 64, 100)
    assert kept.image == tiny.image
    np.testing.assert_array_equal(decode_mask(kept), labels)


def test_bad_rows_are_left_out_and_counted_or_stop_the_command(save: Save, tmp_path: Path) -> None:
    """Rows that cannot be decoded are left out and counted by kind, or stop the command where it is strict.

    A command that stops leaves no half file that would be read as a set.
    """
    pixels, labels = _portrait()
    data = save(("good", pixels, labels), ("torn", b"no picture", labels), ("odd", pixels, labels[:50]))
    described, bad = parse_set(SET, "x.toml"), BadRows()
    assert pack_set(described, data, tmp_path / "out", side=64, bad=bad).pictures == 1
    assert dict(bad.counts) == {"picture cannot be decoded": 1, "picture and mask differ in size": 1}
    assert [row.name for row in read_rows(described, tmp_path / "out")] == ["good"]
    with pytest.raises(SourceError, match="torn"):
        pack_set(described, data, tmp_path / "strict", bad=BadRows(strict=True))
    assert list((tmp_path / "strict").iterdir()) == []  # no half file


def test_a_set_of_the_hub_is_found_where_it_was_packed(save: Save, tmp_path: Path) -> None:
    """A set that was read from the hub is written where the reader looks for it, so that the same description then
    finds the small one."""
    datasets = pytest.importorskip("datasets", reason="data sets of the hub need the extra train")
    datasets.disable_progress_bars()
    pixels, labels = _portrait()
    data = save(("first", pixels, labels), ("second", pixels, labels))
    (data / "someone" / "people").mkdir(parents=True)
    (data / "x.parquet").rename(data / "someone" / "people" / "train.parquet")
    described = parse_set(SET.replace('file = "x.parquet"', 'hub = "someone/people"'), "x.toml")
    assert pack_set(described, data, tmp_path / "out", side=64).pictures == 2
    rows = list(read_rows(described, tmp_path / "out"))
    assert [row.name for row in rows] == ["first", "second"]
    assert decode_mask(rows[0]).shape == (64, 96)


def test_what_cannot_be_read_or_written_is_an_error(drawn: Path, tmp_path: Path) -> None:
    """A packed set is never overwritten, and what is missing or cannot be written is an error of livestyle's own."""
    described = find_set(str(drawn / "drawn.toml"))
    with pytest.raises(OutputExistsError):
        pack_set(described, drawn, drawn)
    with pytest.raises(SourceNotFoundError):
        pack_set(described, tmp_path, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(EncodeError):
        pack_set(described, drawn, tmp_path / "file" / "out")
