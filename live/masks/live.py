"""Masks for a live picture, which waits for none: the model runs beside the frames, and its masks come late."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from fractions import Fraction

from livestyle.frame import Frame, PlaneWeights
from livestyle.masks.edges import Refine, refine
from livestyle.masks.inference import Inference, Result, ThreadedInference, too_slow
from livestyle.masks.palette import Palette
from livestyle.masks.pipeline import MaskPipeline
from livestyle.masks.pyramid import FramePyramid
from livestyle.masks.roi import ONE, Mask
from livestyle.masks.tracker import MaskTracker
from livestyle.protocols import Segmenter

MAX_AGE_S = 2.0
"""A mask is warped along for at most so long: after that it is a guess."""

FIRST_MASK_S = 10.0
"""The first mask of all may take so long: devices compile and fill their caches in the first run."""

_FINE_SIDE = 900  # pixels: longer side of the largest copy to which edges are fitted

_NEXT_SCENE_S = 2 * MAX_AGE_S  # the picture that is being segmented when the scene changes comes first


class LiveMasks:
    """Warps the newest mask to the frame at hand. Implements livestyle.protocols.MaskMaker.

    Where motion is too fast to be followed, the colours that masks of this stream have taught decide what is kept.
    The model runs on a thread of its own, everything else on the caller's. Only the first frame of a scene waits for
    its mask. `time_base`: seconds per unit of pts. `tracker`, `refine` and `inference` (called with what segments a
    pyramid) replace its own, to switch or to measure them.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        time_base: Fraction | float = Fraction(1, 1000),
        tracker: MaskTracker | None = None,
        refine: Refine = refine,
        inference: Callable[[Callable[[FramePyramid], Mask]], Inference[FramePyramid]] = ThreadedInference,
    ) -> None:
        tracker = tracker or MaskTracker(palette=Palette())
        self._pipeline = MaskPipeline(
            segmenter, sync="live", time_base=float(time_base), looks=ONE, tracker=tracker, refine=refine
        )
        self._newest: Result | None = None  # the mask in use
        self._inference = inference(self._pipeline.segment)

    def weights(self, frame: Frame) -> PlaneWeights:
        """As the protocol says. StreamError while no mask is newer than MAX_AGE_S; the next mask ends that."""
        pipeline = self._pipeline
        pyramid = pipeline.advance(frame)
        self._exchange(pyramid)
        pipeline.tracker.decide_by_color()
        self._check_age(pyramid.seconds)
        pipeline.stats.used(pyramid.seconds)
        # Edges are what is most visible, but a live picture larger than 720p leaves no time for fine ones.
        fine = max(pyramid.medium.shape) < _FINE_SIDE
        return pipeline.refined(pipeline.planes, pipeline.guide(pyramid, pyramid.medium if fine else pyramid.small))

    def stats(self) -> Mapping[str, object]:
        """As the protocol says."""
        return self._pipeline.report()

    def close(self) -> None:
        """End and join the inference thread. Twice is fine."""
        self._inference.close()

    def _exchange(self, pyramid: FramePyramid) -> None:
        """Offer this frame, and take in the mask that is ready; in a new scene wait for one of it."""
        self._inference.offer(pyramid, pyramid.seconds)
        if (done := self._inference.result()) is not None:
            self._take(done)
        end = time.monotonic() + (FIRST_MASK_S if self._newest is None else _NEXT_SCENE_S)
        while self._pipeline.tracker.planes is None:  # the tracker refuses masks of the scene before
            self._take(self._inference.wait(end - time.monotonic()))

    def _take(self, result: Result) -> None:
        if self._pipeline.correct(result.mask, result.seconds):
            self._newest = result

    def _check_age(self, seconds: float) -> None:
        # In stream time and in wall time: a file may run faster than its time stamps, and a loop that was held up has
        # not made its masks any older.
        assert self._newest is not None  # the tracker has planes
        age = min(seconds - self._newest.seconds, time.monotonic() - self._newest.offered)
        if age > MAX_AGE_S:
            raise too_slow(f"the newest mask is {age:.1f} s old")
