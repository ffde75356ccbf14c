"""Options that print something and exit: --help, --version, --completion."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import get_completion_class

from livestyle.console.messages import answer

SHELLS = ("bash", "zsh", "fish")


def print_completion(ctx: click.Context, shell: str | None) -> None:
    """The script for `shell`, and exit; nothing without one."""
    if shell is None:
        return
    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(ctx.command, {}, "livestyle", "_LIVESTYLE_COMPLETE")
    answer_and_stop(ctx, True, script.source)


def answer_and_stop(ctx: click.Context, wanted: bool, text: Callable[[], str]) -> None:
    """Print `text` and exit, if `wanted` and unless the shell is only completing a word."""
    if wanted and not ctx.resilient_parsing:
        answer(text())
        ctx.exit()
