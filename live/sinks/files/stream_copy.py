"""What is copied from a video into the styled file: sound, subtitles, attachments, chapters, metadata.

Packets are copied, not re-encoded; only text subtitles are converted where the new container has another kind. The
source file is opened a second time for this, and its video packets are read too: they show how long each frame lasts
and where the styled video stops.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from livestyle.media.pyav import (
    InputContainer,
    OutputContainer,
    Packet,
    Stream,
    av,
    codec_name,
    decoder_of,
    fraction_of,
    is_cover,
    open_input,
)
from livestyle.media.timeline import first_tick, start_of
from livestyle.sinks.files.containers import Container
from livestyle.sinks.files.subtitles import ASS_HEADER, TEXT_CODECS, convert_text

if TYPE_CHECKING:
    from livestyle.media.pyav import Chapter

log = logging.getLogger("livestyle")

_CLOCK_ANYWHERE = 0x0200  # AVFMT_TS_DISCONT: transport streams, whose clock begins at any time
_BEFORE = 10  # seconds read before the start, for subtitles that are still shown then
_REMEMBERED = 4096  # video packets whose durations are kept
# Facts about the old file that are not true of the new one.
_STALE = (
    "encoder",
    "rotate",
    "duration",
    "bps",
    "number_of_",
    "_statistics",
    "major_brand",
    "minor_version",
    "compatible_",
)


class CopiedStreams:
    """The other streams of one source file. Times given to and taken from it are seconds on the file's own clock."""

    def __init__(self, path: Path, start: float, stop: float | None) -> None:
        self._input: InputContainer = open_input(path)
        self._video = next((stream for stream in self._input.streams.video if not is_cover(stream)), None)
        begin = start_of(self._input)
        self._from = begin + Fraction(start) if start else None
        self._until = None if stop is None else begin + Fraction(stop)
        self.origin = self._origin(begin, start)
        self._targets: dict[int, _Copy] = {}
        self._durations: dict[int, int] = {}
        self._packets: Iterator[Packet] | None = None
        self._waiting: Packet | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of the whole file."""
        return _fresh(self._input.metadata)

    @property
    def video_metadata(self) -> dict[str, str]:
        """Metadata of the video stream (language, title)."""
        return {} if self._video is None else _fresh(self._video.metadata)

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
        for stream in self._input.streams:
            if self._video is not None and stream.index == self._video.index:
                continue
            copy = _add_copy(output, stream, container)
            if copy is not None:
                self._targets[stream.index] = copy
        if self._from is not None:
            self._seek()

    def copy_until(self, output: OutputContainer, seconds: Fraction) -> None:
        """Write every packet up to `seconds`."""
        while (packet := self._peek()) is not None and _moment(packet) <= seconds:
            self._waiting = None
            self._take(output, packet)

    def copy_rest(self, output: OutputContainer, last_pts: int | None, end: Fraction) -> None:
        """Write what is left: to the file's end after its last frame, else (a stop in the middle) to `end`."""
        while (packet := self._peek()) is not None:
            self._waiting = None
            if self._is_video(packet) and last_pts is not None and packet.pts is not None and packet.pts > last_pts:
                self._until = end if self._until is None else min(end, self._until)
            if self._until is not None and _moment(packet) > self._until + _BEFORE:
                return
            self._take(output, packet)

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

    def close(self) -> None:
        """Close the source file."""
        self._input.close()

    def _origin(self, begin: Fraction, start: float) -> Fraction:
        """The source time that becomes 0: pts are kept as they are unless part of the file is cut away before them."""
        if start:
            return begin + Fraction(start)
        return begin if self._input.format.flags & _CLOCK_ANYWHERE else Fraction(0)

    def _seek(self) -> None:
        offset = self._from - _BEFORE if self._from is not None else Fraction(0)
        if offset > start_of(self._input):
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
            for packet in self._input.demux():
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


class _Copy:
    """Copies one stream into the output."""

    def __init__(self, source: Stream, target: Stream, convert_to: str | None = None) -> None:
        self._base = _time_base(source)
        self._codec = codec_name(source)
        self._target = target
        self._convert_to = convert_to
        self._last = -(1 << 62)
        self._is_text = source.type == "subtitle"
        self._is_cover = is_cover(source)

    def write(
        self,
        output: OutputContainer,
        packet: Packet,
        start: Fraction | None,
        until: Fraction | None,
        origin: Fraction,
    ) -> None:
        """Write a packet of this stream, unless it lies outside start..until (seconds, source clock)."""
        begin = _ticks(packet)
        end = begin + (packet.duration or 0)
        if not self._is_cover:
            if start is not None:
                begin, dropped = self._cut(begin, end, first_tick(start, self._base))
                if dropped:
                    return
            if until is not None and begin >= first_tick(until, self._base):
                return
            if until is not None and self._is_text:
                end = min(end, first_tick(until, self._base))
        shift = 0 if self._is_cover else round(origin / self._base)
        reorder = 0 if packet.dts is None or packet.pts is None else packet.dts - packet.pts
        self._mux(output, packet, begin - shift, end - begin, reorder)

    def _cut(self, begin: int, end: int, start: int) -> tuple[int, bool]:
        """A subtitle that is still shown at `start` begins there; other packets before it are dropped."""
        if begin >= start:
            return begin, False
        return start, not (self._is_text and end > start)

    def _mux(self, output: OutputContainer, packet: Packet, pts: int, duration: int, reorder: int) -> None:
        if self._convert_to is not None:
            data = convert_text(bytes(packet), self._codec, self._convert_to)
            if not data:
                return
            packet = av.Packet(data)
            packet.time_base = self._base
        dts = max(pts + reorder, self._last + 1)  # muxers refuse times that do not increase
        self._last = dts
        packet.stream = self._target
        packet.dts, packet.pts, packet.duration = dts, max(pts, dts) if reorder <= 0 else pts, duration
        output.mux_one(packet)


def _add_copy(output: OutputContainer, stream: Stream, container: Container) -> _Copy | None:
    codec = codec_name(stream)
    kind = f"{codec} " if codec else ""
    if isinstance(stream, av.stream.AttachmentStream):
        _add_attachment(output, stream, container)
        return None
    if stream.type == "video" and not is_cover(stream):
        log.info("Stream %d (a further %svideo) is left out: one video is styled", stream.index, kind)
        return None
    if stream.type not in ("audio", "subtitle", "video"):
        log.info("Stream %d (%s) is left out", stream.index, stream.type)
        return None
    try:
        target = output.add_stream_from_template(stream, opaque=True)
        copy = _Copy(stream, target)
    except Exception:  # FFmpeg's errors and PyAV's ValueError, as the stream may be damaged too
        found = _add_converted(output, stream, container)
        if found is None:
            log.warning(
                "The %s%s of stream %d is left out: %s cannot carry it%s", kind, stream.type, stream.index,
                container.format, ", .mkv can" if stream.type != "video" else "",
            )  # fmt: skip
            return None
        target, copy = found
    _describe(stream, target)
    return copy


def _add_converted(output: OutputContainer, stream: Stream, container: Container) -> tuple[Stream, _Copy] | None:
    if stream.type != "subtitle" or codec_name(stream) not in TEXT_CODECS or container.text is None:
        return None
    if container.text == "mov_text":
        text = output.add_stream("mov_text")
        text.codec_context.subtitle_header = ASS_HEADER
        text.time_base = text.codec_context.time_base = Fraction(1, 1000)
        target: Stream = text
    else:
        target = output.add_mux_stream(container.text, time_base=Fraction(1, 1000))
    return target, _Copy(stream, target, container.text)


def _add_attachment(output: OutputContainer, stream: av.stream.AttachmentStream, container: Container) -> None:
    if container.attachments:
        target = output.add_attachment("attachment", "application/octet-stream", stream.data or b"")
        target.metadata.update(_fresh(stream.metadata))  # its name too, which `add_attachment` refuses unless UTF-8
    else:
        log.info("The attachment %s is left out: %s cannot carry it", stream.name, container.format)


def _describe(stream: Stream, target: Stream) -> None:
    target.metadata.update(_fresh(stream.metadata))
    target.disposition = stream.disposition


def _fresh(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if not key.lower().startswith(_STALE)}


def _ticks(packet: Packet) -> int:
    """When a packet's content begins, in its stream's time base; 0 for one that does not say."""
    return packet.pts if packet.pts is not None else packet.dts or 0


def _moment(packet: Packet) -> Fraction:
    """When a packet is decoded, in seconds on the file's clock."""
    ticks = packet.dts if packet.dts is not None else _ticks(packet)
    return ticks * (fraction_of(packet.time_base) or Fraction(0))


def _time_base(stream: Stream) -> Fraction:
    """Seconds per tick. Raises ValueError for a stream that does not say, which cannot be carried."""
    base = fraction_of(stream.time_base)
    if base is None:
        raise ValueError("the stream has no time base")
    return base
