"""What changes in the course of a run."""

from __future__ import annotations

import pytest
import torch

from livestyle.training.schedule import Average, progress_of, rate_at, size_at, teach_at
from livestyle.training.settings import RecipeSettings

STEPS = RecipeSettings(steps=200, rate=0.01, warmup=0.1, sizes=(64, 96), until=(0.5, 1.0), teach=0.4, teach_until=0.5)


def test_the_rate_rises_then_anneals_to_zero() -> None:
    """The rate rises linearly during warm-up and falls by half a cosine to zero (Loshchilov and Hutter 2017).

    It is never 0 at the start, where a step would be wasted.
    """
    assert rate_at(STEPS, 0.05) == pytest.approx(0.005)
    assert rate_at(STEPS, 0.1) == pytest.approx(0.01)
    assert rate_at(STEPS, 0.55) == pytest.approx(0.005)
    assert rate_at(STEPS, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert rate_at(STEPS, 0.0) > 0


def test_progress_counts_steps_or_trained_time() -> None:
    """A run's length is given in steps or in minutes of training, and everything that changes on the way follows the
    share that is done, which ends at 1."""
    assert progress_of(STEPS, 50, seconds=1e9) == 0.25
    assert progress_of(RecipeSettings(minutes=10), 50, seconds=150) == 0.25
    assert progress_of(STEPS, 900, 0) == 1.0


def test_samples_grow_and_teaching_fades() -> None:
    """Each size of samples lasts until its share of the run, the last one to the end; distillation fades
    linearly to nothing."""
    assert [size_at(STEPS, p) for p in (0, 0.49, 0.5, 1.0)] == [64, 64, 96, 96]
    assert [teach_at(STEPS, p) for p in (0, 0.25, 0.5, 0.9)] == pytest.approx([0.4, 0.2, 0, 0])


def test_the_average_follows_early_steps_fast_and_late_ones_slowly() -> None:
    """Early on the average keeps little of its start, (1 + step) / (10 + step), later `keep`, so that random first
    weights do not linger. Counters are copied, not averaged."""
    network = torch.nn.BatchNorm1d(1)
    average = Average(network, keep=0.99)
    with torch.no_grad():
        network.weight.fill_(2.0)
    average.update(network, step=0)
    assert float(average.state["weight"]) == pytest.approx(1.9)  # 0.1 of the old weight of 1 is kept
    with torch.no_grad():
        network.weight.fill_(3.0)
    average.update(network, step=10**6)
    assert float(average.state["weight"]) == pytest.approx(1.9 + 0.01 * 1.1)
    assert average.state["num_batches_tracked"].dtype == torch.int64
