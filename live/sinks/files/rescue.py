"""Makes ordinary files of the recordings that runs left unfinished, and removes their other leftovers."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from livestyle.errors import EncodeError, LivestyleError
from livestyle.sinks.files.output import Pending, free_path, same_file, write_error
from livestyle.sinks.files.replacing import move_without_replacing
from livestyle.sinks.files.unfinished import Claim, Leftover, claimed, leftovers

if TYPE_CHECKING:  # PyAV takes a while to load, and most runs find nothing to rescue
    from livestyle.media.pyav import InputContainer, av

_HEADERS = 4096  # bytes; a file that cannot be read and is no larger contains only headers
_SHARE_BESIDE = 0.5  # of the free disk, that a rescue beside a run may take: the run may record there

log = logging.getLogger("livestyle")


@dataclass(frozen=True, slots=True)
class Rescued:
    """A recording of a run that is gone."""

    path: Path  # where it is now
    seconds: float | None  # of video in it; None: nothing in it can be read


def tidy(folder: Path, stop: Callable[[], bool] = lambda: False, *, share: float = 1.0) -> list[Rescued | EncodeError]:
    """Remove the temporary files of runs that are gone from `folder` and rescue their recordings.

    An error stands for a recording that is left as it was, because there is no room for its repaired copy, say: that
    may take `share` of what is free on the disk. `stop` ends it between two packets; what was not rescued by then is
    found again the next time.
    """
    done: list[Rescued | EncodeError] = []
    for leftover in leftovers(folder):
        with claimed(leftover) as claim:
            if claim is not None and leftover.kind == "part":
                _remove(leftover, claim)
            elif claim is not None and not stop():
                try:
                    done.extend(_rescue(leftover, claim, stop, share))
                except EncodeError as error:
                    done.append(error)
                except OSError as error:
                    done.append(write_error(leftover.target, error))
    return done


@contextmanager
def tidied(folders: Iterable[Path]) -> Iterator[None]:
    """`tidy` the folders on a thread beside a run, and log what was rescued. On leaving, the thread is told to end."""
    ended = threading.Event()

    def work() -> None:
        for folder in dict.fromkeys(folders):
            for rescued in tidy(folder, ended.is_set, share=_SHARE_BESIDE):
                if isinstance(rescued, Rescued):  # --rescue shows errors; here they must not disturb the run
                    log.info("%s", describe(rescued))

    thread = threading.Thread(target=work, name="livestyle-tidy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def describe(rescued: Rescued) -> str:
    """A message for the user."""
    if rescued.seconds is None:
        return f"a recording that was cut off holds no picture that can be read: kept as {rescued.path}"
    return f"a recording that was cut off is rescued: {rescued.path} ({rescued.seconds:.1f} s)"


def mend(path: Path) -> None:
    """Replace a video that ends in the middle of a packet with a copy of its whole packets, where there is room."""
    try:
        pending = Pending(path, overwrite=True)
    except LivestyleError:
        return
    try:
        if _copy_packets(path, pending.temporary, lambda: False) is not None:
            pending.commit()
    except (OSError, LivestyleError):  # a full disk, or Windows: as it is it plays up to its broken end
        log.debug("%s cannot be copied", path)
    finally:
        pending.discard()


def _rescue(leftover: Leftover, claim: Claim, stop: Callable[[], bool], share: float) -> list[Rescued]:
    state = leftover.path.stat()
    if state.st_size == 0 or same_file(leftover.path, leftover.target):  # killed while it was moved in place
        _remove(leftover, claim)
        return []
    if state.st_size > share * shutil.disk_usage(leftover.path.parent).free:
        raise write_error(leftover.target, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    pending = Pending(free_path(leftover.target, "rescued"), overwrite=False)
    try:
        seconds = _copy_packets(leftover.path, pending.temporary, stop)
        if seconds is not None:
            return [_replace(leftover, claim, pending, seconds)]
    finally:
        pending.discard()
    if stop():
        return []
    if state.st_size < _HEADERS:  # killed before its first picture
        _remove(leftover, claim)
        return []
    return _kept_as_it_is(leftover, claim)


def _replace(leftover: Leftover, claim: Claim, pending: Pending, seconds: float) -> Rescued:
    state = leftover.path.stat()
    with suppress(OSError):
        os.utime(pending.temporary, ns=(state.st_atime_ns, state.st_mtime_ns))  # when it was recorded
        pending.temporary.chmod(state.st_mode & 0o777)
    pending.commit()
    _remove(leftover, claim)
    return Rescued(pending.path, seconds)


def _kept_as_it_is(leftover: Leftover, claim: Claim) -> list[Rescued]:
    """Under a name that is not looked for again, and not taken for a video."""
    kept = free_path(leftover.target.with_name(f"{leftover.target.name}.damaged"))
    claim.release_with(lambda: move_without_replacing(leftover.path, kept))
    return [Rescued(kept, None)]


def _copy_packets(broken: Path, whole: Path, stop: Callable[[], bool]) -> float | None:
    """Copy the video as far as it can be read; its seconds, or None where there is nothing or `stop` says so.

    Raises OSError where the copy cannot be written.
    """
    try:
        return _copied(broken, whole, stop)
    except OSError:
        raise
    except Exception as error:  # which ones damaged files lead to is not specified
        log.debug("%s cannot be copied: %s", broken, error)
        return None


def _copied(broken: Path, whole: Path, stop: Callable[[], bool]) -> float | None:
    from livestyle.media.pyav import av, fraction_of, open_input, open_output
    from livestyle.sinks.files.containers import container_of

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
        for packet, pts in _readable(source, video):
            if stop():
                return None
            packet.stream = target
            span = pts, pts + (packet.duration or 0)
            with suppress(ValueError):  # the muxer refuses a packet with damaged times, and takes the next
                output.mux_one(packet)
                begin = span[0] if begin is None else min(begin, span[0])
                end = span[1] if end is None else max(end, span[1])
        time_base = fraction_of(video.time_base) or Fraction(0)
        return None if begin is None or end is None else float((end - begin) * time_base)


def _readable(source: InputContainer, video: av.VideoStream) -> Iterator[tuple[av.Packet[av.VideoStream], int]]:
    """Complete packets up to the end of what can be read, each with its presentation time."""
    from livestyle.media.pyav import av

    with suppress(av.error.FFmpegError):
        for packet in source.demux(video):
            if packet.size and not packet.is_corrupt and packet.pts is not None:
                packet.dts = packet.pts if packet.dts is None else packet.dts
                yield packet, packet.pts


def _remove(leftover: Leftover, claim: Claim) -> None:
    with suppress(OSError):
        claim.release_with(leftover.path.unlink)
        log.debug("removed %s, left over by a run that is gone", leftover.path)
