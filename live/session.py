"""Puts a source, a stylist and sinks together for one job, runs the loop and tells what happened."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from livestyle.budgeted import Budgeted, budget_of
from livestyle.cards import hold_card
from livestyle.errors import INTERRUPTED, LivestyleError, UsageError
from livestyle.feed import Feed
from livestyle.fit import Size, fit_size
from livestyle.frame import StreamInfo
from livestyle.governed import Gears, Resizable
from livestyle.governor import Budget, Governor, Step, ladder
from livestyle.lookahead import INTERVAL
from livestyle.loop import Hold, run
from livestyle.progress import progress_sink
from livestyle.protocols import Segmenter, Sink, Source
from livestyle.report import Meter, Report, latencies
from livestyle.settings import Settings
from livestyle.sinks.capture import RecordSink, SnapshotSink
from livestyle.studio import Studio
from livestyle.stylist import Stylist

log = logging.getLogger("livestyle")

AWAY = ("One moment", "the camera is away")


class Stop:
    """Ctrl-C and SIGTERM as a flag that the loop reads between two frames, so that outputs are finished whole."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """True once somebody asked to stop."""
        return self.asked

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals; a second Ctrl-C interrupts at once. Only the main thread may listen.

        Outside, Ctrl-C interrupts as usual: a camera that takes long to open is not waited for.
        """
        previous = {sig: signal.signal(sig, self._ask) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in previous.items():
                signal.signal(sig, handler)

    def _ask(self, sig: int, _: FrameType | None) -> None:
        if self.asked and sig == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


def style_file(path: Path, output: Path, studio: Studio, settings: Settings, stop: Stop, *, quiet: bool) -> Report:
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
        report = Job(source, sinks, studio, settings, (str(output),), live=False).run(stop)
    if report.interrupted and report.outputs:
        log.warning("stopped on request: %s is whole, but holds only the first %d frames", output, report.frames_out)
    return report


def play_file(path: Path, studio: Studio, settings: Settings, stop: Stop) -> Report:
    """Play one photo or video, styled, in a window."""
    from livestyle.sources.paced import PacedSource, RepeatedSource

    photo = is_photo(path)
    with closing(_open_file(path, settings, photo=photo)) as source:
        paced = RepeatedSource(source) if photo else PacedSource(source)
        return _show(paced, studio, replace(settings, mirror=False, window=True, virtual_camera=None), stop)


def run_camera(which: str, output: Path | None, studio: Studio, settings: Settings, stop: Stop) -> Report:
    """Style a camera into a window, a virtual camera, a file, or several of them."""
    from livestyle.sources.addresses import is_address
    from livestyle.sources.camera import CameraSource

    settings = replace(settings, mirror=not is_address(which) if settings.mirror is None else settings.mirror)
    with closing(CameraSource(which, size=settings.size, rate=settings.rate, wait=settings.wait)) as source:
        return _show(source, studio, settings, stop, output)


def _say_what_photos_ignore(path: Path, settings: Settings) -> None:
    usual = Settings()
    given = [name for name in ("start", "duration", "size", "rate", "codec", "crf")
             if getattr(settings, name) != getattr(usual, name)]  # fmt: skip
    if given:
        names = ", ".join("--fps" if name == "rate" else f"--{name}" for name in given)
        log.warning("%s is a photo and keeps its size and format: %s does nothing to it", path, names)


def is_photo(path: Path) -> bool:
    """Whether the file's content is a still picture."""
    from livestyle.sources.opening import kind_of

    return kind_of(path) == "photo"


def _open_file(path: Path, settings: Settings, *, photo: bool) -> Source:
    if photo:
        from livestyle.sources.photo import PhotoSource

        return PhotoSource(path)
    from livestyle.sources.video import VideoSource

    return VideoSource(path, start=settings.start, duration=settings.duration)


def _file_sink(output: Path, source: Source, path: Path, settings: Settings, *, photo: bool) -> Sink:
    if photo:
        from livestyle.sinks.photo import PhotoSink

        return PhotoSink(output, path, overwrite=settings.overwrite)
    return _video_sink(output, source.info, settings)


def _video_sink(output: Path, info: StreamInfo, settings: Settings) -> Sink:
    from livestyle.sinks.video import VideoSink

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
    width, height = fit_size(size, box)
    return max(2, width - width % 2), max(2, height - height % 2)


def _show(source: Source, studio: Studio, settings: Settings, stop: Stop, output: Path | None = None) -> Report:
    with ExitStack() as stack:
        stack.enter_context(stop.listening())
        sinks: list[Sink] = []
        names: list[str] = []
        if output is not None:
            as_it_comes = replace(settings, size=None, rate=None)  # they were asked of the camera
            sinks.append(stack.enter_context(closing(_video_sink(output, source.info, as_it_comes))))
            names.append(str(output))
        if settings.virtual_camera is not None:
            sinks.append(stack.enter_context(closing(_virtual_camera(source.info, settings))))
            names.append("virtual camera")
        job = Job(source, sinks, studio, settings, (), live=True)
        if settings.window:
            window = stack.enter_context(closing(_Preview(source, job, settings)))
            sinks.extend(window.sinks)
            names.append("window")
        if not sinks:
            raise UsageError(
                "there is nowhere to send the pictures", hint="drop --no-window, or add -o or --virtual-camera"
            )
        job.outputs = tuple(names)
        return job.run(stop)


def _virtual_camera(info: StreamInfo, settings: Settings) -> Sink:
    from livestyle.sinks.virtual_camera import VirtualCamera

    rate = settings.rate or float(info.rate or 30)
    return VirtualCamera(settings.size or info.size, rate=rate, device=settings.virtual_camera or None)


class _Preview:
    """The window with its keys, and the snapshot and recording sinks that the keys work."""

    def __init__(self, source: Source, job: Job, settings: Settings) -> None:
        from livestyle.sinks.window import Window

        info = replace(source.info, path=None)  # a recording of a preview carries no sound
        self._job = job
        self._window = Window("livestyle", on_command=self._command, status=job.status, mirror=bool(settings.mirror))
        self._snapshots = SnapshotSink(settings.captures, self._open_photo, self._say)
        self._recorder = RecordSink(settings.captures, lambda path: _video_sink(path, info, Settings()), self._say)
        self.sinks: tuple[Sink, ...] = (self._recorder, self._snapshots, self._window)

    def close(self) -> None:
        """Finish a recording and close the window."""
        for sink in self.sinks:
            sink.close()

    def _command(self, command: str) -> None:
        if command == "snapshot":
            self._snapshots.take()
        elif command == "record":
            self._recorder.toggle()
        elif self._job.command(command):
            self._window.toast(self._job.studio.title)

    def _open_photo(self, path: Path) -> Sink:
        from livestyle.sinks.photo import PhotoSink

        return PhotoSink(path, None)

    def _say(self, text: str) -> None:
        log.info("%s", text)
        self._window.toast(text)


class Job:
    """One source, stylist and set of sinks."""

    def __init__(
        self,
        source: Source,
        sinks: list[Sink],
        studio: Studio,
        settings: Settings,
        outputs: tuple[str, ...],
        *,
        live: bool,
    ) -> None:
        self.studio = studio
        self.outputs = outputs
        self._source, self._sinks = source, sinks
        self._settings = settings
        self._live = live
        self._sync = settings.sync if settings.sync != "auto" else "live" if live else "exact"
        self._meter = Meter()
        self._stylist: Stylist | None = None
        self._budgeted: Budgeted | None = None

    def run(self, stop: Stop) -> Report:
        """Run to the end; a LivestyleError that ends it early stands in the report."""
        info = self._source.info
        # A played file has long frames, and no camera that could be away.
        hold = Hold(info, lambda size: hold_card(size, AWAY)) if self._live and info.path is None else None
        asked = stop if not self._live or self._settings.duration is None or info.path else self._until(stop)
        with ExitStack() as stack:
            stylist = self._stylist = self._open_stylist(stack)
            sinks = self._sinks if self._budgeted is None else [*self._sinks, self._budgeted]
            with Feed(self._frames(stylist)) as feed:
                failure: LivestyleError | None = None
                try:
                    run(feed, stylist.render, sinks, self._meter, hold=hold, stop=asked)
                except LivestyleError as error:
                    log.debug("the run ended early", exc_info=True)
                    failure = error
                return self._report(feed, stylist, failure, interrupted=stop.asked)

    def _frames(self, stylist: Stylist) -> Source:
        """The source; a film that nobody waits for is looked at a little ahead."""
        film = not self._live and self._source.info.rate is not None
        if not film or self._sync != "exact":
            return self._source
        return stylist.ahead(self._source, interval=0 if self._settings.sync == "exact" else INTERVAL)

    def _open_stylist(self, stack: ExitStack) -> Stylist:
        """The run's stylist, closed by `stack`; with a budget to hold, one whose parts the governor switches."""
        budget = self._budget()
        grade, time_base = self.studio.grade(), self._source.info.time_base
        if budget.unlimited:
            segmenter = self.studio.segmenter(live=self._sync == "live")
            return stack.enter_context(closing(Stylist(segmenter, grade, sync=self._sync, time_base=time_base)))
        steps = self._steps()
        gears = stack.enter_context(closing(Gears(steps[0], self._segmenter_of)))
        self._budgeted = Budgeted(Governor(steps, budget), gears)
        switched = Stylist(gears.segmenter, grade, sync=self._sync, time_base=time_base, inference=gears.inference,
                           refine=gears.edges)  # fmt: skip
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
        resizable = isinstance(self.studio.segmenter(live=live), Resizable)
        return ladder(smaller=self.studio.smaller_model, resizable=resizable, paced=live)

    def _segmenter_of(self, step: Step) -> Segmenter:
        segmenter: Segmenter = self.studio.segmenter(live=self._sync == "live", model=step.model)
        return segmenter.resized(step.share) if step.share != 1 and isinstance(segmenter, Resizable) else segmenter

    def _until(self, stop: Stop) -> Callable[[], bool]:
        """Ends a camera's run after --duration seconds; a file ends by itself."""
        end = time.monotonic() + (self._settings.duration or 0)
        return lambda: stop() or time.monotonic() >= end

    def command(self, command: str) -> bool:
        """A window's key. True when the style changed."""
        if command in ("next-style", "previous-style"):
            self.studio.step_style(1 if command == "next-style" else -1)
        elif command in ("stronger", "weaker"):
            self.studio.step_intensity(1 if command == "stronger" else -1)
        else:
            return False
        if self._stylist is not None:
            self._stylist.grade = self.studio.grade()
        return True

    def status(self) -> str:
        """The overlay's line."""
        rate, latency = self._meter.now()
        line = f"{self.studio.title}   {rate:.0f} frames/s   {latency * 1e3:.0f} ms"
        reduced = self._budgeted.reduced if self._budgeted is not None else ""
        return f"{line}   {reduced}" if reduced else line

    def _report(self, feed: Feed, stylist: Stylist, failure: LivestyleError | None, *, interrupted: bool) -> Report:
        meter = self._meter
        stats: dict[str, Any] = dict(stylist.stats())
        return Report(
            source=self._source.info.name,
            outputs=self.outputs if meter.out or self._live else (),
            style=self.studio.title,
            frames_in=feed.received,
            frames_out=meter.out,
            dropped=feed.dropped,
            held=meter.held,
            seconds=round(meter.elapsed, 3),
            fps=round(meter.out / max(meter.elapsed, 1e-9), 2),
            first_frame_s=None if meter.first_out is None else round(meter.first_out, 3),
            latency_ms=latencies(meter),
            masks=stats,
            quality=None if self._budgeted is None else self._budgeted.report(),
            device=str(stats.pop("device", "cpu")),
            colour=self.studio.grade().backend,
            error=None if failure is None else failure.message,
            hint="" if failure is None else failure.hint,
            exit_code=failure.exit_code if failure is not None else INTERRUPTED if interrupted else 0,
            interrupted=interrupted,
        )
