"""The demonstration, whole, with a clip of a few frames: what it leaves in its folder, and whose files it spares."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from livestyle.cli import demo
from livestyle.cli.main import main
from livestyle.frame import Frame
from livestyle.media.pyav import cv2
from livestyle.shaders.library import list_recipes
from livestyle.sources.files.video import VideoSource

pytest.importorskip("skimage", reason="the extra `demo`, which brings the photograph, is not installed")

FRAMES = 4
PHOTO = (512, 512, 3)


@pytest.fixture(autouse=True)
def _short_and_unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "MovingPhoto", partial(demo.MovingPhoto, frames=FRAMES))
    monkeypatch.setattr("livestyle.cli.config_file.config_path", lambda: tmp_path / "none.toml")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["--demo", *(str(argument) for argument in arguments)])
    return int(stop.value.code or 0)


def video(path: Path) -> list[Frame]:
    with closing(VideoSource(path)) as source:
        assert source.info.size == (demo.SIDE, demo.SIDE)
        assert source.info.rate == demo.RATE
        return list(source)


def picture(path: Path) -> np.ndarray:
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read is not None
    return read[..., ::-1]


def test_four_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A clip, the same styled with the same times, the photograph before and after, and a sheet of all styles."""
    folder = tmp_path / "new" / "folder"
    assert run("-o", folder, "--style", "stark-mono", "--intensity", "1", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames_in"], report["frames_out"]) == (FRAMES, FRAMES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(demo.WRITTEN)
    before, after = video(folder / "clip.mp4"), video(folder / "styled.mp4")
    assert [frame.pts for frame in before] == [frame.pts for frame in after]
    assert len(before) == FRAMES
    assert all(moved(one, two) > 1 for one, two in pairwise(before))
    assert all(moved(one, two) > 5 for one, two in zip(before, after, strict=True))
    check_pair(picture(folder / "before-after.png"))
    check_sheet(picture(folder / "styles.png"))


def moved(first: Frame, second: Frame) -> float:
    """Mean difference in levels."""
    return float(np.abs(first.pixels.astype(int) - second.pixels).mean())


def check_pair(pair: np.ndarray) -> None:
    photo = demo.photograph()
    assert photo.shape == PHOTO
    assert pair.shape == (512, 1024, 3)
    assert np.array_equal(pair[:, :512], photo)
    assert np.abs(pair[:, 512:].astype(int) - photo).mean() > 5


def check_sheet(sheet: np.ndarray) -> None:
    """One tile for each style and one for the original, all different; black where the last row has none."""
    count = 1 + len(list_recipes())
    rows = -(-count // demo.COLUMNS)
    assert sheet.shape == (rows * demo.TILE, demo.COLUMNS * demo.TILE, 3)
    tiles = [tile for row in np.split(sheet, rows) for tile in np.split(row, demo.COLUMNS, axis=1)]
    assert not any(tile.any() for tile in tiles[count:])
    views = [tile[: demo.TILE * 3 // 4] for tile in tiles[:count]]  # a name stands below
    shown = cv2.resize(demo.photograph(), (demo.TILE, demo.TILE), interpolation=cv2.INTER_AREA)
    assert np.array_equal(views[0], shown[: demo.TILE * 3 // 4])
    assert len({view.tobytes() for view in views}) == count


@pytest.mark.parametrize("name", demo.WRITTEN)
def test_none_of_the_four_is_overwritten_without_asking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Nor is any other written before that is known."""
    (tmp_path / name).write_bytes(b"precious")
    assert run("-o", tmp_path) == 2
    assert name in (said := capsys.readouterr().err)
    assert "-y" in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"precious"}


def test_y_overwrites_all_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("livestyle.current_style.list_recipes", lambda: list_recipes()[:2])  # a short sheet is a sheet
    for name in demo.WRITTEN:
        (tmp_path / name).write_bytes(b"old")
    assert run("-o", tmp_path, "-y", "--quiet") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(demo.WRITTEN)
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    assert run("-o", tmp_path / "file") == 2
    assert "is not a folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_bytes() == b"precious"
