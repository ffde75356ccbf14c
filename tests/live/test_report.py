"""The report's figures, against numbers worked out another way."""

from __future__ import annotations

import json
import time

import numpy as np

from livestyle.report import BIN_S, BINS, Meter, Report, latencies


def metered(monkeypatch, latencies_s) -> Meter:
    meter = Meter()
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for latency in latencies_s:
        meter.wrote(now - latency)
    return meter


def test_percentiles_agree_with_numpy_to_one_bin(monkeypatch):
    values = np.random.default_rng(3).gamma(4, 0.01, 1000)
    meter = metered(monkeypatch, values)
    for percent in (50, 95, 99):
        exact = np.percentile(values, percent, method="inverted_cdf")
        assert abs(meter.percentile(percent) - exact) <= BIN_S


def test_a_latency_beyond_the_last_bin_is_still_counted(monkeypatch):
    meter = metered(monkeypatch, [99.0])
    assert meter.percentile(50) >= BINS * BIN_S


def test_nothing_written_is_zero_not_an_error():
    meter = Meter()
    assert latencies(meter) == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert meter.now() == (0.0, 0.0)


def test_the_rate_of_the_overlay_is_that_of_the_last_two_seconds(monkeypatch):
    meter = Meter()
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for at in range(200):
        clock[0] = at / (10 if at < 100 else 25)  # 10 frames/s up to 10 s
        if at >= 100:
            clock[0] = 10 + (at - 100) / 25  # then 25 frames/s
        meter.wrote(clock[0] - 0.02)
    rate, latency = meter.now()
    assert abs(rate - 25) < 0.5
    assert abs(latency - 0.02) < 1e-6


def a_report(**changes) -> Report:
    values = {
        "source": "a", "outputs": ("b",), "style": "Vivid 100%", "frames_in": 12, "frames_out": 10, "dropped": 2,
        "held": 0, "seconds": 1.0, "fps": 10.0, "first_frame_s": 0.1,
        "latency_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0},
        "masks": {"sync": "live", "masks": 95, "masks_per_s": 9.5}, "device": "cpu", "color": "compiled",
    }  # fmt: skip
    return Report(**{**values, **changes})


def test_the_line_names_what_the_issue_of_a_slow_call_is_found_with():
    line = a_report(held=4).line()
    for part in ("12 frames in", "10 out", "2 dropped", "4 hold cards", "p50 1", "p95 2", "p99 3", "9.5/s", "cpu"):
        assert part in line


def test_one_mask_of_a_photo_is_told_as_one():
    """A photo has no masks a second, and must not look as if skin had not been kept."""
    line = a_report(frames_in=1, frames_out=1, masks={"sync": "exact", "masks": 1, "masks_per_s": None}).line()
    assert "1 mask" in line
    assert "no masks" not in line


def test_the_report_is_json():
    assert json.loads(json.dumps(a_report().as_json()))["frames_in"] == 12
