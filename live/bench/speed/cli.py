"""`livestyle-bench speed`: colour pass, whole files, a live camera and the start on a CPU; a GPU where one is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from livestyle.errors import UsageError
from livestyle.settings import Settings

if TYPE_CHECKING:
    from livestyle.bench.speed.timing import Timing

PARTS = ("color", "files", "live", "start")


@dataclass(slots=True)
class _Results:
    """What was measured, as written to the JSON file."""

    figures: dict[str, Any] = field(default_factory=dict)
    timings: list[Timing] = field(default_factory=list)


@click.command()
@click.option("--parts", default=",".join(PARTS), show_default=True, help="What to measure on the CPU, with commas.")
@click.option("--clip", "clips", multiple=True, type=click.Path(path_type=Path),
              help="Your own video for the files, or several; without, films of 720p and 1080p are made.")  # fmt: skip
@click.option(
    "--live-seconds",
    type=click.FloatRange(2),
    default=20.0,
    show_default=True,
    help="How long a camera of 720p at 30 frames/s runs.",
)
@click.option("--device", metavar="NAME", help="Measure a GPU instead: cuda, cuda:1, mps (or cpu), of torch.")
@click.option("-s", "--style", default="vivid", show_default=True, help="The style, as for livestyle.")
@click.option("--model", metavar="NAME|PATH", help="The model, as for livestyle.")
@click.option("--quick", is_flag=True, help="Small frames and short batches, to check that it runs.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures as JSON.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="PICTURE", help="Draw the ratios (needs matplotlib).")
def speed(
    parts: str,
    clips: tuple[Path, ...],
    live_seconds: float,
    device: str | None,
    style: str,
    model: str | None,
    quick: bool,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Measure livestyle's speed beside other programs that do part of the same work, in one run.

    On the CPU: the colour pass on one thread against FFmpeg's lut3d and OpenColorIO; whole files against FFmpeg with
    one table for the whole frame, and where their time goes; a live camera; the start. With --device, a GPU: the
    colour pass against a plain copy, the model with it, and host to host (needs the extra gpu).
    """
    results = _Results()
    _check(out, plot, device)
    if device is not None:
        _gpu(results, device, style, model, quick=quick)
    else:
        settings = Settings(style=style, model=model, device="cpu", overwrite=True)
        _cpu(results, _parts(parts), clips, settings, 2.0 if quick else live_seconds, quick=quick)
    if out is not None:
        lines = [timing.as_json() for timing in results.timings]
        document = {**results.figures, **({"lines": lines} if lines else {})}
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if plot is not None:
        from livestyle.bench.speed.timing import draw

        draw(results.timings, plot)


def _check(out: Path | None, plot: Path | None, device: str | None) -> None:
    """Refuse what would fail only after minutes of measuring. Raises UsageError."""
    for path in (out, plot):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"There is no folder for {path}", hint="make it first")
    if plot is not None:
        from livestyle.bench.speed.timing import check_plot

        if device is not None:
            raise UsageError("--plot draws what is measured on the CPU", hint="leave out --plot or --device")
        check_plot(plot)


def _parts(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PARTS:
            raise UsageError(f"There is no part {name} to measure", hint=f"parts: {', '.join(PARTS)}")
    return names


def _cpu(
    results: _Results,
    parts: list[str],
    clips: tuple[Path, ...],
    settings: Settings,
    live_seconds: float,
    *,
    quick: bool,
) -> None:
    if "color" in parts:
        from livestyle.bench.speed import color

        sizes = ("720p",) if quick else tuple(color.SIZES)
        _print_each(results, color.measure(settings.style, sizes, 2 if quick else 40))
    with TemporaryDirectory() as folder:
        if "files" in parts or "start" in parts:
            clips = _clips(clips, Path(folder), quick=quick)
        if "files" in parts:
            from livestyle.bench.speed import files

            _print_each(results, files.measure(list(clips), settings, 1 if quick else 5))
        if "start" in parts:
            from livestyle.bench.speed import start

            _print_each(results, start.measure(clips[0], settings, 1 if quick else 7))
    if "live" in parts:
        from livestyle.bench.speed import live

        report = live.measure(settings, live_seconds)
        click.echo(report.line())
        results.figures["live"] = report.as_json()


def _clips(given: tuple[Path, ...], folder: Path, *, quick: bool) -> tuple[Path, ...]:
    from livestyle.bench.speed.files import made_clip
    from livestyle.system.paths import check_file

    for path in given:
        check_file(path)
    if given:
        return given
    if quick:
        return (made_clip(folder, (320, 180), 0.5),)
    return tuple(made_clip(folder, size, 3.0) for size in ((1280, 720), (1920, 1080)))


def _print_each(results: _Results, timings: Iterator[Timing]) -> None:
    for timing in timings:
        click.echo(timing.line())
        results.timings.append(timing)


def _gpu(results: _Results, device: str, style: str, model: str | None, *, quick: bool) -> None:
    try:
        from livestyle.bench.speed.gpu import Setting, as_json, device_name, largest_error, measure, text
    except ModuleNotFoundError as error:
        raise UsageError(f"measuring a GPU needs {error.name}", hint="pip install 'livestyle[gpu]'") from error
    sizes: dict[str, Any] = {"large": (128, 72), "medium": (128, 72), "seconds": 0, "batches": 2} if quick else {}
    setting = Setting(device, style=style, model=model, **sizes)
    error_steps = largest_error(setting)
    click.echo(f"{device_name(device)}; largest error of the colour pass {error_steps:.2f}/255")
    lines = []
    for line in measure(setting):
        click.echo(text(line))
        lines.append(as_json(line))
    results.figures |= {"device": device_name(device), "largest_error": error_steps, "lines": lines}
