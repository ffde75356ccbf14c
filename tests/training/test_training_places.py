"""Pictures without people: read from folders and parquet files, split by name, gathered into one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from livestyle.errors import InputError, OutputExistsError, SourceError, SourceNotFoundError
from livestyle.frame import REGIONS
from livestyle.training.backdrops import empty_pictures
from livestyle.training.cli_pack import pack
from livestyle.training.pack_places import Choice, pack_places
from livestyle.training.parquet import write_parquet
from livestyle.training.places import stored_places
from livestyle.training.settings import parse_settings

Image = np.ndarray


def picture(number: int, height: int = 150, width: int = 200) -> Image:
    """(H, W, 3) RGB: a picture of broad random patches, another for each number."""
    small = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def save(path: Path, pixels: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    order = [2, 1, 0, 3][: pixels.shape[2]]
    path.write_bytes(cv2.imencode(path.suffix, pixels[..., order])[1].tobytes())


def png(pixels: Image) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


def parquet(path: Path, pictures: dict[str, Image], column: str = "image") -> Path:
    rows: Iterator[dict[str, object]] = ({"name": name, column: png(pixels)} for name, pixels in pictures.items())
    write_parquet(path, (column,), rows)
    return path


def validates(name: str) -> bool:
    """The rule of training/README.md, written once more: the lowest tenth of SHA-256."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) < 2**64 / 10


def both_sides(path: Path) -> tuple[list[Image], list[Image]]:
    return empty_pictures(path, validation=False), empty_pictures(path, validation=True)


def holds(pictures: list[Image], wanted: Image) -> bool:
    return any(np.array_equal(pixels, wanted) for pixels in pictures)


def test_a_parquet_file_reads_back_equal_and_split_by_name(tmp_path: Path) -> None:
    """Every picture is on exactly one side, the one that the hash of its name says, with its pixels unchanged."""
    pictures = {f"room {i}": picture(i, 60, 80) for i in range(60)}
    training, validation = both_sides(parquet(tmp_path / "rooms.parquet", pictures))
    assert len(training) + len(validation) == 60
    assert 0 < len(validation) < 20
    for name, pixels in pictures.items():
        assert holds(validation, pixels) == validates(name)
        assert holds(training, pixels) != validates(name)


def test_a_picture_is_on_the_same_side_in_a_folder_as_in_a_parquet_file(tmp_path: Path) -> None:
    """A folder may hold pictures and parquet files at any depth. A picture's name there is its path without suffix."""
    pictures = {f"deep/er/room {i}": picture(i, 60, 80) for i in range(40)}
    for name, pixels in pictures.items():
        save(tmp_path / "mixed" / f"{name}.png", pixels)
    more = {f"street {i}": picture(100 + i, 60, 80) for i in range(40)}
    parquet(tmp_path / "mixed" / "files" / "more.PARQUET", more)
    (tmp_path / "mixed" / "notes.txt").write_text("no picture")
    training, validation = both_sides(tmp_path / "mixed")
    assert len(training) + len(validation) == 80
    for name, pixels in {**pictures, **more}.items():
        assert holds(validation, pixels) == validates(name)


def test_large_places_are_made_smaller(tmp_path: Path) -> None:
    """Backgrounds are shown at a few hundred pixels, so more is not kept in memory."""
    parquet(tmp_path / "a.parquet", {"wide place": picture(1, 900, 1200)})
    assert [place.shape for place in empty_pictures(tmp_path, 640)] == [(480, 640, 3)]


@pytest.mark.parametrize(("column", "message"), [("picture", "no column image"), ("mask", "mask")])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, column: str, message: str) -> None:
    """A file without pictures is named with its columns. One with masks is a labelled set, on which people are: they
    would be learnt as nobody."""
    path = tmp_path / "other.parquet"
    columns = ("image", "mask") if column == "mask" else (column,)
    write_parquet(path, columns, iter([{"name": "a", **dict.fromkeys(columns, png(picture(1)))}]))
    with pytest.raises(SourceError, match=message) as caught:
        empty_pictures(path)
    assert "other.parquet" in str(caught.value)


def test_what_is_missing_or_empty_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A path with nothing, a folder without pictures, a torn file and a side without a picture are errors."""
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        empty_pictures(tmp_path / "nowhere")
    with pytest.raises(InputError, match=tmp_path.name):
        empty_pictures(tmp_path)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(SourceError, match=r"torn\.parquet"):
        empty_pictures(tmp_path)
    (tmp_path / "torn.parquet").unlink()
    save(tmp_path / "room 2.png", picture(1))
    assert not validates("room 2")
    with pytest.raises(InputError, match="validates"):
        empty_pictures(tmp_path, validation=True)


def test_an_unreadable_picture_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is left out with a warning, or stops a run that is strict."""
    parquet(tmp_path / "rooms.parquet", {"room 2": picture(1)})
    write_parquet(tmp_path / "torn.parquet", ("image",), iter([{"name": "half a row", "image": b"no picture"}]))
    assert not validates("half a row")
    assert len(empty_pictures(tmp_path)) == 1
    assert "left out 1" in caplog.text
    assert "half a row" in caplog.text
    with pytest.raises(SourceError, match="half a row"):
        empty_pictures(tmp_path, strict=True)


def test_settings_take_a_parquet_file_and_no_other_file(tmp_path: Path) -> None:
    """data.places is checked before anything is loaded: a folder or a parquet file that is there."""
    path = parquet(tmp_path / "rooms.parquet", {"room 2": picture(1)})
    text = '[recipe]\nsteps = 1\n[data]\nplaces = "{}"\n'
    assert parse_settings(text.format(path.as_posix()), "s.toml").data.places == path.as_posix()
    (tmp_path / "rooms.txt").write_text("")
    with pytest.raises(ValueError, match=r"rooms\.txt"):
        parse_settings(text.format((tmp_path / "rooms.txt").as_posix()), "s.toml")


# ---- gathering ------------------------------------------------------------


class SeesRed:
    """Takes what is pure red for skin: a model to leave pictures out by."""

    classes = REGIONS
    regions = {name: name for name in REGIONS}  # noqa: RUF012
    input_size = (32, 32)
    device = "cpu"

    def __call__(self, pixels: Image) -> Image:
        red = (pixels == (255, 0, 0)).all(-1)
        planes = np.zeros((len(REGIONS), *red.shape), np.float32)
        planes[REGIONS.index("skin")] = red
        planes[REGIONS.index("background")] = ~red
        return planes


def read(path: Path) -> dict[str, Image]:
    found = {}
    for place in stored_places(path):
        found[place.name] = cv2.imdecode(np.frombuffer(place.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return found


def test_gathered_pictures_are_those_of_the_folder(tmp_path: Path) -> None:
    """Names are paths below the folder, pixels the same up to WebP's loss, no short side is above `side`.

    Five levels in the mean: WebP keeps a quarter of the colours, which shows along the patches' edges."""
    pictures = {"one/a": picture(1), "one/b": picture(2, 400, 300), "two/deep/c": picture(3, 800, 1000)}
    for name, pixels in pictures.items():
        save(tmp_path / "tree" / f"{name}.png", pixels)
    result = pack_places(tmp_path / "tree", tmp_path / "out.parquet", Choice(), side=200, quality=95)
    found = read(tmp_path / "out.parquet")
    assert result.pictures == 3
    assert {name: pixels.shape[:2] for name, pixels in found.items()} == {
        "one/a": (150, 200),
        "one/b": (267, 200),
        "two/deep/c": (200, 250),
    }
    for name, pixels in found.items():
        wanted = cv2.resize(pictures[name], pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(pixels.astype(int) - wanted).mean() < 5
    again = pack_places(tmp_path / "tree", tmp_path / "again.parquet", Choice(), side=200, quality=95)
    assert again == result
    assert list(read(tmp_path / "again.parquet")) == list(found)


def test_each_reason_to_leave_a_picture_out_is_counted(tmp_path: Path) -> None:
    """Icons, the same picture in another size, what the model sees people on, names on the list, and no pictures."""
    tree = tmp_path / "tree"
    save(tree / "p" / "good.png", picture(1))
    save(tree / "p" / "good-large.png", picture(1, 300, 400))
    save(tree / "p" / "icon.png", picture(2, 64, 64))
    people = picture(3)
    people[:20, :40] = (255, 0, 0)
    save(tree / "p" / "people.png", people)
    save(tree / "faces" / "face.png", picture(4))
    (tree / "p" / "torn.jpg").write_bytes(b"no picture")
    choice = Choice(unwanted=["faces/*"], model=SeesRed())
    result = pack_places(tree, tmp_path / "out.parquet", choice)
    reasons = ("seen before", "too small", "people", "listed", "not decodable")
    assert dict(result.left_out) == dict.fromkeys(reasons, 1)
    assert result.pictures == 1
    assert next(iter(read(tmp_path / "out.parquet"))).startswith("p/good")


def test_no_folder_gives_more_than_its_share(tmp_path: Path) -> None:
    """Of a package with thousands of textures a few are taken, from all of its folders, so that it does not rule."""
    for folder, number in (("large", 30), ("small", 2)):
        for i in range(number):
            save(tmp_path / "tree" / folder / f"{'ab'[i % 2]}" / f"{i}.png", picture(i + number * 100))
    result = pack_places(tmp_path / "tree", tmp_path / "out.parquet", Choice(each=8))
    names = list(read(tmp_path / "out.parquet"))
    assert result.pictures == len(names) == 10
    assert sum(name.startswith("large/") for name in names) == 8
    assert {name.split("/")[1] for name in names if name.startswith("large/")} == {"a", "b"}


def test_a_folders_share_is_split_as_the_whole_folder_is(tmp_path: Path) -> None:
    """Binomial with n = 60 and p = 0.1: four standard deviations are 0.155. The choice knows nothing of the split."""
    for i in range(300):
        save(tmp_path / "tree" / "large" / f"{i}.png", picture(i, 40, 40))
    pack_places(tmp_path / "tree", tmp_path / "out.parquet", Choice(smallest=32, each=60))
    names = list(read(tmp_path / "out.parquet"))
    assert len(names) == 60
    assert np.mean([validates(name) for name in names]) == pytest.approx(0.1, abs=0.155)


def test_a_cut_out_is_laid_over_another_picture(tmp_path: Path) -> None:
    """Where it is opaque it stays, where it is transparent the picture before it shows, at its size."""
    cutout = np.dstack([np.full((150, 200, 3), (0, 255, 0), np.uint8), np.zeros((150, 200), np.uint8)])
    cutout[50:100, 50:150, 3] = 255
    save(tmp_path / "tree" / "wall.png", np.full((300, 400, 3), (200, 40, 40), np.uint8))
    save(tmp_path / "tree" / "vase.png", cutout)
    assert hashlib.blake2b(b"wall").digest() < hashlib.blake2b(b"vase").digest()  # the wall comes first
    pack_places(tmp_path / "tree", tmp_path / "out.parquet", Choice(), quality=95)
    pixels = read(tmp_path / "out.parquet")["vase"].astype(int)
    assert np.abs(pixels[60:90, 60:140] - (0, 255, 0)).max() < 16
    assert np.abs(pixels[:40] - (200, 40, 40)).max() < 16


def test_pictures_of_16_bits_and_of_grey_are_taken(tmp_path: Path) -> None:
    """16 bits become 8 with white staying white; grey becomes three equal channels."""
    deep = np.full((150, 200, 3), 65535, np.uint16)
    deep[:75] = 257 * 100
    save(tmp_path / "tree" / "deep.png", deep)
    (tmp_path / "tree" / "grey.png").write_bytes(cv2.imencode(".png", picture(1)[..., 0])[1].tobytes())
    pack_places(tmp_path / "tree", tmp_path / "out.parquet", Choice(), quality=100)
    found = read(tmp_path / "out.parquet")
    assert np.abs(found["deep"][80:].astype(int) - 255).max() <= 2
    assert np.abs(found["deep"][:70].astype(int) - 100).max() <= 2
    assert np.ptp(found["grey"].astype(int), axis=-1).max() <= 4


def test_the_command_writes_a_file_and_never_over_another(tmp_path: Path) -> None:
    """What the command writes is what data.places takes; patterns to leave out stand in a file, with comments."""
    for i in range(12):
        save(tmp_path / "tree" / f"{'face' if i < 2 else 'room'} {i}.png", picture(i))
    (tmp_path / "unwanted.txt").write_text("# shown people\nface *\n\n")
    command = ["--places", str(tmp_path / "tree"), str(tmp_path / "out.parquet")]
    done = CliRunner().invoke(pack, [*command, "--leave-out", str(tmp_path / "unwanted.txt")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "10 pictures" in done.output
    assert "listed: 2" in done.output
    training = empty_pictures(tmp_path / "out.parquet")
    assert len(training) == sum(not validates(f"room {i}") for i in range(2, 12))
    with pytest.raises(OutputExistsError):
        pack_places(tmp_path / "tree", tmp_path / "out.parquet", Choice())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--places", "--sets", "ccp"], "--sets"),
        (["--each", "3"], "--each"),
        (["--places", "--strict"], "--strict"),
        (["--places"], ".parquet"),
    ],
)
def test_options_of_the_other_kind_of_packing_are_refused(tmp_path: Path, options: list[str], message: str) -> None:
    """Options that would have no effect, and an output of the wrong kind, are usage errors (2) that name them."""
    done = CliRunner().invoke(pack, [*options, str(tmp_path), str(tmp_path / "out")])
    assert done.exit_code == 2
    assert message in done.output
