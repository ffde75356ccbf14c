"""What the commands of the training code say: messages and errors on stderr."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from livestyle.console.terminal import say, say_lines
from livestyle.errors import LivestyleError


class _Messages(logging.Handler):
    """Messages on what stderr is at the moment: a progress bar stands in for it and lets them pass above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        say_lines(self.format(record))


def speaking(command: Callable[..., None]) -> Callable[..., None]:
    """Show messages on stderr, and errors as one sentence with the exit code that belongs to them."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_Messages()])
        try:
            command(*args, **kwargs)
        except LivestyleError as error:
            say(f"error: {error}")
            if error.hint:
                say(error.hint)
            raise SystemExit(error.exit_code) from None

    return run
