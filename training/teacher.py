"""MobileNetV2 as a teacher of features (Sandler et al. 2018), reading weights saved under timm's names.

Its features give every pixel of every picture a target, whatever the labels leave open. It is not shipped.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from livestyle.errors import ModelError

# (stage, blocks, stride of the first block); channels follow from the weights
_STAGES = ((0, 1, 1), (1, 2, 2), (2, 3, 2), (3, 4, 2), (4, 3, 1), (5, 3, 2), (6, 1, 1))
FINE, COARSE = 4, 6  # the stages whose output is taught: 96 channels at 1/16 and 320 channels at 1/32
CHANNELS = 96 + 320


def _padded_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's "SAME" padding, which puts the odd pixel at the end."""
    pads = []
    for length in (x.shape[-1], x.shape[-2]):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


class MobileNetV2Features(nn.Module):
    """Features of the stages FINE and COARSE at 1/16 of the input, (B, CHANNELS, h, w). Input: RGB in [0, 1]."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self._weights = weights

    def _normalised(self, x: Tensor, name: str) -> Tensor:
        w = self._weights
        return F.batch_norm(
            x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-5
        )

    def _convolved(self, x: Tensor, conv: str, norm: str, stride: int = 1, active: bool = True) -> Tensor:
        weight = self._weights[f"{conv}.weight"]
        x = _padded_same(x, weight.shape[-1], stride)
        x = self._normalised(
            F.conv2d(x, weight, stride=stride, groups=1 if weight.shape[1] > 1 else weight.shape[0]), norm
        )
        return F.relu6(x) if active else x

    def _block(self, x: Tensor, name: str, stride: int) -> Tensor:
        if f"{name}.conv_pwl.weight" not in self._weights:  # the first block does not expand
            return self._convolved(
                self._convolved(x, f"{name}.conv_dw", f"{name}.bn1", stride),
                f"{name}.conv_pw",
                f"{name}.bn2",
                active=False,
            )
        y = self._convolved(x, f"{name}.conv_pw", f"{name}.bn1")
        y = self._convolved(y, f"{name}.conv_dw", f"{name}.bn2", stride)
        y = self._convolved(y, f"{name}.conv_pwl", f"{name}.bn3", active=False)
        return x + y if x.shape == y.shape else y

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        x = self._convolved(x * 2 - 1, "conv_stem", "bn1", stride=2)
        taught = []
        for stage, blocks, stride in _STAGES:
            for block in range(blocks):
                x = self._block(x, f"blocks.{stage}.{block}", stride if block == 0 else 1)
            if stage in (FINE, COARSE):
                taught.append(x.float())
        fine, coarse = taught
        return torch.cat([fine, F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)], 1)


def load_teacher(path: Path, device: torch.device) -> MobileNetV2Features:
    """The teacher from a state dict saved under timm's names for mobilenetv2_100. Raises ModelError."""
    try:
        weights = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"The teacher {path} cannot be read: {error}.") from error
    if not isinstance(weights, dict) or f"blocks.{COARSE}.0.conv_pwl.weight" not in weights:
        raise ModelError(f"The teacher {path} holds no MobileNetV2 under timm's names.")
    return MobileNetV2Features({name: value.float() for name, value in weights.items() if value.is_floating_point()})
