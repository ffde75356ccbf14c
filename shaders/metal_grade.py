"""The colour pass on Apple GPUs: one Metal kernel, compiled by torch when it is first needed.

The source keeps to the part of Metal that is C++ as well, so that the tests can compile it for the processor and hold
its arithmetic to the reference where there is no such GPU.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

SOURCE = """
/* The geometry of cv2.INTER_LINEAR: the lower of the two mask cells that a pixel lies between, and how far from it. */
inline int placed(int at, int large, int small, thread float& beyond)
{
    float position = ((float)at + 0.5f) * ((float)small / (float)large) - 0.5f;
    position = min(max(position, 0.0f), (float)(small - 1));
    int lower = (int)position;
    beyond = position - (float)lower;
    return lower;
}

/* Where a sample lies: the offset of its lattice cell, and its place in the cell with the axis' stride below, to sort
   by. A full sample lies in a cell of its own with a place of 0: the zeros behind each lattice make that safe. */
inline int cell_of(uint sample, uint size, uint stride, uint full, thread uint& key)
{
    uint scaled = sample * (size - 1u), cell = scaled / full;
    key = (scaled - cell * full) << 16 | stride;
    return (int)(cell * stride);
}

inline float4 scaled(half4 point, float by)
{
    return float4((float)point.x * by, (float)point.y * by, (float)point.z * by, 0.0f);
}

/* The LUT's difference from the identity at a colour, interpolated tetrahedrally; full scale is 1. */
inline float4 change_of(device const half4* points, uint size, uint full, uint red, uint green, uint blue)
{
    uint r, g, b;
    int lowest = cell_of(red, size, size * size, full, r);
    lowest += cell_of(green, size, size, full, g);
    lowest += cell_of(blue, size, 1u, full, b);
    uint high = max(r, g), low = min(r, g);
    uint largest = max(high, b), smallest = min(low, b), middle = max(low, min(high, b));
    int second = lowest + (int)(largest & 0xffffu), third = second + (int)(middle & 0xffffu);
    float unit = 1.0f / (float)full;
    float f1 = (float)(largest >> 16) * unit, f2 = (float)(middle >> 16) * unit, f3 = (float)(smallest >> 16) * unit;
    return scaled(points[lowest], 1.0f - f1) + scaled(points[second], f1 - f2) + scaled(points[third], f2 - f3)
           + scaled(points[lowest + (int)(size * size + size + 1u)], f3);
}

inline uint written(uint sample, float change, uint full)
{
    float value = (float)sample + change * (float)full + 0.5f;
    return (uint)min(max(value, 0.0f), (float)full + 0.5f);
}

/* `numbers`: width and height of the picture, the number of its row that comes first here, width and height of the
   masks, how many LUTs. `table`: where each LUT's points begin, and its size. */
template <typename Sample>
inline void graded(device const Sample* pixels, device Sample* out, device const float* masks,
                   device const half4* points, device const int* table, device const int* numbers, uint full, uint2 at)
{
    int width = numbers[0], mask_width = numbers[3], mask_height = numbers[4];
    float across, down;
    int left = placed((int)at.x, width, mask_width, across);
    int top = placed(numbers[2] + (int)at.y, numbers[1], mask_height, down);
    int right = min(left + 1, mask_width - 1), bottom = min(top + 1, mask_height - 1);
    device const Sample* in = pixels + 3 * ((int)at.y * width + (int)at.x);
    uint red = in[0], green = in[1], blue = in[2];
    float4 change = float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int lut = 0; lut < numbers[5]; lut++) {
        device const float* upper = masks + (lut * mask_height + top) * mask_width;
        device const float* lower = masks + (lut * mask_height + bottom) * mask_width;
        float first = upper[left] + down * (lower[left] - upper[left]);
        float last = upper[right] + down * (lower[right] - upper[right]);
        float weight = first + across * (last - first);
        if (weight > 0.0f)
            change = change + change_of(points + table[2 * lut], (uint)table[2 * lut + 1], full, red, green, blue)
                                  * weight;
    }
    device Sample* to = out + 3 * ((int)at.y * width + (int)at.x);
    to[0] = (Sample)written(red, change.x, full);
    to[1] = (Sample)written(green, change.y, full);
    to[2] = (Sample)written(blue, change.z, full);
}

kernel void grade8(device const uchar* pixels, device uchar* out, device const float* masks,
                   device const half4* points, device const int* table, device const int* numbers,
                   uint2 at [[thread_position_in_grid]])
{
    graded<uchar>(pixels, out, masks, points, table, numbers, 255u, at);
}

kernel void grade16(device const ushort* pixels, device ushort* out, device const float* masks,
                    device const half4* points, device const int* table, device const int* numbers,
                    uint2 at [[thread_position_in_grid]])
{
    graded<ushort>(pixels, out, masks, points, table, numbers, 65535u, at);
}
"""


class Kernel(Protocol):
    """One kernel of the shader; `pixels` and `out` are its rows, the rest as SOURCE says."""

    def __call__(self, pixels: Tensor, out: Tensor, masks: Tensor, points: Tensor, table: Tensor, numbers: Tensor, /, *,
                 threads: tuple[int, int]) -> None:  # fmt: skip
        """Style the rows, one thread a pixel."""


class Shader(Protocol):
    """What the source compiles to."""

    grade8: Kernel
    grade16: Kernel


@cache
def compiled_shader() -> Shader:
    """The kernels `grade8` and `grade16`; raises RuntimeError where torch finds no Apple GPU."""
    import torch

    return torch.mps.compile_shader("#include <metal_stdlib>\nusing namespace metal;\n" + SOURCE)
