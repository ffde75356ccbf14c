"""Masks that each frame waits for: photos, and streams that may take their time."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from livestyle.frame import Frame, PlaneWeights
from livestyle.masks.edges import Refine, refine
from livestyle.masks.pipeline import MaskPipeline
from livestyle.masks.tracker import MaskTracker
from livestyle.protocols import Segmenter


class ExactMasks:
    """Segments every frame, on the thread that asks. Implements livestyle.protocols.MaskMaker.

    `time_base`: seconds per unit of pts. `tracker` and `refine` replace its own, to measure them or to leave them out.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        time_base: Fraction | float = Fraction(1, 1000),
        tracker: MaskTracker | None = None,
        refine: Refine = refine,
    ) -> None:
        self._pipeline = MaskPipeline(
            segmenter, sync="exact", time_base=float(time_base), tracker=tracker, refine=refine
        )

    def weights(self, frame: Frame) -> PlaneWeights:
        """As the protocol says; knows the frames before this one."""
        pipeline = self._pipeline
        pyramid = pipeline.advance(frame)
        pipeline.correct(pipeline.segment(pyramid), pyramid.seconds)
        pipeline.stats.used(pyramid.seconds)
        return pipeline.refined(pipeline.planes, pipeline.guide(pyramid, pyramid.medium))

    def stats(self) -> Mapping[str, object]:
        """As the protocol says."""
        return self._pipeline.report()

    def close(self) -> None:
        """Nothing is open."""
