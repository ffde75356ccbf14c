"""The three kinds of run: a file into a file, a file in a window, a camera to wherever it is wanted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from livestyle.console.progress import progress_sink
from livestyle.current_style import CurrentStyle
from livestyle.endpoints import (
    file_sink,
    is_local_camera,
    is_still,
    kind_of_file,
    open_camera,
    open_file,
    open_sink,
    open_virtual_camera,
)
from livestyle.errors import StreamError, UsageError
from livestyle.job import AWAY, STARTING, Job, Styling, open_styling
from livestyle.plugins import Output
from livestyle.preview import Preview
from livestyle.protocols import Sink, Source
from livestyle.report import Meter, Report, noted_warnings
from livestyle.settings import Settings
from livestyle.sinks.files.rescue import tidied
from livestyle.sinks.live_outputs import LiveOutput, Outputs
from livestyle.sinks.queued import RECORDING, Queue, QueuedSink
from livestyle.system.stop import Stop

STREAM = Queue(frames=RECORDING.frames)  # a plugin's sink, which no rescue can finish

log = logging.getLogger("livestyle")


def style_file(
    path: Path, output: Output, style: CurrentStyle, settings: Settings, stop: Stop, *, quiet: bool
) -> Report:
    """Style one photo or video into `output`: a file, or what a plugin opens.

    Raises LivestyleError for what cannot be opened or finished.
    """
    with noted_warnings() as warnings:
        report = _style_file(path, output, style, settings, stop, quiet=quiet)
    return replace(report, warnings=tuple(warnings))


def _style_file(
    path: Path, output: Output, style: CurrentStyle, settings: Settings, stop: Stop, *, quiet: bool
) -> Report:
    kind = kind_of_file(path)
    if kind == "photo":
        _warn_what_photos_ignore(path, settings)
    with ExitStack() as stack:
        source = stack.enter_context(closing(open_file(path, kind, settings)))
        stack.enter_context(stop.listening())  # from here on Ctrl-C means: finish what was begun
        sinks: list[Sink] = [file_sink(output, path, kind, source.info, settings)]
        stack.enter_context(closing(sinks[0]))
        if not quiet:
            sinks.append(stack.enter_context(closing(progress_sink(source.info, path.name))))
        meter = Meter()
        styling = open_styling(stack, source, style, settings, live=False)
        report = Job(style=style, styling=styling, sinks=sinks, meter=meter, names=(str(output),)).run(stop)
    if report.interrupted and report.outputs:
        log.warning("stopped on request: %s is whole, but holds only the first %d frames", output, report.frames_out)
    return report


def play_file(path: Path, style: CurrentStyle, settings: Settings, stop: Stop) -> Report:
    """Play one photo or video, styled, in a window. Raises LivestyleError for what cannot be opened."""
    from livestyle.sources.paced import PacedSource, RepeatedSource

    kind = kind_of_file(path)
    with closing(open_file(path, kind, settings)) as source:
        paced = RepeatedSource(source) if is_still(kind, source.info) else PacedSource(source)
        return _show(paced, style, replace(settings, mirror=False, window=True, virtual_camera=None), stop)


def run_camera(which: str, output: Output | None, style: CurrentStyle, settings: Settings, stop: Stop) -> Report:
    """Style a camera into a window, a virtual camera, a file, or several of them.

    Raises LivestyleError for what cannot be opened.
    """
    settings = replace(settings, mirror=is_local_camera(which) if settings.mirror is None else settings.mirror)
    with closing(open_camera(which, settings)) as source:
        return _show(source, style, settings, stop, output)


def _warn_what_photos_ignore(path: Path, settings: Settings) -> None:
    usual = Settings()
    given = {
        "--start": settings.start != usual.start,
        "--duration": settings.duration is not None,
        "--size": settings.size is not None,
        "--fps": settings.rate is not None,
        "--codec": settings.codec is not None,
        "--crf": settings.crf is not None,
    }
    if any(given.values()):
        names = ", ".join(name for name, is_given in given.items() if is_given)
        log.warning("%s is a photo and keeps its size and format: %s does nothing to it", path, names)


def _show(source: Source, style: CurrentStyle, settings: Settings, stop: Stop, output: Output | None = None) -> Report:
    if output is None and settings.virtual_camera is None and not settings.window:
        raise UsageError(
            "there is nowhere to send the pictures", hint="drop --no-window, or add -o or --virtual-camera"
        )
    meter = Meter()
    with ExitStack() as stack:
        stack.enter_context(stop.listening(protected=source.info.is_live))
        outputs = _open_outputs(stack, source, settings, output)
        styling = open_styling(stack, source, style, settings, live=True)
        captures: Sequence[Sink] = ()
        if settings.window:
            preview = _open_preview(source, style, styling, settings, meter)
            stack.enter_context(closing(preview))
            stack.enter_context(tidied([settings.captures]))
            outputs.append(preview.window)
            captures = preview.captures
        report = _live_job(style, styling, outputs, captures, settings, meter).run(stop)
    return _with_missing(report, output) if isinstance(output, Path) else report


def _open_outputs(stack: ExitStack, source: Source, settings: Settings, output: Output | None) -> list[LiveOutput]:
    """The file and the virtual camera, as far as they are wanted."""
    outputs: list[LiveOutput] = []
    if output is not None:
        if isinstance(output, Path):
            stack.enter_context(tidied([output.parent]))
        as_it_comes = replace(settings, size=None, rate=None)  # they were requested from the camera
        sink = open_sink(output, source.info, as_it_comes)
        outputs.append(QueuedSink(str(output), sink, RECORDING if isinstance(output, Path) else STREAM))
        stack.callback(outputs[-1].close)
    if settings.virtual_camera is not None:
        outputs.append(open_virtual_camera(source, settings))
        stack.callback(outputs[-1].close)
    return outputs


def _open_preview(source: Source, style: CurrentStyle, styling: Styling, settings: Settings, meter: Meter) -> Preview:
    def change(command: str) -> str | None:
        if not style.apply_command(command):
            return None
        styling.stylist.grade = style.grade()
        return style.title

    def status() -> str:
        rate, latency = meter.now()
        line = f"{style.title}   {rate:.0f} frames/s   {latency * 1e3:.0f} ms"
        reduced = "" if styling.monitor is None else styling.monitor.reduced
        return f"{line}   {reduced}" if reduced else line

    return Preview(source.info, settings, on_style_key=change, status=status)


def _live_job(
    style: CurrentStyle,
    styling: Styling,
    outputs: Sequence[LiveOutput],
    captures: Sequence[Sink],
    settings: Settings,
    meter: Meter,
) -> Job:
    # A played file has long frames, and no camera that could be away; it ends by itself, too.
    is_camera = styling.frames.info.path is None
    together = Outputs(outputs)
    return Job(
        style=style,
        styling=styling,
        sinks=[together, *captures],
        meter=meter,
        names=tuple(output.name for output in outputs),
        outputs=together,
        hold_text=None if not is_camera else STARTING if settings.on_demand else AWAY,
        duration=settings.duration if is_camera else None,
    )


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
