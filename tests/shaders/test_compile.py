"""What a compiled look does to colours, in numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from livestyle.frame import REGIONS
from livestyle.shaders import grading, oklab
from livestyle.shaders.compile import SIZE, compile_look
from livestyle.shaders.lut import Lut3D, lattice
from livestyle.shaders.recipe import Adjust, Curve, Recipe, Tint, Treatment, parse_recipe

Table = npt.NDArray[np.float32]
EVERYWHERE = dict.fromkeys(REGIONS, 1.0)


def style(text: str) -> Recipe:
    """The recipe that consists of these lines of TOML, with the version and the name that every recipe needs."""
    return parse_recipe(f'version = 1\nname = "x"\n{text}', "x.toml")


def table_of(text: str, adjust: Adjust | None = None) -> Table:
    """The background's table."""
    lut = compile_look(style(text), adjust).luts[0]
    assert lut is not None
    return lut.table


def lch(table: Table) -> tuple[Table, Table, Table]:
    """Oklab lightness, chroma, and hue in degrees, of each colour in a table of sRGB samples."""
    lab = oklab.srgb_to_oklab(table.reshape(-1, 3))
    return lab[:, 0], np.hypot(lab[:, 1], lab[:, 2]), np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))


def greys(table: Table) -> Table:
    """(N, 3): what becomes of the greys, black first."""
    index = np.arange(len(table))
    return table[index, index, index]


def test_intensity_0_and_strength_0_are_no_lut_at_all() -> None:
    """Where nothing of a style is left there is no LUT, not one that changes nothing: the caller then skips the
    look-up, and segmentation with it."""
    strong = style("tone = 0.5\n[palette]\nwarmth = 1\n")
    assert compile_look(strong, Adjust(intensity=0, strengths=EVERYWHERE)).luts == (None,) * 4
    assert compile_look(strong, Adjust(strengths=dict.fromkeys(REGIONS, 0.0))).is_identity


def test_a_recipe_that_changes_nothing_is_the_identity() -> None:
    """A recipe without a setting has no LUT either, even at full strength everywhere."""
    assert compile_look(style(""), Adjust(strengths=EVERYWHERE)).luts == (None,) * 4


def test_a_neutral_grade_gives_back_every_color() -> None:
    """Also those on the border of the gamut: nothing is compressed that was not pushed. float32 leaves 0.01 steps."""
    rgb = lattice(SIZE).reshape(-1, 3)
    np.testing.assert_allclose(grading.grade(grading.InputColors.of(rgb), Treatment()), rgb, atol=0.01 / 255)


def test_regions_that_come_out_alike_share_one_lut() -> None:
    """Regions with the same treatment and amount have the very same object, for which a grade does one look-up.

    Another amount needs a LUT of its own, a protected region none.
    """
    background, hair, skin, clothes = compile_look(style("tone = 0.5\n[regions]\nhair = 0.5\n")).luts
    assert background is clothes
    assert hair is not None
    assert hair is not background
    assert skin is None


def test_compiling_again_costs_nothing() -> None:
    """Two recipes that say the same have the same LUT from the cache, so that stepping back to a style is immediate."""
    assert compile_look(style("tone = 0.25")).luts[0] is compile_look(style("tone = 0.25")).luts[0]


def test_intensity_and_strength_scale_the_whole_difference() -> None:
    """At an amount s a LUT is in + s * (styled - in): each colour moves on a straight line in sRGB, whether the amount
    comes from the intensity or from a region's strength. 1e-6 is what float32 rounds."""
    text = "color = 0.8\n[curve]\ncontrast = 0.5\n"
    whole, inputs = table_of(text), lattice(SIZE)
    for adjust in (Adjust(intensity=0.25), Adjust(strengths={"background": 0.25})):
        np.testing.assert_allclose(table_of(text, adjust), inputs + 0.25 * (whole - inputs), atol=1e-6)


def test_the_user_s_strengths_replace_the_recipe_s() -> None:
    """A strength that the user sets counts instead of the recipe's, upwards and downwards: skin gets all of the style
    and so the background's LUT, clothes get none."""
    look = compile_look(style("tone = 0.5"), Adjust(strengths={"skin": 1, "clothes": 0}))
    assert look.luts[2] is look.luts[0]
    assert look.luts[3] is None


def test_tone_moves_lightness_up_or_down_everywhere_and_shadows_most() -> None:
    """More tone makes every grey between black and white brighter.

    It acts most in the shadows, a tenth to half way up the scale, and by less than a fifth of that near white, where
    detail would be lost.
    """
    tones = [greys(table_of("[palette]\ntint = 0.001", Adjust(tone=tone))).mean(axis=1) for tone in (-1, -0.4, 0.4, 1)]
    for darker, brighter in pairwise(tones):
        assert (brighter - darker)[1:-1].min() > 0
    change = tones[-1] - np.linspace(0, 1, SIZE)
    assert 0.1 < np.argmax(change) / SIZE < 0.5
    assert change[-4] < 0.2 * change.max()


def test_color_moves_chroma_up_or_down_and_keeps_hue_and_lightness() -> None:
    """More colour gives more chroma, less keeps the lightness (to 2e-3), and vivid colours keep their hue to 2 degrees.

    Held for colours that are not grey, dark or bright: the others have no hue to measure or no room in the gamut.
    """
    moved = [lch(table_of("[palette]\ntint = 0.001", Adjust(color=color))) for color in (-1, -0.4, 0.4, 1)]
    before = lch(lattice(SIZE))
    inner = (before[1] > 0.03) & (lattice(SIZE).reshape(-1, 3).max(axis=1) < 0.7) & (before[0] > 0.2)
    for less, more in pairwise(moved):
        assert (more[1] - less[1])[inner].min() > -3e-3  # what compression at the border of the gamut costs
        assert (more[1] - less[1])[inner].mean() > 0.005
    np.testing.assert_allclose(moved[0][0], before[0], atol=2e-3)  # muting needs no gamut: lightness stays
    turned = (moved[-1][2] - before[2] + 180) % 360 - 180
    assert np.abs(turned[inner]).max() < 2  # degrees


def test_the_user_s_tone_counts_from_the_style_s_and_ends_at_the_scale() -> None:
    """The user's tone is added to the style's and limited to -1..1: beyond the end nothing more happens, and the
    opposite of the style's own tone leaves no LUT."""
    assert compile_look(style("tone = 0.8"), Adjust(tone=1)).luts[0] is compile_look(style("tone = 1")).luts[0]
    assert compile_look(style("tone = 0.3"), Adjust(tone=-0.3)).luts[0] is None


EXTREMES = [
    *(f"[curve]\n{key} = {value}" for key in ("exposure", "contrast", "shadows", "highlights") for value in (-1, 1)),
    "tone = 1",
    "tone = -1",
    "tone = -1\n[curve]\ncontrast = 1\nshadows = -1\nexposure = -1",
    "tone = 1\n[curve]\ncontrast = -1\nhighlights = -1\nexposure = 1",
    "[curve]\npoints = [[0, 0.05], [0.3, 0.1], [0.4, 0.6], [1, 0.9]]",
    "[curve]\nblack = 0.3\nwhite = 0.7",
]


@pytest.mark.parametrize("text", EXTREMES)
def test_greys_never_fold_whatever_the_curve(text: str) -> None:
    """At the ends of each setting of the curve, alone and together, a brighter grey never comes out darker than a
    darker one, and the three channels stay equal to 1e-3. A fold would show as a contour in every sky."""
    grey = greys(table_of(text)).astype(np.float64)
    assert np.diff(grey, axis=0).min() >= 0
    np.testing.assert_allclose(grey.max(axis=1), grey.min(axis=1), atol=1e-3)  # a curve gives no tint


def test_black_and_white_stay_unless_the_recipe_fades_them() -> None:
    """Tone, colour, warmth and split tones keep black at 0 and white above 0.95.

    Only `black` and `white` of the curve move the ends, and to exactly the lightness that they name.
    """
    text = "tone = 1\ncolor = 1\n[palette]\nwarmth = 0.5\n[split]\nshadows = {hue = 250, amount = 1}\n"
    grey = greys(table_of(text))
    np.testing.assert_allclose(grey[0], 0, atol=1e-3)
    assert grey[-1].min() > 0.95
    faded = greys(table_of("[curve]\nblack = 0.1\nwhite = 0.9"))
    for end, lightness in ((0, 0.1), (-1, 0.9)):
        assert oklab.toe(oklab.srgb_to_oklab(faded[end])[0]) == pytest.approx(lightness, abs=2e-3)


def test_monochrome_leaves_no_color() -> None:
    """`monochrome = 1` leaves no colour anywhere in the cube: 1e-3 in Oklab is a tenth of what can be noticed."""
    assert lch(table_of("[palette]\nmonochrome = 1"))[1].max() < 1e-3


def test_split_tones_tint_greys_towards_their_hues() -> None:
    """A dark grey has the hue that `shadows` names and a light one the hue of `highlights`, to 3 degrees, with a chroma
    of more than 0.02, which can be seen."""
    text = "[split]\nshadows = {hue = 250, amount = 0.4}\nhighlights = {hue = 70, amount = 0.4}"
    _, chroma, hue = lch(greys(table_of(text)))
    assert hue[8] % 360 == pytest.approx(250, abs=3)
    assert hue[26] % 360 == pytest.approx(70, abs=3)
    assert chroma[8] > 0.02
    assert chroma[26] > 0.02


def test_a_hue_band_touches_only_its_hues_and_no_grey() -> None:
    """A band acts on the hues within half its width, 40 degrees here, and on nothing else: colours outside and greys of
    any lightness stay to 2e-3, half an 8-bit step."""
    table = table_of("[[hues]]\nhue = 140\nwidth = 80\nshift = 15\nlightness = 0.5")
    _, chroma, hue = lch(lattice(SIZE))
    change = np.abs(table - lattice(SIZE)).reshape(-1, 3).max(axis=1)
    off = np.abs((hue - 140 + 180) % 360 - 180)
    assert change[(off > 41) | (chroma < 1e-4)].max() < 2e-3
    assert change[(off < 10) & (chroma > 0.05)].mean() > 0.02


@pytest.mark.parametrize("text", ["color = 1", "[palette]\nsaturation = 1", "[curve]\nexposure = 1\n"])
def test_pushed_colors_keep_their_hue_and_their_order_at_the_border_of_the_gamut(text: str) -> None:
    """From grey to a pure colour chroma must not turn back (a clipped blotch), nor the hue wander by more than a table
    of 33 points and 8-bit-like rounding near black explain: 4 degrees."""
    look = compile_look(style(text)).luts[0]
    assert look is not None
    for pure in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (1, 0.5, 0.2), (0.2, 0.5, 1)):
        path = np.linspace((0.6, 0.6, 0.6), pure, 65).astype(np.float32)
        lab_in, lab = oklab.srgb_to_oklab(path), oklab.srgb_to_oklab(look.apply(path))
        chroma = np.hypot(lab[:, 1], lab[:, 2])
        assert np.diff(chroma).min() > -0.004
        turned = np.arctan2(lab[:, 2], lab[:, 1]) - np.arctan2(lab_in[:, 2], lab_in[:, 1])
        assert np.abs((np.degrees(turned) + 180) % 360 - 180)[8:].max() < 4


def test_compression_starts_smoothly_and_ends_on_the_border() -> None:
    """What was inside KNEE stays, what was on the border comes back onto it, and in between the slope falls evenly and
    stays above 0. A kink would show as an edge in a saturated gradient, a slope of 0 as a blotch."""
    growth = 1.6
    x = np.linspace(0, growth, 1601)
    y = grading.compress(x, np.full_like(x, growth))
    np.testing.assert_allclose(y[x <= grading.KNEE], x[x <= grading.KNEE])
    assert y[-1] == pytest.approx(1, abs=1e-9)
    slope = np.diff(y) / np.diff(x)
    assert slope.max() <= 1 + 1e-9
    assert slope.min() > 0
    assert np.abs(np.diff(slope)).max() < 0.02  # no kink: 1601 samples


def test_a_free_curve_goes_through_its_points_and_never_overshoots() -> None:
    """The curve hits each of its points, never falls, and stays flat between two points of the same height, where an
    ordinary spline would swing above and below."""
    points = ((0.0, 0.0), (0.2, 0.1), (0.5, 0.1), (0.6, 0.8), (1.0, 1.0))
    np.testing.assert_allclose(grading.through_points(np.array([p[0] for p in points]), points), [p[1] for p in points])
    dense = grading.through_points(np.linspace(0, 1, 1001), points)
    assert np.diff(dense).min() >= -1e-12
    np.testing.assert_allclose(dense[200:501], 0.1, atol=1e-12)


def cube_file(folder: Path, table: Table) -> Path:
    """Write a table as look.cube into `folder`; its path."""
    path = folder / "look.cube"
    rows = table.transpose(2, 1, 0, 3).reshape(-1, 3)  # red fastest
    path.write_text(f"LUT_3D_SIZE {len(table)}\n" + "\n".join("{:.7f} {:.7f} {:.7f}".format(*row) for row in rows))
    return path


def test_a_lut_file_is_applied_as_it_is(tmp_path: Path) -> None:
    """A LUT of the user's is not resampled: it keeps its 5 points and its values (to the seven digits of the file) for
    background and clothes, while skin and hair stay protected."""
    table = lattice(5)[..., ::-1] * 0.8
    look = compile_look(Recipe("x", lut=cube_file(tmp_path, table)))
    assert look.luts[0] is not None
    assert look.luts[0] is look.luts[3]
    assert look.luts[1] is look.luts[2] is None
    np.testing.assert_allclose(look.luts[0].table, table, atol=1e-6)


def test_tone_and_color_come_on_top_of_a_lut_file(tmp_path: Path) -> None:
    """Tone and colour act on what the LUT file made of a colour, not before it.

    The result has SIZE points, since the five of the file would be too few for a curve.
    """
    table = (lattice(5)[..., ::-1] * 0.8).astype(np.float32)
    path = cube_file(tmp_path, table)
    got = compile_look(Recipe("x", lut=path), Adjust(tone=0.5, color=-0.5)).luts[0]
    assert got is not None
    assert got.size == SIZE
    swapped = Lut3D(table).apply(lattice(SIZE)).reshape(-1, 3)
    wanted = grading.grade(grading.InputColors.of(swapped), Treatment(tone=0.5, color=-0.5)).reshape(got.table.shape)
    np.testing.assert_allclose(got.table, wanted, atol=1e-5)


def test_a_lut_file_that_was_edited_is_read_again(tmp_path: Path) -> None:
    """The cache knows a LUT file by time and size as well as by path: who edits a LUT while livestyle runs sees the new
    one."""
    path = cube_file(tmp_path, lattice(5) * np.float32(0.5))
    first = compile_look(Recipe("x", lut=path)).luts[0]
    cube_file(tmp_path, lattice(6) * np.float32(0.25))
    second = compile_look(Recipe("x", lut=path)).luts[0]
    assert first is not None
    assert second is not None
    assert (first.table.max(), second.table.max()) == (0.5, 0.25)


def test_treatments_are_values() -> None:
    """Treatments that say the same are equal and have the same hash, which makes them keys of the cache."""
    one = Treatment(curve=Curve(contrast=0.5))
    assert replace(one) == one
    assert hash(replace(one)) == hash(one)
    assert Tint(250, 0.3) == Tint(hue=250, amount=0.3)
