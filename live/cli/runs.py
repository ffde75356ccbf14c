"""What a run does: a camera, files, the demonstration, rescued recordings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from livestyle.cli.checks import nowhere, refuse_budgets, settings_of
from livestyle.cli.context import finish, run_messages
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
    from livestyle.cli.command import Command
    from livestyle.current_style import CurrentStyle
    from livestyle.plugins import Output
    from livestyle.report import Report
    from livestyle.settings import Settings
    from livestyle.sinks.files.rescue import Rescued
    from livestyle.system.stop import Stop

    _Job = tuple[Path, Output | None]  # input, output; no output: a window


def style_camera(command: Command, which: str) -> None:
    """Style the camera `which` until it ends. Raises LivestyleError."""
    from livestyle.cli.outputs import wanted
    from livestyle.current_style import CurrentStyle
    from livestyle.session import run_camera
    from livestyle.sources.network.addresses import refuse_addresses
    from livestyle.system.stop import Stop

    output = command.output
    refuse_addresses((), output if isinstance(output, Path) else None)
    if command.inputs:
        raise UsageError("--camera takes no input files", hint="style them in a second run")
    if command.start and "start" in command.typed:
        raise UsageError("--start is for files, not for cameras", hint="drop it")
    settings = settings_of(command)
    if isinstance(output, Path) and command.means_folder:
        raise UsageError("a camera is written to one file", hint=f"write -o {shell_word(output)}/call.mp4")
    if command.window is False and output is None and command.virtual_camera is None:
        raise nowhere(command, "add -o or --virtual-camera")
    if isinstance(output, Path) and not wanted(output, None, command.overwrite):
        return
    camera = shown_camera(which)
    stop = Stop()
    with unforeseen_failures(f"the camera {camera}"):
        report = run_camera(which, output, CurrentStyle(settings), settings, stop)
    finish([_print_report(report, command)], stop.asked)


def shown_camera(which: str) -> str:
    """`which` for messages. The secrets of an address are left out, and overwritten in what `ps` shows."""
    from livestyle.console.process_title import hide_in_process_title
    from livestyle.plugins import source_address
    from livestyle.sources.network.addresses import hide_secrets, is_address

    if (address := source_address(which)) is not None:
        shown = str(address)
    elif is_address(which):
        shown = hide_secrets(which)
    else:
        return which
    hide_in_process_title(which, shown)
    return shown


def style_files(command: Command) -> None:
    """Style or play the inputs, each by itself. Raises LivestyleError for what can be refused at once."""
    from livestyle.cli.outputs import expand_inputs, folder_made, is_folder_for, plan_outputs
    from livestyle.sources.network.addresses import refuse_addresses

    output = command.output
    refuse_addresses(command.inputs, output if isinstance(output, Path) else None)
    _refuse_live_options(command)
    settings = settings_of(command)
    found = expand_inputs(command.inputs)
    inputs = found.files
    if command.as_json:
        for one in found.left_out:
            run_messages().json_line({"source": str(one.path), "left_out": one.reason})
    with ExitStack() as stack:
        if isinstance(output, Path) and (command.means_folder or is_folder_for(inputs, command.inputs, output)):
            stack.enter_context(folder_made(output))
        _style_all(plan_outputs(inputs, command.inputs, output, command.overwrite), settings, command)


def _refuse_live_options(command: Command) -> None:
    """Raise UsageError for what only a camera, or only a played file, can have."""
    if command.wait is not None and "wait" in command.typed:
        raise UsageError("--wait is for cameras", hint="drop it")
    if command.virtual_camera is not None and "virtual_camera" in command.typed:
        raise UsageError("--virtual-camera needs --camera", hint="video files go to a file (-o) or a window")
    if command.output is None:
        if command.window is False:
            raise nowhere(command, "add -o")
        return
    if command.window and "window" in command.typed:
        raise UsageError("a file is written without a window", hint="drop --window, or drop -o to play the file")
    refuse_budgets(command)


def _style_all(jobs: Sequence[_Job], settings: Settings, command: Command) -> None:
    from livestyle.current_style import CurrentStyle
    from livestyle.sinks.files.rescue import tidied
    from livestyle.system.stop import Stop

    style = CurrentStyle(settings)
    codes: list[int] = []
    stop = Stop()
    with tidied(output.parent for _, output in jobs if isinstance(output, Path)):
        for path, output in jobs:
            try:
                with unforeseen_failures(str(path)):
                    report = _style_one((path, output), style, settings, stop, quiet=command.quiet)
                codes.append(_print_report(report, command))
            except LivestyleError as error:  # one bad file must not end the work on the others
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


def _print_report(report: Report, command: Command) -> int:
    """Print a report and what ended the run early, if anything; returns the exit code."""
    messages = run_messages()
    code = messages.json_line(report.as_json()) if command.as_json else 0
    if not command.quiet:
        target = f" -> {', '.join(report.outputs)}" if report.outputs else ""
        say(f"{report.source}{target} [{report.style}]")
        say(f"  {report.line()}")
    if report.error is not None:
        messages.sentence(report.error, report.hint)
    return report.exit_code or code


def demo(command: Command) -> None:
    """Make the demonstration. Raises LivestyleError."""
    from livestyle.cli.demo import run_demo
    from livestyle.current_style import CurrentStyle
    from livestyle.system.stop import Stop

    refuse_budgets(command)
    folder = command.output or Path("livestyle-demo")
    if not isinstance(folder, Path):
        raise UsageError(f"{folder} is not a folder", hint="-o names a folder for --demo")
    settings = settings_of(command)
    stop = Stop()
    with unforeseen_failures("the demonstration"):
        report = run_demo(folder, CurrentStyle(settings), settings, stop)
    finish([_print_report(report, command)], stop.asked)


def rescue(command: Command) -> None:
    """Finish recordings, each folder by itself: one that cannot be read does not affect the others."""
    from livestyle.sinks.files.rescue import tidy
    from livestyle.system.stop import Stop

    stop = Stop()
    codes: list[int] = []
    with stop.listening():
        for folder in command.inputs or [Path()]:
            try:
                if kind_of_path(folder, SourceError) != "folder":
                    raise SourceNotFoundError(f"There is no folder {folder}", hint="name the one with the recordings")
                codes.extend(_print_rescued(rescued, folder, command) for rescued in tidy(folder, stop))
            except LivestyleError as error:
                codes.append(run_messages().error(error, str(folder)))
    if not codes and not stop.asked and not command.quiet:
        say("no recording was left unfinished here")
    finish(codes, stop.asked)


def _print_rescued(rescued: Rescued | EncodeError, folder: Path, command: Command) -> int:
    """Print what became of a recording; returns the exit code."""
    from livestyle.sinks.files.rescue import describe

    messages = run_messages()
    if isinstance(rescued, EncodeError):
        return messages.error(rescued, str(folder))
    code = messages.json_line({"path": str(rescued.path), "seconds": rescued.seconds}) if command.as_json else 0
    say(describe(rescued))
    return DecodeError.exit_code if rescued.seconds is None else code
