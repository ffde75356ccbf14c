from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.masks import flow as module
from livestyle.masks.flow import FlowEstimator, Motion, edge_aligned, is_cut, shrink, warp, warp_weights


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
    middle = 2 * motion.backward[20:-20, 20:-20].reshape(-1, 2)  # of the luma's pixels
    np.testing.assert_allclose(np.median(middle, axis=0), (dx, dy), atol=0.25)  # DIS on whole pixels


def test_a_still_noisy_picture_does_not_move() -> None:
    """Flow that comes from sensor noise is zero, and all of it is trusted."""
    random = np.random.default_rng(0)
    first, second = (np.clip(window(40) + random.normal(0, 3, (180, 320)), 0, 255).astype(np.uint8) for _ in range(2))
    motion = FlowEstimator().between(first, second)
    assert np.abs(motion.backward).mean() < 0.025
    assert motion.trust.mean() > 0.95


def test_what_appears_is_not_trusted() -> None:
    """An object that was not in the earlier frame has no trust; the rest keeps its own."""
    now = window(40)
    now[60:120, 100:180] = 255 - now[60:120, 100:180] // 2
    trust = FlowEstimator().between(now, window(40)).trust
    assert trust[37:53, 60:80].mean() < 0.3
    assert trust[:20].mean() > 0.9


def test_what_came_in_from_outside_is_not_trusted() -> None:
    """Beyond the edge of the earlier frame trust is that of a guess."""
    trust = FlowEstimator().between(window(60), window(40)).trust
    assert trust[:, -3:].mean() < 0.4
    assert trust[:, 30:-30].mean() > 0.9


def test_carried_values_lie_on_the_moved_picture() -> None:
    """Values of the earlier frame, warped, lie where its content is now."""
    before, now = window(40), window(48)
    backward = FlowEstimator().between(now, before).backward
    before, now = (cv2.resize(luma, (160, 90), interpolation=cv2.INTER_AREA) for luma in (before, now))
    carried = warp(before.astype(np.float32), backward)
    inner = np.s_[10:-10, 10:-15]
    assert np.abs(carried - now)[inner].mean() < 0.2 * np.abs(before.astype(float) - now)[inner].mean()


def test_other_pictures_are_cuts_and_moved_or_brightened_ones_are_not() -> None:
    """Another scene is a cut; motion, exposure and pictures without content are not."""
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
    """Only halves, and no more of them than it takes to have the longer side below the limit."""
    assert shrink(np.zeros((*size, 3), np.uint8), 512).shape == (*expected, 3)


def test_a_deep_picture_gives_the_same_copy_as_its_8_bit_twin() -> None:
    """16-bit samples are reduced to 8 bits, to rounding."""
    shallow = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    deep = shallow.astype(np.uint16) * 257
    # Rounding happens at each halving of the shallow one, and once at the end of the deep one.
    np.testing.assert_allclose(shrink(deep, 512).astype(int), shrink(shallow, 512).astype(int), atol=2)


def test_an_odd_size_keeps_its_geometry() -> None:
    """Halving an odd side covers the whole picture, so nothing shifts."""
    ramp = np.broadcast_to(np.linspace(0, 255, 1001)[None, :, None], (701, 1001, 3)).astype(np.uint8)
    small = shrink(ramp, 512)[0, :, 0].astype(float)
    middle = (np.arange(len(small)) + 0.5) / len(small)
    np.testing.assert_allclose(small / 255, middle, atol=1.5 / 255)


def test_a_cut_between_alike_framed_pictures_is_one() -> None:
    """Two faces in the same place: light and dark lie alike, so that thumbnails agree, and nothing else does."""
    lit = cv2.GaussianBlur(disc(160, 60), (0, 0), 25) * 140
    first, second = (
        np.clip(lit + 0.45 * window(40, seed=seed).astype(float), 0, 255).astype(np.uint8) for seed in (0, 1)
    )
    small = [cv2.resize(picture, (32, 18), interpolation=cv2.INTER_AREA).ravel() for picture in (first, second)]
    assert 0.85 < np.corrcoef(*small)[0, 1] < 0.95
    estimator = FlowEstimator()
    assert is_cut(second, first, estimator.between(second, first))
    moved = np.roll(first, 4, axis=1)
    assert not is_cut(moved, first, estimator.between(moved, first))


def disc(x: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:180, :320]
    return np.clip(radius + 0.5 - np.hypot(columns - x, rows - 90), 0, 1).astype(np.float32)


def test_the_edge_of_what_is_in_front_moves_with_it() -> None:
    """A disc moves 8 pixels over a ground at rest: around its rim, outside too, the aligned flow is the disc's."""

    def scene(x: int) -> np.ndarray:
        inside = disc(x, 50)
        body = np.roll(window(40, seed=1), x - 140, axis=1)
        return np.clip(inside * body + (1 - inside) * window(40), 0, 255).astype(np.uint8)

    now, before = scene(148), scene(140)
    motion = FlowEstimator().between(now, before)
    aligned = edge_aligned(motion, disc(140, 50))
    half = cv2.resize(disc(148, 54) - disc(148, 46), (160, 90), interpolation=cv2.INTER_AREA) > 0.5
    plain = np.abs(motion.backward[half][:, 0] + 4).mean()  # 8 pixels are 4 at half the size
    assert np.abs(aligned.backward[half][:, 0] + 4).mean() < 0.5 < plain
    far = cv2.resize(disc(148, 90), (160, 90)) == 0
    assert np.abs(aligned.backward[far]).mean() < 0.1


def test_ways_one_after_the_other_add_up() -> None:
    """Two motions chained lead to the same place as their sum, and trust is their product."""
    shape = (40, 60)

    def way(dx: float, dy: float) -> Motion:
        return Motion(np.full((*shape, 2), (dx, dy), np.float32), np.full(shape, 0.5, np.float32))

    both = way(4, 0).then(way(2, -2))
    np.testing.assert_allclose(both.backward, np.broadcast_to((6, -2), (*shape, 2)), atol=1e-5)
    np.testing.assert_allclose(both.trust, 0.25, atol=1e-6)


def test_weights_keep_their_edges_on_a_long_way() -> None:
    """Sixteen steps of 0.4 pixels to and fro: they are where they were, and still weights."""
    edge = cv2.resize(disc(160, 50), (160, 90), interpolation=cv2.INTER_AREA)
    planes = np.stack([1 - edge, edge, 0 * edge, 0 * edge], axis=2)
    linear, sharp = planes, planes
    for step in range(16):
        backward = np.full((90, 160, 2), 0.4 * (-1) ** step, np.float32)
        linear, sharp = warp(linear, backward), warp_weights(sharp, backward)
    np.testing.assert_allclose(sharp.sum(axis=2), 1, atol=1e-5)
    assert sharp.min() >= 0
    assert np.abs(sharp - planes).mean() < 0.4 * np.abs(linear - planes).mean()


@pytest.mark.skipif(module.COMPILED is None, reason="the compiled code was not built")
@pytest.mark.parametrize("size", [(90, 160), (31, 17), (3, 2), (1, 1)])
@pytest.mark.parametrize("far", [0.4, 6.0, 1e6])
def test_the_compiled_code_carries_as_numpy_does(size: tuple[int, int], far: float) -> None:
    """Also from beyond the picture's ends, by fractions and by whole pixels."""
    random = np.random.default_rng(4)
    planes = random.dirichlet((0.5, 0.5, 0.5, 0.5), size).astype(np.float32)
    backward = random.normal(0, far, (*size, 2)).astype(np.float32)
    backward[: size[0] // 2] = np.rint(backward[: size[0] // 2])
    compiled = module._weights_warped_compiled(planes, backward)
    # OpenCV before 5 tells apart positions to 1/32 of a pixel only.
    exactly = int(cv2.__version__.split(".")[0]) >= 5
    np.testing.assert_allclose(compiled, module._weights_warped(planes, backward), atol=2e-5 if exactly else 0.05)


@pytest.mark.skipif(module.COMPILED is None, reason="the compiled code was not built")
@pytest.mark.parametrize("size", [(90, 160), (31, 17), (2, 8)])
def test_the_compiled_code_leads_as_numpy_does(size: tuple[int, int]) -> None:
    """Edge-aligned flow in C equals its NumPy twin, for any size from 8 pixels wide."""
    random = np.random.default_rng(6)
    there = np.clip(3 * cv2.GaussianBlur(random.random(size, np.float32), (0, 0), 4) - 1, 0, 1)
    motion = Motion(random.normal(0, 3, (*size, 2)).astype(np.float32), random.random(size, np.float32))
    radius = max(1, round(0.03 * size[1]))
    np.testing.assert_allclose(
        module._edge_aligned_compiled(there, motion, radius), module._edge_aligned(there, motion, radius), atol=1e-4
    )


def test_one_step_confirms_several_only_where_it_leads_to_the_same_place() -> None:
    """A direct measurement replaces a chain where both agree and it is trusted as much."""

    def way(dx: list[float], trust: list[float]) -> Motion:
        field = np.zeros((1, 4, 2), np.float32)
        field[0, :, 0] = dx
        return Motion(field, np.array([trust], np.float32))

    several, one = way([4, 4, 4, 0], [0.2, 0.2, 0.6, 0.5]), way([4.5, 9, 4.5, 0.5], [0.9, 0.9, 0.5, 0.5])
    both = several.confirmed(one)
    np.testing.assert_allclose(both.backward[0, :, 0], [4.5, 4, 4, 0.5])
    np.testing.assert_allclose(both.trust[0], [0.9, 0.2, 0.6, 0.5])
