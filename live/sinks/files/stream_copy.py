"""What is copied from a video into the styled file: sound, subtitles, attachments, chapters, metadata.

Packets are copied, not re-encoded; only text subtitles are converted where the new container has another kind, and
sound is encoded where it cannot carry it. The source file is opened a second time for this, and its video packets are
read too: they show how long each frame lasts and where the styled video stops.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from livestyle.media.clock import CLOCK_ANYWHERE, Clock, jumps_before
from livestyle.media.pyav import (
    Disposition,
    InputContainer,
    OutputContainer,
    Packet,
    Stream,
    av,
    decoder_of,
    fraction_of,
    open_input,
)
from livestyle.media.streams import is_cover, main_video
from livestyle.media.timecode import at_other_rate, moved_timecode
from livestyle.media.timeline import first_tick, start_of
from livestyle.sinks.files.containers import Container
from livestyle.sinks.files.further_streams import Target, add_cover, add_target, cover_pictures, fresh
from livestyle.sinks.files.packet_copy import moment_of

if TYPE_CHECKING:
    from livestyle.media.pyav import Chapter

log = logging.getLogger("livestyle")

_BEFORE = 10  # seconds read before the start, for subtitles that are still shown then
_REMEMBERED = 4096  # video packets whose durations are kept


class CopiedStreams:
    """The other streams of one source file. Times given to and taken from it are seconds on the file's own clock."""

    def __init__(self, path: Path, start: float, stop: float | None, rate: Fraction | None = None) -> None:
        """`start`, `stop`: seconds into the file; `rate`: frames per second of the output where it is constant."""
        self._start, self._rate = start, rate
        self._input: InputContainer = open_input(path)
        self._video = main_video(self._input)
        begin = start_of(self._input)
        self._from = begin + Fraction(start) if start else None
        self._until = None if stop is None else begin + Fraction(stop)
        self.origin = self._origin(begin, start)
        self._path = path
        self._targets: dict[int, Target] = {}
        self._covers: list[tuple[Stream, bytes]] = []
        self._durations: dict[int, int] = {}
        self._packets: Iterator[Packet] | None = None
        self._waiting: Packet | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of the whole file."""
        return self._with_timecode(fresh(self._input.metadata))

    @property
    def video_track(self) -> tuple[Path, int]:
        """The source file, and the ID of the video's track in it."""
        return self._path, -1 if self._video is None else self._video.id

    @property
    def video_metadata(self) -> dict[str, str]:
        """Metadata of the video stream (language, title)."""
        return {} if self._video is None else self._with_timecode(fresh(self._video.metadata))

    @property
    def video_disposition(self) -> Disposition:
        """Whether the video is shown by default, is a commentary, and so on."""
        return Disposition(0) if self._video is None else Disposition(self._video.disposition)

    def pixel_aspect(self, *, turned: bool) -> Fraction:
        """Width of a pixel over its height, upright; `turned`: the picture is shown on its side."""
        aspect = fraction_of(self._video.sample_aspect_ratio) if self._video is not None else None
        if aspect is None or aspect <= 0:
            return Fraction(1)
        return 1 / aspect if turned else aspect

    @property
    def coded_size(self) -> tuple[int, int] | None:
        """(width, height) as stored, before any rotation."""
        decoder = None if self._video is None else decoder_of(self._video)
        return None if decoder is None else (decoder.width, decoder.height)

    def chapters(self) -> list[Chapter]:
        """The chapters inside the part that is kept, on the new file's clock."""
        kept = (self._clip_chapter(chapter) for chapter in self._input.chapters())
        return [chapter for chapter in kept if chapter is not None]

    def add_streams(self, output: OutputContainer, container: Container) -> None:
        """Give `output` a stream for each one that it can carry; log which ones are left out."""
        has_covers = any(is_cover(stream, self._video) for stream in self._input.streams)
        pictures = cover_pictures(self._path) if has_covers else {}
        for stream in self._input.streams:
            if self._video is not None and stream.index == self._video.index:
                continue
            if is_cover(stream, self._video):
                self._covers += add_cover(output, stream, pictures.get(stream.index), container)
            elif (target := add_target(output, stream, container, has_timecode=self._has_timecode)) is not None:
                self._targets[stream.index] = target
        if self._from is not None:
            self._seek()

    def write_covers(self, output: OutputContainer) -> None:
        """Write the cover pictures; `output` has its header by then."""
        for stream, picture in self._covers:
            packet = av.Packet(picture)
            packet.stream, packet.time_base, packet.is_keyframe = (
                stream,
                fraction_of(stream.time_base) or Fraction(1),
                True,
            )
            packet.pts = packet.dts = 0
            output.mux_one(packet)

    def copy_until(self, output: OutputContainer, seconds: Fraction) -> None:
        """Write every packet up to `seconds`."""
        while (packet := self._peek()) is not None and moment_of(packet) <= seconds:
            self._waiting = None
            self._take(output, packet)

    def copy_rest(self, output: OutputContainer, last_pts: int | None, end: Fraction) -> None:
        """Write what is left: to the file's end after its last frame, else (a stop in the middle) to `end`."""
        while (packet := self._peek()) is not None:
            self._waiting = None
            if self._is_video(packet) and last_pts is not None and packet.pts is not None and packet.pts > last_pts:
                self._until = end if self._until is None else min(end, self._until)
            if self._until is not None and moment_of(packet) > self._until + _BEFORE:
                break
            self._take(output, packet)
        for target in self._targets.values():
            target.finish(output)

    def end_of_video(self, frames: int) -> Fraction | None:
        """When the video ends, if `frames` are all it has and it says so.

        Better than `duration_of` then: in MP4 the packets' durations are those between decoding times.
        """
        video = self._video
        if video is None or not video.duration or not video.frames or frames < video.frames:
            return None
        base = fraction_of(video.time_base)
        return None if base is None else ((video.start_time or 0) + video.duration) * base

    def duration_of(self, pts: int) -> int | None:
        """How long the source shows its frame `pts`, in ticks of the video stream; None when it does not say."""
        return self._durations.get(pts) or None

    def _with_timecode(self, metadata: dict[str, str]) -> dict[str, str]:
        """`metadata` with the timecode of the first frame that is kept."""
        key = next((key for key in metadata if key.lower() == "timecode"), None)
        rate = None if self._video is None else fraction_of(self._video.average_rate)
        if key is None or rate is None:
            return metadata
        frames = first_tick(self._start, 1 / rate)
        later = moved_timecode(metadata[key], frames, rate) if frames else metadata[key]
        if later is not None and self._rate is not None and round(self._rate) != round(rate):
            later = at_other_rate(later, rate, self._rate)
        if later is None:
            log.warning("The timecode %s is left out: it does not fit %g frames per second", metadata[key], rate)
            return {other: value for other, value in metadata.items() if other != key}
        return {**metadata, key: later}

    @property
    def _has_timecode(self) -> bool:
        tags = {**self._input.metadata, **({} if self._video is None else self._video.metadata)}
        return any(key.lower() == "timecode" for key in tags)

    def close(self) -> None:
        """Close the source file."""
        self._input.close()

    def _origin(self, begin: Fraction, start: float) -> Fraction:
        """The source time that becomes 0: pts are kept as they are unless part of the file is cut away before them."""
        if start:
            return begin + Fraction(start)
        return begin if self._input.format.flags & CLOCK_ANYWHERE else Fraction(0)

    def _seek(self) -> None:
        offset = self._from - _BEFORE if self._from is not None else Fraction(0)
        if offset > start_of(self._input) and not jumps_before(self._path, float(offset - start_of(self._input))):
            try:
                self._input.seek(int(offset * 1_000_000), backward=True)
            except Exception:
                log.debug("cannot seek in the source for its other streams: read from the beginning")

    def _peek(self) -> Packet | None:
        if self._waiting is None:
            self._packets = self._packets or self._demux()
            self._waiting = next(self._packets, None)
        return self._waiting

    def _demux(self) -> Iterator[Packet]:
        try:
            clock = Clock(self._input)
            for packet in self._input.demux():
                clock.correct(packet)
                if packet.size and (packet.pts is not None or packet.dts is not None):
                    yield packet
        except Exception as error:
            log.debug("the source's other streams end early: %s", error)

    def _is_video(self, packet: Packet) -> bool:
        return self._video is not None and packet.stream.index == self._video.index

    def _take(self, output: OutputContainer, packet: Packet) -> None:
        if self._is_video(packet):
            self._remember(packet)
            return
        copy = self._targets.get(packet.stream.index)
        if copy is not None:
            copy.write(output, packet, self._from, self._until, self.origin)

    def _remember(self, packet: Packet) -> None:
        if packet.pts is None or not packet.duration:
            return
        self._durations[packet.pts] = packet.duration
        if len(self._durations) > _REMEMBERED:
            del self._durations[next(iter(self._durations))]

    def _clip_chapter(self, chapter: Chapter) -> Chapter | None:
        base = fraction_of(chapter["time_base"])
        if base is None:
            return None
        begin, end = chapter["start"] * base, chapter["end"] * base
        begin = max(begin, self._from) if self._from is not None else begin
        end = min(end, self._until) if self._until is not None else end
        if end <= begin and (self._from is not None or self._until is not None):
            return None
        start, stop = (round((moment - self.origin) / base) for moment in (begin, end))
        return {**chapter, "start": start, "end": stop}
