"""How a run reports: sentences on stderr and, with --json, a line of JSON on stdout for each result."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from livestyle.console.terminal import say, say_lines, write_json, write_out
from livestyle.errors import AnswerError, LivestyleError


@dataclass
class Messages:
    """How messages of the whole command line are printed."""

    as_json: bool = False
    debug: bool = False
    _lost: bool = False  # stdout failed, which was reported

    def error(self, error: LivestyleError, source: str = "") -> int:
        """Print an error, about `source` if it belongs to one of several inputs; returns its exit code."""
        if self.debug:
            say_lines("".join(traceback.format_exception(error)))
        if self.as_json and not isinstance(error, AnswerError):  # it would fail once more
            known = {"source": source} if source else {}
            self.json_line({**known, "error": error.message, "hint": error.hint, "exit_code": error.exit_code})
        self.sentence(error.message, error.hint)
        return error.exit_code

    def sentence(self, message: str, hint: str) -> None:
        """Print what is wrong, and what to do."""
        say(f"livestyle: {message}")
        if hint:
            say(f"  {hint}")

    def json_line(self, value: object) -> int:
        """Print a line of JSON; 0, or the exit code where stdout cannot be written, which is reported once."""
        try:
            write_json(value)
        except OSError as error:
            failure = _output_error(error)
            if not self._lost:
                self.sentence(failure.message, failure.hint)
            self._lost = True
        return AnswerError.exit_code if self._lost else 0


def answer(text: str) -> None:
    """Print what was requested (a list, the help) on stdout. Raises AnswerError where it cannot be written.

    A reader that closes the pipe early (`| head`) is not an error.
    """
    with _answering():
        write_out(text)


def answer_json(value: object) -> None:
    """The same as one line of JSON."""
    with _answering():
        write_json(value)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        pass
    except OSError as error:
        raise _output_error(error) from error


def _output_error(error: OSError) -> AnswerError:
    return AnswerError(
        f"the standard output cannot be written: {error.strerror or error}",
        hint="check where it is sent: a full disk or a closed pipe",
    )
