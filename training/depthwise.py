"""Depthwise convolutions whose gradients are fast on a CPU.

oneDNN computes the gradient of a depthwise convolution fast where the stride is 1 (to the input) and the kernel 3×3 (to
the weights), and many times slower elsewhere. Both others can be had from the fast ones: the gradient to the input is a
convolution, stride 1, of the output's gradient with zeros put between its pixels (Dumoulin & Visin, "A guide to
convolution arithmetic for deep learning", 2016); that to the weights of a larger kernel is the same sum for parts of
the kernel.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FAST = 3  # side of the kernels whose weights' gradient is fast


class _Depthwise(torch.autograd.Function):
    """conv2d(x, weight, stride, padding, groups=channels), for square kernels of odd side."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        to_x = _to_input(gradient, x, weight, ctx.stride, ctx.padding) if ctx.needs_input_grad[0] else None
        to_weight = _to_weight(gradient, x, weight, ctx.stride, ctx.padding) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, None, None


def _to_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    side = weight.shape[-1]
    if stride > 1:
        height, width = (length + 2 * padding - side + 1 for length in x.shape[-2:])
        spread = torch.empty(
            (*gradient.shape[:2], height, width), dtype=gradient.dtype, memory_format=torch.channels_last
        ).zero_()
        spread[:, :, ::stride, ::stride] = gradient
        gradient = spread
    return F.conv2d(gradient, weight.flip(2, 3), None, 1, side - 1 - padding, 1, len(weight))


def _to_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    side = weight.shape[-1]
    if side <= _FAST:
        return _weights_of_part(gradient, x, weight, stride, padding)
    padded = F.pad(x, (padding,) * 4)
    height, width = (stride * (length - 1) + _FAST for length in gradient.shape[-2:])
    result = torch.empty_like(weight)
    for top in range(0, side - 1, _FAST - 1):  # parts overlap in a row, which is then written twice
        for left in range(0, side - 1, _FAST - 1):
            rows, columns = slice(top, top + _FAST), slice(left, left + _FAST)
            seen = padded[:, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
            part = weight[:, :, rows, columns].contiguous()
            result[:, :, rows, columns] = _weights_of_part(gradient, seen, part, stride, 0)
    return result


def _weights_of_part(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """torch's own gradient to the weights."""
    found = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight), [False, True, False]
    )
    result: Tensor = found[1]
    return result


class QuickConv2d(nn.Conv2d):
    """nn.Conv2d; where it is depthwise and trains on a CPU, with the gradients of this module."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not (self.training and torch.is_grad_enabled() and x.device.type == "cpu" and is_quick(self)):
            return super()._conv_forward(x, weight, bias)
        if torch.is_autocast_enabled("cpu"):
            x, weight = (t.to(torch.get_autocast_dtype("cpu")) for t in (x, weight))
        result: Tensor = _Depthwise.apply(
            x.contiguous(memory_format=torch.channels_last), weight, self.stride[0], int(self.padding[0])
        )
        return result if bias is None else result + bias.to(result.dtype).view(-1, 1, 1)


def is_quick(conv: nn.Conv2d) -> bool:
    """Whether `conv` is of the kind whose gradients this module knows."""
    side, padding = conv.kernel_size[0], conv.padding[0]
    return (
        conv.groups == conv.in_channels == conv.out_channels > 1
        and conv.kernel_size == (side, side)
        and side % 2 == 1
        and conv.stride[0] == conv.stride[1]
        and conv.dilation == (1, 1)
        and isinstance(padding, int)
        and conv.padding == (padding, padding)
        and padding < side
        and conv.padding_mode == "zeros"
    )


def quicken(network: nn.Module) -> None:
    """Make every depthwise nn.Conv2d of `network` a QuickConv2d. Its parameters and their names stay."""
    for module in network.modules():
        if type(module) is nn.Conv2d and is_quick(module):
            module.__class__ = QuickConv2d
