"""LUT and recipe files that would wait, loop or take all memory are refused instead."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from livestyle.errors import StyleError
from livestyle.shaders import lut_files
from livestyle.shaders.compile import compile_look
from livestyle.shaders.library import MAX_RECIPE, find_recipe, load_recipe
from livestyle.shaders.lut_files import MAX_BYTES, read_lut
from livestyle.shaders.recipe import parse_recipe
from livestyle.system.child import ChildFailure

NAMES = ("a.cube", "a.csp", "a.icc", "a.png")


def _png_header(width: int, height: int, more: bytes = b"") -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + more


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_metadata_without_an_end_names_the_line(tmp_path: Path) -> None:
    """OpenColorIO would search for the end without stopping, so it is looked for before OpenColorIO is called."""
    path = tmp_path / "a.csp"
    path.write_text("CSPLUTV100\n3D\n\nBEGIN METADATA\nx\n")
    with pytest.raises(StyleError, match=r"a\.csp:4: BEGIN METADATA"):
        read_lut(path)


def test_metadata_with_an_end_is_read(tmp_path: Path) -> None:
    """The counterpart: metadata that ends is skipped, and the LUT behind it is read."""
    path = tmp_path / "a.csp"
    rows = "".join(f"{i & 1} {i >> 1 & 1} {i >> 2}\n" for i in range(8))
    path.write_text("CSPLUTV100\n3D\n\nBEGIN METADATA\nx\nEND METADATA\n\n" + "2\n0 1\n0 1\n" * 3 + "\n2 2 2\n" + rows)
    assert read_lut(path).is_identity()


def test_what_befalls_the_child_is_an_error_of_the_style(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found out once, although stepping through styles asks for the same file again and again."""
    path, calls = tmp_path / "a.icc", []

    def fail(*_: object) -> None:
        calls.append(1)
        raise ChildFailure("reading it crashes (SIGSEGV)")

    monkeypatch.setattr(lut_files, "run_child", fail)
    path.write_bytes(b"something")
    for _ in range(2):
        with pytest.raises(StyleError, match=r"a\.icc.*SIGSEGV"):
            compile_look(find_recipe(str(path)))
    assert calls == [1]


def test_a_child_that_is_ended_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot remove its copy itself then, so the folder belongs to the parent."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    def be_ended(_: str, request: dict[str, str], *__: object) -> None:
        (Path(request["folder"]) / "lut.csp").write_text("a copy")
        seen.append(Path(request["folder"]))
        raise ChildFailure("it may never end")

    monkeypatch.setattr(lut_files, "run_child", be_ended)
    (tmp_path / "a.csp").write_text("CSPLUTV100\n3D\n")
    with pytest.raises(StyleError, match="may never end"):
        read_lut(tmp_path / "a.csp")
    assert seen[0].parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["a.csp"]


def test_no_room_for_a_copy_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary folder is full, or gone: the LUT is not called broken."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    (tmp_path / "a.csp").write_text("CSPLUTV100\n3D\n")
    with pytest.raises(StyleError, match=r"a\.csp: no temporary copy of it can be made: No such file") as caught:
        read_lut(tmp_path / "a.csp")
    assert "TMPDIR" in caught.value.hint


def test_a_key_of_very_many_parts_is_refused_before_it_is_read() -> None:
    """The time and memory that tomllib takes grow with the square of their number; up to 64 are read."""
    head = 'version = 1\nname = "x"\n'
    with pytest.raises(StyleError, match=r"x\.toml:3: not TOML: A key of more than 64 parts"):
        parse_recipe(f"{head}{'a.' * 100_000}a = 1", "x.toml")
    with pytest.raises(StyleError, match=f'unknown key "{"a" * 60}…"'):
        parse_recipe(f"{head}{'a' * 5000} = 1", "x.toml")
    with pytest.raises(StyleError, match='unknown key "a"'):
        parse_recipe(f"{head}{'a.' * 63}a = 1", "x.toml")
    assert parse_recipe(f'{head}description = "{"well... " * 100}"', "x.toml").name == "x"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
@pytest.mark.parametrize("name", [*NAMES, "a.toml"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    """A named pipe is refused by its kind: opening it would wait for a writer that may never come."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(StyleError, match="not an ordinary file"):
        read_lut(tmp_path / name) if name != "a.toml" else load_recipe(tmp_path / name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_beyond_the_largest_lut_is_not_read(tmp_path: Path, name: str) -> None:
    """Size is checked before content: a file of gigabytes must not be loaded only to be refused."""
    with (tmp_path / name).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(StyleError, match=r"larger than the 67\.1 MB"):
        read_lut(tmp_path / name)


def test_a_recipe_of_more_than_a_megabyte_is_not_read(tmp_path: Path) -> None:
    """MAX_RECIPE bounds what reaches the TOML parser, as MAX_BYTES does for LUTs."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"#" * (MAX_RECIPE + 1))
    with pytest.raises(StyleError, match="larger than"):
        load_recipe(path)


@pytest.mark.parametrize("side", [17**3, 23**3, 50_000, 2**31 - 1])
def test_a_hald_picture_beyond_the_largest_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    """There is nothing behind the header: if it were decoded, the message would be a different one."""
    path = tmp_path / "a.png"
    path.write_bytes(_png_header(side, side, _chunk(b"IDAT", zlib.compress(b""))))
    with pytest.raises(StyleError, match=r"found \d+x\d+|pixels"):
        read_lut(path)


def test_a_chunk_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    """Pillow unpacks text and profiles when it opens a file. Without that chunk the same picture is a LUT."""
    path, bomb = tmp_path / "a.png", zlib.compress(bytes(100 << 20))
    picture = _chunk(b"IDAT", zlib.compress(bytes(8 * (1 + 3 * 8)))) + _chunk(b"IEND", b"")
    path.write_bytes(_png_header(8, 8, picture))
    assert read_lut(path).table.shape == (4, 4, 4, 3)
    path.write_bytes(_png_header(8, 8, _chunk(b"zTXt", b"x\0\0" + bomb) + _chunk(b"iCCP", b"x\0\0" + bomb) + picture))
    with pytest.raises(StyleError, match="expected a PNG picture"):
        read_lut(path)


def test_a_large_cube_is_read_by_the_child_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which process parses the text makes no difference."""
    path, values = tmp_path / "a.cube", np.random.default_rng(3).random((8, 3)).round(6)
    path.write_text("LUT_3D_SIZE 2\n" + "\n".join(" ".join(map(str, row)) for row in values))
    here = read_lut(path).table
    monkeypatch.setattr(lut_files, "LARGEST_HERE", 10)
    np.testing.assert_array_equal(read_lut(path).table, here)
    np.testing.assert_allclose(here[1, 0, 0], values[1], atol=1e-7)  # red runs fastest
