"""The figures about masks that a run reports."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from livestyle.protocols import Segmenter


class MaskStats:
    """Counts masks and measures how old they are when they are used. One thread counts; any may ask for the report."""

    _KEPT = 3000  # ages kept for the percentiles: the last minute or so

    def __init__(self, segmenter: Segmenter, sync: str) -> None:
        self._segmenter = segmenter
        self._sync = sync  # "exact", "ahead" or "live"
        self._count = 0
        self._first = self._last = 0.0  # time.monotonic() of the first and the last mask
        self._newest = 0.0  # seconds of the frame that the newest mask belongs to
        self._ages: deque[float] = deque(maxlen=self._KEPT)

    def taken(self, seconds: float) -> None:
        """Count a mask of the frame at `seconds`."""
        self._last = time.monotonic()
        if self._count == 0:
            self._first = self._last
        self._count += 1
        self._newest = seconds

    def used(self, seconds: float) -> None:
        """Note that the frame at `seconds` is styled by the newest mask."""
        self._ages.append(seconds - self._newest)

    def report(self) -> dict[str, object]:
        """As livestyle.protocols.MaskMaker.stats."""
        span, ages = self._last - self._first, list(self._ages)
        p50, p95 = (float(age) for age in np.percentile(ages, (50, 95))) if ages else (None, None)
        return {
            "sync": self._sync,
            "device": self._segmenter.device,  # now: it may have changed since the first mask
            "masks": self._count,
            "masks_per_s": round((self._count - 1) / span, 2) if span > 0 else None,
            "age_p50_s": None if p50 is None else round(p50, 4),
            "age_p95_s": None if p95 is None else round(p95, 4),
        }
