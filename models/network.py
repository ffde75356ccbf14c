"""The network: MobileViT + DeepLabV3 from `transformers`, with a light decoder that refines its logits at 1/4.

DeepLabV3 outputs at stride 16: a head in a whole-body picture is then one or two cells. The decoder adds what
the finer layers of the same backbone know, in the manner of DeepLabV3+ (Chen et al. 2018) and of feature pyramids (Lin
et al. 2017), for 2 % more arithmetic. A checkpoint without the decoder loads as it is and outputs at stride 16.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MobileViTConfig, MobileViTForSemanticSegmentation
from transformers.modeling_outputs import SemanticSegmenterOutput


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """`x` (B, C, h, w) at the height and width of `like`, bilinear."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Separable(nn.Sequential):
    """A depthwise 3×3 and a pointwise convolution, each with batch norm; (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
        )


class FineDecoder(nn.Module):
    """Merges features from coarse to fine and tells classes apart at the finest grid.

    `channels`: those of the features given to forward, the finest first. `width`: channels of the merged features.
    """

    def __init__(self, channels: tuple[int, ...], width: int, classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width)) for c in channels
        )
        self.merge = nn.ModuleList(Separable(width) for _ in channels[:-1])
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Features (B, C, h, w), the finest first -> (logits at the finest grid, merged features finest first)."""
        merged = [F.silu(self.lateral[-1](features[-1]))]
        for level in reversed(range(len(self.merge))):
            here = self.lateral[level](features[level])
            merged.insert(0, self.merge[level](F.silu(here + enlarged(merged[0], here))))
        return self.classifier(merged[0]), merged


class PortraitNetwork(MobileViTForSemanticSegmentation):
    """MobileViT + DeepLabV3 + FineDecoder. `config.fine_width` is the decoder's width; 0 or absent: no decoder."""

    def __init__(self, config: MobileViTConfig) -> None:
        super().__init__(config)
        width = config.to_dict().get("fine_width", 0)  # of ours: not a field that transformers declares
        necks = config.neck_hidden_sizes
        self.fine = (
            FineDecoder((necks[2], necks[3], config.aspp_out_channels), width, config.num_labels) if width else None
        )
        self.post_init()

    def features(self, pixel_values: Tensor) -> tuple[Tensor, list[Tensor]]:
        """`pixel_values` (B, 3, H, W) -> (logits at 1/4 of it, the decoder's features at 1/4, 1/8 and 1/16)."""
        states = self.mobilevit.encoder(self.mobilevit.conv_stem(pixel_values), output_hidden_states=True).hidden_states
        head = self.segmentation_head
        context = head.aspp(states[-1])
        coarse = head.classifier(head.dropout(context))
        if self.fine is None:
            return coarse, []
        logits, merged = self.fine([states[1], states[2], context])
        return logits + enlarged(coarse, logits), merged

    def forward(self, pixel_values: Tensor, **_: object) -> SemanticSegmenterOutput:
        """Logits (B, C, H/4, W/4), or (B, C, H/16, W/16) without the decoder."""
        return SemanticSegmenterOutput(logits=self.features(pixel_values)[0])


def start_decoder(decoder: FineDecoder) -> None:
    """He initialisation; the classifier starts at zero, so that nothing is added to the logits at first."""
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    nn.init.zeros_(decoder.classifier.weight)
    if decoder.classifier.bias is not None:
        nn.init.zeros_(decoder.classifier.bias)
