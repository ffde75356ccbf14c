"""Losses for labels that are sets of classes, and for features of a teacher."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from livestyle.training.classes import ANY, CLASSES, region_bits

_DICE_REGIONS = ("hair", "skin")


def member_planes(members: Tensor) -> Tensor:
    """(B, H, W) uint8 bytes of classes -> (B, C, H, W) bool, True where the pixel may be of class C."""
    bits = torch.arange(len(CLASSES), device=members.device).view(1, -1, 1, 1)
    return (members.long().unsqueeze(1) >> bits) & 1 == 1


def partial_label_loss(logits: Tensor, members: Tensor) -> Tensor:
    """Mean of -log(summed probability of the classes a pixel may be) over the pixels of which something is known.

    `logits` (B, C, H, W) float32, `members` (B, H, W) uint8. With one class per pixel this is cross-entropy; see Cour,
    Sapp, Taskar, "Learning from partial labels", JMLR 2011.
    """
    allowed = torch.logsumexp(logits.masked_fill(~member_planes(members), -1e4), dim=1)
    loss = torch.logsumexp(logits, dim=1) - allowed
    known = (members != ANY) & (members != 0)
    return (loss * known).sum() / known.sum().clamp(min=1)


def _region_dice(probability: Tensor, members: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """(sum of losses, number of pictures) of 1 - Dice for the region `bits` on pictures that certainly show it."""
    inside = ((members & (ANY & ~bits)) == 0) & (members != 0)
    known = inside | ((members & bits) == 0)
    area = inside.sum((1, 2))
    overlap = (probability * inside).sum((1, 2))
    dice = (2 * overlap + 1) / ((probability * known).sum((1, 2)) + area + 1)
    shown = area > 0.001 * inside[0].numel()
    return ((1 - dice) * shown).sum(), shown.sum()


def dice_loss(logits: Tensor, members: Tensor) -> Tensor:
    """Mean over pictures of 1 - Dice of hair and of skin, where labels say for certain; 0 where they never do.

    Cross-entropy alone hardly sees a head of fifty pixels; Dice weighs it like one that fills the picture (Milletari,
    Navab, Ahmadi, "V-Net", 2016).
    """
    probability = logits.softmax(1)
    total, count = logits.new_zeros(()), logits.new_zeros(())
    for region in _DICE_REGIONS:
        bits = region_bits(region)
        planes = [k for k in range(len(CLASSES)) if bits >> k & 1]
        loss, shown = _region_dice(probability[:, planes].sum(1), members, bits)
        total, count = total + loss, count + shown
    return total / count.clamp(min=1)


def label_loss(logits: Tensor, members: Tensor, dice: float) -> Tensor:
    """Partial-label loss plus `dice` times the Dice loss, with logits enlarged to half the size of the labels.

    Half size costs a quarter of the memory and time, and still tells edges at an eighth of the logits' grid.
    """
    half = members[:, ::2, ::2]
    logits = F.interpolate(logits.float(), size=half.shape[-2:], mode="bilinear", align_corners=False)
    loss = partial_label_loss(logits, half)
    return loss + dice * dice_loss(logits, half) if dice else loss


def guide_loss(logits: Tensor, guide: Tensor, members: Tensor) -> Tensor:
    """Cross-entropy to a better model's probabilities, first limited to the classes that the label allows.

    It fills in what partial labels leave open and cannot contradict them. `logits` and `guide` (B, C, h, w) on any two
    grids, `members` (B, H, W) uint8.
    """
    half = members[:, ::2, ::2]
    size = half.shape[-2:]
    ours = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
    theirs = F.interpolate(guide.float(), size=size, mode="bilinear", align_corners=False)
    target = theirs.masked_fill(~member_planes(half), -1e4).softmax(1)
    return -(target * ours.log_softmax(1)).sum(1).mean()


def feature_loss(views: list[Tensor], features: list[Tensor]) -> Tensor:
    """Mean over the levels of the mean squared error to a guide's features.

    Each channel is scaled to mean 0 and deviation 1 over the batch. `features` may have further, coarser levels.
    """
    return torch.stack([_scaled_error(ours, theirs) for ours, theirs in zip(views, features, strict=False)]).mean()


def _scaled_error(ours: Tensor, theirs: Tensor) -> Tensor:
    theirs = theirs.float()
    deviation, mean = torch.std_mean(theirs, dim=(0, 2, 3), keepdim=True)
    return F.mse_loss(ours.float(), (theirs - mean) / (deviation + 1e-3))
