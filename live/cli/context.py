"""The run in progress: where its messages go and how it ends."""

from __future__ import annotations

import click

from livestyle.console.messages import Messages
from livestyle.errors import INTERRUPTED

# keys of `click.Context.meta`
MEANS_FOLDER = "livestyle.output_means_folder"
CONFIG_PATH = "livestyle.config_path"


def run_messages() -> Messages:
    """Where the run's messages go."""
    return click.get_current_context().ensure_object(Messages)


def finish(codes: list[int], interrupted: bool) -> None:
    """End the command with the first code that is not 0; an interrupted run with its own."""
    code = INTERRUPTED if interrupted else next((code for code in codes if code), 0)
    if code:
        click.get_current_context().exit(code)
