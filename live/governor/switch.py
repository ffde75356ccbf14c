"""The parts of a live run that a governor switches while frames go on: model, picture size, mask rate, edges.

Nothing here makes a frame wait. Another model or size is opened and run once on a thread of its own before masks come
from it, while the old one goes on; then both run for a moment, and masks fade from the one to the other.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, cast

import numpy as np

from livestyle.frame import REGIONS, Picture, PixelWeights, PlaneWeights, Probabilities
from livestyle.governor.policy import Step
from livestyle.masks.crops import Planes, resized
from livestyle.masks.edges import Guide, Refine, refine, unrefined
from livestyle.masks.inference import Inference, Result, T, ThreadedInference, lower_priority
from livestyle.masks.pyramid import FramePyramid
from livestyle.masks.roi import Mask
from livestyle.masks.weights import FACE, with_faces
from livestyle.protocols import Segmenter

FADE_S = 0.5
"""Seconds in which edges go from refined to plain and back."""

TURN_S = 1.0
"""Seconds in which masks go from one model or size to another. They disagree, which would be visible as a jump."""

_JOIN_S = 10.0  # the end waits so long for a model that is being opened
_BLANK = 128

log = logging.getLogger("livestyle")

Open = Callable[[Step], Segmenter]
"""The segmenter of a step. Called on another thread; raises LivestyleError where it cannot be opened."""


class SwitchedSegmenter:
    """A segmenter that may be replaced between two pictures. Its classes are the regions, and faces."""

    classes = (*REGIONS, FACE)
    regions: Mapping[str, str] = {**{region: region for region in REGIONS}, FACE: "skin"}

    def __init__(self, segmenter: Segmenter, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn = segmenter, segmenter, -math.inf  # from, to, and when it began; replaced as a whole
        self.masks = 0  # so far
        self.seen: tuple[int, int] = segmenter.input_size  # (width, height) of the newest picture

    def turn_to(self, segmenter: Segmenter) -> None:
        """Change to `segmenter` within TURN_S. From any thread."""
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
        return self.current.device

    def __call__(self, picture: Picture, /) -> Probabilities:
        """(H, W, 3) uint8 RGB -> (R + 1, h, w) float32: livestyle.frame.REGIONS, skin without faces, and faces."""
        before, after, since = self._turn
        share = (self._clock() - since) / TURN_S
        self.seen = picture.shape[1], picture.shape[0]
        planes = _segmented(after, picture)
        self.masks += 1
        return planes if share >= 1 else _between(_segmented(before, picture), planes, share)


class RatedInference(Generic[T]):
    """Implements Inference on a thread of its own; takes at most `rate` pictures a second.

    A frame that waits for its mask is not held back.
    """

    def __init__(
        self,
        segment: Callable[[T], Mask],
        rate: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate  # may be changed between two pictures
        self._clock = clock
        self._due = -math.inf  # no picture is passed on before
        self._kept: tuple[T, float] | None = None  # the newest, if it was not passed on
        self._inference = ThreadedInference(segment)

    @property
    def waiting(self) -> bool:
        """Whether a picture has been passed on that is not being segmented yet."""
        return self._inference.waiting

    def offer(self, picture: T, seconds: float) -> None:
        """As the protocol says, when it is time for a picture or one is waiting already."""
        now = self._clock()
        if not self.waiting:
            if now < self._due:
                self._kept = picture, seconds
                return
            # The rate on average: frames come at intervals that are coarser than that of masks.
            self._due = max(self._due, now - 1 / self.rate) + 1 / self.rate
        self._kept = None
        self._inference.offer(picture, seconds)

    def wait(self, patience: float) -> Result:
        """As the protocol says: of the newest picture offered, whether or not it was time for it."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            self._inference.offer(*kept)
        return self._inference.wait(patience)

    def result(self) -> Result | None:
        """As the protocol says."""
        return self._inference.result()

    def close(self) -> None:
        """As the protocol says."""
        self._inference.close()


class CrossfadedEdges:
    """Refines masks or not, and fades from the one to the other in FADE_S. Implements livestyle.masks.edges.Refine."""

    def __init__(self, refine: Refine = refine, clock: Callable[[], float] = time.monotonic) -> None:
        self.refined = True  # what it fades to
        self._refine = refine
        self._clock = clock
        self._share = 1.0  # of the refined masks
        self._then = clock()

    def __call__(self, planes: PixelWeights, guide: Guide) -> PlaneWeights:
        """(h, w, R) weights and their (H, W, 3) guide -> (R, H, W) weights, (R, h, w) where nothing is refined."""
        share = self._moved()
        if share == 0:
            return unrefined(planes, guide)
        refined = self._refine(planes, guide)
        return refined if share == 1 else _between(unrefined(planes, guide), refined, share)

    def _moved(self) -> float:
        now = self._clock()
        change = (now - self._then) / FADE_S
        self._share = min(1.0, max(0.0, self._share + (change if self.refined else -change)))
        self._then = now
        return self._share


def _segmented(segmenter: Segmenter, picture: Picture) -> Probabilities:
    return with_faces(segmenter(picture), segmenter.classes, segmenter.regions)


def _between(first: Planes, second: Planes, share: float) -> Planes:
    """`share` of the second and the rest of the first, at the larger size of the two; their sums stay what they are."""
    shape = max(first.shape[1:], second.shape[1:])
    first, second = resized(first, shape), resized(second, shape)
    return cast(Planes, first + (second - first) * np.float32(share))


class QualitySwitch:
    """The switched parts of a run: `LiveMasks(switch.segmenter, …, inference=switch.inference, refine=switch.edges)`.

    From one thread. Close it after the masks; twice is fine.
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

    def inference(self, segment: Callable[[FramePyramid], Mask]) -> Inference[FramePyramid]:
        """The inference of live masks."""
        self._rated = RatedInference(segment, self._step.rate)
        return self._rated

    def switch_to(self, step: Step) -> None:
        """Change to `step`, once the last `switch_to` is ready or has failed.

        Its rate and edges apply at once, its model and size as soon as they are ready.
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
        """Whether the last `switch_to` is complete. Raises what prevented its model from being opened."""
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
        lower_priority()
        try:
            segmenter = self._open(step)
            width, height = self.segmenter.seen
            # The first run on a new size takes several times as long: memory, kernels, sometimes a compiler.
            segmenter(np.full((height, width, 3), _BLANK, np.uint8))
            self.segmenter.turn_to(segmenter)
        except Exception as error:  # raised by `ready`
            self._failure = error
