"""Which options may not be combined, and the settings that they give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from livestyle.errors import UsageError

if TYPE_CHECKING:
    from livestyle.cli.command import Command
    from livestyle.settings import Settings


def settings_of(command: Command) -> Settings:
    """The settings of a run. Raises UsageError."""
    from livestyle.settings import Settings

    on_demand = is_on_demand(command)
    return Settings(
        style=command.style,
        intensity=command.intensity,
        tone=command.tone,
        color=command.color,
        strengths=command.strengths,
        model=command.model,
        device=command.device,
        sync=command.sync,
        max_latency=command.max_latency,
        max_cpu=command.max_cpu,
        start=command.start,
        duration=command.duration,
        size=command.size,
        rate=command.fps,
        wait=command.wait,
        codec=command.codec,
        crf=command.crf,
        chroma=command.chroma,
        deinterlace=command.deinterlace,
        overwrite=command.overwrite == "yes",
        virtual_camera=command.virtual_camera,
        on_demand=on_demand,
        window=command.window is not False and not on_demand,
        mirror=command.mirror,
        captures=_here(),
    )


def _here() -> Path:
    """The working folder, which may have been removed."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def is_on_demand(command: Command) -> bool:
    """Whether the run waits for viewers. In the configuration file it is for the runs that can."""
    if not command.on_demand:
        return False
    refusals = (
        (command.camera is None, "is for cameras", "drop it"),
        (command.virtual_camera is None, "needs --virtual-camera", "add it: who watches it decides"),
        (command.output is not None, "records nothing while nobody watches", "drop -o, or --on-demand"),
        (command.window is True, "has no preview: a window would always watch", "drop --window, or --on-demand"),
    )
    for applies, why, what_to_do in refusals:
        if applies:
            if "on_demand" in command.typed:
                raise UsageError(f"--on-demand {why}", hint=what_to_do)
            return False
    return True


def refuse_budgets(command: Command) -> None:
    """Raise UsageError for budgets, which are for live runs."""
    for name in ("max_latency", "max_cpu"):
        if name in command.typed:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for live runs: a file waits for the best masks", hint="drop it")


def nowhere(command: Command, instead: str) -> UsageError:
    """The error for a run without any output; `instead` is what to add."""
    hint = f"drop --no-window, or {instead}"
    if "window" not in command.typed:
        hint = f"{command.config} has window = false: give --window, or {instead}"
    return UsageError("there is nowhere to send the pictures", hint=hint)
