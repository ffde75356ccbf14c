"""The command line. Imports only what the chosen job needs, so that --version and --help answer at once."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource
from click.shell_completion import get_completion_class

from livestyle import __version__
from livestyle.config import Accepts
from livestyle.console.messages import Messages, answer, answer_json
from livestyle.console.terminal import occupy_standard_streams, printable, say, start_logging
from livestyle.errors import (
    INTERRUPTED,
    DecodeError,
    EncodeError,
    LivestyleError,
    SourceError,
    SourceNotFoundError,
    UsageError,
    unforeseen,
    unforeseen_failures,
)
from livestyle.system.paths import kind_of_path, shell_word
from livestyle.system.stop import interrupt_once, leave

if TYPE_CHECKING:
    from livestyle.current_style import CurrentStyle
    from livestyle.outputs import Overwrite
    from livestyle.report import Report
    from livestyle.settings import Settings
    from livestyle.sinks.rescue import Rescued
    from livestyle.system.stop import Stop

    _Job = tuple[Path, Path | None]  # input, output; no output: a window

NAMED_SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}
SHELLS = ("bash", "zsh", "fish")
DEVICES = ("auto", "cpu", "cuda", "mps", "tensorrt", "directml", "openvino")
NOT_FOR_CONFIG = {
    "inputs",
    "config",
    "help",
    "version",
    "completion",
    "list_styles",
    "list_cameras",
    "list_devices",
    "demo",
    "rescue",
    "keep",
    "replace",
}

MEANS_FOLDER = "livestyle.output_means_folder"
CONFIG_PATH = "livestyle.config_path"

log = logging.getLogger("livestyle")


class Seconds(click.ParamType[float]):
    """Seconds, or H:MM:SS with decimals."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`"1:02.5"` -> 62.5."""
        total = 0.0
        try:
            for at, part in enumerate(str(value).split(":")):
                if at and not 0 <= float(part) < 60:
                    raise ValueError(part)
                total = total * 60 + float(part)
        except ValueError:
            self.fail(f"{value!r} is no time: write seconds (12.5) or H:MM:SS (0:00:12.5)", param, ctx)
        if not 0 <= total < float("inf"):
            self.fail(f"{value!r} is out of range: a time is 0 or more seconds", param, ctx)
        return total


class Wait(click.ParamType[float | None]):
    """Seconds as `Seconds` has them, or "" for ever; a configuration file may say true and false, too."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """`""` -> inf."""
        if isinstance(value, bool) or value in ("", math.inf):
            return None if value is False else math.inf
        return Seconds().convert(value, param, ctx)


class Size(click.ParamType[tuple[int, int]]):
    """WIDTHxHEIGHT, or a name such as 720p."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """`"1280x720"` or `"720p"` -> (1280, 720)."""
        if isinstance(value, tuple):
            return value
        text = str(value).lower()
        if text in NAMED_SIZES:
            return NAMED_SIZES[text]
        width, _, height = text.partition("x")
        sides = [int(side) if side.isdecimal() and len(side) < 9 else 0 for side in (width, height)]
        if not all(16 <= side <= 16384 for side in sides):
            self.fail(f"{value!r} is no size: write 1280x720, or one of {', '.join(NAMED_SIZES)}", param, ctx)
        return sides[0], sides[1]


class Number(click.ParamType[float]):
    """A finite number in a closed range. Unlike click's FloatRange it refuses NaN."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.name = f"{low:g}..{high:g}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`"0.5"` -> 0.5."""
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            self.fail(f"{value!r} is no number: give one from {self._low:g} to {self._high:g}", param, ctx)
        if not self._low <= number <= self._high:
            self.fail(f"{value} is out of range: give a number from {self._low:g} to {self._high:g}", param, ctx)
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The range itself."""
        return self.name


class NamedPath(click.Path):
    """A path that is not empty: `Path("")` is the current folder, which nobody who types "$UNSET" means."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """`"a.mp4"` -> Path("a.mp4")."""
        if not os.fspath(value):
            self.fail("an empty name; the current folder is written .", param, ctx)
        return super().convert(value, param, ctx)


class OutputPath(click.ParamType[Path]):
    """A path that is not empty; that it ended in a separator, which `Path` forgets, is kept in `ctx.meta`."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """`"styled/"` -> Path("styled"), noted as a folder."""
        if not str(value):
            self.fail("the output has no name: write -o FILE or -o FOLDER/", param, ctx)
        if ctx is not None:
            ctx.meta[MEANS_FOLDER] = str(value).endswith(("/", "\\"))
        return Path(value)


class StyleName(click.ParamType[str]):
    """A style's name or a file; completes the names."""

    name = "style"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names of the styles there are, then files."""
        from click.shell_completion import CompletionItem

        from livestyle.shaders.library import list_recipes

        names = [recipe.name.lower().replace(" ", "-") for recipe in list_recipes()]
        can_be_typed = (name for name in names if name == printable(name))
        found = [CompletionItem(name) for name in can_be_typed if name.startswith(incomplete.lower())]
        return found or [CompletionItem(incomplete, type="file")]


def _unit(help_text: str) -> dict[str, Any]:
    return {"type": Number(0, 1), "help": help_text}


def _signed(help_text: str) -> dict[str, Any]:
    return {"type": Number(-1, 1), "default": 0.0, "help": help_text}


_OPTIONS: Sequence[Callable[[Any], Any]] = (
    click.argument("inputs", nargs=-1, type=NamedPath(readable=False, path_type=Path),
                   metavar="[VIDEO|PHOTO|FOLDER]..."),
    click.option("-o", "--output", type=OutputPath(), metavar="PATH",
                 help="File to write; a folder (or a path that ends in /) for several inputs."),
    click.option("--camera", metavar="WHICH",
                 help="Index, (part of a) name, device path, or an address: rtsp://, rtsps://, http://, https://."),
    click.option("--wait", type=Wait(), is_flag=False, flag_value="", default=None, metavar="[SECONDS]",
                 help="Wait for a camera that is not there yet (without a number: for ever)."),
    click.option("--virtual-camera", is_flag=False, flag_value="", default=None, metavar="[DEVICE]",
                 help="Send to a virtual camera, for video calls. On Linux: its path, number or label."),
    click.option("--on-demand", is_flag=True,
                 help="Open the camera only while somebody watches the virtual camera (Linux, no window, no file)."),
    click.option("--window/--no-window", default=None,
                 help="Show the preview window (default: unless a file goes into a file)."),
    click.option("--mirror/--no-mirror", default=None,
                 help="Mirror the preview, never the output (default: for a local camera)."),
    click.option("-s", "--style", type=StyleName(), default="vivid", show_default=True,
                 help="A style's name, a recipe file (.toml) or a LUT file."),
    click.option("--intensity", **_unit("How much of the style; 0 changes nothing.")),
    click.option("--tone", **_signed("Darker and richer (-) to brighter (+).")),
    click.option("--color", **_signed("Muted (-) to vivid (+).")),
    click.option("--skin", **_unit("How strongly skin takes the style.")),
    click.option("--hair", **_unit("How strongly hair takes it.")),
    click.option("--clothes", **_unit("How strongly clothes take it.")),
    click.option("--background", **_unit("How strongly the background takes it.")),
    click.option("--list-styles", is_flag=True, help="List the styles and stop."),
    click.option("--list-cameras", is_flag=True, help="List the cameras and stop."),
    click.option("--list-devices", is_flag=True, help="List the devices that can run the model and stop."),
    click.option("--model", metavar="NAME|PATH", help="A bundled model, or an .onnx file with its card."),
    click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True,
                 help="Where the model runs (with the extra gpu the colours too); one that is named is used, or it is "
                      "an error."),
    click.option("--sync", type=click.Choice(["auto", "exact", "live"]), default="auto", show_default=True,
                 help="exact: every frame has its own mask; live: masks run beside and follow the motion (cameras). "
                      "auto: for files a mask every 0.1 s at least, carried to the frames between from both sides."),
    click.option("--max-latency", type=Number(0, 10_000), metavar="MS",
                 help="Live: milliseconds from camera to output that 95 of 100 frames keep; masks get simpler if they "
                      "must (default for cameras: the time of one frame, at least 33; 0: no limit)."),
    click.option("--max-cpu", type=Number(1, 100), metavar="PERCENT",
                 help="Live, likewise: percent of the processor time of all cores."),
    click.option("--start", type=Seconds(), default=0.0, help="Where in a file to begin (12.5 or 0:00:12.5)."),
    click.option("--duration", type=Seconds(), help="How much of a file to take; how long a camera runs."),
    click.option("--size", type=Size(), help="1280x720, 720p …: asked of the camera; an output video fits inside it."),
    click.option("--fps", type=Number(1, 240), help="Frames per second, likewise."),
    click.option("--codec", metavar="NAME", help="Video encoder: h264, h265, vp9, av1, prores, or as FFmpeg names it."),
    click.option("--crf", type=click.IntRange(0, 63), help="Encoder quality; lower is better and larger."),
    click.option("-y", "replace", is_flag=True, help="Overwrite outputs that exist."),
    click.option("-n", "keep", is_flag=True, help="Leave outputs that exist and skip their inputs."),
    click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout, one line for each input."),
    click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors."),
    click.option("--debug", is_flag=True, help="Show tracebacks and what the parts decide."),
    click.option("--demo", is_flag=True,
                 help="Without camera or file: make a clip from a photograph, style it, and a sheet of all styles."),
    click.option("--rescue", is_flag=True,
                 help="Finish recordings that killed runs left in FOLDER (default: the current one), and stop."),
    click.option("--config", type=NamedPath(path_type=Path), is_eager=True, expose_value=False, metavar="PATH",
                 callback=lambda ctx, _, path: _load_config(ctx, path),
                 help="Configuration file to use instead of the usual one."),
    click.option("--completion", type=click.Choice(SHELLS), is_eager=True, expose_value=False,
                 callback=lambda ctx, _, shell: _print_completion(ctx, shell),
                 help="Print a completion script and stop."),
    click.option("--version", is_flag=True, is_eager=True, expose_value=False, help="Show the version and exit.",
                 callback=lambda ctx, _, wanted: _answer_and_stop(ctx, wanted, lambda: f"livestyle {__version__}")),
    click.help_option("-h", "--help", callback=lambda ctx, _, wanted: _answer_and_stop(ctx, wanted, ctx.get_help)),
)  # fmt: skip


def _with_options(function: Callable[..., Any]) -> click.Command:
    for option in reversed(_OPTIONS):
        function = option(function)
    return click.command("livestyle", context_settings={"max_content_width": 110})(function)


@_with_options
def command(**options: Any) -> None:
    """Photographic styles that leave skin and hair true: for cameras, video files and photos.

    \b
    livestyle --camera 0                   live, in a window (h shows the keys)
    livestyle --camera 0 --virtual-camera  for video calls
    livestyle video.mp4 -o out.mp4         a video file, with its sound
    livestyle video.mp4                    plays it styled
    livestyle photo.jpg -o out.jpg         a photo
    livestyle holiday/ -o styled/          everything in a folder
    """
    messages = _messages()
    messages.as_json, messages.debug = options["as_json"], options["debug"]
    start_logging(quiet=options["quiet"], debug=options["debug"])
    options["overwrite"] = _overwrite(options.pop("replace"), options.pop("keep"))
    listing = next((name for name in ("styles", "cameras", "devices") if options[f"list_{name}"]), None)
    if listing is not None:
        _print_list(listing, as_json=options["as_json"])
    elif options["rescue"]:
        _rescue(options)
    elif options["demo"] and (options["inputs"] or _typed("camera")):
        raise UsageError("--demo brings its own picture", hint="drop --demo, or the input")
    elif options["demo"]:
        _demo(options)
    elif options["camera"] is not None and not (options["inputs"] and not _typed("camera")):
        _camera(options)
    elif options["inputs"]:
        _files(options)
    else:
        raise UsageError("nothing to style", hint="name a video or photo, or use --camera 0, --demo or --help")


def _overwrite(replace: bool, keep: bool) -> Overwrite:
    if replace and keep:
        raise UsageError("-y overwrites what exists and -n leaves it", hint="give one of the two")
    return "yes" if replace else "no" if keep else None


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console command: runs, prints one clear sentence for an expected error, and exits with its code."""
    is_console = arguments is None
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    occupy_standard_streams()
    log.addHandler(logging.NullHandler())  # until the options say how much is wanted; completing a word, nothing is
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    messages = Messages(as_json="--json" in options, debug="--debug" in options)
    if is_console:
        interrupt_once()
    try:
        result = command.main(arguments, prog_name="livestyle", standalone_mode=False, obj=messages)
        code = result if isinstance(result, int) else 0
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except Exception as error:
        code = messages.error(_in_our_words(error))
    if is_console:
        leave(code)
    sys.exit(code)


def _in_our_words(error: Exception) -> LivestyleError:
    """Any exception that reached the top as an error of ours, which has it as its cause."""
    if isinstance(error, LivestyleError):
        return error
    if isinstance(error, click.BadParameter):
        ours: LivestyleError = _blamed(error)
    elif isinstance(error, click.ClickException):
        ours = UsageError(error.format_message(), hint="livestyle --help shows the options")
    elif isinstance(error, MemoryError):
        ours = unforeseen("this", error)
    else:  # a fault of ours: the outputs were closed on the way here
        ours = LivestyleError(
            f"internal error: {type(error).__name__}: {error}", hint="please report it with what --debug prints"
        )
    ours.__cause__ = error
    return ours


def _blamed(error: click.BadParameter) -> UsageError:
    """The same as a sentence of ours, naming the configuration file where the value came from there."""
    name = error.param.name if error.param is not None else None
    asked = (
        error.param.get_error_hint(error.ctx).replace("'", "") if error.param is not None and error.ctx else "the value"
    )
    if (
        error.ctx is not None
        and name is not None
        and error.ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
    ):
        return UsageError(f"{error.ctx.meta[CONFIG_PATH]}: {_key(name)}: {error.message}")
    return UsageError(f"{asked}: {error.message}", hint="livestyle --help shows the options")


def _key(name: str) -> str:
    """What the configuration file calls an option."""
    return "json" if name == "as_json" else name.replace("_", "-")


def _load_config(ctx: click.Context, path: Path | None) -> None:
    from livestyle.config import config_path, read_config

    known = {param.name: _accepts(param) for param in ctx.command.params if param.name not in (None, *NOT_FOR_CONFIG)}
    names = {"as_json": "json"}
    path, must_exist = (path or config_path()), path is not None
    ctx.meta[CONFIG_PATH] = path
    accepts = {names.get(name, name): kind for name, kind in known.items() if name is not None}
    values = read_config(path, accepts, must_exist=must_exist)
    ctx.default_map = {("as_json" if name == "json" else name): value for name, value in values.items()}
    if (messages := ctx.find_object(Messages)) is not None:  # what is wrong with the other options is told so too
        messages.as_json |= values.get("json", False)
        messages.debug |= values.get("debug", False)


def _accepts(param: click.Parameter) -> Accepts:
    """What the configuration file may give for an option."""
    if isinstance(param, click.Option) and param.is_flag:
        return Accepts((bool,), "true or false")
    if isinstance(param.type, Number):
        return Accepts((int, float), "a number")
    if isinstance(param.type, click.IntRange):
        return Accepts((int,), "a whole number")
    if isinstance(param.type, Wait):
        return Accepts((bool, int, float, str), 'true, false, or seconds such as 30 or "0:01:00"')
    if isinstance(param.type, Seconds):
        return Accepts((int, float, str), 'seconds, or a string such as "0:00:12.5"')
    if param.name == "camera":
        return Accepts((int, str), "an index or a string")
    return Accepts((str,), "a string")


def _print_completion(ctx: click.Context, shell: str | None) -> None:
    if shell is None:
        return
    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(ctx.command, {}, "livestyle", "_LIVESTYLE_COMPLETE")
    _answer_and_stop(ctx, True, script.source)


def _answer_and_stop(ctx: click.Context, wanted: bool, text: Callable[[], str]) -> None:
    if wanted and not ctx.resilient_parsing:
        answer(text())
        ctx.exit()


def _print_list(what: str, *, as_json: bool) -> None:
    rows = {"styles": _styles, "cameras": _cameras, "devices": _devices}[what]()
    if as_json:
        answer_json(rows)
    elif not rows:
        say(f"no {what} found")
    else:
        answer("\n".join(_aligned(rows)))


def _aligned(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each row, the first column padded."""
    words = [[printable({True: "yes", False: "no"}.get(value, str(value))) for value in row.values()] for row in rows]
    width = max(len(first) for first, *_ in words)
    return [f"{first:<{width}}  {'  '.join(others)}".rstrip() for first, *others in words]


def _styles() -> list[dict[str, Any]]:
    from livestyle.shaders.library import list_recipes

    return [{"name": recipe.name, "description": recipe.description} for recipe in list_recipes()]


def _cameras() -> list[dict[str, Any]]:
    from livestyle.sources.camera import list_cameras

    return [asdict(camera) for camera in list_cameras()]


def _devices() -> list[dict[str, Any]]:
    from livestyle.compute.devices import list_devices

    return [asdict(device) for device in list_devices()]


def _settings(options: dict[str, Any]) -> Settings:
    from livestyle.settings import Settings

    regions = ("skin", "hair", "clothes", "background")
    on_demand = _is_on_demand(options)
    same = ("style", "intensity", "tone", "color", "model", "device", "sync", "start", "duration", "size", "codec",
            "max_latency", "max_cpu", "wait")  # fmt: skip
    return Settings(
        **{name: options[name] for name in (*same, "crf", "mirror", "virtual_camera")},
        window=options["window"] is not False and not on_demand,
        on_demand=on_demand,
        rate=options["fps"],
        overwrite=options["overwrite"] == "yes",
        strengths={region: options[region] for region in regions if options[region] is not None},
        captures=_here(),
    )


def _here() -> Path:
    """The working folder, which may have been removed."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def _is_on_demand(options: dict[str, Any]) -> bool:
    """Whether the run waits for viewers. In the configuration file it is for the runs that can."""
    if not options["on_demand"]:
        return False
    refusals = (
        (options["camera"] is None, "is for cameras", "drop it"),
        (options["virtual_camera"] is None, "needs --virtual-camera", "add it: who watches it decides"),
        (options["output"] is not None, "records nothing while nobody watches", "drop -o, or --on-demand"),
        (options["window"] is True, "has no preview: a window would always watch", "drop --window, or --on-demand"),
    )
    for applies, why, what_to_do in refusals:
        if applies:
            if _typed("on_demand"):
                raise UsageError(f"--on-demand {why}", hint=what_to_do)
            return False
    return True


def _camera(options: dict[str, Any]) -> None:
    from livestyle.current_style import CurrentStyle
    from livestyle.outputs import wanted
    from livestyle.session import run_camera
    from livestyle.sources.addresses import refuse_addresses
    from livestyle.system.stop import Stop

    refuse_addresses((), options["output"])

    if options["inputs"]:
        raise UsageError("--camera takes no input files", hint="style them in a second run")
    if options["start"] and _typed("start"):
        raise UsageError("--start is for files: a camera begins when it begins", hint="drop it")
    settings = _settings(options)
    if options["output"] is not None and _context().meta[MEANS_FOLDER]:
        raise UsageError("a camera is written to one file", hint=f"write -o {shell_word(options['output'])}/call.mp4")
    if options["window"] is False and options["output"] is None and options["virtual_camera"] is None:
        raise _nowhere("add -o or --virtual-camera")
    if options["output"] is not None and not wanted(options["output"], None, options["overwrite"]):
        return
    camera = _shown_camera(options["camera"])
    stop = Stop()
    with unforeseen_failures(f"the camera {camera}"):
        report = run_camera(options["camera"], options["output"], CurrentStyle(settings), settings, stop)
    _finish([_tell(report, options)], stop.asked)


def _shown_camera(which: str) -> str:
    """`which` for messages; an address without its secrets, which are overwritten in what `ps` shows, too."""
    from livestyle.console.process_title import hide_in_process_title
    from livestyle.sources.addresses import hide_secrets, is_address

    if not is_address(which):
        return which
    shown = hide_secrets(which)
    hide_in_process_title(which, shown)
    return shown


def _files(options: dict[str, Any]) -> None:
    from livestyle.outputs import expand_inputs, folder_made, is_folder_for, plan_outputs
    from livestyle.sources.addresses import refuse_addresses

    refuse_addresses(options["inputs"], options["output"])
    if options["wait"] is not None and _typed("wait"):
        raise UsageError("--wait is for cameras", hint="drop it")
    if options["virtual_camera"] is not None and _typed("virtual_camera"):
        raise UsageError("--virtual-camera needs --camera", hint="video files go to a file (-o) or a window")
    output = options["output"]
    if options["window"] is False and output is None:
        raise _nowhere("add -o")
    if options["window"] and _typed("window") and output is not None:
        raise UsageError("a file is written without a window", hint="drop --window, or drop -o to play the file")
    if output is not None:
        _refuse_budgets()
    settings = _settings(options)
    inputs = expand_inputs(options["inputs"])
    with ExitStack() as stack:
        if output is not None and (_context().meta[MEANS_FOLDER] or is_folder_for(inputs, options["inputs"], output)):
            stack.enter_context(folder_made(output))
        _style_all(plan_outputs(inputs, options["inputs"], output, options["overwrite"]), settings, options)


def _refuse_budgets() -> None:
    for name in ("max_latency", "max_cpu"):
        if _typed(name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for live runs: a file waits for the best masks", hint="drop it")


def _typed(name: str) -> bool:
    """Whether an option stands on the command line. In the configuration file it may be meant for other runs."""
    return _context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _nowhere(instead: str) -> UsageError:
    hint = f"drop --no-window, or {instead}"
    if not _typed("window"):
        hint = f"{_context().meta[CONFIG_PATH]} has window = false: give --window, or {instead}"
    return UsageError("there is nowhere to send the pictures", hint=hint)


def _style_all(jobs: Sequence[_Job], settings: Settings, options: dict[str, Any]) -> None:
    from livestyle.current_style import CurrentStyle
    from livestyle.sinks.rescue import tidied
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
                codes.append(_messages().error(error, str(path)))
            if stop.asked:
                break
    _finish(codes, stop.asked)


def _style_one(job: _Job, style: CurrentStyle, settings: Settings, stop: Stop, *, quiet: bool) -> Report:
    from livestyle.session import play_file, style_file

    path, output = job
    if output is None:
        return play_file(path, style, settings, stop)
    return style_file(path, output, style, settings, stop, quiet=quiet)


def _tell(report: Report, options: dict[str, Any]) -> int:
    """Print a report and what ended it early, if anything; the exit code it calls for."""
    messages = _messages()
    code = messages.json_line(report.as_json()) if options["as_json"] else 0
    if not options["quiet"]:
        target = f" -> {', '.join(report.outputs)}" if report.outputs else ""
        say(f"{report.source}{target} [{report.style}]")
        say(f"  {report.line()}")
    if report.error is not None:
        messages.sentence(report.error, report.hint)
    return report.exit_code or code


def _finish(codes: list[int], interrupted: bool) -> None:
    code = INTERRUPTED if interrupted else next((code for code in codes if code), 0)
    if code:
        _context().exit(code)


def _context() -> click.Context:
    return click.get_current_context()


def _messages() -> Messages:
    return _context().ensure_object(Messages)


def _demo(options: dict[str, Any]) -> None:
    from livestyle.current_style import CurrentStyle
    from livestyle.demo import run_demo
    from livestyle.system.stop import Stop

    _refuse_budgets()
    settings = _settings(options)
    stop = Stop()
    with unforeseen_failures("the demonstration"):
        report = run_demo(options["output"] or Path("livestyle-demo"), CurrentStyle(settings), settings, stop)
    _finish([_tell(report, options)], stop.asked)


def _rescue(options: dict[str, Any]) -> None:
    """Each folder by itself: what is rescued is told, and one that cannot be read costs no other."""
    from livestyle.sinks.rescue import tidy
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
                codes.append(_messages().error(error, str(folder)))
    if not codes and not stop.asked and not options["quiet"]:
        say("no recording was left unfinished here")
    _finish(codes, stop.asked)


def _tell_rescued(rescued: Rescued | EncodeError, folder: Path, options: dict[str, Any]) -> int:
    """What became of a recording; the exit code it calls for."""
    from livestyle.sinks.rescue import describe

    messages = _messages()
    if isinstance(rescued, EncodeError):
        return messages.error(rescued, str(folder))
    code = messages.json_line({"path": str(rescued.path), "seconds": rescued.seconds}) if options["as_json"] else 0
    say(describe(rescued))
    return DecodeError.exit_code if rescued.seconds is None else code
