"""LUTs as today's programs export them. OpenColorIO, given the same transform step by step, is the oracle."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import PyOpenColorIO as ocio
import pytest
import tifffile
from PIL import Image

from livestyle.errors import StyleError
from livestyle.shaders.lut import lattice
from livestyle.shaders.lut_files import read_lut

BLACK, WHITE = 64 / 1023, 940 / 1023
PROBES = np.random.default_rng(2).random((500, 3)).astype(np.float32)
ROWS_3D = (lattice(9) ** 1.3 * 0.8 + 0.1).transpose(2, 1, 0, 3).reshape(-1, 3)  # red runs fastest in the file
ROWS_1D = np.linspace(0, 1, 17)[:, None] ** [[0.8, 1.0, 1.2]]


def lines(rows: np.ndarray) -> str:
    return "\n".join(" ".join(f"{value:.7f}" for value in row) for row in rows) + "\n"


def through_video_range(name: str) -> ocio.MatrixTransform:
    """Data range to video range ("in"), or back ("out")."""
    span = WHITE - BLACK
    gain, shift = (span, BLACK) if name == "in" else (1 / span, -BLACK / span)
    return ocio.MatrixTransform([gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, 1], [shift] * 3 + [0])


def by_opencolorio(path: Path, video: list[str]) -> np.ndarray:
    """The file at `path`, which must be plain, with the steps before and after it that `video` names."""
    group = ocio.GroupTransform()
    if "in" in video:
        group.appendTransform(through_video_range("in"))
    group.appendTransform(ocio.FileTransform(str(path), interpolation=ocio.INTERP_BEST))
    if "out" in video:
        group.appendTransform(through_video_range("out"))
    values = PROBES.copy()
    ocio.Config.CreateRaw().getProcessor(group).getOptimizedCPUProcessor(ocio.OPTIMIZATION_NONE).applyRGB(values)
    return values


HEADS = {
    "3D": "LUT_3D_SIZE 9\n",
    "3D with a range": "LUT_3D_SIZE 9\nLUT_3D_INPUT_RANGE -0.1 1.2\n",
    "3D with domains": "LUT_3D_SIZE 9\nDOMAIN_MIN -0.1 0 0\nDOMAIN_MAX 1 1.1 1.2\n",
    "1D": "LUT_1D_SIZE 17\n",
    "both": "LUT_1D_SIZE 17\nLUT_3D_SIZE 9\nLUT_1D_INPUT_RANGE -0.05 1.1\n",
}


@pytest.mark.parametrize("video", [["in"], ["out"], ["in", "out"]], ids="+".join)
@pytest.mark.parametrize("kind", list(HEADS))
def test_video_range_of_davinci_resolve(tmp_path, kind: str, video: list[str]) -> None:
    """LUT_IN_VIDEO_RANGE and LUT_OUT_VIDEO_RANGE convert before and after, for every kind of .cube."""
    rows = (lines(ROWS_1D) if kind in ("1D", "both") else "") + (lines(ROWS_3D) if kind != "1D" else "")
    plain = tmp_path / "plain.cube"
    plain.write_text(HEADS[kind] + rows)
    keywords = "".join(f"LUT_{name.upper()}_VIDEO_RANGE\n" for name in video)
    (tmp_path / "a.cube").write_text(HEADS[kind] + keywords + rows)
    assert np.abs(read_lut(tmp_path / "a.cube").apply(PROBES) - by_opencolorio(plain, video)).max() < 0.6 / 255


def test_an_identity_in_video_range_changes_nothing(tmp_path) -> None:
    """Both keywords around a LUT that gives back what it gets."""
    rows = lines(lattice(9).transpose(2, 1, 0, 3).reshape(-1, 3))
    (tmp_path / "a.cube").write_text("LUT_3D_SIZE 9\nLUT_IN_VIDEO_RANGE\nLUT_OUT_VIDEO_RANGE\n" + rows)
    assert np.abs(read_lut(tmp_path / "a.cube").apply(PROBES) - PROBES).max() < 0.01 / 255 + 1e-5


PLAIN = "LUT_3D_SIZE 9\nDOMAIN_MIN 0.0 0.0 0.0\nDOMAIN_MAX 1.0 1.0 1.0\n" + lines(ROWS_3D)
WRITTEN = {
    "UTF-16, little": ("\ufeff" + PLAIN).encode("utf-16-le"),
    "UTF-16, big": ("\ufeff" + PLAIN).encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-8 with a mark": ("\ufeff" + PLAIN).encode(),
    "decimal commas": PLAIN.replace(".", ",").encode(),
    "decimal commas, semicolons": "\n".join(
        line.replace(".", ",").replace(" ", ";") if line[:1].isdigit() else line.replace(".", ",")
        for line in PLAIN.split("\n")).encode(),
    "commas between": "\n".join(
        line.replace(" ", ", ") if line[:1].isdigit() else line for line in PLAIN.split("\n")).encode(),
    "tabs": PLAIN.replace(" ", "\t").encode(),
    "remarks": ("# made by\nTITLE \"a # b\"\n"
                + PLAIN.replace("\n", " # remark\n", 60).replace("0.9000000\n", "0.9000000 // end\n")
                + "# the end\nmade with love\n").encode(),
    "small letters": PLAIN.replace("LUT_3D_SIZE", "lut_3d_size").encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRITTEN))
def test_ways_to_write_the_same_cube(tmp_path, name: str) -> None:
    """Encodings, commas and remarks change no number."""
    (tmp_path / "plain.cube").write_text(PLAIN)
    (tmp_path / "a.cube").write_bytes(WRITTEN[name])
    assert np.array_equal(read_lut(tmp_path / "a.cube").table, read_lut(tmp_path / "plain.cube").table)


def test_an_unknown_keyword_is_named_and_not_called_damage(tmp_path) -> None:
    """The hint says what to do."""
    (tmp_path / "a.cube").write_text("LUT_3D_SIZE 9\nLUT_IN_HDR_RANGE\n" + lines(ROWS_3D))
    with pytest.raises(StyleError, match="LUT_IN_HDR_RANGE") as caught:
        read_lut(tmp_path / "a.cube")
    assert "damaged" not in caught.value.hint


def looked_up(size: int) -> np.ndarray:
    """A look with no symmetry between the channels, (N, N, N, 3) indexed [r, g, b]."""
    grid = lattice(size)
    mixed = grid @ np.array([[0.8, 0.1, 0.0], [0.1, 0.7, 0.1], [0.1, 0.2, 0.9]])
    return np.rint((mixed**1.2) * 255).astype(np.uint8)


def tiled(table: np.ndarray, columns: int) -> np.ndarray:
    """Tile by tile, pixel by pixel, as GPUImage's shader reads it."""
    size = len(table)
    picture = np.zeros((size * (size // columns), size * columns, 3), np.uint8)
    for blue in range(size):
        row, column = divmod(blue, columns)
        picture[row * size : (row + 1) * size, column * size : (column + 1) * size] = table[:, :, blue].transpose(
            1, 0, 2
        )
    return picture


@pytest.mark.parametrize(
    ("size", "columns"), [(64, 8), (16, 4), (25, 5), (32, 32), (16, 16), (64, 64), (32, 1), (32, 8)]
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_tiles_and_strips(tmp_path, size: int, columns: int, suffix: str) -> None:
    """512x512 of 8x8 tiles, strips in a row or a column, blocks of 8x4 tiles; squares of the sizes of HALD pictures."""
    table = looked_up(size)
    Image.fromarray(tiled(table, columns)).save(tmp_path / f"a.{suffix}")
    assert np.array_equal(np.rint(read_lut(tmp_path / f"a.{suffix}").table * 255), table)


@pytest.mark.parametrize("look", ["plain", "grey", "inverted", "posterised"])
@pytest.mark.parametrize("level", [4, 5, 8])
def test_hald_and_tiles_of_one_size_are_told_apart(tmp_path, level: int, look: str) -> None:
    """By their content, for looks of all kinds."""
    table = looked_up(level**2)
    if look == "grey":
        table = np.repeat(table.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    elif look == "inverted":
        table = 255 - table
    elif look == "posterised":
        table = (table // 64 * 85).astype(np.uint8)
    hald = table.transpose(2, 1, 0, 3).reshape(level**3, level**3, 3)
    for name, picture in (("hald", hald), ("tiles", tiled(table, level))):
        Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / f"{name}.png")
        assert np.array_equal(np.rint(read_lut(tmp_path / f"{name}.png").table * 255), table), name


def test_green_may_run_upwards(tmp_path, caplog) -> None:
    """Turned over, and said; a LUT that inverts all colours is left as it is."""
    table = looked_up(32)
    Image.fromarray(tiled(table[:, ::-1], 32)).save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO, "livestyle"):
        assert np.array_equal(np.rint(read_lut(tmp_path / "a.png").table * 255), table)
    assert "green upwards" in caplog.text


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": 2}, {"tile": (64, 64)}])
def test_16_bit_hald_in_tiff(tmp_path, options) -> None:
    """All 16 bits, packed or not."""
    table = np.rint(lattice(16) ** 1.2 * 65535).astype(np.uint16)
    picture = np.ascontiguousarray(table.transpose(2, 1, 0, 3).reshape(64, 64, 3))
    tifffile.imwrite(tmp_path / "a.tiff", picture, photometric="rgb", **options)
    assert np.array_equal(np.rint(read_lut(tmp_path / "a.tiff").table.astype(float) * 65535), table)


def test_a_photo_of_that_size_is_refused(tmp_path) -> None:
    """512x512 is also the size of many pictures."""
    noise = np.random.default_rng(4).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    photo = cv2.GaussianBlur(cv2.resize(noise, (512, 512), interpolation=cv2.INTER_CUBIC), (0, 0), 2)
    Image.fromarray(photo).save(tmp_path / "a.png")
    with pytest.raises(StyleError, match="a photo"):
        read_lut(tmp_path / "a.png")
