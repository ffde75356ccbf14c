"""Muon and AdamW in one optimiser."""

from __future__ import annotations

import copy

import torch
from torch import nn

from livestyle.training.optimizer import MuonAdamW, is_matrix, orthogonalised


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    """Jordan et al. 2024: the quintic's five steps end within about 0.7..1.2, whatever the scale was."""
    generator = torch.Generator().manual_seed(0)
    for shape in ((24, 80), (80, 24), (32, 32)):
        found = orthogonalised(torch.randn(shape, generator=generator) * 1e-3)
        values = torch.linalg.svdvals(found)
        assert found.shape == shape
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_what_muon_steps() -> None:
    """Muon is for linear layers and full convolutions. Depthwise ones, heads of few classes and norms go to AdamW:
    they are too narrow to be orthogonalised."""
    assert is_matrix(nn.Linear(32, 64).weight)
    assert is_matrix(nn.Conv2d(16, 32, 3).weight)
    assert not is_matrix(nn.Conv2d(64, 64, 3, groups=64).weight)
    assert not is_matrix(nn.Conv2d(64, 8, 1).weight)
    assert not is_matrix(nn.BatchNorm2d(64).weight)


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.Conv2d(32, 4, 1))


def _train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> float:
    pixels = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    target = pixels.mean(1)[:, 1:-1, 1:-1] > 0.5
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(pixels), target.long())
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_it_learns() -> None:
    """On a problem that a small network can solve, 60 steps bring the loss far below chance (0.69 for two classes)."""
    network = _network()
    assert _train(network, MuonAdamW(network.parameters(), 0.02, 0.0), 60) < 0.2


def test_others_are_stepped_exactly_as_adamw_steps_them() -> None:
    """What Muon does not step is stepped as torch's AdamW does, with decay on weights and none on biases, so that rates
    and decays keep their meaning."""
    one, other = nn.Linear(8, 4), nn.Linear(8, 4)
    other.load_state_dict(one.state_dict())
    mine = MuonAdamW(one.parameters(), 0.01, 0.1)
    torchs = torch.optim.AdamW(
        [{"params": [other.weight], "weight_decay": 0.1}, {"params": [other.bias], "weight_decay": 0}], lr=0.01
    )
    pixels = torch.rand(16, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(5):
        for network, optimizer in ((one, mine), (other, torchs)):
            optimizer.zero_grad()
            network(pixels).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(one.weight, other.weight)
    torch.testing.assert_close(one.bias, other.bias)


def test_its_state_resumes_exactly() -> None:
    """Six steps are the same bits as three, a saved and loaded state, and three more; rate and decay come from the
    state too. A resumed run depends on it."""
    whole, halves = _network(), _network()
    _train(whole, MuonAdamW(whole.parameters(), 0.02, 0.01), 6)
    first = MuonAdamW(halves.parameters(), 0.02, 0.01)
    _train(halves, first, 3)
    second = MuonAdamW(halves.parameters(), 0.5, 0.5)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    _train(halves, second, 3)
    for one, other in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(one, other)
