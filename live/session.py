"""Puts a source, a stylist and sinks together for one job, runs the loop and tells what happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from livestyle.console.progress import progress_sink
from livestyle.current_style import CurrentStyle
from livestyle.errors import INTERRUPTED, LivestyleError, StreamError, UsageError
from livestyle.feed import Feed
from livestyle.frame import StreamInfo
from livestyle.governor.monitor import BudgetMonitor, budget_of
from livestyle.governor.policy import Budget, Governor, Step, ladder
from livestyle.governor.switch import QualitySwitch, Resizable
from livestyle.loop import Hold, run
from livestyle.masks.lookahead import INTERVAL
from livestyle.media.hold_card import hold_card
from livestyle.media.resize import Size, size_within
from livestyle.protocols import Segmenter, Sink, Source
from livestyle.report import Meter, Report, latencies, slowest
from livestyle.settings import Settings
from livestyle.sinks.files.recording import RecordSink, SnapshotSink
from livestyle.sinks.files.rescue import tidied
from livestyle.sinks.live_outputs import DirectOutput, LiveOutput, Outputs
from livestyle.sinks.queued import REALTIME, QueuedSink
from livestyle.stylist import Stylist
from livestyle.system.stop import Stop

log = logging.getLogger("livestyle")

AWAY = ("One moment", "the camera is away")
STARTING = ("One moment", "the camera is starting")  # what waits for whoever begins to watch


def style_file(path: Path, output: Path, style: CurrentStyle, settings: Settings, stop: Stop, *, quiet: bool) -> Report:
    """Style one photo or video into `output`."""
    photo = is_photo(path)
    if photo:
        _say_what_photos_ignore(path, settings)
    with ExitStack() as stack:
        source = stack.enter_context(closing(_open_file(path, settings, photo=photo)))
        stack.enter_context(stop.listening())  # from here on Ctrl-C means: finish what was begun
        sink = stack.enter_context(closing(_file_sink(output, source, path, settings, photo=photo)))
        sinks: list[Sink] = [sink]
        if not quiet:
            sinks.append(stack.enter_context(closing(progress_sink(source.info, path.name))))
        report = Job(source, style, settings, live=False).run(sinks, (str(output),), stop)
    if report.interrupted and report.outputs:
        log.warning("stopped on request: %s is whole, but holds only the first %d frames", output, report.frames_out)
    return report


def play_file(path: Path, style: CurrentStyle, settings: Settings, stop: Stop) -> Report:
    """Play one photo or video, styled, in a window."""
    from livestyle.sources.paced import PacedSource, RepeatedSource

    photo = is_photo(path)
    with closing(_open_file(path, settings, photo=photo)) as source:
        paced = RepeatedSource(source) if photo else PacedSource(source)
        return _show(paced, style, replace(settings, mirror=False, window=True, virtual_camera=None), stop)


def run_camera(which: str, output: Path | None, style: CurrentStyle, settings: Settings, stop: Stop) -> Report:
    """Style a camera into a window, a virtual camera, a file, or several of them."""
    from livestyle.sources.network.addresses import is_address

    settings = replace(settings, mirror=not is_address(which) if settings.mirror is None else settings.mirror)
    with closing(_open_camera(which, settings)) as source:
        return _show(source, style, settings, stop, output)


def _open_camera(which: str, settings: Settings) -> Source:
    from livestyle.sources.camera import CameraSource

    def opened() -> Source:
        return CameraSource(which, size=settings.size, rate=settings.rate, wait=settings.wait)

    if not settings.on_demand:
        return opened()
    from livestyle.sources.camera_names import find_target
    from livestyle.sources.network.addresses import is_address, parse_address
    from livestyle.sources.on_demand import OnDemandCamera

    name = parse_address(which).label if is_address(which) else find_target(which).label
    return OnDemandCamera(name, opened, size=settings.size, rate=settings.rate)


def _say_what_photos_ignore(path: Path, settings: Settings) -> None:
    usual = Settings()
    given = [name for name in ("start", "duration", "size", "rate", "codec", "crf")
             if getattr(settings, name) != getattr(usual, name)]  # fmt: skip
    if given:
        names = ", ".join("--fps" if name == "rate" else f"--{name}" for name in given)
        log.warning("%s is a photo and keeps its size and format: %s does nothing to it", path, names)


def is_photo(path: Path) -> bool:
    """Whether the file's content is a still picture."""
    from livestyle.sources.files.file_type import kind_of

    return kind_of(path) == "photo"


def _open_file(path: Path, settings: Settings, *, photo: bool) -> Source:
    if photo:
        from livestyle.sources.files.photo import PhotoSource

        return PhotoSource(path)
    from livestyle.sources.files.video import VideoSource

    return VideoSource(path, start=settings.start, duration=settings.duration)


def _file_sink(output: Path, source: Source, path: Path, settings: Settings, *, photo: bool) -> Sink:
    if photo:
        from livestyle.sinks.files.photo import PhotoSink

        return PhotoSink(output, path, overwrite=settings.overwrite)
    return _video_sink(output, source.info, settings)


def _video_sink(output: Path, info: StreamInfo, settings: Settings) -> Sink:
    from livestyle.sinks.files.video import VideoSink

    return VideoSink(
        output,
        info,
        codec=settings.codec,
        crf=settings.crf,
        size=None if settings.size is None else even_fit(info.size, settings.size),
        rate=settings.rate,
        overwrite=settings.overwrite,
    )


def even_fit(size: Size, box: Size) -> Size:
    """The largest even size with the aspect of `size` inside `box`: what every codec takes and every player shows."""
    width, height = size_within(size, box)
    return max(2, width - width % 2), max(2, height - height % 2)


def _show(source: Source, style: CurrentStyle, settings: Settings, stop: Stop, output: Path | None = None) -> Report:
    job = Job(source, style, settings, live=True)
    with ExitStack() as stack:
        stack.enter_context(stop.listening(protected=source.info.is_live))
        outputs: list[LiveOutput] = []
        if output is not None:
            stack.enter_context(tidied([output.parent]))
            as_it_comes = replace(settings, size=None, rate=None)  # they were asked of the camera
            outputs.append(QueuedSink(str(output), _video_sink(output, source.info, as_it_comes)))
            stack.callback(outputs[-1].close)
        if settings.virtual_camera is not None:
            outputs.append(_virtual_camera(source, settings))
            stack.callback(outputs[-1].close)
        asides: Sequence[Sink] = ()
        if settings.window:
            preview = stack.enter_context(closing(_Preview(source, job, settings)))
            stack.enter_context(tidied([settings.captures]))
            outputs.append(preview.window)
            asides = preview.captures
        if not outputs:
            raise UsageError(
                "there is nowhere to send the pictures", hint="drop --no-window, or add -o or --virtual-camera"
            )
        together = Outputs(outputs)
        report = job.run([together, *asides], tuple(output.name for output in outputs), stop, together)
        return report if output is None else _with_missing(report, output)


def _with_missing(report: Report, output: Path) -> Report:
    """A run that ended before its first picture has no file, which must not look like success."""
    if report.error is not None or output.exists():
        return report
    return replace(
        report,
        outputs=tuple(name for name in report.outputs if name != str(output)),
        error=f"{output} was not written: the run ended before the first picture was ready",
        hint="give a longer --duration" if not report.interrupted else "",
        exit_code=report.exit_code or StreamError.exit_code,
    )


def _virtual_camera(source: Source, settings: Settings) -> QueuedSink:
    from livestyle.sinks.virtual_camera.camera import VirtualCameraOpener
    from livestyle.sources.on_demand import OnDemandCamera

    info = source.info
    rate = settings.rate or float(info.rate or 30)
    opener = VirtualCameraOpener(settings.size or info.size, rate, settings.virtual_camera or None)
    with ExitStack() as unless_queued:
        camera = unless_queued.enter_context(closing(opener()))
        if isinstance(source, OnDemandCamera):
            source.follow(camera.viewers())
        unless_queued.pop_all()
    return QueuedSink("virtual camera", camera, REALTIME, reopen=opener)


class _Preview:
    """The window with its keys, and the snapshot and recording sinks that the keys work."""

    def __init__(self, source: Source, job: Job, settings: Settings) -> None:
        from livestyle.sinks.preview.window import Window

        info = replace(source.info, path=None)  # a recording of a preview carries no sound
        self._job = job
        self._window = Window("livestyle", on_command=self._command, status=job.status, mirror=bool(settings.mirror))
        self.window = DirectOutput("window", self._window)
        self._snapshots = SnapshotSink(settings.captures, self._open_photo, self._say)
        self._recorder = RecordSink(settings.captures, lambda path: _video_sink(path, info, Settings()), self._say)
        self.captures: tuple[Sink, ...] = (self._recorder, self._snapshots)

    def close(self) -> None:
        """Finish a recording and close the window."""
        for sink in (*self.captures, self.window):
            sink.close()

    def _command(self, command: str) -> None:
        if command == "snapshot":
            self._snapshots.take()
        elif command == "record":
            self._recorder.toggle()
        elif self._job.command(command):
            self._window.toast(self._job.style.title)

    def _open_photo(self, path: Path) -> Sink:
        from livestyle.sinks.files.photo import PhotoSink

        return PhotoSink(path, None)

    def _say(self, text: str) -> None:
        log.info("%s", text)
        self._window.toast(text)


class Job:
    """One source and its stylist, run once."""

    def __init__(self, source: Source, style: CurrentStyle, settings: Settings, *, live: bool) -> None:
        self.style = style
        self._source = source
        self._settings = settings
        self._live = live
        self._sync = settings.sync if settings.sync != "auto" else "live" if live else "exact"
        self._meter = Meter()
        self._stylist: Stylist | None = None
        self._monitor: BudgetMonitor | None = None

    def run(self, sinks: Sequence[Sink], names: tuple[str, ...], stop: Stop, outputs: Outputs | None = None) -> Report:
        """Run to the end; a LivestyleError that ends it early stands in the report.

        `names`: what the report calls the sinks. `outputs`: the one of them that holds all outputs of a live run, which
        is finished here, because that may fail too.
        """
        info = self._source.info
        # A played file has long frames, and no camera that could be away.
        lines = STARTING if self._settings.on_demand else AWAY
        hold = Hold(info, lambda size: hold_card(size, lines)) if self._live and info.path is None else None
        asked = stop if not self._live or self._settings.duration is None or info.path else self._until(stop)
        with ExitStack() as stack:
            stylist = self._stylist = self._open_stylist(stack)
            sinks = sinks if self._monitor is None else [*sinks, self._monitor]
            with Feed(self._frames(stylist)) as feed:
                failure: LivestyleError | None = None
                try:
                    run(feed, stylist.render, sinks, self._meter, hold=hold, stop=asked)
                except LivestyleError as error:
                    log.debug("the run ended early", exc_info=True)
                    failure = error
                stop.finishing()
                if outputs is not None:
                    outputs.close()
                    failure = failure or outputs.failure
                return self._report(feed, stylist, names, outputs, failure, interrupted=stop.asked)

    def _frames(self, stylist: Stylist) -> Source:
        """The source; a film that nobody waits for is looked at a little ahead."""
        film = not self._live and self._source.info.rate is not None
        if not film or self._sync != "exact":
            return self._source
        return stylist.ahead(self._source, interval=0 if self._settings.sync == "exact" else INTERVAL)

    def _open_stylist(self, stack: ExitStack) -> Stylist:
        """The run's stylist, closed by `stack`; with a budget to hold, one whose parts the governor switches."""
        budget = self._budget()
        grade, time_base = self.style.grade(), self._source.info.time_base
        if budget.unlimited:
            segmenter = self.style.segmenter(live=self._sync == "live")
            return stack.enter_context(closing(Stylist(segmenter, grade, sync=self._sync, time_base=time_base)))
        steps = self._steps()
        switch = stack.enter_context(closing(QualitySwitch(steps[0], self._segmenter_of)))
        self._monitor = BudgetMonitor(Governor(steps, budget), switch)
        switched = Stylist(switch.segmenter, grade, sync=self._sync, time_base=time_base, inference=switch.inference,
                           refine=switch.edges)  # fmt: skip
        return stack.enter_context(closing(switched))

    def _budget(self) -> Budget:
        """None but the one asked for where frames wait for their masks, and for played files: nobody talks to those."""
        if not self._live:
            return Budget()
        info = self._source.info
        rate = float(info.rate) if info.rate else None
        default = self._sync == "live" and info.path is None
        return budget_of(self._settings.max_latency, self._settings.max_cpu, rate=rate, default=default)

    def _steps(self) -> tuple[Step, ...]:
        live = self._sync == "live"
        resizable = isinstance(self.style.segmenter(live=live), Resizable)
        return ladder(smaller=self.style.smaller_model, resizable=resizable, paced=live)

    def _segmenter_of(self, step: Step) -> Segmenter:
        segmenter: Segmenter = self.style.segmenter(live=self._sync == "live", model=step.model)
        return segmenter.resized(step.share) if step.share != 1 and isinstance(segmenter, Resizable) else segmenter

    def _until(self, stop: Stop) -> Callable[[], bool]:
        """Ends a camera's run after --duration seconds; a file ends by itself."""
        end = time.monotonic() + (self._settings.duration or 0)
        return lambda: stop() or time.monotonic() >= end

    def command(self, command: str) -> bool:
        """A window's key. True when the style changed."""
        if command in ("next-style", "previous-style"):
            self.style.step_style(1 if command == "next-style" else -1)
        elif command in ("stronger", "weaker"):
            self.style.step_intensity(1 if command == "stronger" else -1)
        else:
            return False
        if self._stylist is not None:
            self._stylist.grade = self.style.grade()
        return True

    def status(self) -> str:
        """The overlay's line."""
        rate, latency = self._meter.now()
        line = f"{self.style.title}   {rate:.0f} frames/s   {latency * 1e3:.0f} ms"
        reduced = self._monitor.reduced if self._monitor is not None else ""
        return f"{line}   {reduced}" if reduced else line

    def _report(
        self,
        feed: Feed,
        stylist: Stylist,
        names: tuple[str, ...],
        outputs: Outputs | None,
        failure: LivestyleError | None,
        *,
        interrupted: bool,
    ) -> Report:
        meter = self._meter
        stats: dict[str, Any] = dict(stylist.stats())
        by_output = () if outputs is None else outputs.reports()
        return Report(
            source=self._source.info.name,
            outputs=names if meter.out or self._live else (),
            style=self.style.title,
            frames_in=feed.received,
            frames_out=meter.out,
            dropped=feed.dropped,
            held=meter.held,
            seconds=round(meter.elapsed, 3),
            fps=round(meter.out / max(meter.elapsed, 1e-9), 2),
            first_frame_s=None if meter.first_out is None else round(meter.first_out, 3),
            latency_ms=slowest(latencies(meter), by_output),
            masks=stats,
            quality=None if self._monitor is None else self._monitor.report(),
            device=str(stats.pop("device", "cpu")),
            color=self.style.grade().backend,
            error=None if failure is None else failure.message,
            hint="" if failure is None else failure.hint,
            by_output=by_output,
            exit_code=failure.exit_code if failure is not None else INTERRUPTED if interrupted else 0,
            interrupted=interrupted,
        )
