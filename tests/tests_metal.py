"""The Metal kernels compiled for the processor: Metal is C++ with other names for a few types.

It shows that the source parses as C++ and computes what it should; not that Apple's compiler takes it, nor its speed.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from livestyle.shaders.metal_grade import SOURCE

_STAND_IN = """
#include <cmath>
#include <cstdint>
#include <cstring>
using std::min;
using std::max;
typedef uint8_t uchar;
typedef uint16_t ushort;
typedef uint32_t uint;
struct half {
    uint16_t bits;
    explicit operator float() const
    {
        int exponent = bits >> 10 & 31, fraction = bits & 1023;
        float size = exponent ? std::ldexp(1024.0f + fraction, exponent - 25) : std::ldexp((float)fraction, -24);
        return bits >> 15 ? -size : size;
    }
};
struct half4 { half x, y, z, w; };
struct float4 {
    float x, y, z, w;
    float4(float x, float y, float z, float w) : x(x), y(y), z(z), w(w) {}
    float4 operator+(float4 o) const { return float4(x + o.x, y + o.y, z + o.z, w + o.w); }
    float4 operator*(float by) const { return float4(x * by, y * by, z * by, w * by); }
};
struct uint2 { uint x, y; };
#define device
#define thread
#define kernel static
"""

_LOOPS = """
#define OVER_ALL(NAME, SAMPLE)                                                                                       \\
    extern "C" void all_of_##NAME(const SAMPLE* pixels, SAMPLE* out, const float* masks, const half4* points,        \\
                                  const int* table, const int* numbers, uint width, uint rows)                       \\
    {                                                                                                                \\
        for (uint y = 0; y < rows; y++)                                                                              \\
            for (uint x = 0; x < width; x++) NAME(pixels, out, masks, points, table, numbers, uint2{x, y});          \\
    }
OVER_ALL(grade8, uchar)
OVER_ALL(grade16, ushort)
"""


def compiler() -> str | None:
    """A C++ compiler's path, if there is one."""
    return shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


class ShaderOnTheProcessor:
    """Called as torch's shader library is, with tensors in the processor's memory."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.grade8 = self._kernel(library.all_of_grade8)
        self.grade16 = self._kernel(library.all_of_grade16)

    @staticmethod
    def _kernel(function: Any) -> Callable[..., None]:
        def run(*tensors: torch.Tensor, threads: tuple[int, int]) -> None:
            assert all(tensor.is_contiguous() for tensor in tensors)
            function(*(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors), *threads)

        return run


@cache
def shader_on_the_processor() -> ShaderOnTheProcessor:
    """The kernels of SOURCE; needs a compiler."""
    folder = Path(tempfile.mkdtemp())
    source, library = folder / "metal.cpp", folder / f"metal{sysconfig.get_config_var('SHLIB_SUFFIX') or '.so'}"
    source.write_text(_STAND_IN + SOURCE + _LOOPS, "utf-8")
    command = [str(compiler()), "-std=c++17", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror",
               "-Wno-attributes", "-Wno-unknown-attributes", str(source), "-o", str(library)]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return ShaderOnTheProcessor(ctypes.CDLL(str(library)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
