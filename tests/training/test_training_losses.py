"""Losses for labels that are sets of classes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from livestyle.training.classes import ANY, member_bits
from livestyle.training.losses import dice_loss, feature_loss, guide_loss, label_loss, partial_label_loss


def _logits(shape: tuple[int, ...] = (2, 8, 5, 7)) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def test_one_class_per_pixel_is_cross_entropy() -> None:
    """With one class a pixel the loss for sets of classes is torch's cross-entropy: ordinary labels stay ordinary."""
    logits, classes = _logits(), torch.randint(8, (2, 5, 7), generator=torch.Generator().manual_seed(4))
    found = partial_label_loss(logits, (1 << classes).to(torch.uint8))
    torch.testing.assert_close(found, F.cross_entropy(logits, classes), rtol=1e-5, atol=1e-6)


def test_a_set_of_classes_counts_their_summed_probability() -> None:
    """Where a pixel may be of two classes the loss is -log of the sum of both probabilities (Cour et al.

    2011): how the model divides it between them is its own choice.
    """
    logits = _logits((1, 8, 1, 1))
    found = partial_label_loss(logits, torch.tensor([[[0b10100]]], dtype=torch.uint8))
    probability = logits.softmax(1)[0, [2, 4], 0, 0].sum()
    torch.testing.assert_close(found, -probability.log(), rtol=1e-5, atol=1e-6)


def test_a_pixel_of_which_nothing_is_known_teaches_nothing() -> None:
    """A pixel that may be of any class gives no gradient, so that partly labelled pictures can be used."""
    logits = _logits().requires_grad_()
    members = torch.full((2, 5, 7), ANY, dtype=torch.uint8)
    members[0, 0, 0] = 2
    partial_label_loss(logits, members).backward()
    assert logits.grad is not None
    moved = logits.grad.abs().sum(1) > 0
    assert moved[0, 0, 0]
    assert int(moved.sum()) == 1


def test_a_batch_without_any_label_is_zero_not_nan() -> None:
    """A batch in which nothing is labelled has a loss of 0: the mean over no pixels would be NaN and end the run."""
    members = torch.full((2, 10, 14), ANY, dtype=torch.uint8)
    assert float(label_loss(_logits(), members, dice=0.5)) == 0.0


def test_dice_is_zero_for_the_truth_and_one_for_its_opposite() -> None:
    """Tolerance 0.01: the smoothing by one pixel on an area of 400."""
    hair, background = member_bits(["hair"]), member_bits(["background"])
    members = torch.full((1, 40, 20), background, dtype=torch.uint8)
    members[:, :20] = hair
    right = torch.full((1, 8, 40, 20), -20.0)
    right[:, 1, :20], right[:, 0, 20:] = 20, 20
    assert float(dice_loss(right, members)) < 0.01
    assert float(dice_loss(right.flip(2), members)) > 0.99


def test_dice_ignores_pixels_that_may_or_may_not_be_hair() -> None:
    """Where labels leave hair open, calling it hair costs nothing.

    0.01 is the smoothing by one pixel on an area of 400.
    """
    members = torch.full((1, 40, 20), ANY, dtype=torch.uint8)
    members[:, :20] = member_bits(["hair"])
    all_hair = torch.full((1, 8, 40, 20), -20.0)
    all_hair[:, 1] = 20
    assert float(dice_loss(all_hair, members)) < 0.01


def test_features_are_compared_after_each_channel_is_scaled() -> None:
    """The better model's channels are brought to mean 0 and deviation 1 before they are compared, so that none counts
    more for its scale; an untrained view of zeros then has an error of about 1."""
    features = _logits((4, 3, 6, 6)) * torch.tensor([1.0, 50.0, 0.1]).view(1, 3, 1, 1) + 7
    scaled = (features - features.mean((0, 2, 3), keepdim=True)) / features.std((0, 2, 3), keepdim=True)
    coarser = torch.zeros(4, 3, 3, 3)  # a guide may have levels that the student lacks
    assert float(feature_loss([scaled], [features, coarser])) < 1e-3
    assert math.isclose(float(feature_loss([torch.zeros_like(scaled)], [features])), 1.0, abs_tol=0.05)


def test_a_guide_fills_in_what_the_label_leaves_open_and_cannot_contradict_it() -> None:
    """The guide says hair everywhere; the label allows face or neck, of which the guide prefers neck by e."""
    guide = torch.zeros(1, 8, 4, 4)
    guide[:, 1], guide[:, 3] = 9.0, 1.0
    members = torch.full((1, 8, 8), member_bits(["face", "neck"]), dtype=torch.uint8)
    logits = torch.zeros(1, 8, 4, 4, requires_grad=True)
    guide_loss(logits, guide, members).backward()
    assert logits.grad is not None
    wanted = -logits.grad[0, :, 1, 1] / logits.grad[0, :, 1, 1].abs().max()
    assert wanted[3] > wanted[2] > 0
    assert wanted[1] < 0
