"""The parts of a live run that a governor switches while frames go on: model, picture size, mask rate, edges.

Nothing here makes a frame wait. Another model or size is opened and run once on a thread of its own before masks come
from it, the old one goes on meanwhile; then both run for a moment, and masks are mixed, from the one to the other.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.frame import REGIONS, Weights
from livestyle.governor.policy import Step
from livestyle.masks.edges import Refine, refine, unrefined
from livestyle.masks.inference import Inference, Result, T, step_back
from livestyle.masks.pyramid import FramePyramid, Picture
from livestyle.masks.tracker import region_weights_of
from livestyle.protocols import Segmenter

FADE_S = 0.5
"""Seconds in which edges go from refined to plain and back."""

TURN_S = 1.0
"""Seconds in which masks go from one model or size to another. They disagree: without, that would show as a jump."""

_JOIN_S = 10.0  # a model that is just being opened is waited for at the end
_BLANK = 128

log = logging.getLogger("livestyle")

Open = Callable[[Step], Segmenter]
"""The segmenter of a step. Called on another thread; raises LivestyleError where it cannot be had."""


class SwitchedSegmenter:
    """One segmenter that may be another from one picture to the next. Its planes are the regions themselves."""

    classes = REGIONS
    regions: Mapping[str, str] = {region: region for region in REGIONS}

    def __init__(self, segmenter: Segmenter, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn = segmenter, segmenter, -math.inf  # from, to, and when it began; replaced as a whole
        self.masks = 0  # so far
        self.seen: tuple[int, int] = segmenter.input_size  # (width, height) of the newest picture

    def turn_to(self, segmenter: Segmenter) -> None:
        """Go over to `segmenter` within TURN_S. From any thread."""
        self._turn = self.current, segmenter, self._clock()

    @property
    def current(self) -> Segmenter:
        """The one that masks come from, or soon will."""
        return self._turn[1]

    @property
    def turning(self) -> bool:
        """Whether two of them work on each picture."""
        return self._clock() - self._turn[2] < TURN_S

    @property
    def input_size(self) -> tuple[int, int]:
        """The current one's."""
        return self.current.input_size

    @property
    def device(self) -> str:
        """The current one's."""
        return str(getattr(self.current, "device", "cpu"))

    def __call__(self, pixels: Picture, /) -> Weights:
        """(H, W, 3) uint8 RGB -> (R, h, w) float32 weights of livestyle.frame.REGIONS."""
        before, after, since = self._turn
        share = (self._clock() - since) / TURN_S
        self.seen = pixels.shape[1], pixels.shape[0]
        weights = region_weights_of(after, pixels)
        self.masks += 1
        return weights if share >= 1 else _between(region_weights_of(before, pixels), weights, share)


class RatedInference(Inference[T]):
    """Inference that takes at most `rate` pictures a second. A frame that waits for its mask is not held back."""

    def __init__(
        self,
        segment: Callable[[T], Weights],
        rate: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate  # may be changed between two pictures
        self._clock = clock
        self._due = -math.inf  # before that no picture is put up
        self._kept: tuple[T, float] | None = None  # the newest, not put up
        super().__init__(segment)

    @property
    def waiting(self) -> bool:
        """Whether a picture was put up and is not begun yet."""
        with self._changed:
            return self._offered is not None

    def offer(self, picture: T, seconds: float) -> None:
        """Put `picture` up when it is time for one, or in place of one that is not begun yet. Never blocks."""
        now = self._clock()
        if not self.waiting:
            if now < self._due:
                self._kept = picture, seconds
                return
            # On the average the rate: frames come in steps that are coarser than the gap.
            self._due = max(self._due, now - 1 / self.rate) + 1 / self.rate
        self._kept = None
        super().offer(picture, seconds)

    def wait(self, patience: float) -> Result:
        """The next mask, of the newest picture offered, whether or not it was time for it."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            super().offer(*kept)
        return super().wait(patience)


class CrossfadedEdges:
    """Refines masks, or not, and goes from the one to the other in FADE_S. Implements livestyle.masks.edges.Refine."""

    def __init__(self, refine: Refine = refine, clock: Callable[[], float] = time.monotonic) -> None:
        self.refined = True  # where it goes to
        self._refine = refine
        self._clock = clock
        self._share = 1.0  # of the refined masks
        self._then = clock()

    def __call__(self, planes: npt.NDArray[np.float32], guide: npt.NDArray[np.float32]) -> Weights:
        """(h, w, R) weights and their (H, W, 3) picture -> (R, H, W) weights, (R, h, w) where nothing is refined."""
        share = self._moved()
        if share == 0:
            return unrefined(planes, guide)
        refined = self._refine(planes, guide)
        return refined if share == 1 else _between(unrefined(planes, guide), refined, share)

    def _moved(self) -> float:
        now = self._clock()
        way = (now - self._then) / FADE_S
        self._share = min(1.0, max(0.0, self._share + (way if self.refined else -way)))
        self._then = now
        return self._share


@runtime_checkable
class Resizable(Protocol):
    """A segmenter that can look at its pictures in another size."""

    def resized(self, share: float) -> Segmenter:
        """The same model on pictures whose sides are `share` of its own: fewer pixels, less time, coarser masks."""


def _between(first: Weights, second: Weights, share: float) -> Weights:
    """`share` of the second and the rest of the first, at the larger size of the two; their sums stay what they are."""
    height, width = max(first.shape[1:], second.shape[1:])
    first, second = (_sized(weights, width, height) for weights in (first, second))
    return np.asarray(first + (second - first) * np.float32(share), np.float32)


def _sized(weights: Weights, width: int, height: int) -> Weights:
    if weights.shape[1:] == (height, width):
        return weights
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in weights])


class QualitySwitch:
    """The switched parts of a run: `Stylist(switch.segmenter, …, inference=switch.inference, refine=switch.edges)`.

    From one thread. Close it after the stylist; twice is fine.
    """

    def __init__(self, step: Step, open_step: Open) -> None:
        self._open = open_step
        self._step = step
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self._rated: RatedInference[FramePyramid] | None = None
        self.segmenter = SwitchedSegmenter(open_step(step))
        self.edges = CrossfadedEdges()
        self._set(step)

    def inference(self, segment: Callable[[FramePyramid], Weights]) -> Inference[FramePyramid]:
        """The inference of a live stylist."""
        self._rated = RatedInference(segment, self._step.rate)
        return self._rated

    def switch_to(self, step: Step) -> None:
        """Go to `step`, once the last `switch_to` is ready or has failed.

        Its rate and edges hold from now on, its model and size as soon as they are ready.
        """
        same = (self._step.model, self._step.share) == (step.model, step.share) and self._failure is None
        self._step, self._failure = step, None
        self._set(step)
        if not same:
            self._thread = threading.Thread(target=self._prepare, args=(step,), name="livestyle-model", daemon=True)
            self._thread.start()

    @property
    def masks(self) -> int:
        """How many were computed so far."""
        return self.segmenter.masks

    @property
    def ready(self) -> bool:
        """Whether the last `switch_to` is wholly in force. Raises what kept its model from being opened."""
        if self._thread is not None and self._thread.is_alive():
            return False
        if self._failure is not None:
            raise self._failure
        return not self.segmenter.turning

    def close(self) -> None:
        """Wait for a model that is being opened."""
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def _set(self, step: Step) -> None:
        self.edges.refined = step.refined
        if self._rated is not None:
            self._rated.rate = step.rate

    def _prepare(self, step: Step) -> None:
        step_back()
        try:
            segmenter = self._open(step)
            width, height = self.segmenter.seen
            # The first run on a new size takes several times as long: memory, kernels, sometimes a compiler.
            segmenter(np.full((height, width, 3), _BLANK, np.uint8))
            self.segmenter.turn_to(segmenter)
        except Exception as error:  # raised where the frame loop asks
            self._failure = error
