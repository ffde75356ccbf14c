from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.refine import refine

ROWS, COLUMNS = 180, 320


def scene() -> tuple[np.ndarray, np.ndarray]:
    """(picture, truth): a dark disc on a light ground, both with some texture."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    disc = np.clip(50.5 - np.hypot(columns - 150, rows - 90), 0, 1)
    texture = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 12, (ROWS, COLUMNS, 3)), (0, 0), 1)
    colours = disc[..., None] * np.array([60, 40, 30]) + (1 - disc[..., None]) * np.array([180, 190, 170])
    return np.clip(colours + texture, 0, 255).astype(np.uint8), disc.astype(np.float32)


def coarse(truth: np.ndarray, cell: int = 14) -> np.ndarray:
    """(h, w, 4) weights as a network of that stride gives them, enlarged."""
    small = cv2.resize(truth, (COLUMNS // cell, ROWS // cell), interpolation=cv2.INTER_AREA)
    hair = cv2.resize(small, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR)
    return np.stack([1 - hair, 0.6 * hair, 0.4 * hair, 0 * hair], axis=2)


def test_the_edge_of_the_picture_becomes_the_edge_of_the_weights() -> None:
    picture, truth = scene()
    planes = coarse(truth)
    edge = cv2.dilate(truth, np.ones((9, 9))) - cv2.erode(truth, np.ones((9, 9))) > 0
    before = np.abs(1 - planes[..., 0] - truth)[edge].mean()
    after = np.abs(1 - refine(planes, picture)[0] - truth)[edge].mean()
    assert after < 0.5 * before


def test_weights_stay_weights() -> None:
    picture, truth = scene()
    result = refine(coarse(truth), picture)
    assert result.dtype == np.float32
    assert result.shape == (4, ROWS, COLUMNS)
    assert result.min() >= 0
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-5)


def test_a_flat_weight_stays_where_it_is_whatever_the_picture() -> None:
    """Nothing is stretched to the range of a frame: an undecided mask stays undecided."""
    picture, _ = scene()
    result = refine(np.full((ROWS, COLUMNS, 4), 0.25, np.float32), picture)
    np.testing.assert_allclose(result, 0.25, atol=1e-3)  # float32 variance of a flat window


def test_sure_weights_are_kept_over_texture() -> None:
    picture, _ = scene()
    sure = np.zeros((ROWS, COLUMNS, 4), np.float32)
    sure[..., 2] = 1
    np.testing.assert_allclose(refine(sure, picture)[2], 1, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (31, 17)])
def test_any_size_is_refined(size: tuple[int, int]) -> None:
    result = refine(np.full((*size, 4), 0.25, np.float32), np.full((*size, 3), 128, np.uint8))
    assert result.shape == (4, *size)
    np.testing.assert_allclose(result, 0.25, atol=1e-3)
