"""Frames that are on a GPU already, styled there: no picture, mask or number crosses to the host.

For programs that decode or render on the device, and for measuring it. Each frame is independent: it has masks of its
own, refined at its edges, neither smoothed over time nor warped by motion, as `livestyle.masks` does on the host.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from kornia.color import rgb_to_grayscale
from kornia.filters import guided_blur
from torch import Tensor

from livestyle.frame import REGIONS
from livestyle.masks.edges import EPSILON, WINDOW
from livestyle.masks.flow import WORKING_SIDE
from livestyle.models.torch_segmenter import TorchSegmenter, shrunk
from livestyle.shaders.torch_grade import TorchGrade

_COARSE = 2  # the filter's coefficients are fitted at 1 / _COARSE of the working copy's resolution
_SHARPNESS = 3  # exponent that steepens the ramp between two regions, as livestyle.masks.edges does


class GpuStylist:
    """Styles (H, W, 3) uint8 tensors on the device of `segmenter` and `grade`, which must be the same.

    `refined`: fit the masks to the edges of a working copy, by its luma (`livestyle.masks.edges` does it by colour).
    """

    def __init__(self, segmenter: TorchSegmenter, grade: TorchGrade, *, refined: bool = True) -> None:
        self._segmenter, self._grade, self._refined = segmenter, grade, refined
        belongs = [[segmenter.regions[name] == region for name in segmenter.classes] for region in REGIONS]
        self._belongs = torch.tensor(belongs, dtype=torch.float32, device=grade.device)

    def __call__(self, pixels: Tensor) -> Tensor:
        """A new tensor of the same shape. Raises DeviceError and DeviceMemoryError."""
        return self._grade.on_device(pixels, self.weights(pixels))

    def weights(self, pixels: Tensor) -> Tensor:
        """(H, W, 3) uint8 -> (R, h, w) float32 weights of livestyle.frame.REGIONS, which sum to 1."""
        weights = torch.tensordot(self._belongs, self._segmenter.on_device(pixels), dims=1)
        return fitted(weights, shrunk(pixels, _working_size(pixels))) if self._refined else weights


def _working_size(pixels: Tensor) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    by = max(1.0, max(height, width) / (WORKING_SIDE - 32))
    return max(1, round(width / by)), max(1, round(height / by))


def fitted(weights: Tensor, guide: Tensor) -> Tensor:
    """(R, h, w) weights and an (H, W, 3) uint8 picture -> (R, H, W) weights with its edges, by the guided filter."""
    luma = rgb_to_grayscale(guide.permute(2, 0, 1)[None].float() / 255)
    large = F.interpolate(weights[None], size=guide.shape[:2], mode="bilinear", align_corners=False)
    # The window reaches beyond the mirrored border of a picture that is smaller than it.
    radius = min(max(1, round(WINDOW * max(guide.shape[:2]))), (min(guide.shape[:2]) - 1) // 2)
    if radius >= _COARSE:
        large = guided_blur(luma, large, 2 * radius + 1, EPSILON, subsample=_COARSE, separable=True)
    sharp = large[0].clamp(0, 1) ** _SHARPNESS
    return sharp / sharp.sum(dim=0).clamp(min=1e-6)
