"""CpuGrade beyond the contract: how exact it is, that its variants agree, and what happens without compiled code."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from livestyle.shaders import cpu
from livestyle.shaders.cpu import CpuGrade
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice
from livestyle.shaders.reference import enlarge, reference_grade

needs_compiled = pytest.mark.skipif(cpu._compiled is None, reason="the compiled colour pass was not built")


def _noise(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(5).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def _soft_weights(height: int, width: int) -> np.ndarray:
    weights = np.random.default_rng(6).random((4, height, width)).astype(np.float32) ** 4
    return weights / weights.sum(axis=0)


def _noise_lut(size: int, low: float = 0, high: float = 1) -> Lut3D:
    return Lut3D(np.random.default_rng(size).random((size, size, size, 3)) * (high - low) + low)


@needs_compiled
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("span", [(0, 1), (-1, 2)])
@pytest.mark.parametrize("size", [(97, 131), (64, 160), (7, 15), (1, 33)])
def test_variants_give_the_same_bits(dtype: type, span: tuple[float, float], size: tuple[int, int]) -> None:
    """Each instruction set gives the bits of plain C, also for LUTs that reach beyond 0..1 and for widths that do not
    fill a vector: what a user sees must not depend on the processor."""
    look = Look((_noise_lut(33, *span), _noise_lut(2, *span), None, _noise_lut(17)))
    pixels, weights = _noise((*size, 3), dtype), _soft_weights(6, 11)
    plain, *others = [CpuGrade(look, variant=name)(pixels, weights) for name in cpu._compiled.variants()]
    for other in others:
        np.testing.assert_array_equal(other, plain)


@needs_compiled
def test_the_number_of_threads_changes_nothing() -> None:
    """Rows are shared out in bands, and the bits are the same for 1, 2, 3 and 8 threads: no seam between bands."""
    look = Look((_noise_lut(17), None, _noise_lut(5), None))
    pixels, weights = _noise((1000, 37, 3)), _soft_weights(20, 9)
    one, *more = [CpuGrade(look, threads=count)(pixels, weights) for count in (1, 2, 3, 8)]
    for other in more:
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize(
    ("backend", "dtype", "span", "limit"),
    [
        # Half a step is the final rounding; the rest is the 15-bit table and mask (compiled), the 10-bit memo (numpy).
        pytest.param("compiled", np.uint8, (0, 1), 0.55, marks=needs_compiled),
        pytest.param("compiled", np.uint8, (-1, 2), 0.6, marks=needs_compiled),
        pytest.param("compiled", np.uint16, (0, 1), 10, marks=needs_compiled),
        pytest.param("compiled", np.uint16, (-1, 2), 20, marks=needs_compiled),
        ("numpy", np.uint8, (0, 1), 0.7),
        ("numpy", np.uint16, (0, 1), 1),
    ],
)
def test_error_stays_near_half_a_step(backend: str, dtype: type, span: tuple[float, float], limit: float) -> None:
    """Each backend stays within the error that `CpuGrade` promises, against the reference in float64.

    LUTs of noise are the worst case: nothing is steeper.
    """
    look = Look((_noise_lut(33, *span), _noise_lut(9, *span), _noise_lut(2, *span), _noise_lut(5, *span)))
    pixels, weights = _noise((120, 90, 3), dtype), _soft_weights(12, 9) * 0.9 + 0.025
    out = CpuGrade(look, backend=backend)(pixels, weights)
    assert np.abs(out - reference_grade(pixels, weights, look)).max() <= limit


@needs_compiled
@pytest.mark.parametrize("faint", [0.0, 1e-4, 1 / 2050, 1 / 2000])
def test_weights_too_faint_to_see_cost_less_than_a_step(faint: float) -> None:
    """Three faint regions whose LUTs turn black to white and back: the worst that leaving them out can do."""
    inverse = Lut3D(1 - lattice(2))
    look = Look((_noise_lut(33), *(Lut3D(inverse.table) for _ in range(3))))
    weights = np.full((4, 4, 4), faint, np.float32)
    weights[0] = 1 - 3 * faint
    pixels = np.concatenate([_noise((60, 90, 3)), np.zeros((4, 90, 3), np.uint8), np.full((4, 90, 3), 255, np.uint8)])
    error = np.abs(CpuGrade(look)(pixels, weights) - reference_grade(pixels, weights, look))
    assert error.max() <= 0.95


@needs_compiled
def test_every_eight_bit_color_goes_through_the_lut_right() -> None:
    """Against the LUT's own interpolation in float64; the stride of 11 over the 2^24 colours meets every cell."""
    lut = Lut3D(
        np.clip(lattice(33) ** (0.7, 1.0, 1.6) @ np.array([[0.8, 0.1, 0], [0.2, 0.8, 0.1], [0, 0.1, 0.9]]), 0, 1)
    )
    colors = np.arange(0, 1 << 24, 11, dtype=np.uint32)
    pixels = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=-1).astype(np.uint8)[None]
    out = CpuGrade(Look((lut,) * 4))(pixels, np.full((4, 1, 1), 0.25, np.float32))
    assert np.abs(out - lut.apply(pixels / 255) * 255).max() <= 0.55


def test_the_mask_is_enlarged_like_opencv_does() -> None:
    """The reference, which every grade is measured against, enlarges masks with OpenCV's geometry of pixel centres;
    anything else would shift a region by half a mask pixel."""
    cv2 = pytest.importorskip("cv2")
    plane = np.random.default_rng(2).random((7, 12))
    for size in ((70, 31), (7, 12), (9, 100)):
        np.testing.assert_allclose(enlarge(plane, size), cv2.resize(plane, size[::-1]), atol=1e-6)  # cv2: float32 steps


def test_a_memo_answers_colors_it_meets_later() -> None:
    """The numpy backend remembers LUT results by colour: colours that first come up in a later frame are worked out
    too, within the 0.7 steps that it promises."""
    look = Look((_noise_lut(9),) * 4)
    grade, weights = CpuGrade(look, backend="numpy"), _soft_weights(3, 3)
    for value in (0, 90, 255):
        pixels = np.full((8, 8, 3), value, np.uint8)
        pixels[..., 1] = np.arange(8)
        assert np.abs(grade(pixels, weights) - reference_grade(pixels, weights, look)).max() <= 0.7


def test_without_compiled_code_numpy_works_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An installation without a C compiler works, and the log says once why it is slower, not for every style."""
    monkeypatch.setattr(cpu, "_compiled", None)
    cpu._default_backend.cache_clear()
    try:
        with caplog.at_level(logging.INFO, logger="livestyle"):
            grades = [CpuGrade(Look((_noise_lut(3),) * 4)) for _ in range(2)]
    finally:
        cpu._default_backend.cache_clear()
    assert [grade.backend for grade in grades] == ["numpy", "numpy"]
    assert caplog.text.count("numpy does its work") == 1


def test_compiled_code_that_was_named_but_not_built_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that was named is used or is an error: numpy must not stand in for it unasked."""
    monkeypatch.setattr(cpu, "_compiled", None)
    with pytest.raises(ValueError, match="was not built"):
        CpuGrade(Look((_noise_lut(3),) * 4), backend="compiled")


def test_an_unknown_backend_is_an_error() -> None:
    """A backend that the CPU does not have is refused when the grade is made, before any frame."""
    with pytest.raises(ValueError, match="backend"):
        CpuGrade(Look((None,) * 4), backend="cuda")


@needs_compiled
@pytest.mark.parametrize(
    ("field", "value"),
    [
        (1, bytearray(4 * 5 * 3 - 1)),
        (2, (4, 6, 8)),
        (2, (4, 5, 12)),
        (2, (0, 5, 8)),
        (3, bytes(11)),
        (5, (bytes(7),)),
        (5, (bytes(1),)),
        (7, (0, 5)),
        (7, (-1, 4)),
        (7, (3, 2)),
        (8, 99),
    ],
)
def test_compiled_code_refuses_buffers_that_do_not_fit(field: int, value: object) -> None:
    """Lengths, sizes, depth, rows and instruction set are checked against each other in C itself, one wrong value at a
    time; the arguments without the change are accepted."""
    arguments = [bytes(60), bytearray(60), (4, 5, 8), bytes(12), (2, 3), (bytes(8 * 8),), False, (0, 4), -1]
    cpu._compiled.grade(*arguments)
    arguments[field] = value
    with pytest.raises(ValueError, match=r"lengths|variant"):
        cpu._compiled.grade(*arguments)
