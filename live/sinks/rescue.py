"""Recordings of runs that ended without finishing them: made ordinary files. Other leftovers are removed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from livestyle.errors import LivestyleError
from livestyle.sinks.output import Pending, free_path, write_error
from livestyle.sinks.unfinished import Leftover, claimed, leftovers

_HEADERS = 4096  # bytes; what cannot be read and is no larger holds nothing but a beginning

log = logging.getLogger("livestyle")


@dataclass(frozen=True, slots=True)
class Rescued:
    """A recording of a run that is gone."""

    path: Path  # where it is now
    seconds: float | None  # of video in it; None: nothing in it can be read


def tidy(folder: Path, stop: Callable[[], bool] = lambda: False) -> list[Rescued]:
    """Remove the temporary files of runs that are gone from `folder` and rescue their recordings.

    `stop` ends it between two packets; what was not rescued by then is found again the next time.
    Raises EncodeError, when there is no room for a repaired copy, say: the recording is left as it was.
    """
    rescued: list[Rescued] = []
    for leftover in leftovers(folder):
        with claimed(leftover) as is_ours:
            if is_ours and leftover.kind == "part":
                _remove(leftover.path)
            elif is_ours and not stop():
                rescued.extend(_rescue(leftover, stop))
    return rescued


@contextmanager
def tidied(folders: Iterable[Path]) -> Iterator[None]:
    """`tidy` the folders on a thread beside a run, and log what was rescued. Leaving it asks the thread to end."""
    ended = threading.Event()

    def work() -> None:
        for folder in dict.fromkeys(folders):
            with suppress(LivestyleError):  # said by --rescue; here it must not disturb the run
                for rescued in tidy(folder, ended.is_set):
                    log.info("%s", describe(rescued))

    thread = threading.Thread(target=work, name="livestyle-tidy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def describe(rescued: Rescued) -> str:
    """A sentence for people."""
    if rescued.seconds is None:
        return f"a recording that was cut off holds no picture that can be read: kept as {rescued.path}"
    return f"a recording that was cut off is rescued: {rescued.path} ({rescued.seconds:.1f} s)"


def mend(path: Path) -> None:
    """Replace a video that breaks off in the middle of a packet by a copy of its whole packets, where there is room."""
    try:
        pending = Pending(path, overwrite=True)
    except LivestyleError:
        return
    try:
        if _copy_packets(path, pending.temporary, lambda: False) is not None:
            pending.commit()
    except OSError:  # a full disk: as it is it plays up to its broken end
        log.debug("%s cannot be copied", path)
    finally:
        pending.discard()


def _rescue(leftover: Leftover, stop: Callable[[], bool]) -> list[Rescued]:
    if leftover.path.stat().st_size == 0:
        _remove(leftover.path)
        return []
    pending = Pending(free_path(leftover.target, "rescued"), overwrite=False)
    try:
        seconds = _copy_packets(leftover.path, pending.temporary, stop)
        if seconds is not None:
            return [_replace(leftover, pending, seconds)]
    except OSError as error:
        raise write_error(pending.path, error) from error
    finally:
        pending.discard()
    if stop():
        return []
    if leftover.path.stat().st_size < _HEADERS:  # killed before its first picture
        _remove(leftover.path)
        return []
    return _kept_as_it_is(leftover)


def _replace(leftover: Leftover, pending: Pending, seconds: float) -> Rescued:
    state = leftover.path.stat()
    with suppress(OSError):
        os.utime(pending.temporary, ns=(state.st_atime_ns, state.st_mtime_ns))  # when it was recorded
        pending.temporary.chmod(state.st_mode & 0o777)
    pending.commit()
    _remove(leftover.path)
    return Rescued(pending.path, seconds)


def _kept_as_it_is(leftover: Leftover) -> list[Rescued]:
    """Under a name that is not looked for again, and not taken for a video."""
    kept = free_path(leftover.target.with_name(f"{leftover.target.name}.damaged"))
    os.replace(leftover.path, kept)
    return [Rescued(kept, None)]


def _copy_packets(broken: Path, whole: Path, stop: Callable[[], bool]) -> float | None:
    """Copy the video as far as it can be read; its seconds, or None where there is nothing or `stop` says so."""
    from livestyle.media import av, open_input, open_output
    from livestyle.sinks.containers import container_of

    try:
        source = open_input(broken)
    except (av.error.FFmpegError, ValueError):
        return None
    with source, open_output(whole, container_of(whole).format, {}) as output:
        video = next(iter(source.streams.video), None)
        if video is None:
            return None
        target = output.add_stream_from_template(video, opaque=True)  # needs no encoder
        begin = end = None
        for packet in _readable(source, video):
            if stop():
                return None
            begin = packet.pts if begin is None else min(begin, packet.pts)
            end = packet.pts + (packet.duration or 0) if end is None else max(end, packet.pts + (packet.duration or 0))
            packet.stream = target
            output.mux_one(packet)
        return None if begin is None or end is None else float((end - begin) * Fraction(video.time_base))


def _readable(source: Any, video: Any) -> Iterator[Any]:
    """Whole packets up to where the file breaks off."""
    from livestyle.media import av

    with suppress(av.error.FFmpegError):
        for packet in source.demux(video):
            if packet.size and not packet.is_corrupt and packet.pts is not None:
                packet.dts = packet.pts if packet.dts is None else packet.dts
                yield packet


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        log.debug("removed %s, left over by a run that is gone", path)
