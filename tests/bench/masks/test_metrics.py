"""Each figure on masks for which it is known by construction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from livestyle.bench.masks import metrics
from livestyle.bench.masks.color_difference import delta_e, delta_e_lab

ROWS, COLUMNS = 90, 160


def square(x: int, side: int = 40) -> np.ndarray:
    """(ROWS, COLUMNS): a square whose upper left corner is at row 20, column x."""
    mask = np.zeros((ROWS, COLUMNS), bool)
    mask[20 : 20 + side, x : x + side] = True
    return mask


def planes(mask: np.ndarray) -> np.ndarray:
    """(h, w, 4) weights: hair where the mask is, background elsewhere."""
    inside = mask.astype(np.float32)
    return np.dstack([1 - inside, inside, 0 * inside, 0 * inside])


def test_a_shifted_square_has_the_iou_of_its_overlap() -> None:
    """IoU is overlap over union: a square of 40 that is shifted by 10 has 30 of 50 columns in common."""
    count = metrics.Count()
    count.add(square(30), square(40))
    assert count.iou == pytest.approx(30 / 50)


def test_nothing_to_compare_is_not_a_number() -> None:
    """Without a pixel in either mask IoU is NaN rather than 0 or 1, so that a mean of regions leaves it out."""
    assert math.isnan(metrics.Count().iou)


def test_the_inner_band_of_a_square_is_a_frame_of_that_width() -> None:
    """The band of boundary IoU is as wide as asked, five pixels here, and lies inside the mask (Cheng et al. 2021)."""
    share = 5 / math.hypot(ROWS, COLUMNS)
    inner = metrics.inner_band(square(30), share)
    assert inner.sum() == 40**2 - 30**2
    assert not inner[25:55, 35:65].any()


def test_the_border_of_the_frame_is_no_edge() -> None:
    """A mask that runs out of the frame has no edge there, and a mask of the whole frame has none at all: nobody sees
    it end."""
    left = np.zeros((ROWS, COLUMNS), bool)
    left[:, :50] = True
    near = metrics.band(left, 4 / math.hypot(ROWS, COLUMNS))
    assert sorted(set(np.flatnonzero(near.any(axis=0)))) == list(range(46, 54))
    assert not metrics.band(np.ones((9, 9), bool)).any()


@pytest.mark.parametrize(("shift", "f"), [(0, 1.0), (1, 1.0), (20, 0.0)])
def test_a_contour_within_the_tolerance_is_found(shift: int, f: float) -> None:
    """At this size the tolerance is one pixel; twenty pixels away only the horizontal sides still touch."""
    line, moved = np.zeros((ROWS, COLUMNS), bool), np.zeros((ROWS, COLUMNS), bool)
    line[:, :60], moved[:, : 60 + shift] = True, True
    contours = metrics.Contours()
    contours.add(moved, line, ~line)
    assert contours.f == pytest.approx(f)


def test_a_contour_beside_the_unknown_is_not_asked_for() -> None:
    """Where a label ends only because nothing is known beyond, no contour is expected, and without any the figure is
    NaN."""
    inside, outside = np.zeros((ROWS, COLUMNS), bool), np.zeros((ROWS, COLUMNS), bool)
    inside[:, :60], outside[:, 80:] = True, True
    contours = metrics.Contours()
    contours.add(inside, inside, outside)
    assert math.isnan(contours.f)


def test_a_frozen_mask_steps_as_wrongly_as_the_truth_moves() -> None:
    """dtSSD of a mask that stands still is that of the truth's own motion, in 1/100 by the formula of Erofeev et al.

    2015; dividing by it makes 1 mean "frozen".
    """
    moved = planes(square(34)) - planes(square(30))
    wrong, frozen = metrics.step_error(np.zeros_like(moved), moved, np.ones(moved.shape, bool))
    # Four columns at either side of 40 rows change by 1 in two of four planes.
    assert frozen == pytest.approx(100 * math.sqrt(2 * 2 * 4 * 40 / moved.size))
    assert wrong == frozen


def test_a_mask_that_moves_as_the_truth_does_makes_no_wrong_step_wherever_it_is() -> None:
    """Steps compare changes, not places: an error that stays the same does not flicker, and IoU counts it already."""
    moved = planes(square(34)) - planes(square(30))
    assert metrics.step_error(moved, moved, np.ones(moved.shape, bool))[0] == 0


def test_steps_count_only_where_the_truth_is_known() -> None:
    """Without a known pixel the figures are NaN; with some, what happens elsewhere does not count."""
    moved = planes(square(34)) - planes(square(30))
    known = np.zeros(moved.shape, bool)
    assert math.isnan(metrics.step_error(moved, 0 * moved, known)[0])
    known[:5] = True
    assert metrics.step_error(moved, 0 * moved, known) == (0.0, 0.0)


def test_flicker_is_the_weight_that_moved() -> None:
    """The first figure is the weight that goes to another region, in ‰ of the frame: two columns for a square that
    moves by one. The second counts pixels that change by more than CHANGED, so a change of 5 % is in the first only."""
    before, after = planes(square(30)), planes(square(31))
    moved, changed = metrics.flicker(before, after)
    assert moved == pytest.approx(1000 * 2 * 40 / (ROWS * COLUMNS), rel=1e-5)
    assert changed == pytest.approx(moved)
    soft, few = metrics.flicker(before, before + 0.05 * (after - before))
    assert soft == pytest.approx(moved * 0.05, rel=1e-4)
    assert few == 0


def test_a_mask_that_follows_the_flow_has_no_warp_error() -> None:
    """A mask that moves along the optical flow is right; one that stays is wrong by the three columns at either side
    that the flow has moved on. Without a valid pixel nothing is known."""
    backward = np.zeros((ROWS, COLUMNS, 2), np.float32)
    backward[..., 0] = -3
    everywhere = np.ones((ROWS, COLUMNS), bool)
    assert metrics.warp_error(planes(square(30)), planes(square(33)), backward, everywhere) == pytest.approx(
        0, abs=1e-4
    )
    stays = metrics.warp_error(planes(square(30)), planes(square(30)), backward, everywhere)
    assert stays == pytest.approx(1000 * 2 * 3 * 40 / (ROWS * COLUMNS), rel=1e-4)
    assert math.isnan(metrics.warp_error(planes(square(1)), planes(square(1)), backward, ~everywhere))


@pytest.mark.parametrize("late", [0.0, 0.4, 1.0, 2.5])
def test_the_lag_of_a_square_that_comes_late_is_found_between_frames(late: float) -> None:
    """A parabola's minimum is exact for a parabola, which the error of a soft edge is."""
    errors = [(lag - late) ** 2 + 0.3 for lag in range(-1, 8)]
    assert metrics.lag_of(errors, -1) == pytest.approx(late)


def test_a_lag_beyond_the_range_is_its_end() -> None:
    """Where the error is smallest at an end of the range that was tried, the lag is that end and not extrapolated."""
    assert metrics.lag_of([5.0, 4.0, 3.0], -1) == 1.0
    assert metrics.lag_of([3.0, 4.0, 5.0], -1) == -1.0


def test_a_ghost_is_a_false_region_without_an_excuse() -> None:
    """A region counts as a ghost, by its area, where it surely is not; an excuse is that the model says so, that it may
    be true, or that only an edge is off. 15 %: half the band is taken off the edges before the area is measured."""
    nowhere, everywhere = np.zeros((ROWS, COLUMNS), bool), np.ones((ROWS, COLUMNS), bool)
    assert metrics.ghost_area(square(30), everywhere, nowhere) == pytest.approx(square(30).mean(), rel=0.15)
    assert metrics.ghost_area(square(30), everywhere, square(30)) == 0, "the model says so itself"
    assert metrics.ghost_area(square(30), ~square(30), nowhere) == 0, "it may be true"
    edge = square(30) & ~square(31)
    assert metrics.ghost_area(edge, everywhere, nowhere) == 0, "an edge that is a pixel off"


def test_the_longest_run() -> None:
    """Frames in a row are what viewers notice, so the figure is the longest run and not the sum."""
    assert metrics.longest_run([]) == 0
    assert metrics.longest_run([True, True, False, True]) == 2


def test_labels_are_the_largest_weights() -> None:
    """The label of a pixel is its region of the largest weight, as argmax gives it."""
    weights = np.random.default_rng(0).dirichlet(np.ones(4), (7, 5)).astype(np.float32)
    np.testing.assert_array_equal(metrics.labelled(weights), weights.argmax(axis=2))


# L*a*b* pairs from table 1 of Sharma, Wu and Dalal (2005): hue wraps, greys, the rotation term in the blues.
SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0011), 7.2195),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (50.0, 3.2592, 0.3350), 1.0000),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "difference"), SHARMA)
def test_color_differences_are_those_published(first: tuple, second: tuple, difference: float) -> None:
    """CIEDE2000 gives the values that its authors published for checking implementations, in both directions."""
    both = np.array([first]), np.array([second])
    assert delta_e_lab(*both)[0] == pytest.approx(difference, abs=5e-5)  # four decimals are published
    assert delta_e_lab(*both[::-1])[0] == pytest.approx(difference, abs=5e-5)


def test_equal_colors_do_not_differ_and_black_is_a_hundred_from_white() -> None:
    """From 8-bit sRGB the scale is that of L*: 0 for equal colours and 100 from black to white."""
    colors = np.random.default_rng(0).integers(0, 256, (50, 3), np.uint8)
    assert delta_e(colors, colors).max() == 0
    black, white = np.zeros((1, 3), np.uint8), np.full((1, 3), 255, np.uint8)
    assert delta_e(black, white)[0] == pytest.approx(100, abs=0.01)
