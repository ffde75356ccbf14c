from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.masks import edges as module
from livestyle.masks.edges import refine

ROWS, COLUMNS = 180, 320


def scene() -> tuple[np.ndarray, np.ndarray]:
    """(picture in [0, 1], truth): a dark disc on a light ground, both with some texture."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    disc = np.clip(50.5 - np.hypot(columns - 150, rows - 90), 0, 1)
    texture = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 12, (ROWS, COLUMNS, 3)), (0, 0), 1)
    colors = disc[..., None] * np.array([60, 40, 30]) + (1 - disc[..., None]) * np.array([180, 190, 170])
    return np.clip((colors + texture) / 255, 0, 1).astype(np.float32), disc.astype(np.float32)


def coarse(truth: np.ndarray, cell: int = 8) -> np.ndarray:
    """(h, w, 4) weights as a network of that stride gives them, enlarged."""
    small = cv2.resize(truth, (COLUMNS // cell, ROWS // cell), interpolation=cv2.INTER_AREA)
    hair = cv2.resize(small, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR)
    return np.stack([1 - hair, 0.6 * hair, 0.4 * hair, 0 * hair], axis=2)


def test_the_edge_of_the_picture_becomes_the_edge_of_the_weights() -> None:
    """Coarse weights with an edge a little off are moved to where the colours change."""
    picture, truth = scene()
    planes = coarse(truth)
    edge = cv2.dilate(truth, np.ones((9, 9))) - cv2.erode(truth, np.ones((9, 9))) > 0
    before = np.abs(1 - planes[..., 0] - truth)[edge].mean()
    after = np.abs(1 - refine(planes, picture)[0] - truth)[edge].mean()
    assert after < 0.5 * before


def test_weights_stay_weights() -> None:
    """In 0..1 and summing to at most 1, for any weights and any picture."""
    picture, truth = scene()
    result = refine(coarse(truth), picture)
    assert result.dtype == np.float32
    assert result.shape == (4, ROWS, COLUMNS)
    assert result.min() >= 0
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-5)


def test_finer_pictures_give_finer_edges() -> None:
    """The weights come at a half of the picture's size; the result has the picture's, and its edges."""
    picture, truth = scene()
    planes = cv2.resize(coarse(truth), (COLUMNS // 2, ROWS // 2), interpolation=cv2.INTER_AREA)
    small = cv2.resize(picture, (COLUMNS // 2, ROWS // 2), interpolation=cv2.INTER_AREA)
    fine = 1 - refine(planes, picture)[0]
    assert fine.shape == truth.shape
    enlarged = 1 - cv2.resize(refine(planes, small)[0], (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR)
    assert np.abs(fine - truth).mean() < 0.9 * np.abs(enlarged - truth).mean()


def test_an_edge_is_fitted_alike_whatever_else_is_in_the_frame() -> None:
    """Only the part with edges is fitted; another edge far away makes that part larger, and changes nothing here."""
    picture, truth = scene()
    planes = cv2.resize(coarse(truth), (COLUMNS // 2, ROWS // 2), interpolation=cv2.INTER_AREA)
    more = planes.copy()
    more[:4, -4:] = (0, 0, 0, 1)
    near = np.s_[:, :, : COLUMNS // 2 + 70]  # the disc, and the window around it
    np.testing.assert_allclose(refine(more, picture)[near], refine(planes, picture)[near], atol=1e-5)


@pytest.mark.parametrize("dark", [True, False])
def test_no_halo_is_drawn_around_a_thing(dark: bool) -> None:
    """Dark on light and light on dark: beyond the window nothing of the thing is left, inside nothing is missing."""
    picture, truth = scene()
    weights = refine(coarse(truth), picture if dark else 1 - picture)
    away = cv2.dilate(truth, np.ones((21, 21))) < 0.01
    inside = cv2.erode(truth, np.ones((21, 21))) > 0.99
    assert weights[0][away].min() > 0.99
    assert weights[0][inside].max() < 0.01


def test_where_color_explains_nothing_the_mask_is_kept() -> None:
    """Both sides of the edge look alike: no texture may bend it."""
    _, truth = scene()
    noise = np.random.default_rng(1).normal(0, 40, (ROWS, COLUMNS, 3))
    motley = np.clip(0.5 + cv2.GaussianBlur(noise, (0, 0), 2) * 3 / 255, 0, 1).astype(np.float32)
    soft = cv2.GaussianBlur(truth, (0, 0), 3)
    hair = 1 - refine(np.stack([1 - soft, soft, 0 * soft, 0 * soft], axis=2), motley)[0]
    agree = ((hair > 0.5) & (truth > 0.5)).sum() / ((hair > 0.5) | (truth > 0.5)).sum()
    assert agree > 0.97


def test_where_an_area_is_undecided_the_style_fades() -> None:
    """Between what is kept and what is changed; an undecided edge is narrow and takes the style up to itself."""
    picture, _ = scene()
    area = np.zeros((ROWS, COLUMNS, 4), np.float32)
    area[..., 0] = area[..., 2] = 0.5
    assert refine(area, picture).max() < 0.05
    edge = np.zeros((ROWS, COLUMNS, 4), np.float32)
    edge[:, :160, 0], edge[:, 160:, 2] = 1, 1
    edge = cv2.GaussianBlur(edge, (0, 0), 4)
    np.testing.assert_allclose(refine(edge, picture).sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize(("share", "fades"), [(0.03, False), (0.1, True)])
def test_how_wide_a_doubt_must_be_to_fade_is_a_share_of_the_picture(share: float, fades: bool) -> None:
    """Masks come at half the working copy's resolution, the picture at its own or twice that."""
    rows, columns = 90, 160
    planes = np.zeros((rows, columns, 4), np.float32)
    at = np.arange(columns)
    planes[:, at < columns // 2, 0], planes[:, at >= columns // 2, 2] = 1, 1
    doubt = np.abs(at - columns / 2) < share * columns / 2
    planes[:, doubt, 0] = planes[:, doubt, 2] = 0.5
    grey = np.full((2 * rows, 2 * columns, 3), 0.5, np.float32)
    assert bool(refine(planes, grey).sum(axis=0).min() < 0.1) is fades


def test_what_the_style_changes_alike_does_not_fade() -> None:
    """Clothes or background: the doubt is between two that are both changed."""
    picture, _ = scene()
    planes = np.zeros((ROWS, COLUMNS, 4), np.float32)
    planes[..., 0] = planes[..., 3] = 0.5
    result = refine(planes, picture)
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(result[0], 0.5, atol=1e-3)  # float32 variance of a flat window


def test_sure_weights_are_kept_over_texture() -> None:
    """Where every weight is certain, texture in the picture is not an edge."""
    picture, _ = scene()
    sure = np.zeros((ROWS, COLUMNS, 4), np.float32)
    sure[..., 2] = 1
    np.testing.assert_allclose(refine(sure, picture)[2], 1, atol=1e-3)


needs_compiled = pytest.mark.skipif(module.COMPILED is None, reason="the compiled code was not built")


@needs_compiled
@pytest.mark.parametrize("doubt", [False, True])
@pytest.mark.parametrize(
    ("columns", "size"),
    [
        (COLUMNS, (ROWS, COLUMNS)),
        (COLUMNS, (ROWS // 2, COLUMNS // 2)),
        (COLUMNS, (ROWS // 4, COLUMNS // 4)),
        (COLUMNS, (3, 40)),
        (COLUMNS, (31, 17)),
        (204, (ROWS // 2, 102)),  # the disc's edge lies where rows end within a run of pixels
        (204, (ROWS // 4, 51)),
        (203, (67, 101)),
    ],
)
def test_the_compiled_code_gives_what_numpy_gives(
    columns: int, size: tuple[int, int], doubt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one of the regions is not fitted, and where the style fades.

    The fit takes the differences of float32 means, summed in another order: a step of an 8-bit picture is as large.
    """
    picture, truth = scene()
    picture = np.ascontiguousarray(picture[:, :columns])
    planes = cv2.resize(coarse(truth)[:, :columns], size[::-1], interpolation=cv2.INTER_AREA).reshape(*size, 4)
    if doubt:
        planes[:, : size[1] // 3] = 0.5, 0, 0.5, 0
    compiled = refine(planes, picture)
    monkeypatch.setattr(module, "COMPILED", None)
    np.testing.assert_allclose(compiled, refine(planes, picture), atol=4e-3)


@needs_compiled
def test_edges_without_color_are_exact_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Black on white, as an infrared camera sees it: the covariance of the colours is all but singular."""
    _, truth = scene()
    picture = np.repeat(1 - truth[..., np.newaxis], 3, axis=2)
    planes = cv2.resize(coarse(truth), (COLUMNS // 4, ROWS // 4), interpolation=cv2.INTER_AREA)
    compiled = refine(planes, picture)
    monkeypatch.setattr(module, "COMPILED", None)
    np.testing.assert_allclose(compiled, refine(planes, picture), atol=4e-3)


def floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


RIGHT = {
    "refine": [floats(4, 8, 8), (4, 8, 8), floats(8, 8, 3), floats(4, 4, 4), False, (1,), floats(5, 4, 4), (4, 4),
               (0, 8, 0, 8)],
    "fit": [floats(5, 4, 8), floats(1, 4, 8), floats(3, 4, 8), (1, 4, 8), 3, 1e-4, 1e-4, 0.3, 0.8],
    "shrink": [floats(3, 2, 4), floats(4, 8, 3), (4, 8), (2, 4)],
    "differ": [floats(4, 8), np.zeros((4, 8), np.uint8), floats(4, 8), (4, 8)],
    "count": [floats(4, 8), floats(4, 8), np.zeros((4, 8), np.uint8), *[floats(4, 8)] * 4, (4, 8), 3, 6, 9],
    "edge_align": [floats(4, 8, 2), floats(4, 8), floats(4, 8), floats(4, 8, 2), (4, 8), 3, 0.7, 0.003, 0.85],
    "warp": [floats(4, 8, 4), floats(4, 8, 4), (4, 8), floats(4, 8, 2)],
    "mean": [floats(4, 8, 3), np.zeros((4, 8, 3), np.uint8), floats(4, 8, 3), (4, 8), floats(2, 4), (2, 4)],
}  # fmt: skip
"""Arguments that agree with each other."""


@needs_compiled
@pytest.mark.parametrize("size", [(90, 160), (45, 80), (360, 640), (3, 5)])
def test_the_compiled_code_shrinks_to_means(size: tuple[int, int]) -> None:
    """Each coarse pixel is the mean of the pixels that it covers, as in NumPy."""
    picture = np.random.default_rng(2).random((360, 640, 3), np.float32)
    wanted = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(np.dstack(module._shrunk(picture, size)), wanted, atol=1e-5)


@needs_compiled
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("refine", {1: (4, 8, 9)}),  # more pixels than there are
        ("refine", {0: floats(4, 8, 7)}),
        ("refine", {2: floats(8, 7, 3)}),
        ("refine", {3: floats(3, 4, 4)}),
        ("refine", {4: True}),  # a plane more than there is
        ("refine", {3: floats(6, 4, 4), 4: 2}),
        ("refine", {5: (0,)}),  # the region that takes what is left
        ("refine", {5: (4,)}),
        ("refine", {5: (1, 2)}),  # more coefficients than there are
        ("refine", {7: (5, 4)}),
        ("refine", {8: (0, 9, 0, 8)}),
        ("refine", {8: (-1, 8, 0, 8)}),
        ("refine", {8: (0, 8, 1, 8)}),  # within a run of pixels
        ("fit", {0: floats(4, 4, 8)}),
        ("fit", {1: floats(1, 4, 7)}),
        ("fit", {2: floats(2, 4, 8)}),
        ("fit", {4: -1}),
        ("fit", {0: floats(5, 4, 7), 1: floats(1, 4, 7), 2: floats(3, 4, 7), 3: (1, 4, 7)}),  # narrower than it can be
        ("shrink", {0: floats(3, 2, 5)}),
        ("shrink", {1: floats(4, 9, 3)}),
        ("shrink", {0: floats(3, 2, 3), 3: (2, 3)}),  # no whole number of pixels to a cell
        ("shrink", {0: floats(3, 8, 16), 3: (8, 16)}),
        ("differ", {0: floats(4, 7)}),
        ("differ", {1: np.zeros((4, 9), np.uint8)}),
        ("differ", {2: floats(4, 9)}),
        *(("count", {k: floats(4, 7)}) for k in (0, 1, 3, 4, 5, 6)),
        ("count", {2: np.zeros((5, 8), np.uint8)}),
        ("count", {8: 6}),  # what is noise and what is disagreement are the same
        ("edge_align", {0: floats(4, 8, 1)}),
        ("edge_align", {1: floats(4, 7)}),
        ("edge_align", {2: floats(4, 9)}),
        ("edge_align", {3: floats(4, 7, 2)}),
        ("edge_align", {5: -1}),
        ("edge_align", {0: floats(4, 7, 2), 1: floats(4, 7), 2: floats(4, 7), 3: floats(4, 7, 2), 4: (4, 7)}),
        ("warp", {0: floats(4, 8, 3)}),
        ("warp", {1: floats(4, 7, 4)}),
        ("warp", {2: (8, 8)}),
        ("warp", {3: floats(4, 8, 1)}),
        ("mean", {0: floats(4, 7, 3)}),
        ("mean", {1: np.zeros((4, 7, 3), np.uint8)}),
        ("mean", {2: floats(4, 7, 3)}),
        ("mean", {4: floats(2, 3)}),
        ("mean", {3: (4, 7)}),
    ],
)
def test_numbers_that_do_not_fit_are_refused(name: str, changed: dict[int, object]) -> None:
    """The C functions check shapes and bounds before they touch memory."""
    arguments = list(RIGHT[name])
    getattr(module.COMPILED, name)(*arguments)
    for index, value in changed.items():
        arguments[index] = value
    with pytest.raises(ValueError, match="lengths"):
        getattr(module.COMPILED, name)(*arguments)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (31, 17)])
def test_any_size_is_refined(size: tuple[int, int]) -> None:
    """An undecided picture without edges of its own: cubes of 0.4 and 0.6."""
    planes = np.zeros((*size, 4), np.float32)
    planes[..., 0], planes[..., 3] = 0.6, 0.4
    result = refine(planes, np.full((*size, 3), 0.5, np.float32))
    assert result.shape == (4, *size)
    np.testing.assert_allclose(result[0], 0.216 / 0.28, atol=1e-3)
