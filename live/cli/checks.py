"""What options may not stand together, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from livestyle.cli.context import CONFIG_PATH, context, typed
from livestyle.errors import UsageError

if TYPE_CHECKING:
    from livestyle.outputs import Overwrite
    from livestyle.settings import Settings


def overwrite_of(replace: bool, keep: bool) -> Overwrite:
    """What -y and -n come to. Raises UsageError for both."""
    if replace and keep:
        raise UsageError("-y overwrites what exists and -n leaves it", hint="give one of the two")
    return "yes" if replace else "no" if keep else None


def settings_of(options: dict[str, Any]) -> Settings:
    """The settings that the options come to. Raises UsageError."""
    from livestyle.settings import Settings

    regions = ("skin", "hair", "clothes", "background")
    on_demand = is_on_demand(options)
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


def is_on_demand(options: dict[str, Any]) -> bool:
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
            if typed("on_demand"):
                raise UsageError(f"--on-demand {why}", hint=what_to_do)
            return False
    return True


def refuse_budgets() -> None:
    """Raise UsageError for budgets, which are for live runs."""
    for name in ("max_latency", "max_cpu"):
        if typed(name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for live runs: a file waits for the best masks", hint="drop it")


def nowhere(instead: str) -> UsageError:
    """The error for a run without any output; `instead` is what to add."""
    hint = f"drop --no-window, or {instead}"
    if not typed("window"):
        hint = f"{context().meta[CONFIG_PATH]} has window = false: give --window, or {instead}"
    return UsageError("there is nowhere to send the pictures", hint=hint)
