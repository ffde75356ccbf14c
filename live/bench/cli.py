"""`livestyle-bench`: a group of measurements. Imports only what the chosen one needs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from livestyle.bench.masks.cli import masks
from livestyle.bench.speed.cli import speed
from livestyle.console.terminal import TerminalHandler, say
from livestyle.errors import INTERRUPTED, LivestyleError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure livestyle, on films made for it and on your own clips."""


bench.add_command(masks)
bench.add_command(speed)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console command: one sentence for an expected error, and its exit code."""
    logging.basicConfig(level=logging.INFO, handlers=[TerminalHandler(prefix="livestyle-bench: ")])
    try:
        result = bench.main(args=arguments, prog_name="livestyle-bench", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except LivestyleError as error:
        say(f"livestyle-bench: {error}")
        if error.hint:
            say(f"  {error.hint}")
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except click.ClickException as error:
        say(f"livestyle-bench: {error.format_message()}")
        code = error.exit_code
    sys.exit(code)
