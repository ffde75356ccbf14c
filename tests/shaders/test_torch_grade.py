"""What the grades on torch do beyond the contract: choosing a backend, bands, errors, and kernels without their GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livestyle.errors import DeviceError, DeviceMemoryError
from livestyle.frame import REGIONS
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice

torch = pytest.importorskip("torch", reason="torch (extra `gpu`) is not installed")

from livestyle.shaders import torch_grade  # noqa: E402
from livestyle.shaders.torch_grade import TorchGrade  # noqa: E402

LOOK = Look((Lut3D(lattice(9) ** 1.5), None, None, Lut3D(lattice(5) ** 0.7)))


def _pixels(height: int = 37, width: int = 20, dtype: type = np.uint8) -> Any:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


def _weights() -> Any:
    weights = np.random.default_rng(1).random((len(REGIONS), 5, 4)).astype(np.float32)
    return weights / weights.sum(axis=0)


def test_without_a_gpu_plain_torch_does_the_work() -> None:
    """On the CPU the fastest backend that works is plain torch; neither Triton nor Metal is tried there."""
    assert TorchGrade(LOOK).backend == "torch"


class Inverts:
    """A kernel that gets everything wrong."""

    def __init__(self, *_: object) -> None:
        pass

    def masks(self, weights: Any) -> Any:
        """The weights as they are: `rows` does not look at them."""
        return weights

    def rows(self, pixels: Any, out: Any, masks: Any, first: int, height: int) -> None:
        """Write the inverse of every sample."""
        out.copy_(~pixels)


def _cannot(*_: object) -> None:
    raise RuntimeError("Failed to find C compiler.\nmore words")


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (Inverts, "gives wrong colours"),
        (_cannot, "does not run on cpu (the colour pass failed on the device 'cpu': Failed to find C compiler.)"),
    ],
)
def test_a_kernel_that_does_not_work_here_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kernel: Any, said: str
) -> None:
    """A kernel first styles a small picture.

    One that gets it wrong, or does not compile on this machine, is not used, and one line of the log says so, however
    often it is asked.
    """
    monkeypatch.setitem(torch_grade._PASSES, "metal", kernel)
    torch_grade._does.cache_clear()
    try:
        assert [torch_grade._does("metal", "cpu") for _ in range(2)] == [False, False]
    finally:
        torch_grade._does.cache_clear()
    assert caplog.text.count(said) == 1


def test_a_kernel_that_works_is_taken() -> None:
    """The same trial accepts a kernel with the right colours; otherwise rejecting the others would mean nothing."""
    assert torch_grade._does("torch", "cpu")


def test_an_unknown_backend_is_an_error() -> None:
    """A backend that torch grades do not have is refused when the grade is made, before any frame."""
    with pytest.raises(ValueError, match="backend"):
        TorchGrade(LOOK, backend="opengl")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bands_do_not_show(dtype: type) -> None:
    """How many rows go to the device at once changes no bit, down to one row: the mask is enlarged for the whole
    picture, so no seam can show between bands."""
    whole = TorchGrade(LOOK)(_pixels(dtype=dtype), _weights())
    for rows in (1, 8, 36, 37):
        np.testing.assert_array_equal(TorchGrade(LOOK, rows_at_once=rows)(_pixels(dtype=dtype), _weights()), whole)


def test_tensors_on_the_device_get_the_same_pixels() -> None:
    """`on_device` and a call with arrays give the same bits: whether frames stay on the device is a question of speed
    only."""
    grade = TorchGrade(LOOK)
    there = grade.on_device(torch.tensor(_pixels()), torch.tensor(_weights()))
    np.testing.assert_array_equal(there.numpy(), grade(_pixels(), _weights()))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9.0 GB)"), True),
        (RuntimeError("CUDA error: unspecified launch failure\nmore words"), False),
    ],
)
def test_a_device_that_fails_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, error: Exception, full: bool) -> None:
    """What torch raises becomes a DeviceError with exit code 5 and one line of text.

    Full memory is told apart as DeviceMemoryError, because the caller can go on with less.
    """
    grade = TorchGrade(LOOK)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(grade._pass, "rows", fail)
    with pytest.raises(DeviceError) as caught:
        grade(_pixels(), _weights())
    assert isinstance(caught.value, DeviceMemoryError) == full
    assert "more words" not in str(caught.value)
    assert caught.value.exit_code == 5


class PretendedStream:
    """A stream whose work is done when it is queued."""

    def __init__(self) -> None:
        self.waited = self.synchronised = 0

    def wait_stream(self, _: PretendedStream) -> None:
        """Count the call; the other stream's work is done already."""
        self.waited += 1

    def synchronize(self) -> None:
        """Count the call; this stream's work is done already."""
        self.synchronised += 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bands_on_several_streams_make_the_same_picture(monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    """The way frames take to CUDA and back, with stand-ins for the streams and for pinned memory."""
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, pin_memory=False, **options: empty(*size, **options))
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    grade = TorchGrade(LOOK, rows_at_once=5)
    expected = grade(_pixels(dtype=dtype), _weights())
    grade._streams = [PretendedStream() for _ in range(3)]
    monkeypatch.setattr(TorchGrade, "_on_cuda", True)
    out = grade(_pixels(dtype=dtype), _weights())
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, expected)
    assert [stream.waited for stream in grade._streams] == [0, 1, 1]  # for the masks, which the first stream makes
    assert [stream.synchronised for stream in grade._streams] == [1, 1, 1]


def test_regions_that_share_a_lut_weigh_together_up_to_one() -> None:
    """Weights of regions with the same LUT are added up before the look-up is blended in, and count as 1 at most: 0.6
    and 0.6 are all of the LUT's effect, which halves white: 127.5. Without the limit, 1.2 of it gives 102."""
    lut = Lut3D(lattice(3) * 0.5)
    weights = np.full((4, 2, 2), 0.6, np.float32)
    out = TorchGrade(Look((lut, lut, None, None)))(np.full((4, 4, 3), 255, np.uint8), weights)
    assert (np.abs(out.astype(int) - 127.5) <= 1).all()


def test_every_lattice_is_followed_by_zeros_for_the_far_corner_of_the_cube() -> None:
    """A kernel that looks up white reads N² + N + 1 points beyond its lattice, with weight 0.

    There must be memory, and zeros: not the next LUT, and not a NaN, which weight 0 would not remove.
    """
    luts = [Lut3D(lattice(3) ** 2), Lut3D(lattice(5) ** 2)]
    points, table = torch_grade._lattices(luts, torch.device("cpu"))
    assert table.tolist() == [[0, 3], [27 + 13, 5]]
    assert len(points) == 27 + 13 + 125 + 31
    assert not points[27:40].any()
    assert not points[-31:].any()


SMALL_CASES = "triton-interpreted and (size4 and (four or beyond or shared) or every_grey)"  # interpreting is slow


def test_the_triton_kernel_keeps_the_contract_interpreted() -> None:
    """Triton reads the variable when it is imported, so the contract's suite runs once more in another process."""
    pytest.importorskip("triton", reason="triton is not installed")
    suite = Path(__file__).parents[1] / "contract" / "test_grade_contract.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", SMALL_CASES, str(suite)]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    run = subprocess.run(command, cwd=suite.parents[2], env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert " passed" in run.stdout


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from livestyle.shaders import triton_grade

for kernel in (triton_grade._grade, triton_grade._pack):
    names = kernel.arg_names
    kinds = {"weights": "*fp32", "members": "*fp32", "pixels": "*u8", "out": "*u8", "points": "*i64", "table": "*i32",
             "across_scale": "fp32", "down_scale": "fp32", "quads": "*i64" if "points" in names else "*fp16"}
    fixed = {name: value for name, value in {"DEPTH": 8, "BLOCK": 128}.items() if name in names}
    signature = {name: "constexpr" if name in fixed else kinds.get(name, "i32") for name in names}
    source = ASTSource(fn=kernel, signature=signature,
                       constexprs={(names.index(name),): value for name, value in fixed.items()})
    options = {"num_warps": 1, "enable_fp_fusion": True}
    made = triton.compile(source, target=GPUTarget("cuda", 80, 32), options=options)
    assert "convert_layout" not in made.asm["ttgir"]
    assert made.metadata.shared == 0
    assert len(made.asm["cubin"]) > 1000
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton's wheels are for Linux")
def test_the_triton_kernels_compile_for_cuda_without_a_gpu(tmp_path: Path) -> None:
    """Down to machine code; a layout that Triton had to convert would mean a detour of every pixel."""
    pytest.importorskip("triton", reason="triton is not installed")
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", COMPILE]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
