"""The colour pass on CUDA as Triton kernels: `shaders/_grade.c`'s arithmetic, with floats where the hardware has them.

Two launches: the masks, at their own small size, are summed for each LUT and packed four neighbours to a number; then
one pass over the picture looks up, blends and writes. A LUT is skipped where its weights in a block are all 0.

The environment variable TRITON_INTERPRET=1, set before the first import, runs the same code on numpy, without a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

_BLOCK = 128  # pixels to a program of one warp: it agrees on skipping a LUT without a barrier
_MASK_BLOCK = 256
_FUSED = {"enable_fp_fusion": True}  # said because Triton warns that its default will change


def pack_masks(weights: torch.Tensor, members: torch.Tensor, quads: torch.Tensor) -> None:
    """Sum region weights for each LUT: (R, h, w) float32 -> `quads` (L, h, w, 4) float16.

    `members` is (L, R) float32: 1 where a LUT serves a region. A quad holds the weight here, to the right, below, and
    below to the right (the edge repeated), clipped to 0..1: what bilinear enlargement needs comes with one load.
    """
    luts, height, width, _ = quads.shape
    grid = (triton.cdiv(height * width, _MASK_BLOCK), luts)
    _pack[grid](weights, members, quads, height, width, len(weights), BLOCK=_MASK_BLOCK, num_warps=4, **_FUSED)


def grade_rows(
    pixels: torch.Tensor,
    out: torch.Tensor,
    quads: torch.Tensor,
    points: torch.Tensor,
    table: torch.Tensor,
    first: int,
    height: int,
) -> None:
    """Style rows of a picture of `height` rows: `pixels` and `out` are its rows from `first` on, (rows, W, 3).

    `points` is (P, 4) float16: the lattices of all LUTs, as differences from the identity, each followed by as many
    zeros as a look-up at the cube's far corner may touch. `table` is (L, 2) int32: where each begins, and its size.
    """
    count, width, _ = pixels.shape
    luts, mask_height, mask_width, _ = quads.shape
    depth = 8 * pixels.element_size()
    samples = [rows.view(torch.int16) if depth == 16 else rows for rows in (pixels, out)]
    grid = (triton.cdiv(width, _BLOCK), count)
    _grade[grid](*samples, quads.view(torch.int64), points.view(torch.int64), table, width, first, mask_width,
                 mask_height, mask_width / width, mask_height / height, luts, DEPTH=depth, BLOCK=_BLOCK, num_warps=1,
                 **_FUSED)  # fmt: skip


@triton.jit
def _pack(weights, members, quads, height, width, regions, BLOCK: tl.constexpr):
    lut = tl.program_id(1)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < height * width
    y, x = at // width, at % width
    right, below = tl.minimum(x + 1, width - 1), tl.minimum(y + 1, height - 1)
    here_sum = tl.zeros((BLOCK,), tl.float32)
    right_sum, below_sum, both_sum = here_sum, here_sum, here_sum
    for region in range(regions):
        share = tl.load(members + lut * regions + region)
        plane = weights + region * height * width
        here_sum += share * tl.load(plane + at, mask=inside, other=0)
        right_sum += share * tl.load(plane + y * width + right, mask=inside, other=0)
        below_sum += share * tl.load(plane + below * width + x, mask=inside, other=0)
        both_sum += share * tl.load(plane + below * width + right, mask=inside, other=0)
    quad = quads + (lut * height * width + at) * 4
    tl.store(quad, _clipped(here_sum), mask=inside)
    tl.store(quad + 1, _clipped(right_sum), mask=inside)
    tl.store(quad + 2, _clipped(below_sum), mask=inside)
    tl.store(quad + 3, _clipped(both_sum), mask=inside)


@triton.jit
def _clipped(values):
    return tl.minimum(tl.maximum(values, 0.0), 1.0).to(tl.float16)


@triton.jit
def _place(at, small, scale):
    """The geometry of cv2.INTER_LINEAR: the lower of the two mask cells that `at` lies between, and how far from it."""
    position = (at.to(tl.float32) + 0.5) * scale - 0.5
    position = tl.minimum(tl.maximum(position, 0.0), small - 1.0)
    lower = position.to(tl.int32)
    return lower, position - lower.to(tl.float32)


@triton.jit
def _half(quad, NUMBER: tl.constexpr):
    """One of the four float16 in 64 bits, as float32."""
    return (quad >> (16 * NUMBER)).to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
def _weight(quads, column, across, down, inside):
    """The mask's weight at a pixel, enlarged bilinearly: `across` and `down` are its place between four cells."""
    quad = tl.load(quads + column, mask=inside, other=0)
    left = _half(quad, 0) + down * (_half(quad, 2) - _half(quad, 0))
    right = _half(quad, 1) + down * (_half(quad, 3) - _half(quad, 1))
    return left + across * (right - left)


@triton.jit
def _cell(sample, size, stride, DEPTH: tl.constexpr):
    """Offset of the lattice cell a sample lies in; and its place in the cell with the axis' stride below, to sort by.

    (x + 1 + (x >> D)) >> D is x // (2^D - 1) for every x that occurs. A full sample lies at the end of the lattice, in
    a cell of its own with a place of 0: the zeros behind each lattice make that safe.
    """
    scaled = sample * (size - 1)
    cell = (scaled + 1 + (scaled >> DEPTH)) >> DEPTH
    place = scaled - cell * ((1 << DEPTH) - 1)
    return cell * stride, (place.to(tl.uint32) << 16) | stride.to(tl.uint32)


@triton.jit
def _change(points, red, green, blue, size, DEPTH: tl.constexpr):
    """The LUT's difference from the identity at a colour, interpolated tetrahedrally: three float32, full scale 1."""
    at_red, red_key = _cell(red, size, size * size, DEPTH)
    at_green, green_key = _cell(green, size, size, DEPTH)
    at_blue, blue_key = _cell(blue, size, size * 0 + 1, DEPTH)
    high, low = tl.maximum(red_key, green_key), tl.minimum(red_key, green_key)
    largest, smallest = tl.maximum(high, blue_key), tl.minimum(low, blue_key)
    middle = tl.maximum(low, tl.minimum(high, blue_key))
    lowest = at_red + at_green + at_blue
    second = lowest + (largest & 0xFFFF).to(tl.int32)
    third = second + (middle & 0xFFFF).to(tl.int32)
    highest = lowest + (size * size + size + 1)
    unit: tl.constexpr = 1.0 / ((1 << DEPTH) - 1)
    first_place = (largest >> 16).to(tl.float32) * unit
    second_place = (middle >> 16).to(tl.float32) * unit
    third_place = (smallest >> 16).to(tl.float32) * unit
    near, to_second = 1.0 - first_place, first_place - second_place
    to_third = second_place - third_place
    p0, p1 = tl.load(points + lowest), tl.load(points + second)
    p2, p3 = tl.load(points + third), tl.load(points + highest)
    r = near * _half(p0, 0) + to_second * _half(p1, 0) + to_third * _half(p2, 0) + third_place * _half(p3, 0)
    g = near * _half(p0, 1) + to_second * _half(p1, 1) + to_third * _half(p2, 1) + third_place * _half(p3, 1)
    b = near * _half(p0, 2) + to_second * _half(p1, 2) + to_third * _half(p2, 2) + third_place * _half(p3, 2)
    return r, g, b


@triton.jit
def _sample(at, inside, DEPTH: tl.constexpr):
    return tl.load(at, mask=inside, other=0).to(tl.int32) & ((1 << DEPTH) - 1)


@triton.jit
def _write(at, sample, change, inside, DEPTH: tl.constexpr):
    """The sample plus its change, rounded and clipped."""
    full: tl.constexpr = (1 << DEPTH) - 1
    value = tl.minimum(tl.maximum(sample.to(tl.float32) + change * full + 0.5, 0.0), full + 0.5)
    tl.store(at, value.to(tl.int32).to(at.dtype.element_ty), mask=inside)


@triton.jit
def _grade(pixels, out, quads, points, table, width, first, mask_width, mask_height, across_scale, down_scale, luts,
           DEPTH: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.program_id(1)
    inside = column < width
    at = (row * width + column) * 3
    red = _sample(pixels + at, inside, DEPTH)
    green = _sample(pixels + at + 1, inside, DEPTH)
    blue = _sample(pixels + at + 2, inside, DEPTH)
    top, down = _place(first + row, mask_height, down_scale)
    left, across = _place(column, mask_width, across_scale)
    r = tl.zeros_like(across)
    g, b = r, r
    for lut in range(luts):
        weight = _weight(quads + (lut * mask_height + top) * mask_width, left, across, down, inside)
        if tl.max(weight) > 0.0:
            lattice = points + tl.load(table + 2 * lut)
            by_r, by_g, by_b = _change(lattice, red, green, blue, tl.load(table + 2 * lut + 1), DEPTH)
            r += weight * by_r
            g += weight * by_g
            b += weight * by_b
    _write(out + at, red, r, inside, DEPTH)
    _write(out + at + 1, green, g, inside, DEPTH)
    _write(out + at + 2, blue, b, inside, DEPTH)
