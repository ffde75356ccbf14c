"""Ways to get steady masks out of a model: livestyle's own, the same without one stage, and what others do.

Every method sees the same frames and the same raw outputs of the model. It is a function of a film and a segmenter that
yields (R, h, w) weights for every frame in order; what it costs is told to a stopwatch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from livestyle.bench.masks.cached_model import ShownSegmenter, SimulatedInference
from livestyle.bench.masks.oracle_tracking import carried, tracked
from livestyle.bench.sequences import TIME_BASE, Film, Moment
from livestyle.bench.stopwatch import Stopwatch, TimedFlow, TimedTracker
from livestyle.errors import UsageError
from livestyle.frame import REGIONS, Frame, Picture, PixelWeights, PlaneWeights, StreamInfo
from livestyle.masks.edges import Guide, refine
from livestyle.masks.exact import ExactMasks
from livestyle.masks.flow import WORKING_SIDE, Luma, Motion, half_of, shrink
from livestyle.masks.live import LiveMasks
from livestyle.masks.lookahead import INTERVAL, LookaheadMasks
from livestyle.masks.palette import Palette
from livestyle.masks.roi import Mask
from livestyle.masks.tracker import TAU
from livestyle.masks.weights import by_plane, segment
from livestyle.protocols import MaskMaker, Segmenter

Masks = Iterator[PlaneWeights]
Way = Callable[[Film, Segmenter, Stopwatch], Masks]

RATE = 12.0
"""Masks a second that a small computer gives beside a live picture."""

EMA_S = 0.1
"""Seconds in which the plain moving average takes in 63 % of a new mask."""

COMBINE = 0.7
"""`combine_with_previous_ratio` of MediaPipe's pose graph."""


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the table."""

    name: str
    about: str
    way: Way
    needs_truth: bool = False


def moments_shown(film: Film, segmenter: Segmenter) -> Iterator[Moment]:
    """The film's moments, each shown first to a segmenter that must see it."""
    for moment in film.moments:
        if isinstance(segmenter, ShownSegmenter):
            segmenter.see(moment)
        yield moment


def raw_masks(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    """The model's own mask of every frame, of the same copy of the frame that livestyle gives it."""
    for moment in moments_shown(film, segmenter):
        yield segment(segmenter, shrink(moment.pixels, 2 * WORKING_SIDE))


def _held(rate: float, film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    """The newest mask that has come, wherever things have gone since."""

    def mask(picture: Picture) -> Mask:
        return Mask(segment(segmenter, picture))

    inference = SimulatedInference(mask, 1 / rate)
    newest = None
    for moment in moments_shown(film, segmenter):
        inference.offer(shrink(moment.pixels, 2 * WORKING_SIDE), float(moment.pts * TIME_BASE))
        done = inference.result() if newest is not None else inference.wait(0)
        newest = done or newest
        assert newest is not None
        yield newest.mask.weights


def _averaged(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    """Exponential moving average over time, the same at every frame rate."""
    share = 1 - math.exp(-1 / (float(film.rate) * EMA_S))
    kept: PlaneWeights | None = None
    for new in raw_masks(film, segmenter, watch):
        kept = new if kept is None else PlaneWeights(kept + np.float32(share) * (new - kept))
        yield kept


def _by_uncertainty(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    """MediaPipe's SegmentationSmoothingCalculator: the old value weighs in by the squared entropy of the new one.

    It knows one plane; here every region's plane is smoothed by itself and their sum made 1 again.
    """
    kept: PlaneWeights | None = None
    for new in raw_masks(film, segmenter, watch):
        if kept is not None:
            mixed = new + (kept - new) * (_entropy(new) ** 2 * np.float32(COMBINE))
            new = PlaneWeights(mixed / np.maximum(mixed.sum(axis=0), 1e-6))
        kept = new
        yield new


def _entropy(p: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of a yes or no with probability `p`, in bits: 0..1."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)), np.float32)


def _everything_background(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    weights = PlaneWeights(np.zeros((len(REGIONS), 1, 1), np.float32))
    weights[REGIONS.index("background")] = 1
    for _ in film.moments:
        yield weights


def _truth(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    _check_known(film, "truth")
    for moment in film.moments:
        assert moment.truth is not None
        yield by_plane(PixelWeights(moment.truth.weights))


def _check_known(film: Film, method: str) -> None:
    if not all(moment.truth for moment in film.moments):
        raise UsageError(f"the method {method} needs a sequence whose truth is known")


def _perfectly_tracked(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    _check_known(film, "perfect")
    return tracked(film.moments, own()(film, segmenter, watch))


def _perfectly_carried(rate: float, film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
    """The newest late mask, as exact masks have it, moved to where people truly are; a new scene waits for its own."""
    _check_known(film, "perfect-live")
    exact = [Mask(weights) for weights in own()(film, segmenter, watch)]
    inference = SimulatedInference(exact.__getitem__, 1 / rate)
    at = {float(moment.pts * TIME_BASE): moment for moment in film.moments}
    newest = None
    for index, (seconds, moment) in enumerate(at.items()):
        inference.offer(index, seconds)
        newest = inference.result() or newest
        while newest is None or at[newest.seconds].scene != moment.scene:
            newest = inference.wait(0)
        yield carried(newest.mask.weights, at[newest.seconds], moment)


class _NoMotion(TimedFlow):
    def between(self, now: Luma, before: Luma) -> Motion:
        width, height = half_of(now)
        return Motion(np.zeros((height, width, 2), np.float32), np.ones((height, width), np.float32))


def _unrefined(planes: PixelWeights, guide: Guide) -> PlaneWeights:
    return by_plane(planes)


def own(*, sync: Literal["exact", "live"] = "exact", tau: float = TAU, motion: bool = True, edges: bool = True,
        colors: bool = True, per_second: float = RATE) -> Way:  # fmt: skip
    """livestyle's own masks, with stages switched off. Live, a mask takes 1 / `per_second` seconds."""

    def maker(segmenter: Segmenter, watch: Stopwatch) -> MaskMaker:
        palette = Palette() if colors and sync == "live" else None
        flow = TimedFlow(watch) if motion else _NoMotion(watch)
        tracker = TimedTracker(watch, tau=tau, flow=flow, palette=palette)
        refining = watch.timed("refine", refine if edges else _unrefined)
        if sync == "exact":
            return ExactMasks(segmenter, time_base=TIME_BASE, tracker=tracker, refine=refining)
        return LiveMasks(segmenter, time_base=TIME_BASE, tracker=tracker, refine=refining,
                         inference=lambda segment: SimulatedInference(segment, 1 / per_second))  # fmt: skip

    def masks(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
        with closing(maker(segmenter, watch)) as masks:
            for moment in moments_shown(film, segmenter):
                yield masks.weights(Frame(moment.pixels, moment.pts, time.monotonic()))

    return masks


class _FilmSource:
    """A film as livestyle.protocols.Source."""

    def __init__(self, film: Film, segmenter: Segmenter) -> None:
        self._film, self._segmenter = film, segmenter
        self.info = StreamInfo(film.name, film.size, TIME_BASE, film.rate)

    def __iter__(self) -> Iterator[Frame]:
        for moment in moments_shown(self._film, self._segmenter):
            yield Frame(moment.pixels, moment.pts, time.monotonic())

    def close(self) -> None:
        """Nothing is open."""


def _ahead(interval: float = INTERVAL) -> Way:
    """As a file is styled: every mask knows the frames after its own too."""

    def masks(film: Film, segmenter: Segmenter, watch: Stopwatch) -> Masks:
        source = _FilmSource(film, segmenter)
        refining = watch.timed("refine", refine)
        with closing(LookaheadMasks(source, segmenter, interval=interval, refine=refining)) as masks:
            for frame in masks:
                yield masks.weights(frame)

    return masks


def methods_at(rate: float) -> Mapping[str, Method]:
    """Every method by its name; live ones get `rate` late masks a second."""
    methods = (
        Method("truth", "the truth itself, at half the size: what no mask can beat", _truth, needs_truth=True),
        Method(
            "perfect",
            "livestyle's masks averaged along the true motion: what no filter over time can beat",
            _perfectly_tracked,
            needs_truth=True,
        ),
        Method(
            "perfect-live",
            f"the newest of {rate:g} late masks a second, moved by the true motion: what no live mask can beat",
            partial(_perfectly_carried, rate),
            needs_truth=True,
        ),
        Method("global", "no masks: everything gets the background's look", _everything_background),
        Method("raw", "the model's mask of each frame, enlarged", raw_masks),
        Method("ema", f"moving average over {EMA_S:g} s", _averaged),
        Method("mediapipe", "smoothed by uncertainty, as MediaPipe does", _by_uncertainty),
        Method("ours", "livestyle, a mask of every frame, knowing those before", own()),
        Method("ahead", f"livestyle on a file: a mask every {INTERVAL:g} s, knowing the frames after too", _ahead()),
        Method("ahead-exact", "the same, a mask of every frame (--sync exact)", _ahead(0)),
        Method("-motion", "the same, nothing carried along", own(motion=False)),
        Method("-time", "the same, nothing kept over time", own(tau=1e-6)),
        Method("-edges", "the same, edges not refined", own(edges=False)),
        Method("live", f"livestyle at {rate:g} late masks a second (--sync live)", own(sync="live", per_second=rate)),
        Method(
            "live-colors",
            "the same, the stream's own colours not used",
            own(sync="live", colors=False, per_second=rate),
        ),
        Method("held", f"the model's newest of {rate:g} late masks a second, as it is", partial(_held, rate)),
    )
    return {method.name: method for method in methods}


METHODS = methods_at(RATE)
"""Every method by its name, at the usual rate."""


def methods_named(names: list[str], rate: float = RATE) -> list[Method]:
    """The methods called so, at `rate` late masks a second; all of them for none. Raises UsageError."""
    for name in names:
        if name not in METHODS:
            raise UsageError(f"There is no method called {name}", hint=f"methods: {', '.join(METHODS)}")
    at_rate = methods_at(rate)
    return [at_rate[name] for name in names or METHODS]
