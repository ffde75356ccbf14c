"""Depthwise convolutions with other gradients: the same as torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from livestyle.training.depthwise import QuickConv2d, is_quick, quicken

SHAPES = [  # side of the input, of the kernel, stride, padding
    (13, 3, 1, 1),
    (13, 3, 2, 1),
    (14, 3, 2, 0),
    (13, 5, 1, 2),
    (16, 5, 2, 2),
    (15, 5, 2, 1),
    (12, 7, 2, 3),
    (11, 1, 1, 0),
    (17, 5, 3, 2),
]


def conv(side: int, stride: int, padding: int, bias: bool = True) -> nn.Conv2d:
    """A depthwise convolution of 6 channels in float64; the same weights in each call."""
    torch.manual_seed(1)
    return nn.Conv2d(6, 6, side, stride, padding, groups=6, bias=bias).double()


def gradients(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Of the output's product with fixed numbers: to the input, then to the parameters; and the output."""
    x = x.clone().requires_grad_()
    y = network(x)
    y.backward(torch.rand(y.shape, generator=torch.Generator().manual_seed(3)).to(y.dtype))
    return [g for g in (x.grad, *(p.grad for p in network.parameters()), y.detach()) if g is not None]


@pytest.mark.parametrize(("length", "side", "stride", "padding"), SHAPES)
def test_the_gradients_are_torchs_own(length: int, side: int, stride: int, padding: int) -> None:
    """For each shape, also where a stride leaves a remainder, the fast gradients to input, weights and bias are torch's
    to float64: training is only faster, not different."""
    x = torch.rand(2, 6, length, length + 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    wanted = gradients(conv(side, stride, padding), x)
    network = conv(side, stride, padding)
    quicken(network)
    assert type(network) is QuickConv2d
    for found, right in zip(gradients(network, x), wanted, strict=True):
        torch.testing.assert_close(found, right)


def test_in_mixed_precision_the_gradients_are_those_of_full_precision() -> None:
    """Under autocast the output is bf16 and gradients of weights stay float32; they differ from full precision by the 3
    % that bf16's eight bits leave."""
    x = torch.rand(2, 6, 16, 16, generator=torch.Generator().manual_seed(2))
    wanted = gradients(conv(5, 2, 2).float(), x)
    network = conv(5, 2, 2).float()
    quicken(network)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(network, x)
    assert found[-1].dtype == torch.bfloat16
    assert found[1].dtype == torch.float32
    for ours, right in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours.float(), right, rtol=0.03, atol=0.03 * float(right.abs().max()))


def test_what_is_not_depthwise_stays_and_names_stay() -> None:
    """Only convolutions whose gradients this module knows are replaced, and parameters keep their names: a checkpoint
    loads with or without it."""
    network = nn.Sequential(
        conv(3, 1, 1),
        nn.Conv2d(6, 6, 3),
        nn.Conv2d(6, 12, 3, groups=6),
        nn.Conv2d(6, 6, (3, 5), groups=6),
        nn.Conv2d(6, 6, 3, groups=6, dilation=2),
        nn.Conv2d(6, 6, 3, groups=6, padding=1, padding_mode="reflect"),
        nn.Conv2d(6, 6, 3, groups=6, padding="same"),
        nn.Conv2d(6, 6, 4, groups=6),
    )
    names = list(network.state_dict())
    quicken(network)
    assert [type(child) is QuickConv2d for child in network] == [True] + [False] * 7
    assert [is_quick(child) for child in network if isinstance(child, nn.Conv2d)] == [True] + [False] * 7
    assert list(network.state_dict()) == names


def test_a_frozen_layer_passes_gradients_on() -> None:
    """A layer that does not train has no gradient of its own, while what is before it still gets one."""
    network = conv(5, 2, 2, bias=False)
    quicken(network)
    network.weight.requires_grad_(False)
    assert len(gradients(network, torch.rand(1, 6, 9, 9, dtype=torch.float64))) == 2
    assert network.weight.grad is None
