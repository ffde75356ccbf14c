"""`livestyle-bench speed`: frames a second on a torch device, and what they could be at most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from livestyle.errors import UsageError


@click.command()
@click.option("--device", default="cuda", show_default=True, metavar="NAME", help="cuda, cuda:1, mps or cpu, of torch.")
@click.option("--style", default="vivid", show_default=True, help="The style, as for livestyle.")
@click.option("--model", metavar="NAME|PATH", help="The model, as for livestyle.")
@click.option("--quick", is_flag=True, help="Small frames and short batches: to see whether it runs.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures as JSON.")
def speed(device: str, style: str, model: str | None, quick: bool, out: Path | None) -> None:
    """Measure the GPU: the colour pass against a plain copy, the model with it, and host to host.

    Needs the extra gpu. Everything is measured in one run, on frames of 3840x2160 and 1920x1080, so that ratios hold
    whatever else the machine does.
    """
    try:
        from livestyle.bench.gpu_speed import Setting, as_json, device_name, largest_error, measure, text
    except ModuleNotFoundError as error:
        raise UsageError(f"measuring a GPU needs {error.name}", hint="pip install 'livestyle[gpu]'") from error
    sizes: dict[str, Any] = {"large": (128, 72), "medium": (128, 72), "seconds": 0, "batches": 2} if quick else {}
    setting = Setting(device, style=style, model=model, **sizes)
    error_steps = largest_error(setting)
    click.echo(f"{device_name(device)}; largest error of the colour pass {error_steps:.2f}/255")
    lines = []
    for line in measure(setting):
        click.echo(text(line))
        lines.append(line)
    if out is not None:
        figures = {"device": device_name(device), "largest_error": error_steps, "lines": [as_json(x) for x in lines]}
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
