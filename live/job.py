"""One run of one source: the frame loop over parts that are ready, and the report about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from livestyle.current_style import CurrentStyle
from livestyle.errors import INTERRUPTED, LivestyleError
from livestyle.feed import Feed
from livestyle.frame import StreamInfo
from livestyle.governor.monitor import BudgetMonitor, budget_of
from livestyle.governor.policy import Budget, Governor, Step, ladder
from livestyle.governor.switch import QualitySwitch
from livestyle.loop import Hold, run
from livestyle.masks.exact import ExactMasks
from livestyle.masks.live import LiveMasks
from livestyle.masks.lookahead import INTERVAL, LookaheadMasks
from livestyle.media.hold_card import hold_card
from livestyle.protocols import MaskMaker, ResizableSegmenter, Segmenter, Sink, Source
from livestyle.report import Meter, Report, latencies, slowest
from livestyle.settings import Settings
from livestyle.sinks.live_outputs import Outputs
from livestyle.stylist import Stylist
from livestyle.system.stop import Stop

log = logging.getLogger("livestyle")

HoldText = tuple[str, str]
"""Heading and sentence of a hold card."""

AWAY: HoldText = ("One moment", "the camera is away")
STARTING: HoldText = ("One moment", "the camera is starting")  # for whoever begins to watch


@dataclass(frozen=True, slots=True)
class Styling:
    """What styles the frames of one run."""

    frames: Source  # the run's source, or for a file's masks a stage behind it that looks ahead
    masks: MaskMaker
    stylist: Stylist
    monitor: BudgetMonitor | None = None  # live, with a budget


def open_styling(stack: ExitStack, source: Source, style: CurrentStyle, settings: Settings, *, live: bool) -> Styling:
    """Load the model and compile the style for one run of `source`; `stack` closes what makes the masks.

    With a budget, the parts of the masks are those that the governor switches. Raises ModelError, DeviceError,
    StyleError.
    """
    live_masks = live if settings.sync == "auto" else settings.sync == "live"
    budget = _budget(source.info, settings, by_default=live_masks) if live else Budget()
    grade, time_base = style.grade(), source.info.time_base
    if not budget.unlimited:
        steps = _steps(style, live_masks=live_masks)
        switch = stack.enter_context(closing(QualitySwitch(steps[0], partial(_segmenter, style, live_masks))))
        masks = stack.enter_context(closing(_switched_masks(switch, time_base, live_masks=live_masks)))
        return Styling(source, masks, Stylist(masks, grade), BudgetMonitor(Governor(steps, budget), switch))
    segmenter = style.segmenter(live=live_masks)
    if not live and not live_masks and source.info.rate is not None and not grade.is_identity:  # a video
        ahead = LookaheadMasks(source, segmenter, interval=0 if settings.sync == "exact" else INTERVAL)
        return Styling(ahead, stack.enter_context(closing(ahead)), Stylist(ahead, grade))
    masks = (LiveMasks if live_masks else ExactMasks)(segmenter, time_base=time_base)
    return Styling(source, stack.enter_context(closing(masks)), Stylist(masks, grade))


def _switched_masks(switch: QualitySwitch, time_base: Fraction, *, live_masks: bool) -> MaskMaker:
    if live_masks:
        return LiveMasks(switch.segmenter, time_base=time_base, inference=switch.inference, refine=switch.edges)
    return ExactMasks(switch.segmenter, time_base=time_base, refine=switch.edges)


def _budget(info: StreamInfo, settings: Settings, *, by_default: bool) -> Budget:
    """A live run's. Where frames wait for their masks, and for played files, there is none unless one was given."""
    rate = float(info.rate) if info.rate else None
    default = by_default and info.path is None
    return budget_of(settings.max_latency, settings.max_cpu, rate=rate, default=default)


def _steps(style: CurrentStyle, *, live_masks: bool) -> tuple[Step, ...]:
    resizable = isinstance(style.segmenter(live=live_masks), ResizableSegmenter)
    return ladder(smaller=style.smaller_model, resizable=resizable, paced=live_masks)


def _segmenter(style: CurrentStyle, live_masks: bool, step: Step) -> Segmenter:
    """The segmenter of a quality step. Called on another thread too."""
    segmenter: Segmenter = style.segmenter(live=live_masks, model=step.model)
    if step.share != 1 and isinstance(segmenter, ResizableSegmenter):
        return segmenter.resized(step.share)
    return segmenter


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of one source. Whoever opened its parts closes them, after it.

    A live run's `outputs` are one of its `sinks`. They are closed by the run itself, because that may fail too and
    belongs into the report.
    """

    style: CurrentStyle
    styling: Styling
    sinks: Sequence[Sink]  # in the order in which they get each frame
    meter: Meter  # from whose making the report's seconds and `duration` count
    names: tuple[str, ...] = ()  # what the report calls the outputs
    outputs: Outputs | None = None  # live only
    hold_text: HoldText | None = None  # what outputs show while there is no picture; None: not a camera
    duration: float | None = None  # seconds after which the run ends; None: when the source does

    def run(self, stop: Stop) -> Report:
        """Run to the end; a LivestyleError that ends the run early is in the report. Raises anything else."""
        with Feed(self.styling.frames) as feed:
            failure = self._loop(feed, stop)
            stop.finishing()
            if self.outputs is not None:
                self.outputs.close()
                failure = failure or self.outputs.failure
            return self._report(feed, failure, interrupted=stop.asked)

    def _loop(self, feed: Feed, stop: Stop) -> LivestyleError | None:
        monitor = self.styling.monitor
        try:
            run(
                feed,
                self.styling.stylist.render,
                self.sinks,
                self.meter,
                hold=self._hold(),
                stop=lambda: stop() or self._is_over(),
                written=None if monitor is None else monitor.wrote,
            )
        except LivestyleError as error:
            log.debug("the run ended early", exc_info=True)
            return error
        return None

    def _is_over(self) -> bool:
        return self.duration is not None and self.meter.elapsed >= self.duration

    def _hold(self) -> Hold | None:
        text = self.hold_text
        return None if text is None else Hold(self.styling.frames.info, lambda size: hold_card(size, text))

    def _report(self, feed: Feed, failure: LivestyleError | None, *, interrupted: bool) -> Report:
        meter, monitor = self.meter, self.styling.monitor
        masks = dict(self.styling.masks.stats())
        by_output = () if self.outputs is None else self.outputs.reports()
        return Report(
            source=self.styling.frames.info.name,
            outputs=self.names if meter.out or self.outputs is not None else (),
            style=self.style.title,
            frames_in=feed.received,
            frames_out=meter.out,
            dropped=feed.dropped,
            held=meter.held,
            seconds=round(meter.elapsed, 3),
            fps=round(meter.out / max(meter.elapsed, 1e-9), 2),
            first_frame_s=None if meter.first_out is None else round(meter.first_out, 3),
            latency_ms=slowest(latencies(meter), by_output),
            device=str(masks.pop("device", "cpu")),
            masks=masks,
            quality=None if monitor is None else monitor.report(),
            color=self.style.grade().backend,
            error=None if failure is None else failure.message,
            hint="" if failure is None else failure.hint,
            by_output=by_output,
            exit_code=failure.exit_code if failure is not None else INTERRUPTED if interrupted else 0,
            interrupted=interrupted,
        )
