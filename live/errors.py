"""Everything livestyle raises on purpose, and the exit code of each.

LivestyleError
├── UsageError (ValueError)                       2  the command line or the configuration is wrong
│   └── OutputExistsError (FileExistsError)       2  the output is there already and -y was not given
├── InputError                                    3  what was given cannot be used
│   ├── SourceNotFoundError (FileNotFoundError)   3
│   ├── SourceError (ValueError)                  3  a file or camera that cannot be opened or read as pictures
│   │   └── RefusedError                          3  a camera that waiting (--wait) does not bring: a wrong password
│   ├── ColorError (ValueError)                   3  a colour encoding that cannot be kept right
│   ├── StyleError (ValueError)                   3  a recipe or LUT file; says file:line
│   └── ModelError (ValueError)                   3  a model file, its card or its checksum
├── StreamError                                   4  something failed while frames were running
│   ├── DecodeError (ValueError)                  4  raised after every frame that could be read
│   ├── EncodeError (OSError)                     4  the output could not be written (a full disk, an encoder's refusal)
│   └── AnswerError (OSError)                     4  a list or report could not be written to the standard output
└── BackendError (RuntimeError)                   5  a device, display or driver that is not available here
    ├── DeviceError                               5  also where it fails in mid-stream
    │   └── DeviceMemoryError (MemoryError)       5  its memory is full
    ├── DisplayError                              5
    └── VirtualCameraError                        5

Ctrl-C ends with 130 and a finished, playable file.

Exceptions of other libraries are mapped to these once, where the foreign call is made (`raise … from error`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

INTERRUPTED = 130  # the exit code of a run that Ctrl-C or SIGTERM ended


class LivestyleError(Exception):
    """An error with one sentence for people: `str(error)` says what and where, `hint` says what to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(LivestyleError, ValueError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class OutputExistsError(UsageError, FileExistsError):
    """The output is there already and overwriting was not allowed."""


class InputError(LivestyleError):
    """What was given cannot be used."""

    exit_code = 3


class SourceNotFoundError(InputError, FileNotFoundError):
    """No such file, folder or camera."""


class SourceError(InputError, ValueError):
    """A file or a camera that cannot be opened or read as pictures."""


class RefusedError(SourceError):
    """A camera that does not come by waiting for it: a wrong password, a web page in its place, an unclear name."""


class ColorError(InputError, ValueError):
    """A colour encoding that livestyle cannot keep right, so it refuses instead of crushing it."""


class StyleError(InputError, ValueError):
    """A recipe or LUT file is broken; the message names file and line."""


class ModelError(InputError, ValueError):
    """A model file, its card or its checksum is wrong."""


class StreamError(LivestyleError):
    """Something failed while frames were running."""

    exit_code = 4


class DecodeError(StreamError, ValueError):
    """The source broke off; raised after every frame that could be read."""


class EncodeError(StreamError, OSError):
    """The output could not be written."""


class AnswerError(StreamError, OSError):
    """A list or report could not be written to the standard output."""


class BackendError(LivestyleError, RuntimeError):
    """A device, display or driver that is not available here."""

    exit_code = 5


class DeviceError(BackendError):
    """A compute device that was named cannot be used."""


class DeviceMemoryError(DeviceError, MemoryError):
    """The memory of a compute device is full."""


class DisplayError(BackendError):
    """There is no display to open a window on."""


class VirtualCameraError(BackendError):
    """No virtual camera device can be used."""


@contextmanager
def foreign_errors(ours: Callable[[Exception], LivestyleError]) -> Iterator[None]:
    """Around calls of another library on one file: any exception that is not one of ours is raised as `ours(error)`.

    Which exceptions a decoder raises for a damaged file is not specified (TypeError, struct.error and RuntimeError are
    among them), so none is named: one file never ends the work on the others. Ctrl-C passes.
    """
    try:
        yield
    except LivestyleError:
        raise
    except Exception as error:
        raise ours(error) from error


def reason_of(error: Exception) -> str:
    """What an exception says, on one line, for the middle of a sentence."""
    words = getattr(error, "strerror", None) or str(error)
    return " ".join(str(words).split()) or type(error).__name__


_MEMORY_IS_FULL = ("out of memory", "out_of_memory", "failed to allocate", "can't allocate memory", "not enough memory")


def device_failure(what: str, device: str, error: Exception) -> DeviceError:
    """The error for `what` ("the model") that failed on `device`. Only its words tell full memory from a loss."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if any(words in str(error).lower() for words in _MEMORY_IS_FULL):
        return DeviceMemoryError(
            f"{what} found the memory of the device {device!r} full: {reason}",
            hint="close what else uses it, choose a smaller --size, or use --device cpu or auto",
        )
    return DeviceError(f"{what} failed on the device {device!r}: {reason}", hint="try another --device")


@contextmanager
def device_failures(what: str, device: str) -> Iterator[None]:
    """Turns the RuntimeErrors by which torch tells of a device into `device_failure`."""
    try:
        yield
    except LivestyleError:  # some of which are RuntimeErrors
        raise
    except RuntimeError as error:
        raise device_failure(what, device, error) from error


def unforeseen(what: str, error: Exception) -> StreamError:
    """The error for `what` (a file, a camera) that ended with an exception which nobody expects of it."""
    words = [type(error).__name__, *(line for line in str(error).splitlines() if line.strip())][:2]
    if isinstance(error, MemoryError) or any(full in str(error).lower() for full in _MEMORY_IS_FULL):
        return StreamError(
            f"{what} needs more memory than there is", hint="close other programs, or make the picture smaller"
        )
    return StreamError(f"{what} cannot be styled: {': '.join(words)}", hint="please report it with what --debug prints")


def unforeseen_failures(what: str) -> AbstractContextManager[None]:
    """Turns any exception that is not ours into `unforeseen`: libraries may raise anything on strange files."""
    return foreign_errors(lambda error: unforeseen(what, error))
