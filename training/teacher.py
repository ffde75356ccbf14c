"""MobileNetV2 with the same decoder: a fast learner that starts from ImageNet and then teaches the MobileViT.

The published MobileViT weights may not be shipped, so what is shipped starts from nothing. MobileNetV2's ImageNet
weights are free (Sandler et al. 2018; Apache-2.0): fine-tuned on the same pictures it is right after a fraction of the
time, and then gives every pixel of every picture a target, whatever the labels leave open. It is not shipped itself.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from livestyle.errors import ModelError
from livestyle.models.network import FineDecoder, start_decoder
from livestyle.training.classes import CLASSES

# (channels, blocks, stride of the first block, expansion): Sandler et al. 2018, table 2
_STAGES = ((16, 1, 1, 1), (24, 2, 2, 6), (32, 3, 2, 6), (64, 4, 2, 6), (96, 3, 1, 6), (160, 3, 2, 6), (320, 1, 1, 6))
_TAKEN = (1, 2, 4, 6)  # the stages that the decoder reads: 1/4, 1/8, 1/16 and 1/32 of the input
WIDTH = 96


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, which puts the odd pixel at the end."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for length in (x.shape[-1], x.shape[-2]):
            total = max((-(-length // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - length, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads) if any(pads) else x)


class _Depthwise(nn.Module):
    """The first stage's block, which does not expand. Names are timm's."""

    def __init__(self, inward: int, outward: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = SameConv2d(inward, inward, 3, stride, groups=inward, bias=False)
        self.bn1 = nn.BatchNorm2d(inward)
        self.conv_pw = nn.Conv2d(inward, outward, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outward)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)))))
        return result


class _Inverted(nn.Module):
    """An inverted residual block. Names are timm's."""

    def __init__(self, inward: int, outward: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inward * expansion
        self.conv_pw = nn.Conv2d(inward, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv_dw = SameConv2d(hidden, hidden, 3, stride, groups=hidden, bias=False)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.conv_pwl = nn.Conv2d(hidden, outward, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outward)
        self.adds = stride == 1 and inward == outward

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn2(self.conv_dw(F.relu6(self.bn1(self.conv_pw(x))))))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.adds else y


class TeacherNetwork(nn.Module):
    """MobileNetV2 + FineDecoder, with the same `features` as models.network.PortraitNetwork. RGB in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        stages, inward = [], 32
        for outward, blocks, stride, expansion in _STAGES:
            stage = []
            for block in range(blocks):
                step = stride if block == 0 else 1
                stage.append(
                    _Depthwise(inward, outward, step) if expansion == 1 else _Inverted(inward, outward, step, expansion)
                )
                inward = outward
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.fine = FineDecoder(tuple(_STAGES[k][0] for k in _TAKEN), WIDTH, len(CLASSES))
        start_decoder(self.fine)

    def features(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 3, H, W) -> (logits at 1/4 of it, the decoder's features at 1/4, 1/8, 1/16 and 1/32)."""
        x = F.relu6(self.bn1(self.conv_stem(pixels * 2 - 1)))
        taken = []
        for index, stage in enumerate(self.blocks):
            x = stage(x)
            if index in _TAKEN:
                taken.append(x)
        result: tuple[Tensor, list[Tensor]] = self.fine(taken)
        return result


def read_backbone(path: Path) -> dict[str, Tensor]:
    """The state dict of a MobileNetV2 1.0 under timm's names (mobilenetv2_100). Raises ModelError."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"The backbone {path} cannot be read: {error}.") from error
    if not isinstance(weights, dict) or "blocks.6.0.conv_pwl.weight" not in weights:
        raise ModelError(f"The backbone {path} holds no MobileNetV2 under timm's names.")
    return {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}


def start_teacher(path: Path) -> TeacherNetwork:
    """A teacher with an ImageNet backbone and an untrained decoder. Raises ModelError."""
    network = TeacherNetwork()
    own = set(network.state_dict())
    weights = {name: value for name, value in read_backbone(path).items() if name in own}
    missing = network.load_state_dict(weights, strict=False).missing_keys
    absent = [name for name in missing if not name.startswith("fine.") and not name.endswith("num_batches_tracked")]
    if absent:
        raise ModelError(f"The backbone {path} lacks weights, {absent[0]} first.")
    return network


@torch.no_grad()
def unfold_norms(network: TeacherNetwork, pixels: Tensor) -> None:
    """Give batch norms that were folded into the weights the statistics of `pixels`, leaving the function as it is.

    Folded norms hold mean 0 and variance 1, so that training with the batch's own statistics would destroy the scale
    of every layer. Statistics measured on `pixels` (B, 3, H, W) take their place, and scale and shift undo them.
    """

    def measure(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        old_scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        old_shift = norm.bias - norm.running_mean * old_scale
        variance, mean = torch.var_mean(given[0].float(), dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(old_scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(old_shift + mean * old_scale)

    handles = [m.register_forward_pre_hook(measure) for n, m in network.named_modules() if _is_backbone_norm(n, m)]
    training = network.training
    network.eval()
    network.features(pixels)
    network.train(training)
    for handle in handles:
        handle.remove()


def _is_backbone_norm(name: str, module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and not name.startswith("fine.")
