"""The optimiser: Muon for weight matrices, AdamW for everything else.

Muon (Jordan et al. 2024) steps by the orthogonalised momentum of a matrix, so that every direction is learnt at the
same pace; from nothing it needs markedly fewer samples than AdamW. Its steps are scaled to AdamW's typical size (Liu
et al., "Muon is scalable for LLM training", 2025), so that one rate and one decay serve both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from livestyle.training.settings import RecipeSettings

_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: steepest at 0; singular values end in 0.7..1.2
_STEPS = 5
_SIZE = 0.2  # root mean square of AdamW's steps, in units of the rate


def orthogonalised(matrix: Tensor) -> Tensor:
    """(m, n) -> (m, n) with all singular values near 1, by five Newton-Schulz steps in bf16."""
    a, b, c = _QUINTIC
    wide = matrix.bfloat16() if matrix.shape[0] <= matrix.shape[1] else matrix.bfloat16().T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(_STEPS):
        product = x @ x.T
        x = a * x + (b * product + c * product @ product) @ x
    return (x if matrix.shape[0] <= matrix.shape[1] else x.T).to(matrix.dtype)


def is_matrix(weight: Tensor) -> bool:
    """Whether Muon steps a weight: linear layers and convolutions, but no depthwise ones, norms, biases or heads."""
    return weight.ndim > 1 and min(weight.shape[0], weight[0].numel()) >= 16


def make_optimizer(recipe: RecipeSettings, network: nn.Module) -> torch.optim.Optimizer:
    """The optimiser that `recipe.optimizer` names."""
    if recipe.optimizer == "muon":
        return MuonAdamW(network.parameters(), recipe.rate, recipe.decay)
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate)


class MuonAdamW(torch.optim.Optimizer):
    """Muon for parameters of which is_matrix holds, AdamW for the others (no decay on norms and biases)."""

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, decay: float, momentum: float = 0.95) -> None:
        trained = [p for p in parameters if p.requires_grad]
        matrices = [p for p in trained if is_matrix(p)]
        others = [p for p in trained if not is_matrix(p)]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": decay, "muon": True},
            {"params": [p for p in others if p.ndim > 1], "weight_decay": decay, "muon": False},
            {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0, "muon": False},
        ]
        defaults = {"lr": rate, "momentum": momentum, "betas": (0.9, 0.999), "eps": 1e-8}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step by the gradients at hand; parameters without one stay."""
        for group in self.param_groups:
            direction = self._muon if group["muon"] else self._adam
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(direction(weight, weight.grad, group), alpha=-group["lr"])

    def _muon(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight)
        state["mean"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(state["mean"], group["momentum"]).flatten(1)  # Nesterov's
        return (orthogonalised(ahead) * (_SIZE * max(ahead.shape) ** 0.5)).view_as(weight)

    def _adam(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[weight]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
        first, second = group["betas"]
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        mean = state["mean"] / (1 - first ** state["step"])
        return mean / ((state["square"] / (1 - second ** state["step"])).sqrt() + group["eps"])
