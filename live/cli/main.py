"""The entry point: reads the options, chooses the run, prints an expected error as one sentence."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from livestyle.cli.command import Command
from livestyle.cli.configuration import key_of
from livestyle.cli.context import CONFIG_PATH, run_messages
from livestyle.cli.lists import print_list
from livestyle.cli.options import with_options
from livestyle.cli.runs import demo, rescue, style_camera, style_files
from livestyle.console.messages import Messages
from livestyle.console.terminal import occupy_standard_streams, start_logging
from livestyle.errors import INTERRUPTED, LivestyleError, UsageError, unforeseen
from livestyle.system.stop import interrupt_once, leave

log = logging.getLogger("livestyle")


@with_options
def livestyle(**options: Any) -> None:
    """Photographic styles that leave skin and hair true: for cameras, video files and photos.

    \b
    livestyle --camera 0                   live, in a window (h shows the keys)
    livestyle --camera 0 --virtual-camera  for video calls
    livestyle video.mp4 -o out.mp4         a video file, with its sound
    livestyle video.mp4                    plays it styled
    livestyle photo.jpg -o out.jpg         a photo
    livestyle holiday/ -o styled/          everything in a folder
    """
    messages = run_messages()
    messages.as_json, messages.debug = options["as_json"], options["debug"]
    start_logging(quiet=options["quiet"], debug=options["debug"])
    _run(Command.of(click.get_current_context(), options))


def _run(command: Command) -> None:
    camera_is_typed = "camera" in command.typed
    if command.listing is not None:
        print_list(command.listing, as_json=command.as_json)
    elif command.rescue:
        rescue(command)
    elif command.demo and (command.inputs or camera_is_typed):
        raise UsageError("--demo brings its own picture", hint="drop --demo, or the input")
    elif command.demo:
        demo(command)
    elif command.camera is not None and (camera_is_typed or not command.inputs):
        style_camera(command, command.camera)
    elif command.inputs:
        style_files(command)
    else:
        raise UsageError("nothing to style", hint="name a video or photo, or use --camera 0, --demo or --help")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console command: runs, prints one clear sentence for an expected error, and exits with its code."""
    is_console = arguments is None
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    occupy_standard_streams()
    log.addHandler(logging.NullHandler())  # until the options say how much to show; nothing while a word is completed
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    messages = Messages(as_json="--json" in options, debug="--debug" in options)
    if is_console:
        interrupt_once()
    try:
        result = livestyle.main(arguments, prog_name="livestyle", standalone_mode=False, obj=messages)
        code = result if isinstance(result, int) else 0
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except Exception as error:
        code = messages.error(_as_livestyle_error(error))
    if is_console:
        leave(code)
    sys.exit(code)


def _as_livestyle_error(error: Exception) -> LivestyleError:
    """An exception that reached the top, turned into a LivestyleError with it as the cause."""
    if isinstance(error, LivestyleError):
        return error
    if isinstance(error, click.BadParameter):
        ours: LivestyleError = _bad_value(error)
    elif isinstance(error, click.ClickException):
        ours = UsageError(error.format_message(), hint="livestyle --help shows the options")
    elif isinstance(error, MemoryError):
        ours = unforeseen("this", error)
    else:  # a bug in livestyle; the outputs were closed on the way here
        ours = LivestyleError(
            f"internal error: {type(error).__name__}: {error}", hint="please report it with what --debug prints"
        )
    ours.__cause__ = error
    return ours


def _bad_value(error: click.BadParameter) -> UsageError:
    """A bad value as a UsageError; names the configuration file if the value is from there."""
    name = error.param.name if error.param is not None else None
    asked = (
        error.param.get_error_hint(error.ctx).replace("'", "") if error.param is not None and error.ctx else "the value"
    )
    if (
        error.ctx is not None
        and name is not None
        and error.ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
    ):
        return UsageError(f"{error.ctx.meta[CONFIG_PATH]}: {key_of(name)}: {error.message}")
    return UsageError(f"{asked}: {error.message}", hint="livestyle --help shows the options")
