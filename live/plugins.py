"""Sources and sinks of other installed packages, found by the entry points `livestyle.sources` and `livestyle.sinks`.

A package adds them in its pyproject.toml; livestyle is not edited:

    [project.entry-points."livestyle.sources"]
    ndi = "my_package:open_source"        # livestyle --camera ndi:studio-1
    ".r3d" = "my_package:open_clip"       # livestyle clip.r3d -o out.mp4

    [project.entry-points."livestyle.sinks"]
    ndi = "my_package:open_sink"          # livestyle --camera 0 -o ndi:styled

The name of an entry point is a scheme (two or more of a-z, 0-9, +, -, .; the first a letter), or, of a source, the
suffix of a kind of file, which begins with a dot. Schemes and suffixes are compared in lower case.

The callable of a source gets a `SourceRequest` and returns a `livestyle.protocols.Source`; that of a sink gets a
`SinkRequest` and returns a `livestyle.protocols.Sink`. What they open is passed through the same loop as everything
else, so the protocols hold: a camera sets `StreamInfo.is_live`, a file that is a single picture `frames=1`. Errors of
livestyle.errors are shown as they are; they should say what to do. Any other exception, and an object that is not a
source or sink, ends that run with one sentence that names the package; it affects no other input.

Nothing of a package is imported before one of its names is used, and installed packages are not even listed unless an
argument has the form SCHEME:NAME or an input has a suffix that livestyle does not know. The built-in schemes (`http`,
`https`, `rtsp`, `rtsps`) and kinds of files cannot be replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from livestyle.errors import (
    BackendError,
    DecodeError,
    EncodeError,
    LivestyleError,
    SourceError,
    UsageError,
    foreign_errors,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from livestyle.frame import Frame, StreamInfo
    from livestyle.protocols import Sink, Source

Group = Literal["livestyle.sources", "livestyle.sinks"]

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):(.+)", re.IGNORECASE | re.DOTALL)  # C: is a drive, not a scheme
_BUILT_IN = ("http", "https", "rtsp", "rtsps", "file")


@dataclass(frozen=True, slots=True)
class PluginAddress:
    """SCHEME:NAME, as typed, for the package that has that scheme."""

    scheme: str  # in lower case
    name: str = field(repr=False)  # not empty; what it means is up to the package

    def __str__(self) -> str:
        """For messages: without what is before an @, which may be a password."""
        secret, at, rest = self.name.rpartition("@")
        return f"{self.scheme}:{'...' if secret else ''}{at}{rest}"


Output = Path | PluginAddress
"""What -o names."""


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What a source is opened for. None: nothing was requested."""

    name: str  # what follows "SCHEME:", or the path of a file
    size: tuple[int, int] | None = None  # (width, height), a wish; cameras only
    rate: float | None = None  # frames per second, likewise
    wait: float | None = None  # seconds to wait for a camera that is not there yet; inf: for ever; None: not at all
    start: float = 0.0  # seconds into a file at which the frames are to begin
    duration: float | None = None  # seconds of a file from `start` on; None: to its end


@dataclass(frozen=True, slots=True)
class SinkRequest:
    """What a sink is opened for. None: nothing was requested."""

    name: str  # what follows "SCHEME:"
    info: StreamInfo  # of the frames that it will get
    codec: str | None = None
    crf: int | None = None
    size: tuple[int, int] | None = None  # (width, height) that the picture is to fit in; files only
    rate: float | None = None  # frames per second, likewise
    overwrite: bool = False  # whether -y was given


def source_address(text: str) -> PluginAddress | None:
    """`text` of --camera as an address, if a package is installed that opens its scheme."""
    return _address(text, "livestyle.sources")


def sink_address(text: str) -> PluginAddress | None:
    """`text` of -o likewise."""
    return _address(text, "livestyle.sinks")


def opens_file(path: Path) -> bool:
    """Whether an installed package opens files with the suffix of `path`."""
    return path.suffix != "" and bool(_entry_points("livestyle.sources", path.suffix.lower()))


def open_plugin_source(address: PluginAddress, request: SourceRequest) -> Source:
    """The source at an address. Raises UsageError, BackendError, SourceError and what the package raises of ours."""
    return _open_source(address.scheme, str(address), request)


def open_plugin_file(path: Path, request: SourceRequest) -> Source:
    """The source of a file that `opens_file`. Raises as `open_plugin_source`."""
    return _open_source(path.suffix.lower(), str(path), request)


def open_plugin_sink(address: PluginAddress, request: SinkRequest) -> Sink:
    """The sink at an address. Raises UsageError, BackendError, EncodeError and what the package raises of ours."""
    from livestyle.protocols import Sink

    entry = _entry_point("livestyle.sinks", address.scheme)
    opener = _loaded(entry)
    with foreign_errors(lambda error: _failed(EncodeError, str(address), entry, error)):
        sink = opener(request)
    if not isinstance(sink, Sink):
        raise BackendError(_is_none(entry, sink, "livestyle.protocols.Sink"))
    return _Sink(sink, str(address), entry)


def schemes(group: Group) -> list[tuple[str, str]]:
    """(scheme or suffix, package and version) of all that is installed, by name."""
    return sorted((entry.name.lower(), _package(entry)) for entry in _entry_points(group))


class _Source:
    """A package's source, its errors turned into ours."""

    def __init__(self, source: Source, shown: str, entry: EntryPoint) -> None:
        self._source, self._shown, self._entry = source, shown, entry

    @property
    def info(self) -> StreamInfo:
        return self._source.info

    def __iter__(self) -> Iterator[Frame]:
        with foreign_errors(lambda error: _failed(DecodeError, self._shown, self._entry, error)):
            yield from self._source

    def close(self) -> None:
        self._source.close()


class _Sink:
    """A package's sink, likewise."""

    def __init__(self, sink: Sink, shown: str, entry: EntryPoint) -> None:
        self._sink, self._shown, self._entry = sink, shown, entry

    @property
    def closed(self) -> bool:
        return self._sink.closed

    def write(self, frame: Frame) -> None:
        with self._ours():
            self._sink.write(frame)

    def idle(self) -> None:
        with self._ours():
            self._sink.idle()

    def close(self) -> None:
        with self._ours():
            self._sink.close()

    def _ours(self) -> AbstractContextManager[None]:
        return foreign_errors(lambda error: _failed(EncodeError, self._shown, self._entry, error))


def _open_source(name: str, shown: str, request: SourceRequest) -> Source:
    from livestyle.protocols import Source

    entry = _entry_point("livestyle.sources", name)
    opener = _loaded(entry)
    with foreign_errors(lambda error: _failed(SourceError, shown, entry, error)):
        source = opener(request)
    if not isinstance(source, Source):
        raise BackendError(_is_none(entry, source, "livestyle.protocols.Source"))
    return _Source(source, shown, entry)


def _address(text: str, group: Group) -> PluginAddress | None:
    found = _ADDRESS.fullmatch(text)
    if found is None or found[1].lower() in _BUILT_IN or not _entry_points(group, found[1].lower()):
        return None
    return PluginAddress(found[1].lower(), found[2])


def _entry_points(group: Group, name: str | None = None) -> list[EntryPoint]:
    from importlib.metadata import entry_points  # takes 20 ms, which only those pay who use a plugin

    return [entry for entry in entry_points(group=group) if name is None or entry.name.lower() == name]


def _entry_point(group: Group, name: str) -> EntryPoint:
    """The only one of that name."""
    found = _entry_points(group, name)
    if len({entry.value for entry in found}) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in found))
        raise UsageError(
            f"{name} is opened by several installed packages: {packages}",
            hint="keep one of them and uninstall the others",
        )
    if not found:
        raise UsageError(f"no installed package opens {name}")
    return found[0]


def _loaded(entry: EntryPoint) -> Callable[[object], object]:
    with foreign_errors(
        lambda error: BackendError(
            f"{_package(entry)}, which opens {entry.name}, cannot be loaded: {_words(error)}",
            hint="update or uninstall that package",
        )
    ):
        opener = entry.load()
    if not callable(opener):
        raise BackendError(_is_none(entry, opener, "a callable"))
    return cast(Callable[[object], object], opener)


def _failed(kind: type[LivestyleError], shown: str, entry: EntryPoint, error: Exception) -> LivestyleError:
    hint = f"report it to the makers of {_package(entry)}; --debug shows where it happened"
    return kind(f"{shown} failed in {_package(entry)}: {_words(error)}", hint=hint)


def _is_none(entry: EntryPoint, thing: object, wanted: str) -> str:
    return f"{_package(entry)} has no {wanted} at {entry.value}, but {type(thing).__name__}"


def _words(error: Exception) -> str:
    return ": ".join(part for part in (type(error).__name__, " ".join(str(error).split())) if part)


def _package(entry: EntryPoint) -> str:
    """The package that an entry point comes from, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value.partition(":")[0]
