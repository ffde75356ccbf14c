"""The picture that masks are fitted to: noise is averaged where nothing moves, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.masks import denoise as module
from livestyle.masks.denoise import TAU, TemporalDenoiser
from livestyle.masks.flow import FlowEstimator, Motion

ROWS, COLUMNS = 120, 200
RANDOM = np.random.default_rng(0)
GROUND = cv2.GaussianBlur(RANDOM.normal(0, 1, (2 * ROWS, 2 * COLUMNS, 3)), (0, 0), 3) * 300 + 128


def picture(noise: float = 0.0, shift: int = 0, gain: float = 1.0) -> np.ndarray:
    """(2 * ROWS, 2 * COLUMNS, 3) uint8."""
    moved = np.roll(GROUND, shift, axis=1) * gain
    return np.clip(moved + RANDOM.normal(0, noise, GROUND.shape), 0, 255).astype(np.uint8)


def luma(shown: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.resize(shown, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)


STILL = Motion(np.zeros((ROWS // 2, COLUMNS // 2, 2), np.float32), np.ones((ROWS // 2, COLUMNS // 2), np.float32))


def follow(denoiser: TemporalDenoiser, shown: np.ndarray, seconds: float, motion: Motion | None = STILL) -> np.ndarray:
    return denoiser.follow(shown, luma(shown), seconds, motion)


def error(found: np.ndarray, shift: int = 0, gain: float = 1.0) -> float:
    return float(np.abs(255 * found - picture(shift=shift, gain=gain)).mean())


def test_the_first_picture_is_itself() -> None:
    """Without a frame before there is nothing to average: the guide is the picture in 0..1."""
    shown = picture(noise=5)
    np.testing.assert_allclose(255 * follow(TemporalDenoiser(), shown, 0.0), shown, atol=1e-3)


@pytest.mark.parametrize("rate", [15, 30, 60])
def test_where_nothing_moves_noise_is_averaged_over_the_same_time_at_every_rate(rate: int) -> None:
    """White noise falls with the root of the frames in the mean, 2 * TAU * rate of them for an exponential one."""
    denoiser = TemporalDenoiser()
    found = [follow(denoiser, picture(noise=6), index / rate) for index in range(rate)]
    share = error(found[-1]) / error(found[0])
    assert share == pytest.approx((2 * TAU * rate) ** -0.5, rel=0.25)  # rounding and changes seen where none are


def test_a_young_mean_is_as_steady_as_its_frames_allow() -> None:
    """The noise of a mean of n frames falls with the square root of n."""
    denoiser = TemporalDenoiser()
    found = [follow(denoiser, picture(noise=6), index / 30) for index in range(4)]
    assert error(found[3]) < 0.65 * error(found[0])


@pytest.mark.parametrize("speed", [1, 3, 10])
def test_what_moves_is_as_it_is_now(speed: int) -> None:
    """A mean over a moving picture would be a blur, whose edges are nowhere. In pixels of the picture."""
    denoiser, before = TemporalDenoiser(), picture(noise=2)
    for index in range(12):
        shown = picture(noise=2, shift=speed * index)
        motion = FlowEstimator().between(luma(shown), luma(before))
        found, before = follow(denoiser, shown, index / 30, motion), shown
    assert error(found, shift=11 * speed) < 1.3 * error(picture(noise=2) / 255)


@pytest.mark.skipif(module.COMPILED is None, reason="the compiled code was not built")
@pytest.mark.parametrize(
    "size", [(2 * COLUMNS, 2 * ROWS), (COLUMNS, ROWS), (COLUMNS // 2, ROWS // 2), (77, 31), (1, 1)]
)
def test_the_compiled_code_gives_what_numpy_gives(size: tuple[int, int]) -> None:
    """Whatever the size of the share that goes over, also of pictures that are no whole runs of pixels wide."""
    share = RANDOM.random(size[::-1]).astype(np.float32)
    new, old = picture(), (picture() / 255).astype(np.float32)
    for width in (2 * COLUMNS, 2 * COLUMNS - 7):
        cut = np.ascontiguousarray(new[:, :width]), np.ascontiguousarray(old[:, :width])
        np.testing.assert_allclose(module._mixed_compiled(*cut, share), module._mixed(*cut, share), atol=1e-5)


@pytest.mark.skipif(module.COMPILED is None, reason="the compiled code was not built")
@pytest.mark.parametrize("size", [(180, 320), (31, 17), (2, 3), (1, 5), (5, 1), (1, 1)])
def test_the_compiled_code_counts_the_frames_that_numpy_counts(size: tuple[int, int]) -> None:
    """One quarter is noise, one quarter another thing, and one quarter moves."""
    rows, columns = size
    shown = RANDOM.integers(0, 256, size).astype(np.uint8)
    mean = np.clip(shown + RANDOM.normal(0, 1, size), 0, 255).astype(np.float32)
    mean[: rows // 2, : columns // 2] = 255 - mean[: rows // 2, : columns // 2]
    still = np.ones(size, np.float32)
    still[rows // 2 :, : columns // 2] = RANDOM.random((rows - rows // 2, columns // 2))
    before = module._Mean(np.empty(0, np.float32), mean, RANDOM.uniform(0.1, 1, size).astype(np.float32), 0.0)
    share, luma = module._count(before, shown, still, 9.5)
    compiled = module._count_compiled(before, shown, still, 9.5)
    np.testing.assert_allclose(compiled[0], share, atol=2e-6)
    np.testing.assert_allclose(compiled[1], luma, atol=2e-4)
    if rows > 100:
        assert share[: rows // 2 - 2, : columns // 2 - 2].mean() > 0.9 > 0.7 > share[:, columns // 2 :].mean()


def test_a_change_of_light_is_followed_at_once() -> None:
    """It is everywhere larger than noise, so nothing of the old picture is left."""
    denoiser = TemporalDenoiser()
    for index in range(10):
        follow(denoiser, picture(noise=2), index / 30)
    assert error(follow(denoiser, picture(noise=2, gain=0.7), 10 / 30), gain=0.7) < 2


def test_a_new_scene_starts_anew_even_where_it_is_as_bright() -> None:
    """Without a motion from the frame before, the guide is the new picture alone."""
    denoiser = TemporalDenoiser()
    red, green = (np.full((2 * ROWS, 2 * COLUMNS, 3), color, np.uint8) for color in ((200, 60, 60), (40, 141, 60)))
    for index in range(8):
        follow(denoiser, red, index / 30)
    np.testing.assert_allclose(255 * follow(denoiser, green, 8 / 30, None), green, atol=0.01)


def test_another_size_and_a_step_back_in_time_start_anew() -> None:
    """Neither can be averaged with what was before."""
    denoiser = TemporalDenoiser()
    follow(denoiser, picture(), 1.0)
    shown = picture(noise=5)
    half = np.ascontiguousarray(shown[:, :COLUMNS])
    assert denoiser.follow(half, np.ascontiguousarray(half[::2, ::2, 0]), 1.03, None).shape == half.shape
    np.testing.assert_allclose(255 * follow(denoiser, shown, 1.06), shown, atol=0.01)
    later = picture(noise=5)
    np.testing.assert_allclose(255 * follow(denoiser, later, 0.5), later, atol=0.01)  # float32
