"""What `livestyle.protocols.Grade` promises, over every implementation. Add yours to GRADES."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest

from livestyle.compute.devices import Colors
from livestyle.frame import REGIONS, Pixels, PlaneWeights
from livestyle.protocols import Grade
from livestyle.shaders import cpu
from livestyle.shaders.cpu import CpuGrade
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice
from livestyle.shaders.reference import reference_grade

MakeGrade = Callable[[Look], Grade]


def _cpu_grades() -> dict[str, MakeGrade]:
    grades: dict[str, MakeGrade] = {"numpy": partial(CpuGrade, backend="numpy")}
    if cpu._compiled is not None:
        for name in cpu._compiled.variants():
            grades[name] = partial(CpuGrade, backend="compiled", variant=name)
    return grades


def _torch_grades() -> dict[str, MakeGrade]:
    if find_spec("torch") is None:  # the extra `gpu`
        return {}
    import torch

    from livestyle.shaders.torch_grade import TorchGrade

    grades: dict[str, MakeGrade] = {
        "torch": partial(TorchGrade, device="cpu"),
        "torch-in-bands": partial(TorchGrade, device="cpu", rows_at_once=7),
        "metal-on-the-processor": partial(TorchGrade, device="cpu", backend="metal", rows_at_once=50),
    }
    if os.environ.get("TRITON_INTERPRET") == "1" and find_spec("triton"):  # tests/shaders/test_torch_grade.py sets it
        grades["triton-interpreted"] = partial(TorchGrade, device="cpu", backend="triton")
    if torch.cuda.is_available():
        grades |= {f"cuda-{name}": partial(TorchGrade, device="cuda", backend=name) for name in ("triton", "torch")}
        grades["cuda-in-bands"] = partial(TorchGrade, device="cuda", rows_at_once=7)
    if torch.backends.mps.is_available():
        grades |= {f"mps-{name}": partial(TorchGrade, device="mps", backend=name) for name in ("metal", "torch")}
    return grades


GRADES: dict[str, MakeGrade] = {**_cpu_grades(), "fallback": Colors("cpu").grade, **_torch_grades()}


@pytest.fixture(params=GRADES)
def make_grade(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MakeGrade:
    if request.param == "metal-on-the-processor":
        import tests_metal

        from livestyle.shaders import metal_grade

        if tests_metal.compiler() is None:
            pytest.skip("no C++ compiler to check the Metal kernel with")
        monkeypatch.setattr(metal_grade, "compiled_shader", tests_metal.shader_on_the_processor)
    return GRADES[request.param]


def _pixels(shape: tuple[int, int], dtype: type, seed: int = 0) -> Pixels:
    """Noise, with the corners of the cube in it: their lattice cell is the last one."""
    full = np.iinfo(dtype).max
    pixels = np.random.default_rng(seed).integers(0, full + 1, (*shape, 3)).astype(dtype)
    corners = np.indices((2, 2, 2)).reshape(3, 8).T * full
    flat = pixels.reshape(-1, 3)
    flat[: len(corners)] = corners[: len(flat)]
    return pixels


def _weights(shape: tuple[int, int], seed: int = 0) -> PlaneWeights:
    """Soft weights with exact zeros and ones among them, summing to 1 over the regions."""
    weights = np.random.default_rng(seed).random((len(REGIONS), *shape)).astype(np.float32)
    weights[weights < 0.5] = 0
    weights[0] += weights.sum(axis=0) == 0
    return np.asarray(weights / weights.sum(axis=0), np.float32)


def _noise_lut(size: int, seed: int = 0, low: float = 0, high: float = 1) -> Lut3D:
    return Lut3D(np.random.default_rng(seed).random((size, size, size, 3)) * (high - low) + low)


def _gamma_lut(size: int = 33, exponent: float = 1.4) -> Lut3D:
    return Lut3D(lattice(size) ** exponent)


def _all_regions(lut: Lut3D) -> Look:
    return Look((lut,) * len(REGIONS))


def _looks() -> dict[str, Look]:
    warm, noise = _gamma_lut(), _noise_lut(17)
    return {
        "one region": Look((warm, None, None, None)),
        "shared LUT": Look((warm, None, None, warm)),
        "four LUTs": Look((warm, noise, _noise_lut(2, 1), _noise_lut(65, 2))),
        "biggest LUT": Look((_noise_lut(129), None, warm, None)),
        "beyond 0..1": Look((_noise_lut(9, 3, -1, 2), warm, None, warm)),
        "black and white": Look((Lut3D(np.rint(_noise_lut(5).table)), None, noise, None)),
    }


@pytest.mark.parametrize("look", _looks().values(), ids=_looks())
@pytest.mark.parametrize(
    ("size", "mask"),
    [((64, 96), (9, 13)), ((37, 53), (37, 53)), ((31, 17), (1, 1)), ((130, 16), (4, 33)), ((3, 1), (2, 1))],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_pixel_is_within_one_of_255_of_the_float64_formula(
    make_grade: MakeGrade, look: Look, size: tuple[int, int], mask: tuple[int, int], dtype: type
) -> None:
    """Of the reference, at every depth, for looks and weights of every kind."""
    pixels, weights = _pixels(size, dtype), _weights(mask)
    out = make_grade(look)(pixels, weights)
    error = np.abs(out - reference_grade(pixels, weights, look)) / np.iinfo(dtype).max
    assert error.max() <= 1 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_grey_and_every_edge_of_the_cube_is_right(make_grade: MakeGrade, dtype: type) -> None:
    """Ties between fractions and the last cell are where tetrahedral code goes wrong."""
    ramp = np.linspace(0, np.iinfo(dtype).max, 256).round().astype(dtype)
    zero, full = np.zeros_like(ramp), np.full_like(ramp, np.iinfo(dtype).max)
    lines = [(ramp, ramp, ramp), (ramp, zero, full), (full, ramp, zero), (zero, full, ramp), (ramp, ramp, full)]
    pixels = np.stack([np.stack(line, axis=-1) for line in lines])
    look, weights = _all_regions(_noise_lut(33)), _weights((2, 2))
    error = np.abs(make_grade(look)(pixels, weights) - reference_grade(pixels, weights, look)) / np.iinfo(dtype).max
    assert error.max() <= 1 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shape_and_type_stay_and_the_input_is_left_alone(make_grade: MakeGrade, dtype: type) -> None:
    """The result is new pixels; what was given is not written to."""
    pixels, weights = _pixels((41, 67), dtype), _weights((5, 8))
    before = pixels.copy()
    pixels.flags.writeable = weights.flags.writeable = False
    out = make_grade(_all_regions(_gamma_lut()))(pixels, weights)
    assert (out.shape, out.dtype) == (pixels.shape, pixels.dtype)
    assert out.flags.c_contiguous
    assert not np.shares_memory(out, pixels)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("look", [Look((None,) * 4), _all_regions(Lut3D.identity(17))], ids=["none", "identity"])
def test_an_identity_look_returns_the_picture_bit_for_bit(make_grade: MakeGrade, look: Look, dtype: type) -> None:
    """Nothing is rounded where nothing changes."""
    pixels = _pixels((40, 50), dtype)
    grade = make_grade(look)
    assert grade.is_identity
    np.testing.assert_array_equal(grade(pixels, _weights((4, 5))), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_weight_of_zero_leaves_a_pixel_bit_for_bit(make_grade: MakeGrade, dtype: type) -> None:
    """Skin (region 2) is spared on the left; three quarters in, the enlarged weight of it is 0 again."""
    pixels = _pixels((48, 80), dtype)
    weights = np.zeros((4, 6, 10), np.float32)
    weights[2, :, :5] = 1
    weights[0, :, 5:] = 1
    lut = _noise_lut(9)
    out = make_grade(Look((lut, lut, None, lut)))(pixels, weights)
    np.testing.assert_array_equal(out[:, :36], pixels[:, :36])
    assert (out[:, 44:] != pixels[:, 44:]).any(axis=2).mean() > 0.9


def test_a_grade_that_changes_a_region_is_not_the_identity(make_grade: MakeGrade) -> None:
    """Then the caller must make masks."""
    assert not make_grade(Look((None, None, _gamma_lut(), None))).is_identity


def test_the_same_arguments_give_the_same_pixels(make_grade: MakeGrade) -> None:
    """A grade is pure: one after another, nothing is kept."""
    pixels, weights = _pixels((150, 90), np.uint8), _weights((15, 9))
    grade = make_grade(_looks()["four LUTs"])
    first = grade(pixels, weights)
    grade(_pixels((150, 90), np.uint8, seed=1), weights)
    np.testing.assert_array_equal(grade(pixels, weights), first)


def test_pixels_and_weights_need_not_be_contiguous(make_grade: MakeGrade) -> None:
    """Views give what their copies give."""
    pixels, weights = _pixels((40, 60), np.uint8), _weights((8, 12))
    grade = make_grade(_looks()["shared LUT"])
    whole = grade(np.ascontiguousarray(pixels[:, ::-1]), np.ascontiguousarray(weights[:, :, ::2]))
    np.testing.assert_array_equal(grade(pixels[:, ::-1], weights[:, :, ::2]), whole)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3)])
def test_an_empty_picture_stays_empty(make_grade: MakeGrade, shape: tuple[int, ...]) -> None:
    """No rows or no columns are not an error."""
    out = make_grade(_looks()["one region"])(np.zeros(shape, np.uint8), _weights((2, 2)))
    assert out.shape == shape


@pytest.mark.parametrize(
    ("pixels", "weights"),
    [
        (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 2, 2), np.float32)),
        (np.zeros((4, 4, 3), np.float32), np.zeros((4, 2, 2), np.float32)),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 2, 2), np.float32)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((3, 2, 2), np.float32)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 0, 2), np.float32)),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 2), np.float32)),
    ],
)
def test_other_shapes_and_types_are_refused(make_grade: MakeGrade, pixels: Pixels, weights: PlaneWeights) -> None:
    """With ValueError, before any memory is touched."""
    with pytest.raises(ValueError, match=r"must be \("):
        make_grade(_looks()["one region"])(pixels, weights)


def test_it_says_what_does_the_work(make_grade: MakeGrade) -> None:
    """One of the backends that reports name, for a look and for one that changes nothing."""
    for look in (_all_regions(_gamma_lut(5)), Look((None,) * len(REGIONS))):
        assert make_grade(look).backend in ("compiled", "numpy", "triton", "metal", "torch")
