from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.motion import FlowEstimator, carry, is_cut, shrink


def texture(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mix = sum(cv2.GaussianBlur(random.normal(0, 1, (260, 400)), (0, 0), s) * s for s in (2, 8))
    return np.clip(128 + 40 * mix / mix.std(), 0, 255).astype(np.uint8)


def window(x: int, y: int = 30, seed: int = 0) -> np.ndarray:
    return np.ascontiguousarray(texture(seed)[y : y + 180, x : x + 320])


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, -4), (8, 5), (-12, 0)])
def test_the_flow_points_back_to_where_things_were(dx: int, dy: int) -> None:
    """The view moved by (dx, dy): what is at x now was at x + dx before."""
    motion = FlowEstimator().between(window(40 + dx, 30 + dy), window(40))
    middle = motion.backward[40:-40, 40:-40].reshape(-1, 2)
    np.testing.assert_allclose(np.median(middle, axis=0), (dx, dy), atol=0.25)  # DIS on whole pixels


def test_a_still_noisy_picture_does_not_move() -> None:
    random = np.random.default_rng(0)
    first, second = (np.clip(window(40) + random.normal(0, 3, (180, 320)), 0, 255).astype(np.uint8) for _ in range(2))
    motion = FlowEstimator().between(first, second)
    assert np.abs(motion.backward).mean() < 0.05
    assert motion.trust.mean() > 0.95


def test_what_appears_is_not_trusted() -> None:
    now = window(40)
    now[60:120, 100:180] = 255 - now[60:120, 100:180] // 2
    trust = FlowEstimator().between(now, window(40)).trust
    assert trust[75:105, 120:160].mean() < 0.3
    assert trust[:40].mean() > 0.9


def test_what_came_in_from_outside_is_not_trusted() -> None:
    trust = FlowEstimator().between(window(60), window(40)).trust
    assert trust[:, -6:].mean() < 0.4
    assert trust[:, 60:-60].mean() > 0.9


def test_carried_values_lie_on_the_moved_picture() -> None:
    before, now = window(40), window(48)
    carried = carry(before.astype(np.float32), FlowEstimator().between(now, before).backward)
    inner = np.s_[20:-20, 20:-30]
    assert np.abs(carried - now)[inner].mean() < 0.2 * np.abs(before.astype(float) - now)[inner].mean()


def test_other_pictures_are_cuts_and_moved_or_brightened_ones_are_not() -> None:
    estimator = FlowEstimator()

    def cut(now: np.ndarray, before: np.ndarray) -> bool:
        return is_cut(now, before, estimator.between(now, before))

    assert cut(window(40, seed=1), window(40))
    assert not cut(window(52), window(40))
    assert not cut((window(40) * 0.6).astype(np.uint8), window(40))
    assert not cut(np.zeros((180, 320), np.uint8), window(40))


@pytest.mark.parametrize(
    ("size", "expected"), [((720, 1280), (180, 320)), ((1080, 1920), (270, 480)), ((5, 3), (5, 3))]
)
def test_working_copies_are_halved_until_they_are_small(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shrink(np.zeros((*size, 3), np.uint8), 512).shape == (*expected, 3)


def test_a_deep_picture_gives_the_same_copy_as_its_8_bit_twin() -> None:
    shallow = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    deep = shallow.astype(np.uint16) * 257
    # Rounding happens at each halving of the shallow one, and once at the end of the deep one.
    np.testing.assert_allclose(shrink(deep, 512).astype(int), shrink(shallow, 512).astype(int), atol=2)


def test_an_odd_size_keeps_its_geometry() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 1001)[None, :, None], (701, 1001, 3)).astype(np.uint8)
    small = shrink(ramp, 512)[0, :, 0].astype(float)
    middle = (np.arange(len(small)) + 0.5) / len(small)
    np.testing.assert_allclose(small / 255, middle, atol=1.5 / 255)
