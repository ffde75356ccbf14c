"""The table of options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

import livestyle
from livestyle.cli.configuration import load_config
from livestyle.cli.early import SHELLS, answer_and_stop, print_completion
from livestyle.cli.parameter_types import NamedPath, Number, OutputPath, Seconds, Size, StyleName, Wait
from livestyle.device_names import DEVICES

Function = Callable[..., None]


def _unit(name: str, help_text: str) -> Callable[[Function], Function]:
    return click.option(name, type=Number(0, 1), help=help_text)


def _signed(name: str, help_text: str) -> Callable[[Function], Function]:
    return click.option(name, type=Number(-1, 1), default=0.0, help=help_text)


_OPTIONS: Sequence[Callable[[Function], Function]] = (
    click.argument("inputs", nargs=-1, type=NamedPath(readable=False, path_type=Path),
                   metavar="[VIDEO|PHOTO|FOLDER]..."),
    click.option("-o", "--output", type=OutputPath(), metavar="PATH",
                 help="File to write; for several inputs a folder, or a path that ends in /; SCHEME:NAME of a plugin."),
    click.option("--camera", metavar="WHICH",
                 help="Index, (part of a) name, device path, or an address: rtsp://, rtsps://, http://, https://, "
                      "SCHEME:NAME of a plugin."),
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
    _unit("--intensity", "How strongly the style applies overall; 0 changes nothing."),
    _signed("--tone", "Darker and richer (-) to brighter (+)."),
    _signed("--color", "Muted (-) to vivid (+)."),
    _unit("--skin", "How strongly the style applies to skin."),
    _unit("--hair", "How strongly it applies to hair."),
    _unit("--clothes", "How strongly it applies to clothes."),
    _unit("--background", "How strongly it applies to the background."),
    click.option("--list-styles", is_flag=True, help="List the styles and exit."),
    click.option("--list-cameras", is_flag=True, help="List the cameras and exit."),
    click.option("--list-devices", is_flag=True, help="List the devices that can run the model and exit."),
    click.option("--model", metavar="NAME|PATH", help="A bundled model, or an .onnx file with its card."),
    click.option("--device", type=click.Choice(("auto", *DEVICES)), default="auto", show_default=True,
                 help="Where the model runs (with the extra gpu the colours too); one that is named is used, or it is "
                      "an error."),
    click.option("--sync", type=click.Choice(["auto", "exact", "live"]), default="auto", show_default=True,
                 help="exact: every frame has its own mask; live: masks are computed in parallel and warped along. "
                      "auto: live for cameras; for files a mask at least every 0.1 s, warped to the frames between."),
    click.option("--max-latency", type=Number(0, 10_000), metavar="MS",
                 help="Live: limit in milliseconds from camera to output for 95 of 100 frames, kept by simpler masks "
                      "(default for cameras: the time of one frame, at least 33; 0: no limit)."),
    click.option("--max-cpu", type=Number(1, 100), metavar="PERCENT",
                 help="Live: limit in percent of the processor time of all cores, kept in the same way."),
    click.option("--start", type=Seconds(), default=0.0, help="Where in a file to begin (12.5 or 0:00:12.5)."),
    click.option("--duration", type=Seconds(), help="How much of a file to take; how long a camera runs."),
    click.option("--size", type=Size(),
                 help="1280x720, 720p …: requested from the camera; an output video fits inside it."),
    click.option("--fps", type=Number(1, 240),
                 help="Frames per second: requested from the camera; the rate of an output video."),
    click.option("--deinterlace", type=click.Choice(["auto", "yes", "no"]), default="auto", show_default=True,
                 help="Make whole frames of the fields of a video file; auto: where they are marked as interlaced."),
    click.option("--codec", metavar="NAME", help="Video encoder: h264, h265, vp9, av1, prores, or as FFmpeg names it."),
    click.option("--chroma", type=click.Choice(["auto", "420", "444"]), default="auto", show_default=True,
                 help="Colour resolution of an output video: 444 is full, 420 plays everywhere; auto: the source's."),
    click.option("--crf", type=click.IntRange(0, 63), help="Encoder quality; lower is better and larger."),
    click.option("-y", "replace", is_flag=True, help="Overwrite outputs that exist."),
    click.option("-n", "keep", is_flag=True, help="Leave outputs that exist and skip their inputs."),
    click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout, one line for each input."),
    click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors."),
    click.option("--debug", is_flag=True, help="Show tracebacks and debug messages."),
    click.option("--demo", is_flag=True,
                 help="Needs no camera or file: style a clip made from a photograph, and draw a sheet of all styles."),
    click.option("--rescue", is_flag=True,
                 help="Finish recordings that killed runs left in FOLDER (default: the current one), and exit."),
    click.option("--config", type=NamedPath(path_type=Path), is_eager=True, expose_value=False, metavar="PATH",
                 callback=lambda ctx, _, path: load_config(ctx, path),
                 help="Configuration file to use instead of the usual one."),
    click.option("--completion", type=click.Choice(SHELLS), is_eager=True, expose_value=False,
                 callback=lambda ctx, _, shell: print_completion(ctx, shell),
                 help="Print a completion script and exit."),
    click.option("--version", is_flag=True, is_eager=True, expose_value=False, help="Show the version and exit.",
                 callback=lambda ctx, _, wanted: answer_and_stop(
                     ctx, wanted, lambda: f"livestyle {livestyle.__version__}")),
    click.help_option("-h", "--help", callback=lambda ctx, _, wanted: answer_and_stop(ctx, wanted, ctx.get_help)),
)  # fmt: skip


def with_options(function: Function) -> click.Command:
    """A command with all of them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return click.command("livestyle", context_settings={"max_content_width": 110})(function)
