"""Frame in, styled frame out: segment, track, refine, grade. The only caller of all four."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Literal

from livestyle.frame import Frame, Masks, Weights, read_only
from livestyle.masks.denoise import TemporalDenoiser
from livestyle.masks.edges import Refine, refine
from livestyle.masks.inference import Inference, MaskStats, Result, too_slow
from livestyle.masks.lookahead import Lookahead
from livestyle.masks.pyramid import FramePyramid
from livestyle.masks.roi import RoiSegmenter
from livestyle.masks.tracker import MaskTracker, region_weights_of
from livestyle.protocols import Grade, Segmenter, Source

MAX_AGE_S = 2.0
"""Live, a mask is carried along for at most so long: what it says by then is a guess."""

FIRST_MASK_S = 10.0
"""Live, the first mask of all may take so long: devices compile and fill their caches in the first run."""

_FINE_SIDE = 900  # pixels: longer side of the largest copy to which live edges are fitted

_NEXT_SCENE_S = 2 * MAX_AGE_S  # the picture that the model is at when the scene changes goes first


class Stylist:
    """Styles the frames of one stream. Use from one thread; close it once.

    `sync` "exact": each frame waits for its own mask. "live": masks are computed beside the frames as fast as it goes
    and carried to the frame at hand by motion; only the first frame of a scene waits. `time_base` is the stream's.
    `tracker`, `inference` and `refine` take the place of its own stages: to measure them, or to do without one.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        grade: Grade,
        *,
        sync: Literal["exact", "live"] = "exact",
        time_base: Fraction | float = Fraction(1, 1000),
        tracker: MaskTracker | None = None,
        inference: Callable[[Callable[[FramePyramid], Weights]], Inference[FramePyramid]] = Inference,
        refine: Refine = refine,
    ) -> None:
        self.grade = grade  # may be replaced between two frames
        self._sync = sync
        self._time_base = float(time_base)
        self._tracker = tracker or MaskTracker()
        self._denoiser = TemporalDenoiser()
        self._refine = refine
        self._stats = MaskStats(segmenter, sync)
        self._newest: Result | None = None  # live: the mask in use
        self._roi_segmenter = RoiSegmenter(partial(region_weights_of, segmenter))
        self._inference = inference(self._roi_segmenter) if sync == "live" else None

    def render(self, frame: Frame) -> Frame:
        """`frame` styled, with `before` and `masks` set; size, dtype, pts and captured stay.

        Where the grade changes nothing, the pixels are the frame's own and nothing is segmented; a frame that comes
        with masks (see `ahead`) is styled by them. Raises what the segmenter raised, also where it ran on another
        thread. Live, StreamError while no mask is newer than MAX_AGE_S; the next mask ends that.
        """
        if self.grade.is_identity:
            return replace(frame, before=frame.pixels, masks=None)
        weights = self._weights(frame) if frame.masks is None else frame.masks.weights
        pixels = read_only(self.grade(frame.pixels, weights))
        return replace(frame, pixels=pixels, before=frame.pixels, masks=Masks(weights))

    def ahead(self, source: Source, *, interval: float) -> Source:
        """`source`, a file, whose frames come with masks that know the frames after them too; `render` uses them.

        At most `interval` seconds lie between two frames that are segmented, on the thread that iterates; 0: every
        frame is. Where nothing is to be styled it is `source` itself.
        """
        if self.grade.is_identity:
            return source
        self._stats.sync = "ahead" if interval else "exact"
        return Lookahead(source, self._roi_segmenter, self._refine, self._note, interval=interval)

    def stats(self) -> Mapping[str, object]:
        """For the report: sync, device, masks, masks_per_s, and the age of masks in seconds as age_p50_s, age_p95_s."""
        return self._stats.report()

    def close(self) -> None:
        """End and join the inference thread. Twice is fine."""
        if self._inference is not None:
            self._inference.close()

    def _weights(self, frame: Frame) -> Weights:
        seconds = frame.pts * self._time_base
        pyramid = FramePyramid(frame.pixels, seconds)
        self._tracker.advance(pyramid.luma, seconds)
        if self._inference is None:
            self._correct(self._roi_segmenter(pyramid), seconds)
        else:
            self._take_turns(self._inference, pyramid, seconds)
        planes = self._tracker.planes
        assert planes is not None  # the first frame of a scene waited for its mask
        self._stats.used(seconds)
        # Edges are what shows most. A file has the time for fine ones of any frame, a live picture for those of 720p.
        fine = self._inference is None or max(pyramid.medium.shape) < _FINE_SIDE
        shown = pyramid.medium if fine else pyramid.small
        return self._refine(planes, self._denoiser.follow(shown, pyramid.luma, seconds, self._tracker.motion))

    def _take_turns(self, inference: Inference[FramePyramid], pyramid: FramePyramid, seconds: float) -> None:
        inference.offer(pyramid, seconds)
        if (done := inference.result()) is not None:
            self._take(done)
        end = time.monotonic() + (FIRST_MASK_S if self._newest is None else _NEXT_SCENE_S)
        while self._tracker.planes is None:  # a new scene: masks of the one before are refused by the tracker
            self._take(inference.wait(end - time.monotonic()))
        self._check_age(seconds)

    def _take(self, result: Result) -> None:
        if self._correct(result.weights, result.seconds):
            self._newest = result

    def _check_age(self, seconds: float) -> None:
        # By both clocks: a file may run faster than its time, and a loop that was held up has grown no older masks.
        assert self._newest is not None  # the tracker has planes
        age = min(seconds - self._newest.seconds, time.monotonic() - self._newest.offered)
        if age > MAX_AGE_S:
            raise too_slow(f"the newest mask is {age:.1f} s old")

    def _note(self, seconds: float) -> None:
        self._stats.taken(seconds)
        if self._stats.sync == "exact":  # else frames wear masks of both sides, which have no one age
            self._stats.used(seconds)

    def _correct(self, weights: Weights, seconds: float) -> bool:
        if taken := self._tracker.correct(weights, seconds):
            self._stats.taken(seconds)
        return taken
