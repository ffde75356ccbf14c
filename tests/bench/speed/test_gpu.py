"""livestyle-bench speed runs on torch's CPU device, on tiny frames: its figures are of no GPU and are not tested."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="torch (extra `gpu`) is not installed")
pytest.importorskip("onnx", reason="onnx (extra `gpu`) is not installed")
pytest.importorskip("kornia", reason="kornia (extra `gpu`) is not installed")

from livestyle.bench.cli import bench  # noqa: E402
from livestyle.bench.speed.gpu import Clock, Line, bandwidth  # noqa: E402
from livestyle.bench.speed.pictures import natural, noise, soft_weights  # noqa: E402
from livestyle.compute.gpu_frames import GpuStylist, fitted  # noqa: E402


def test_it_measures_everything_and_writes_it_down(tmp_path: Path) -> None:
    """One run measures every line and writes to JSON what it prints.

    Ratios follow from the rates beside them, and the device's colours are within one 8-bit step of float64.
    """
    out = tmp_path / "speed.json"
    run = CliRunner().invoke(bench, ["speed", "--device", "cpu", "--quick", "--out", str(out)])
    assert run.exit_code == 0, run.output
    figures = json.loads(out.read_text("utf-8"))
    assert figures["largest_error"] <= 1
    lines = {line["what"]: line for line in figures["lines"]}
    assert {"copy on the device", "colour pass, natural", "colour pass, noise", "host to host"} <= set(lines)
    assert all(line["per_s"] > 0 for line in lines.values())
    color, copy = lines["colour pass, noise"], lines["copy on the device"]
    assert color["ratio"] == pytest.approx(color["per_s"] / copy["per_s"])
    assert all(what in run.output for what in lines)


def test_a_rate_is_calls_over_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With calls of 0.02 s on a clock of the test's own, both the median and the 5th percentile are 50 a second."""
    now = [0.0]
    monkeypatch.setattr("livestyle.bench.speed.gpu.time.perf_counter", lambda: now[0])

    def work() -> None:
        now[0] += 0.02

    assert Clock(torch.device("cpu"), 0.1, 3)(work) == pytest.approx((50, 50))


def test_bandwidth_counts_what_is_read_and_what_is_written() -> None:
    """A million pixels of three bytes, read and written a thousand times a second, are 6 GB/s."""
    assert bandwidth(Line("x", (1000, 1000), 1000, 1000, None, "")) == pytest.approx(6)


def test_pictures_differ_from_frame_to_frame_and_natural_ones_are_smooth() -> None:
    """Frames differ, so that no cache answers for the memory.

    Natural ones are less than half as rough as noise: one is the usual case for a look-up table, the other the worst.
    """
    for make in (natural, noise):
        frames = make((64, 36))
        assert not np.array_equal(next(frames), next(frames))
    steps = [np.abs(np.diff(next(make((64, 36))).astype(int), axis=1)).mean() for make in (natural, noise)]
    assert steps[0] < steps[1] / 2


def test_weights_sum_to_one() -> None:
    """The weights to measure with are masks like any other: they sum to 1 at every pixel (1e-5: float32)."""
    np.testing.assert_allclose(soft_weights().sum(axis=0), 1, atol=1e-5)


class Half:
    """A segmenter on the device: person on the right."""

    classes = ("background", "skin")
    regions = {"background": "background", "skin": "skin"}  # noqa: RUF012

    def on_device(self, pixels: torch.Tensor) -> torch.Tensor:
        """(2, 6, 8): background left, skin right, whatever the picture."""
        person = (torch.arange(8) >= 4).float().expand(6, 8)
        return torch.stack([1 - person, person])


class Inverts:
    """A grade on the device: the background's weight times the negative."""

    device = torch.device("cpu")

    def on_device(self, pixels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The negative; the weights are kept for the test to see."""
        self.weights = weights
        return 255 - pixels


def test_a_resident_frame_goes_through_model_and_colors() -> None:
    """A frame that is on the device goes through model and grade there: the model's classes arrive as weights in the
    order of REGIONS, and what the grade gives is the result."""
    grade = Inverts()
    stylist = GpuStylist(Half(), grade, refined=False)  # type: ignore[arg-type]
    out = stylist(torch.zeros(12, 16, 3, dtype=torch.uint8))
    assert (out == 255).all()
    assert grade.weights[:, 0, 0].tolist() == [1, 0, 0, 0]
    assert grade.weights[:, 0, -1].tolist() == [0, 0, 1, 0]


def test_the_guided_filter_moves_an_edge_to_where_the_picture_has_it() -> None:
    """The mask's ramp is twelve pixels wide and four pixels off, as coarse cells are; the picture has a step."""
    guide = torch.zeros(270, 480, 3, dtype=torch.uint8)
    guide[:, 240:] = 200
    skin = ((torch.arange(480) - 236) / 12 + 0.5).clamp(0, 1).expand(270, 480)
    out = fitted(torch.stack([1 - skin, 0 * skin, skin, 0 * skin]), guide)
    torch.testing.assert_close(out.sum(dim=0), torch.ones(270, 480))
    assert skin[0, 239] > 0.7
    assert out[2, :, 239].max() < 0.3
    assert out[2, :, 240].min() > 0.95


def test_a_picture_smaller_than_the_window_is_only_sharpened() -> None:
    """A picture too small for the filter's window does not fail: its weights are enlarged and sharpened, which leaves
    equal ones equal."""
    weights = torch.full((4, 2, 2), 0.25)
    out = fitted(weights, torch.zeros(3, 3, 3, dtype=torch.uint8))
    torch.testing.assert_close(out, torch.full((4, 3, 3), 0.25))
