"""ImageNet backbones with the same decoder: the default model, and what teaches the MobileViT.

The published MobileViT weights may not be shipped, so what is shipped starts from nothing. The ImageNet weights of
MobileNetV2 (Sandler et al. 2018) and of EfficientNet-Lite (Google 2020: EfficientNet, Tan & Le 2019, without squeeze
and swish) are free, both Apache-2.0: fine-tuned on the same pictures they are right after a fraction of the time, and
then give every pixel of every picture a target, whatever the labels leave open. They can be exported like any other
model.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from livestyle.errors import ModelError
from livestyle.models.network import FineDecoder, start_decoder
from livestyle.training.checkpoint import FILE, load_checkpoint
from livestyle.training.classes import CLASSES
from livestyle.training.depthwise import QuickConv2d


class Stage(NamedTuple):
    """Blocks of one width."""

    channels: int
    blocks: int
    stride: int  # of the first block
    expansion: int
    kernel: int = 3


_MOBILENETV2 = (  # Sandler et al. 2018, table 2
    Stage(16, 1, 1, 1),
    Stage(24, 2, 2, 6),
    Stage(32, 3, 2, 6),
    Stage(64, 4, 2, 6),
    Stage(96, 3, 1, 6),
    Stage(160, 3, 2, 6),
    Stage(320, 1, 1, 6),
)
_EFFICIENTNET = (  # Tan & Le 2019, table 1
    Stage(16, 1, 1, 1),
    Stage(24, 2, 2, 6),
    Stage(40, 2, 2, 6, 5),
    Stage(80, 3, 2, 6),
    Stage(112, 3, 1, 6, 5),
    Stage(192, 4, 2, 6, 5),
    Stage(320, 1, 1, 6),
)


def _scaled(width: float, depth: float) -> tuple[Stage, ...]:
    """EfficientNet-Lite's: channels to multiples of 8, the first and the last stage as deep as they are."""

    def channels(wanted: float) -> int:
        nearest = max(8, int(wanted + 4) // 8 * 8)
        return nearest + 8 if nearest < 0.9 * wanted else nearest

    ends = (0, len(_EFFICIENTNET) - 1)
    return tuple(
        s._replace(channels=channels(s.channels * width), blocks=s.blocks if k in ends else math.ceil(s.blocks * depth))
        for k, s in enumerate(_EFFICIENTNET)
    )


_BACKBONES = {
    "mobilenetv2": (_MOBILENETV2, 1e-5),  # stages, epsilon of the norms
    "efficientnet-lite0": (_scaled(1.0, 1.0), 1e-3),
    "efficientnet-lite2": (_scaled(1.1, 1.2), 1e-3),
}
BACKBONES = tuple(_BACKBONES)
"""The sizes that name one of these instead of a MobileViT."""
_TAKEN = (1, 2, 4, 6)  # the stages that the decoder reads: 1/4, 1/8, 1/16 and 1/32 of the input
WIDTH = 96


class SameConv2d(QuickConv2d):
    """A convolution with TensorFlow's "SAME" padding, which puts the odd pixel at the end.

    For heights and widths that are multiples of the stride: the padding then does not depend on them.
    """

    def __init__(self, inward: int, outward: int, kernel: int, stride: int, groups: int = 1) -> None:
        before, after = (kernel - stride) // 2, kernel - stride - (kernel - stride) // 2
        self.ends = (before, after, before, after) if before != after else ()
        padding = 0 if self.ends else before
        super().__init__(inward, outward, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride)), padded as TensorFlow pads."""
        return super().forward(F.pad(x, self.ends) if self.ends else x)


class _Depthwise(nn.Module):
    """The first stage's block, which does not expand. Names are timm's."""

    def __init__(self, inward: int, outward: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = SameConv2d(inward, inward, kernel, stride, groups=inward)
        self.bn1 = nn.BatchNorm2d(inward)
        self.conv_pw = nn.Conv2d(inward, outward, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outward)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)))))
        return result


class _Inverted(nn.Module):
    """An inverted residual block. Names are timm's."""

    def __init__(self, inward: int, outward: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        hidden = inward * expansion
        self.conv_pw = nn.Conv2d(inward, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv_dw = SameConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.conv_pwl = nn.Conv2d(hidden, outward, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outward)
        self.adds = stride == 1 and inward == outward

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn2(self.conv_dw(F.relu6(self.bn1(self.conv_pw(x))))))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.adds else y


def _stage(stage: Stage, inward: int) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for index in range(stage.blocks):
        stride = stage.stride if index == 0 else 1
        if stage.expansion == 1:
            blocks.append(_Depthwise(inward, stage.channels, stride, stage.kernel))
        else:
            blocks.append(_Inverted(inward, stage.channels, stride, stage.expansion, stage.kernel))
        inward = stage.channels
    return nn.Sequential(*blocks)


class BackboneNetwork(nn.Module):
    """A backbone of BACKBONES + FineDecoder, with `features` as models.network.PortraitNetwork has. RGB in [0, 1]."""

    def __init__(self, size: str) -> None:
        super().__init__()
        self.size = size
        stages, epsilon = _BACKBONES[size]
        self.conv_stem = SameConv2d(3, 32, 3, 2)
        self.bn1 = nn.BatchNorm2d(32)
        inward = (32, *(stage.channels for stage in stages))
        self.blocks = nn.Sequential(*(_stage(*pair) for pair in zip(stages, inward, strict=False)))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = epsilon
        self.fine = FineDecoder(tuple(stages[k].channels for k in _TAKEN), WIDTH, len(CLASSES))
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


def read_backbone(path: Path, size: str) -> dict[str, Tensor]:
    """The state dict of a backbone under timm's names, or efficientnet_pytorch's. Raises ModelError."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"The backbone {path} cannot be read: {error}.") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ModelError(f"The backbone {path} holds no state dict.", hint="Give a file of weights by name.")
    names = _timm_names(size) if "_conv_stem.weight" in weights else {}
    return {
        _renamed(name, names): value.float() if value.is_floating_point() else value for name, value in weights.items()
    }


def _renamed(name: str, names: dict[str, str]) -> str:
    module, _, kind = name.rpartition(".")
    return f"{names.get(module, module)}.{kind}"


def _timm_names(size: str) -> dict[str, str]:
    """Module names of efficientnet_pytorch, which numbers all blocks in one row -> timm's."""
    names = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
    number = 0
    for index, stage in enumerate(_BACKBONES[size][0]):
        first = 1 if stage.expansion == 1 else 2
        for block in range(stage.blocks):
            old, new = f"_blocks.{number}", f"blocks.{index}.{block}"
            names |= {f"{old}._expand_conv": f"{new}.conv_pw", f"{old}._bn0": f"{new}.bn1"}
            names |= {f"{old}._depthwise_conv": f"{new}.conv_dw", f"{old}._bn1": f"{new}.bn{first}"}
            last = "conv_pw" if stage.expansion == 1 else "conv_pwl"
            names |= {f"{old}._project_conv": f"{new}.{last}", f"{old}._bn2": f"{new}.bn{first + 1}"}
            number += 1
    return names


def start_backbone(size: str, path: Path) -> BackboneNetwork:
    """A network of a size of BACKBONES: ImageNet weights from a file, an untrained decoder. Raises ModelError."""
    network = BackboneNetwork(size)
    own = network.state_dict()
    weights = {name: value for name, value in read_backbone(path, size).items() if name in own}
    wrong = [name for name, value in weights.items() if value.shape != own[name].shape]
    needed = [name for name in own if not name.startswith("fine.") and not name.endswith("num_batches_tracked")]
    absent = [name for name in needed if name not in weights]
    if wrong or absent:
        raise ModelError(f"The backbone {path} is no {size}: {(wrong or absent)[0]} is missing or of another shape.")
    network.load_state_dict(weights, strict=False)
    return network


def has_backbone(folder: Path) -> bool:
    """Whether a folder is that of a run of such a network. Raises ModelError for a checkpoint that cannot be read."""
    return (folder / FILE).is_file() and load_checkpoint(folder).get("size") in BACKBONES


@torch.no_grad()
def unfold_norms(network: BackboneNetwork, pixels: Tensor) -> None:
    """Give batch norms the statistics of `pixels`, leaving the function as it is.

    Norms that were folded into the weights hold mean 0 and variance 1, so that training with the batch's own statistics
    would destroy the scale of every layer; those of ImageNet are only another domain's. Statistics measured on `pixels`
    (B, 3, H, W) take their place, and scale and shift undo them.
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
