"""The run at hand: what was typed, where messages go, how the run ends."""

from __future__ import annotations

import click
from click.core import ParameterSource

from livestyle.console.messages import Messages
from livestyle.errors import INTERRUPTED

# keys of `click.Context.meta`
MEANS_FOLDER = "livestyle.output_means_folder"
CONFIG_PATH = "livestyle.config_path"


def context() -> click.Context:
    """Of the command that runs."""
    return click.get_current_context()


def run_messages() -> Messages:
    """Where the run's messages go."""
    return context().ensure_object(Messages)


def typed(name: str) -> bool:
    """Whether an option stands on the command line. In the configuration file it may be meant for other runs."""
    return context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def finish(codes: list[int], interrupted: bool) -> None:
    """End the command with the first code that is not 0; an interrupted run with its own."""
    code = INTERRUPTED if interrupted else next((code for code in codes if code), 0)
    if code:
        context().exit(code)
