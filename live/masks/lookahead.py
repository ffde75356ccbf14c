"""Masks for files, where the future is known: a mean over the frames before and after, so that nothing lags.

A file's frames are read a little ahead. The masks before a frame are carried to it forwards, by the tracker; those
after it backwards, by the motion the other way; both means are joined. So not every frame needs a mask of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from livestyle.frame import Frame, Masks, StreamInfo, Weights
from livestyle.masks.denoise import TemporalDenoiser
from livestyle.masks.edges import Refine
from livestyle.masks.flow import FlowEstimator, Luma, Motion
from livestyle.masks.pyramid import FramePyramid
from livestyle.masks.tracker import TAU, Belief, MaskTracker, mask_of
from livestyle.protocols import Source

AHEAD = 4
"""Frames that every frame (but a file's last ones) looks into the future. More than half of what TAU would look at."""

AT_ONCE = 4
"""Frames that are finished together: the way back from the future is walked once for all of them."""

INTERVAL = 0.1
"""Seconds between masks from which on a frame between them, told by both, is told worse than by a mask of its own."""

_ROUNDED = 1.05  # of the interval: times are rounded to milliseconds, and 29.97 frames/s are meant as 30


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame that waits for its future."""

    frame: Frame
    seconds: float
    guide: npt.NDArray[np.float32]  # the picture that its mask is fitted to
    weights: Weights | None  # its own mask, if it has one
    past: Belief  # the masks so far, its own among them
    onward: Motion | None  # of the frame before, from where it is now; None where a scene begins


class Lookahead:
    """A source whose frames come with `masks`. Implements livestyle.protocols.Source; holds AHEAD + AT_ONCE frames.

    Every frame of `source` comes, in its order and with its own times, also those before an error. `segment` makes
    region weights of a frame's pyramid, `refine` fits them to it; `noted` hears the seconds of each frame that was
    segmented: the first of each scene, then one about every `interval` seconds, and at least every AHEAD frames.
    """

    def __init__(
        self,
        source: Source,
        segment: Callable[[FramePyramid], Weights],
        refine: Refine,
        noted: Callable[[float], object] = lambda seconds: None,
        *,
        interval: float = 0.0,
    ) -> None:
        self._source = source
        self._segment, self._refine, self._noted = segment, refine, noted
        self._interval = interval
        self._unseen = 0  # frames since the newest that was segmented
        self._tracker = MaskTracker()
        self._flow = FlowEstimator()
        self._denoiser = TemporalDenoiser()
        self._luma: Luma | None = None  # of the newest frame
        self._window: deque[_Seen] = deque()

    @property
    def info(self) -> StreamInfo:
        """The source's own."""
        return self._source.info

    def __iter__(self) -> Iterator[Frame]:
        """Iterate once. Raises what the source and the segmenter raise, after the frames before."""
        failure: Exception | None = None
        try:
            for frame in self._source:
                self._window.append(self._see(frame))
                if len(self._window) == AHEAD + AT_ONCE:
                    yield from self._finished(AT_ONCE)
        except Exception as error:
            failure = error
        yield from self._finished(len(self._window))
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Close the source. Twice is fine."""
        self._source.close()

    def _see(self, frame: Frame) -> _Seen:
        seconds = float(frame.pts * self.info.time_base)
        pyramid = FramePyramid(frame.pixels, seconds)
        luma = pyramid.luma
        self._tracker.advance(luma, seconds)
        onward = None
        if self._luma is not None and self._tracker.belief is not None:
            onward = self._flow.between(self._luma, luma)
        self._luma = luma
        weights = self._segment(pyramid) if self._is_due(seconds) else None
        if weights is not None:
            self._tracker.correct(weights, seconds)
            self._noted(seconds)
        self._unseen = self._unseen + 1 if weights is None else 0
        past = self._tracker.belief
        assert past is not None  # the first frame of a scene is due
        guide = self._denoiser.follow(pyramid.medium, luma, seconds, self._tracker.motion)
        return _Seen(frame, seconds, guide, weights, past, onward)

    def _is_due(self, seconds: float) -> bool:
        """Whether the frame at `seconds` is to be segmented: without it, the next would be too late."""
        if self._tracker.belief is None or not self._window:
            return True
        step = seconds - self._window[-1].seconds
        return self._unseen + 1 >= AHEAD or (self._unseen + 2) * step > _ROUNDED * self._interval

    def _finished(self, count: int) -> Iterator[Frame]:
        """The first `count` frames of the window, which leave it."""
        beliefs = self._both_ways(count)
        for belief in beliefs:
            seen = self._window.popleft()
            yield replace(seen.frame, masks=Masks(self._refine(belief.planes, seen.guide)))

    def _both_ways(self, count: int) -> list[Belief]:
        """What is believed about the first `count` frames, walking back from the newest."""
        future: Belief | None = None
        found: list[Belief] = []
        for index in reversed(range(len(self._window))):
            seen = self._window[index]
            if index < count:
                found.append(_merged(seen, future))
            if index:
                future = _stepped_back(future, seen, self._window[index - 1].seconds)
        return found[::-1]


def _merged(seen: _Seen, future: Belief | None) -> Belief:
    """Both means, the past's with the frame's own mask; without one, neither has the last word."""
    if future is None:
        return seen.past
    return seen.past.merged_preferring_self(future) if seen.weights is not None else seen.past.merged_by_support(future)


def _stepped_back(future: Belief | None, seen: _Seen, seconds: float) -> Belief | None:
    """The masks of `seen` and of what comes after it, for the frame before it, at `seconds`."""
    known = future
    if seen.weights is not None:
        height, width = seen.past.support.shape
        own = mask_of(seen.weights, width, height)
        known = own if future is None else future.corrected(own)
    if seen.onward is None or known is None:
        return None
    elapsed = seen.seconds - seconds
    carried, _ = known.carried(seen.onward, elapsed)
    return carried.faded(elapsed, TAU)
