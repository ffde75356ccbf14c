"""Masks for files, where the future is known: a mean over the frames before and after, so that nothing lags.

A file's frames are read a little ahead. The masks before a frame are warped forwards to it, by the tracker; those after
it backwards, by the motion the other way; both means are merged. So not every frame needs a mask of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from livestyle.frame import Frame, Masks, PlaneWeights, StreamInfo
from livestyle.masks.edges import Guide, Refine, refine
from livestyle.masks.flow import FlowEstimator, Luma, Motion, Plane
from livestyle.masks.pipeline import MaskPipeline
from livestyle.masks.roi import ALL, SEVERAL, Mask
from livestyle.masks.tracker import TAU, Belief, at_size_of, belief_from
from livestyle.protocols import Segmenter, Source

AHEAD = 4
"""Frames that every frame (but a file's last ones) looks into the future. More than half of what TAU would look at."""

AT_ONCE = 4
"""Frames that are finished together: the way back from the future is walked once for all of them."""

INTERVAL = 0.1
"""Seconds between masks above which a frame between two of them gets a worse mask from both than one of its own."""

_ROUNDED = 1.05  # of the interval: times are rounded to milliseconds, and 29.97 frames/s are meant as 30


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A frame that waits for its future."""

    frame: Frame
    seconds: float
    guide: Guide
    mask: Mask | None  # its own, if it has one
    turns: int  # masks after which all of a frame has been looked at, at this time
    past: Belief  # the masks so far, its own among them
    onward: Motion | None  # of the frame before, from where it is now; None where a scene begins


class LookaheadMasks:
    """A stage between a source and its feed: the frames of `source`, a file, with `masks` attached.

    Implements livestyle.protocols.Source, whose iteration makes the masks on the thread that iterates (the feed's), and
    livestyle.protocols.MaskMaker, which returns them frame by frame. Every frame of `source` comes, in its order
    and with its own times, also those before an error. Holds AHEAD + AT_ONCE frames.

    Segmented are the first frame of each scene, then one about every `interval` seconds (0: every frame), and at least
    every AHEAD frames. `refine` replaces its own, to measure it or to leave it out.
    """

    def __init__(
        self, source: Source, segmenter: Segmenter, *, interval: float = INTERVAL, refine: Refine = refine
    ) -> None:
        self._source = source
        self._interval = interval
        sync = "ahead" if interval else "exact"
        looks = SEVERAL if interval else ALL
        self._pipeline = MaskPipeline(segmenter, sync=sync, time_base=source.info.time_base, looks=looks, refine=refine)
        self._unsegmented = 0  # frames since the newest that was segmented
        self._turns = 1
        self._flow = FlowEstimator()
        self._luma: Luma | None = None  # of the newest frame
        self._window: deque[_Waiting] = deque()

    @property
    def info(self) -> StreamInfo:
        """The source's own."""
        return self._source.info

    def __iter__(self) -> Iterator[Frame]:
        """Iterate once. Raises what the source and the segmenter raise, after the frames before."""
        failure: Exception | None = None
        try:
            for frame in self._source:
                self._window.append(self._entered(frame))
                if len(self._window) == AHEAD + AT_ONCE:
                    yield from self._finished(AT_ONCE)
        except Exception as error:
            failure = error
        yield from self._finished(len(self._window))
        if failure is not None:
            raise failure

    def weights(self, frame: Frame) -> PlaneWeights:
        """The weights that `frame` came with. Raises ValueError for one that did not come from here."""
        if frame.masks is None:
            raise ValueError("masks that look ahead come with the frames that this source yields")
        return frame.masks.weights

    def stats(self) -> Mapping[str, object]:
        """As the protocol says; without ages where frames have masks of both sides, which have no one age."""
        return self._pipeline.report()

    def close(self) -> None:
        """Close the source. Twice is fine."""
        self._source.close()

    def _entered(self, frame: Frame) -> _Waiting:
        pipeline = self._pipeline
        pyramid = pipeline.advance(frame)
        seconds, luma = pyramid.seconds, pyramid.luma
        onward = None
        if self._luma is not None and pipeline.tracker.belief is not None:
            onward = self._flow.between(self._luma, luma)
        self._luma = luma
        mask = pipeline.segment(pyramid) if self._is_due(seconds) else None
        if mask is not None:
            self._correct(mask, seconds)
            self._turns = mask.turns
        self._unsegmented = self._unsegmented + 1 if mask is None else 0
        past = pipeline.tracker.belief
        assert past is not None  # the first frame of a scene is due
        return _Waiting(frame, seconds, pipeline.guide(pyramid, pyramid.medium), mask, self._turns, past, onward)

    def _correct(self, mask: Mask, seconds: float) -> None:
        self._pipeline.correct(mask, seconds)
        if not self._interval:
            self._pipeline.stats.used(seconds)

    def _is_due(self, seconds: float) -> bool:
        """Whether the frame at `seconds` is to be segmented: without it, the next would be too late."""
        if self._pipeline.tracker.belief is None or not self._window:
            return True
        gap = seconds - self._window[-1].seconds
        return self._unsegmented + 1 >= AHEAD or (self._unsegmented + 2) * gap > _ROUNDED * self._interval

    def _finished(self, count: int) -> Iterator[Frame]:
        """The first `count` frames of the window, which leave it."""
        beliefs = self._from_both_sides(count)
        for belief in beliefs:
            waiting = self._window.popleft()
            yield replace(waiting.frame, masks=Masks(self._pipeline.refined(belief.planes, waiting.guide)))

    def _from_both_sides(self, count: int) -> list[Belief]:
        """What is believed about the first `count` frames, walking back from the newest."""
        future: Belief | None = None
        found: list[Belief] = []
        for index in reversed(range(len(self._window))):
            waiting = self._window[index]
            if index < count:
                found.append(_merged(waiting, future))
            if index:
                future = _one_frame_back(future, waiting, self._window[index - 1].seconds)
        return found[::-1]


def _merged(waiting: _Waiting, future: Belief | None) -> Belief:
    """Both means: the past's takes precedence where it holds the frame's own mask, else neither does."""
    past, mask = waiting.past, waiting.mask
    if future is None:
        return past
    if mask is None:
        return past.merged_by_support(future)
    own = past.merged_preferring_self(future)
    return (
        own if mask.seen is None else past.merged_by_support(future).blended(own, at_size_of(past.support, mask.seen))
    )


def _with_own(future: Belief | None, mask: Mask, like: Plane) -> Belief:
    """The masks of the frames after one, with its own."""
    height, width = like.shape
    own = belief_from(mask.weights, width, height)
    if mask.seen is None:
        return own if future is None else future.corrected(own)
    seen = at_size_of(like, mask.seen)
    return Belief(own.planes, seen) if future is None else future.blended(future.corrected(own), seen)


def _one_frame_back(future: Belief | None, waiting: _Waiting, seconds: float) -> Belief | None:
    """The masks of a frame and of those after it, for the frame before it, at `seconds`."""
    known = future
    if waiting.mask is not None:
        known = _with_own(future, waiting.mask, waiting.past.support)
    if waiting.onward is None or known is None:
        return None
    elapsed = waiting.seconds - seconds
    warped, _ = known.warped(waiting.onward, elapsed, waiting.turns)
    return warped.faded(elapsed, TAU)
