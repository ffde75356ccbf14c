"""One command line as plain values: what click makes of the options, in fields that have types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import click
from click.core import ParameterSource

from livestyle.cli.context import CONFIG_PATH, MEANS_FOLDER
from livestyle.errors import UsageError
from livestyle.plugins import Output
from livestyle.settings import Chroma, Deinterlace, Sync

Listing = Literal["styles", "cameras", "devices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What somebody asked for, with the defaults of the configuration file. Units are those of the options' help.

    Options that fill a field of livestyle.settings.Settings have its name and meaning.
    """

    typed: frozenset[str]  # names of the options on the command line; one from the file may be meant for other runs
    config: Path  # the configuration file, which need not exist
    means_folder: bool  # the output was written as a folder: "styled/"

    inputs: tuple[Path, ...]
    output: Output | None
    camera: str | None
    wait: float | None
    virtual_camera: str | None
    on_demand: bool
    window: bool | None  # None: neither --window nor --no-window
    mirror: bool | None
    style: str
    intensity: float | None
    tone: float
    color: float
    skin: float | None
    hair: float | None
    clothes: float | None
    background: float | None
    list_styles: bool
    list_cameras: bool
    list_devices: bool
    model: str | None
    device: str
    sync: Sync
    max_latency: float | None
    max_cpu: float | None
    start: float
    duration: float | None
    size: tuple[int, int] | None
    fps: float | None
    codec: str | None
    crf: int | None
    chroma: Chroma
    deinterlace: Deinterlace
    replace: bool
    keep: bool
    as_json: bool
    quiet: bool
    debug: bool
    demo: bool
    rescue: bool

    @classmethod
    def of(cls, context: click.Context, options: Mapping[str, Any]) -> Self:
        """The values that click found: `options` has those of livestyle.cli.options by name.

        Raises UsageError for -y with -n.
        """
        typed = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
        config, means_folder = context.meta[CONFIG_PATH], context.meta.get(MEANS_FOLDER, False)
        command = cls(typed=frozenset(typed), config=config, means_folder=means_folder, **options)
        if command.replace and command.keep:
            raise UsageError("-y overwrites what exists and -n leaves it", hint="give one of the two")
        return command

    @property
    def overwrite(self) -> Literal["yes", "no"] | None:
        """What -y and -n say about outputs that exist; None: nothing."""
        return "yes" if self.replace else "no" if self.keep else None

    @property
    def listing(self) -> Listing | None:
        """What is to be listed instead of a run."""
        if self.list_styles:
            return "styles"
        if self.list_cameras:
            return "cameras"
        return "devices" if self.list_devices else None

    @property
    def strengths(self) -> dict[str, float]:
        """Region -> how strongly it takes the style, of those that were given."""
        given = {"skin": self.skin, "hair": self.hair, "clothes": self.clothes, "background": self.background}
        return {region: strength for region, strength in given.items() if strength is not None}
