"""What changes in the course of a run, as functions of its progress 0..1."""

from __future__ import annotations

import math

import torch
from torch import nn

from livestyle.training.settings import RecipeSettings


def progress_of(recipe: RecipeSettings, step: int, seconds: float) -> float:
    """How much of the run is done, 0..1: by steps, or by the seconds trained where the recipe gives minutes."""
    done = step / recipe.steps if recipe.steps else seconds / (60 * recipe.minutes)
    return min(done, 1.0)


def rate_at(recipe: RecipeSettings, progress: float) -> float:
    """Linear warm-up, then half a cosine down to zero (Loshchilov, Hutter, "SGDR", 2017)."""
    if progress < recipe.warmup:
        return recipe.rate * max(progress / recipe.warmup, 1e-3)
    return recipe.rate * 0.5 * (1 + math.cos(math.pi * (progress - recipe.warmup) / (1 - recipe.warmup)))


def size_at(recipe: RecipeSettings, progress: float) -> int:
    """The side of a sample in pixels: small at first, because small samples teach three times faster."""
    return next(
        (size for size, until in zip(recipe.sizes, recipe.until, strict=True) if progress < until), recipe.sizes[-1]
    )


def teach_at(recipe: RecipeSettings, progress: float) -> float:
    """The weight of feature distillation, fading linearly to zero."""
    return recipe.teach * max(0.0, 1 - progress / recipe.teach_until) if recipe.teach_until > 0 else 0.0


class Average:
    """Exponential moving average of a network's weights, young averages following faster."""

    def __init__(self, network: nn.Module, keep: float) -> None:
        self.keep = keep
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after step number `step`."""
        share = 1 - min(self.keep, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, share)
            else:
                self.state[name].copy_(value)
