"""Reading LUT files: right numbers from every kind, and one broken thing each in copies of a valid sample."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livestyle.errors import StyleError
from livestyle.media.pyav import cv2
from livestyle.shaders.lut import lattice
from livestyle.shaders.lut_files import LUT_SUFFIXES, read_lut

MATRIX = np.array([[0.6, 0.1, 0.2], [0.3, 0.7, 0.1], [0.1, 0.1, 0.5]])
"""A map that is linear, so that any lattice holds it exactly, and different under every exchange of axes."""

PROBES = np.random.default_rng(0).random((300, 3))

Save = Callable[[str, str | bytes], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a file of that name and content into the test's folder; its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def _rows(size: int, red_fastest: bool, indexed: bool = False, scale: float = 1) -> str:
    """Lattice points of the linear map, one a line."""
    points = lattice(size).astype(np.float64)
    values = points @ MATRIX * scale
    axes = (2, 1, 0, 3) if red_fastest else (0, 1, 2, 3)
    indices = np.rint(points * (size - 1)).astype(int).transpose(axes).reshape(-1, 3)
    lines = [" ".join(f"{v:.7f}" for v in row) for row in values.transpose(axes).reshape(-1, 3)]
    if indexed:
        lines = [f"{r} {g} {b} {line}" for (r, g, b), line in zip(indices, lines, strict=True)]
    return "\n".join(lines) + "\n"


CUBE = 'TITLE "a sample"\n# made by a test\nLUT_3D_SIZE 3\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n\n' + _rows(3, True)
SPI3D = "SPILUT 1.0\n3 3\n3 3 3\n" + _rows(3, False, indexed=True)
SPI1D = "Version 1\nFrom 0.0 1.0\nLength 3\nComponents 1\n{\n0.0\n0.25\n1.0\n}\n"
CSP = "CSPLUTV100\n3D\n\n" + "2\n0 1\n0 1\n" * 3 + "\n3 3 3\n" + _rows(3, True)
CLF = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ProcessList id="x" compCLFversion="3.0">\n'
    '<LUT3D inBitDepth="32f" outBitDepth="32f">\n<Array dim="3 3 3 3">\n'
    + _rows(3, False)
    + "</Array>\n</LUT3D>\n</ProcessList>\n"
)
FLAME = (
    "0 256 512 768 1023\n"
    + "\n".join(" ".join(str(round(v * 4095)) for v in row) for row in (lattice(5) @ MATRIX).reshape(-1, 3))
    + "\n"
)
HOUDINI = (
    "Version 3\nFormat any\nType 3D\nFrom 0 1\nTo 0 1\nBlack 0\nWhite 1\nLength 3\nLUT:\n{\n" + _rows(3, True) + "}\n"
)
PANDORA = "channel 3d\nin 27\nout 4096\nformat lut\nvalues red green blue\n" + "".join(
    f"{number} {' '.join(str(round(v * 4095)) for v in row)}\n"
    for number, row in enumerate((lattice(3) @ MATRIX).reshape(-1, 3))
)


@pytest.mark.parametrize(
    ("name", "text", "tolerance"),
    [
        ("a.cube", CUBE, 1e-6),  # seven digits in the file
        ("a.spi3d", SPI3D, 1e-6),
        ("a.csp", CSP, 1e-6),
        ("a.clf", CLF, 1e-6),
        ("a.lut", HOUDINI, 1e-6),
        ("a.3dl", FLAME, 1 / 4095),  # 12-bit integers in the file
        ("a.m3d", PANDORA, 1 / 4095),
    ],
)
def test_a_3d_lut_is_kept_at_its_own_size(save: Save, name: str, text: str, tolerance: float) -> None:
    """In every format a single 3-D LUT keeps its lattice, its values (to the digits of the file) and its axes: MATRIX
    differs under every exchange of channels, so rows in the wrong order would show."""
    lut = read_lut(save(name, text))
    assert lut.size == (5 if name == "a.3dl" else 3)
    np.testing.assert_allclose(lut.apply(PROBES), PROBES @ MATRIX, atol=tolerance)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace('TITLE "', 'TITLE\t"\t'),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("0.0000000", "1e-7"),
        lambda text: text.replace("0.0000000", "-1.0E-08"),
        lambda text: text.replace("\n0", "\n\n# a remark\n  0", 3),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("DOMAIN_MIN 0 0 0\n", ""),
        lambda text: text.replace("DOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1", "LUT_3D_INPUT_RANGE 0.0 1.0"),
        lambda text: text.replace("a sample", "ein schönes Beispiel"),
        lambda text: text.replace("a sample", "ein schönes Beispiel").encode("latin-1"),
    ],
)
def test_cube_files_as_people_have_them(save: Save, change: Callable[[str], str | bytes]) -> None:
    """What programs and people do to a .cube file does not matter: line ends, a byte order mark, tabs, exponents,
    comments, missing or older keywords, a title in Latin-1. The LUT is the same to the digit."""
    changed = change(CUBE)
    assert changed != CUBE
    lut = read_lut(save("a.cube", changed))
    np.testing.assert_allclose(lut.apply(PROBES), PROBES @ MATRIX, atol=1e-6)


def test_capital_endings_are_known(save: Save) -> None:
    """The case of an ending says nothing about the format."""
    assert read_lut(save("A.CUBE", CUBE)).size == 3


def _curve(exponent: float, size: int = 1024, top: float = 1) -> str:
    return "".join(f"{v:.7f} {v:.7f} {v:.7f}\n" for v in (np.linspace(0, top, size) / top) ** exponent)


def test_a_1d_curve_is_sampled_to_within_half_a_step(save: Save) -> None:
    """A curve for each channel becomes a 3-D LUT whose error stays below half an 8-bit step, as `read_lut` promises."""
    lut = read_lut(save("a.cube", f"LUT_1D_SIZE 1024\n{_curve(1.8)}"))
    np.testing.assert_allclose(lut.apply(PROBES), PROBES**1.8, atol=0.5 / 255)


def test_a_spi1d_curve_is_sampled_at_its_kink(save: Save) -> None:
    """A curve whose only kink lies on a lattice point comes out exactly: the lattice meets the points of the curve."""
    lut = read_lut(save("a.spi1d", SPI1D))
    np.testing.assert_allclose(lut.apply(PROBES), np.interp(PROBES, [0, 0.5, 1], [0, 0.25, 1]), atol=1e-6)


def test_a_domain_is_honoured(save: Save) -> None:
    """Over 0..2 the lattice points lie at 0, 1 and 2: white reads the middle one, half of the table's way."""
    lut = read_lut(save("a.cube", CUBE.replace("DOMAIN_MAX 1 1 1", "DOMAIN_MAX 2 2 2")))
    np.testing.assert_allclose(lut.apply(PROBES), PROBES / 2 @ MATRIX, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.45, 2.4])
def test_a_shaper_and_a_lattice_in_one_cube_match_opencolorio(save: Save, exponent: float) -> None:
    """Curve and map are applied one after the other, as OpenColorIO does directly, within the stated half step."""
    path = save("a.cube", f"LUT_1D_SIZE 1024\nLUT_3D_SIZE 3\n{_curve(exponent)}{_rows(3, True)}")
    lut = read_lut(path)
    probes = np.clip(PROBES, 0.02, 1)  # below, x^0.45 is vertical and no lattice follows it
    np.testing.assert_allclose(lut.apply(probes), _direct(path, probes), atol=0.6 / 255)
    np.testing.assert_allclose(lut.apply(probes), probes**exponent @ MATRIX, atol=0.7 / 255)


def _direct(path: Path, rgb: np.ndarray) -> np.ndarray:
    import PyOpenColorIO as ocio

    transform = ocio.FileTransform(str(path), interpolation=ocio.INTERP_TETRAHEDRAL)
    values = rgb.astype(np.float32)
    ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor().applyRGB(values)
    return values


def test_a_curve_too_steep_for_any_lattice_is_said_to_be(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    """A step that no lattice can follow is read as well as it can be, and the log says that colours are off; a user who
    compares with another program must learn why."""
    step = "".join(f"{v} {v} {v}\n" for v in (np.arange(4096) > 1234).astype(int))
    with caplog.at_level(logging.INFO, logger="livestyle"):
        read_lut(save("step.cube", f"LUT_1D_SIZE 4096\n{step}"))
    assert "step.cube is too steep" in caplog.text


def test_a_changed_file_is_read_again(save: Save) -> None:
    """`read_lut` keeps nothing: what caches LUTs, and knows when a file has changed, is `compile_look`."""
    read_lut(save("a.cube", CUBE))
    lut = read_lut(save("a.cube", "LUT_3D_SIZE 2\n" + _rows(2, True).replace("0.0000000", "0.5000000")))
    np.testing.assert_allclose(lut.apply(np.zeros((1, 3))), 0.5)


def test_values_beyond_the_unit_cube_are_kept(save: Save) -> None:
    """Values up to Lut3D's bound survive: an intensity below 1 can bring them back into the picture, so clipping them
    early would change colours."""
    lut = read_lut(save("a.cube", "LUT_3D_SIZE 2\n" + _rows(2, True, scale=1.3)))
    np.testing.assert_allclose(lut.apply(PROBES), PROBES @ MATRIX * 1.3, atol=1e-6)


def test_opencolorio_prints_nothing(save: Save, capfd: pytest.CaptureFixture[str]) -> None:
    """OpenColorIO's own messages do not reach the terminal, neither for a good file nor for a broken one; what is wrong
    is in our exception."""
    read_lut(save("a.cube", CUBE))
    with pytest.raises(StyleError):
        read_lut(save("a.csp", CSP[:-30]))
    assert capfd.readouterr() == ("", "")


# ---- HALD ------------------------------------------------------------------------------------------------------------


def _hald(level: int, dtype: type) -> np.ndarray:
    size = level**2
    table = (lattice(size) @ MATRIX).transpose(2, 1, 0, 3).reshape(level**3, level**3, 3)
    return np.rint(table * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("level", [2, 3, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_hald_picture_gives_its_lattice(tmp_path: Path, level: int, dtype: type) -> None:
    """A HALD picture of level L holds L² points along an axis, red fastest, and is read to half a step of its own 8 or
    16 bits."""
    path = tmp_path / "hald.png"
    cv2.imwrite(str(path), _hald(level, dtype)[..., ::-1])
    lut = read_lut(path)
    assert lut.size == level**2
    np.testing.assert_allclose(lut.apply(PROBES), PROBES @ MATRIX, atol=0.51 / np.iinfo(dtype).max)  # its integers


def test_a_hald_picture_beyond_129_points_is_resampled(tmp_path: Path) -> None:
    """Level 12 has 144 points, more than a LUT may have: it is sampled at 65, and a linear map stays within half an
    8-bit step all the same."""
    path = tmp_path / "hald.png"
    cv2.imwrite(str(path), _hald(12, np.uint8)[..., ::-1])
    lut = read_lut(path)
    assert lut.size == 65
    np.testing.assert_allclose(lut.apply(PROBES), PROBES @ MATRIX, atol=0.51 / 255)


def test_alpha_and_palette_do_not_matter(tmp_path: Path) -> None:
    """A HALD picture that an image editor saved with alpha or with a palette is the same LUT."""
    picture = Image.fromarray(_hald(2, np.uint8))
    picture.convert("RGBA").save(tmp_path / "alpha.png")
    picture.quantize(256).save(tmp_path / "palette.png")
    plain = np.rint(lattice(4) @ MATRIX * 255) / 255
    np.testing.assert_allclose(read_lut(tmp_path / "alpha.png").table, plain, atol=1e-6)
    np.testing.assert_allclose(read_lut(tmp_path / "palette.png").table, plain, atol=4 / 255)  # Pillow picks colours


@pytest.mark.parametrize("size", [(64, 32), (63, 63), (1, 1), (100, 100)])
def test_a_picture_that_is_no_hald_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    """A picture whose size no level has, a photo chosen by mistake perhaps, is refused, and the error says its size and
    which ones fit."""
    Image.new("RGB", size).save(tmp_path / "photo.png")
    with pytest.raises(StyleError, match=f"expected a look-up picture: .* found {size[0]}x{size[1]}"):
        read_lut(tmp_path / "photo.png")


def test_a_grey_picture_is_refused(tmp_path: Path) -> None:
    """A picture without colours holds no colour map, even if its size fits."""
    Image.new("L", (64, 64)).save(tmp_path / "grey.png")
    with pytest.raises(StyleError, match="in colour"):
        read_lut(tmp_path / "grey.png")


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.6])
def test_a_damaged_png_is_refused(tmp_path: Path, keep: float, capfd: pytest.CaptureFixture[str]) -> None:
    """A picture that ends early, or that is none, is an error rather than a LUT with a black part, and no decoder
    prints to stderr."""
    path = tmp_path / "hald.png"
    cv2.imwrite(str(path), _hald(8, np.uint8)[..., ::-1])
    data = path.read_bytes()
    path.write_bytes(b"not a picture" if keep == 0 else data[: int(len(data) * keep)])
    with pytest.raises(StyleError, match="expected a PNG picture"):
        read_lut(path)
    assert capfd.readouterr().err == ""


# ---- broken files ----------------------------------------------------------------------------------------------------

FIRST, LAST = 7, 33  # the lines of the first and the last row of CUBE
CUBE_LINES = CUBE.splitlines()


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        (CUBE_LINES[-1] + "\n", "", LAST - 1, "expected 27 rows of numbers, found only 26"),
        (CUBE_LINES[-1], CUBE_LINES[-1] + "\n1 1 1", LAST + 1, "expected 27 rows of numbers, found one more"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE 1", 3, "LUT_3D_SIZE between 2 and 129, found 1"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE 10000", 3, "LUT_3D_SIZE between 2 and 129, found 10000"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE -3", 3, "between 2 and 129, found -3"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE 3.5", 3, "between 2 and 129, found 3.5"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE three", 3, "1 number after LUT_3D_SIZE, found three"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE", 3, "1 number after LUT_3D_SIZE, found nothing"),
        ("LUT_3D_SIZE 3", "LUT_1D_SIZE 100000", 3, "LUT_1D_SIZE between 2 and 65536"),
        ("LUT_3D_SIZE 3\n", "", LAST - 1, "expected LUT_3D_SIZE or LUT_1D_SIZE, found neither"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE 3\nLUT_3D_SIZE 3", 4, "LUT_3D_SIZE once"),
        ("LUT_3D_SIZE 3", "LUT_3D_SIZE 4", LAST, "expected 64 rows of numbers, found only 27"),
        ("DOMAIN_MAX 1 1 1", "DOMAIN_MAX 1 1", 5, "3 numbers after DOMAIN_MAX, found 1 1"),
        ("DOMAIN_MAX 1 1 1", "DOMAIN_MAX 1 nan 1", 5, "3 numbers after DOMAIN_MAX"),
        ("DOMAIN_MAX 1 1 1", "DOMANE_MAX 1 1 1", 5, "a keyword of the .cube format or three numbers"),
        (CUBE_LINES[FIRST - 1], "nan 0 0", FIRST, "three finite numbers, found nan 0 0"),
        (CUBE_LINES[LAST - 1], "1 1 inf", LAST, "three finite numbers, found 1 1 inf"),
        (CUBE_LINES[LAST - 1], "1 1 1e999", LAST, "three finite numbers, found 1 1 1e999"),
        (CUBE_LINES[9], "0.1 0.2", 10, "three finite numbers, found 0.1 0.2"),
        (CUBE_LINES[9], "0.1 0.2 0.3 0.4", 10, "three finite numbers, found 0.1 0.2 0.3 0.4"),
        (CUBE_LINES[9], "0,1 0,2", 10, "three finite numbers, found 0.1 0.2"),
        (CUBE_LINES[9], "x,1 0,2 0,3", 10, "a keyword of the .cube format or three numbers, found x,1"),
        (CUBE_LINES[9], "\x00\x01", 10, "expected text, found binary data"),
        (CUBE_LINES[9], CUBE_LINES[9] + "\nLUT_1D_SIZE 3", 11, "before the first row"),
    ],
)
def test_a_broken_cube_names_line_and_expectation(save: Save, old: str, new: str, line: int, expected: str) -> None:
    """Each mistake in an otherwise valid file is refused with file, line and what was expected there, so that it can be
    mended in an editor. A missing or an extra row counts: the reader must never guess a size."""
    assert old in CUBE
    path = save("a.cube", CUBE.replace(old, new))
    with pytest.raises(StyleError) as raised:
        read_lut(path)
    assert str(raised.value).startswith(f"{path}:{line}: ")
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.spi3d", SPI3D.replace("2 2 2 ", "9 9 9 "), ""),
        ("a.spi3d", SPI3D.replace("3 3 3", "3 3 4"), ":30"),
        ("a.spi3d", "\n".join(SPI3D.splitlines()[:-1]), ":29"),
        ("a.spi3d", SPI3D + SPI3D.splitlines()[-1], ":31"),
        ("a.spi3d", SPI3D.replace("0 0 1 0", "0 0 1 nan 0"), ":5"),
        ("a.spi1d", SPI1D.replace("0.25\n", ""), ":8"),
        ("a.spi1d", SPI1D.replace("0.25\n", "inf\n"), ":7"),
        ("a.spi1d", SPI1D.replace("0.25\n", "a quarter\n"), ":7"),
        ("a.csp", "\n".join(CSP.splitlines()[:-1]), ""),
        ("a.csp", CSP.replace("CSPLUTV100", "CSPLUTV999"), ""),
        ("a.3dl", "\n".join(FLAME.splitlines()[:-1]), ""),
        ("a.3dl", FLAME.replace("0 256 512 768 1023", "0 256"), ":1"),
        ("a.clf", CLF.replace("3 3 3 3", "3 3 3"), ":4"),
        ("a.clf", CLF.replace("</LUT3D>", ""), ":34"),
        ("a.clf", CLF[: len(CLF) // 2], ":16"),
        ("a.lut", HOUDINI.replace("Length 3", "Length 4"), ""),
        ("a.icc", b"\x00\x01 no profile \xff", ""),
    ],
)
def test_other_broken_files_are_refused(save: Save, name: str, text: str | bytes, line: str) -> None:
    """Formats that OpenColorIO reads are held to the same: a StyleError with the file, and the line where its reader
    tells one."""
    path = save(name, text)
    with pytest.raises(StyleError) as raised:
        read_lut(path)
    assert str(raised.value).startswith(f"{path}{line}: ")


@pytest.mark.parametrize("name", ["a" + suffix for suffix in sorted(LUT_SUFFIXES)])
@pytest.mark.parametrize(
    "content",
    [b"", b"  \r\n\n", bytes(2000), bytes(range(256)) * 20, b"<html>Not found</html>\n"],
    ids=["empty", "blank", "zeros", "bytes", "html"],
)
def test_what_is_no_lut_is_refused_under_every_ending(save: Save, name: str, content: bytes) -> None:
    """Whatever ending it has, an empty file, zeros, arbitrary bytes or a saved web page is a StyleError that names the
    file; none of OpenColorIO's readers may take it for a LUT, crash or wait."""
    path = save(name, content)
    with pytest.raises(StyleError) as raised:
        read_lut(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_a_folder_and_another_ending_are_refused(tmp_path: Path, save: Save) -> None:
    """Each has a sentence of its own, because what the user has to do differs; for an unknown ending the hint lists
    those that are known."""
    (tmp_path / "folder.cube").mkdir()
    with pytest.raises(StyleError, match=r"there is no LUT file .*none\.cube"):
        read_lut(tmp_path / "none.cube")
    with pytest.raises(StyleError, match=r"folder\.cube is a folder"):
        read_lut(tmp_path / "folder.cube")
    with pytest.raises(StyleError, match=r"do not end in '\.txt'") as raised:
        read_lut(save("a.txt", CUBE))
    assert ".cube" in raised.value.hint


def test_the_biggest_size_is_read(save: Save) -> None:
    """129 points along an axis, the most that OpenColorIO takes, are read.

    Such a text is so long that it goes through the child process, whose limits must allow it.
    """
    path = save("a.cube", "LUT_3D_SIZE 129\n" + "0.5 0.25 0.125\n" * 129**3)
    lut = read_lut(path)
    assert lut.size == 129
    np.testing.assert_allclose(lut.apply(PROBES), np.broadcast_to([0.5, 0.25, 0.125], PROBES.shape))


def test_an_identity_is_recognised(save: Save) -> None:
    """The numbers in a text come out so exact that a file which changes nothing is known as such, and costs no pass."""
    rows = "".join(f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1))
    assert read_lut(save("a.cube", "LUT_3D_SIZE 2\n" + rows)).is_identity()
    assert not read_lut(save("b.cube", CUBE)).is_identity()
