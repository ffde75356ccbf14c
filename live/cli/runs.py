"""What a run does: a camera, files, the demonstration, rescued recordings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livestyle.cli.checks import nowhere, refuse_budgets, settings_of
from livestyle.cli.context import MEANS_FOLDER, context, finish, run_messages, typed
from livestyle.console.terminal import say
from livestyle.errors import (
    DecodeError,
    EncodeError,
    LivestyleError,
    SourceError,
    SourceNotFoundError,
    UsageError,
    unforeseen_failures,
)
from livestyle.system.paths import kind_of_path, shell_word

if TYPE_CHECKING:
    from livestyle.current_style import CurrentStyle
    from livestyle.report import Report
    from livestyle.settings import Settings
    from livestyle.sinks.files.rescue import Rescued
    from livestyle.system.stop import Stop

    _Job = tuple[Path, Path | None]  # input, output; no output: a window


def style_camera(options: dict[str, Any]) -> None:
    """Style a camera until it ends."""
    from livestyle.current_style import CurrentStyle
    from livestyle.outputs import wanted
    from livestyle.session import run_camera
    from livestyle.sources.network.addresses import refuse_addresses
    from livestyle.system.stop import Stop

    refuse_addresses((), options["output"])

    if options["inputs"]:
        raise UsageError("--camera takes no input files", hint="style them in a second run")
    if options["start"] and typed("start"):
        raise UsageError("--start is for files: a camera begins when it begins", hint="drop it")
    settings = settings_of(options)
    if options["output"] is not None and context().meta[MEANS_FOLDER]:
        raise UsageError("a camera is written to one file", hint=f"write -o {shell_word(options['output'])}/call.mp4")
    if options["window"] is False and options["output"] is None and options["virtual_camera"] is None:
        raise nowhere("add -o or --virtual-camera")
    if options["output"] is not None and not wanted(options["output"], None, options["overwrite"]):
        return
    camera = shown_camera(options["camera"])
    stop = Stop()
    with unforeseen_failures(f"the camera {camera}"):
        report = run_camera(options["camera"], options["output"], CurrentStyle(settings), settings, stop)
    finish([_tell(report, options)], stop.asked)


def shown_camera(which: str) -> str:
    """`which` for messages; an address without its secrets, which are overwritten in what `ps` shows, too."""
    from livestyle.console.process_title import hide_in_process_title
    from livestyle.sources.network.addresses import hide_secrets, is_address

    if not is_address(which):
        return which
    shown = hide_secrets(which)
    hide_in_process_title(which, shown)
    return shown


def style_files(options: dict[str, Any]) -> None:
    """Style or play the inputs, each by itself."""
    from livestyle.outputs import expand_inputs, folder_made, is_folder_for, plan_outputs
    from livestyle.sources.network.addresses import refuse_addresses

    refuse_addresses(options["inputs"], options["output"])
    if options["wait"] is not None and typed("wait"):
        raise UsageError("--wait is for cameras", hint="drop it")
    if options["virtual_camera"] is not None and typed("virtual_camera"):
        raise UsageError("--virtual-camera needs --camera", hint="video files go to a file (-o) or a window")
    output = options["output"]
    if options["window"] is False and output is None:
        raise nowhere("add -o")
    if options["window"] and typed("window") and output is not None:
        raise UsageError("a file is written without a window", hint="drop --window, or drop -o to play the file")
    if output is not None:
        refuse_budgets()
    settings = settings_of(options)
    inputs = expand_inputs(options["inputs"])
    with ExitStack() as stack:
        if output is not None and (context().meta[MEANS_FOLDER] or is_folder_for(inputs, options["inputs"], output)):
            stack.enter_context(folder_made(output))
        _style_all(plan_outputs(inputs, options["inputs"], output, options["overwrite"]), settings, options)


def _style_all(jobs: Sequence[_Job], settings: Settings, options: dict[str, Any]) -> None:
    from livestyle.current_style import CurrentStyle
    from livestyle.sinks.files.rescue import tidied
    from livestyle.system.stop import Stop

    style = CurrentStyle(settings)
    codes: list[int] = []
    stop = Stop()
    with tidied(output.parent for _, output in jobs if output is not None):
        for path, output in jobs:
            try:
                with unforeseen_failures(str(path)):
                    report = _style_one((path, output), style, settings, stop, quiet=options["quiet"])
                codes.append(_tell(report, options))
            except LivestyleError as error:  # of several, one bad file must not cost the others
                codes.append(run_messages().error(error, str(path)))
            if stop.asked:
                break
    finish(codes, stop.asked)


def _style_one(job: _Job, style: CurrentStyle, settings: Settings, stop: Stop, *, quiet: bool) -> Report:
    from livestyle.session import play_file, style_file

    path, output = job
    if output is None:
        return play_file(path, style, settings, stop)
    return style_file(path, output, style, settings, stop, quiet=quiet)


def _tell(report: Report, options: dict[str, Any]) -> int:
    """Print a report and what ended it early, if anything; the exit code it calls for."""
    messages = run_messages()
    code = messages.json_line(report.as_json()) if options["as_json"] else 0
    if not options["quiet"]:
        target = f" -> {', '.join(report.outputs)}" if report.outputs else ""
        say(f"{report.source}{target} [{report.style}]")
        say(f"  {report.line()}")
    if report.error is not None:
        messages.sentence(report.error, report.hint)
    return report.exit_code or code


def demo(options: dict[str, Any]) -> None:
    """Make the demonstration."""
    from livestyle.current_style import CurrentStyle
    from livestyle.demo import run_demo
    from livestyle.system.stop import Stop

    refuse_budgets()
    settings = settings_of(options)
    stop = Stop()
    with unforeseen_failures("the demonstration"):
        report = run_demo(options["output"] or Path("livestyle-demo"), CurrentStyle(settings), settings, stop)
    finish([_tell(report, options)], stop.asked)


def rescue(options: dict[str, Any]) -> None:
    """Each folder by itself: what is rescued is told, and one that cannot be read costs no other."""
    from livestyle.sinks.files.rescue import tidy
    from livestyle.system.stop import Stop

    stop = Stop()
    codes: list[int] = []
    with stop.listening():
        for folder in options["inputs"] or [Path()]:
            try:
                if kind_of_path(folder, SourceError) != "folder":
                    raise SourceNotFoundError(f"There is no folder {folder}", hint="name the one with the recordings")
                codes.extend(_tell_rescued(rescued, folder, options) for rescued in tidy(folder, stop))
            except LivestyleError as error:
                codes.append(run_messages().error(error, str(folder)))
    if not codes and not stop.asked and not options["quiet"]:
        say("no recording was left unfinished here")
    finish(codes, stop.asked)


def _tell_rescued(rescued: Rescued | EncodeError, folder: Path, options: dict[str, Any]) -> int:
    """What became of a recording; the exit code it calls for."""
    from livestyle.sinks.files.rescue import describe

    messages = run_messages()
    if isinstance(rescued, EncodeError):
        return messages.error(rescued, str(folder))
    code = messages.json_line({"path": str(rescued.path), "seconds": rescued.seconds}) if options["as_json"] else 0
    say(describe(rescued))
    return DecodeError.exit_code if rescued.seconds is None else code
