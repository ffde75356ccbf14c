"""From a frame to its weights, step by step: what all makers of masks share, and the state of one stream."""

from __future__ import annotations

from fractions import Fraction

from livestyle.frame import Frame, Picture, PixelWeights, PlaneWeights
from livestyle.masks.denoise import TemporalDenoiser
from livestyle.masks.edges import Guide, Refine, refine
from livestyle.masks.pyramid import FramePyramid
from livestyle.masks.roi import ALL, Looks, Mask, RoiSegmenter
from livestyle.masks.stats import MaskStats
from livestyle.masks.tracker import MaskTracker
from livestyle.protocols import Segmenter


class MaskPipeline:
    """The steps to the weights of a frame, in the order in which a maker calls them; it decides which are due when.

    Not thread-safe: one thread makes all calls. `segment` alone may be called from another one, always the same: it has
    state of its own, the region of interest.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        sync: str,
        time_base: Fraction | float,
        looks: Looks = ALL,
        tracker: MaskTracker | None = None,
        refine: Refine = refine,
    ) -> None:
        """`sync`: what the report calls the maker. `time_base`: seconds per unit of the frames' pts.

        `looks`: how much of a frame may be segmented for one mask.
        `tracker` and `refine` replace the pipeline's own, to measure them or to leave them out.
        """
        self.tracker = tracker or MaskTracker()
        self.stats = MaskStats(segmenter, sync)
        self.segment = RoiSegmenter(segmenter, looks)
        self._time_base = time_base
        self._denoiser = TemporalDenoiser()
        self._refine = refine

    def advance(self, frame: Frame) -> FramePyramid:
        """Go on to `frame`: what is believed is warped by the motion since the frame before."""
        pyramid = FramePyramid(frame.pixels, float(frame.pts * self._time_base))
        self.tracker.advance(pyramid.luma, pyramid.seconds, pyramid.small)
        return pyramid

    def correct(self, mask: Mask, seconds: float) -> bool:
        """Take in the mask of the frame at `seconds`, this one or an earlier one. False: it came too late."""
        if taken := self.tracker.correct(mask.weights, seconds, mask.seen, mask.turns):
            self.stats.taken(seconds)
        return taken

    @property
    def planes(self) -> PixelWeights:
        """What is now believed about the frame. The first frame of a scene must have been corrected."""
        planes = self.tracker.planes
        assert planes is not None
        return planes

    def report(self) -> dict[str, object]:
        """As livestyle.protocols.MaskMaker.stats. From any thread."""
        return {**self.stats.report(), "people": len(self.segment.people)}

    def guide(self, pyramid: FramePyramid, picture: Picture) -> Guide:
        """`picture`, one of the pyramid's, without noise: once for each frame."""
        return self._denoiser.follow(picture, pyramid.luma, pyramid.seconds, self.tracker.motion)

    def refined(self, planes: PixelWeights, guide: Guide) -> PlaneWeights:
        """Weights with the edges of the guide, at its size."""
        return self._refine(planes, guide)
