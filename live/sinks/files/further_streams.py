"""Gives the output a stream for each further one of the source: sound, subtitles, attachments, covers."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from livestyle.media.pyav import (
    Disposition,
    OutputContainer,
    Packet,
    Stream,
    av,
    codec_name,
    open_input,
)
from livestyle.media.streams import is_cover, main_video
from livestyle.sinks.files.carrying import carries_sound, encoder_for
from livestyle.sinks.files.containers import Container
from livestyle.sinks.files.packet_copy import PacketCopy
from livestyle.sinks.files.sound import EncodedSound
from livestyle.sinks.files.subtitles import ASS_HEADER, TEXT_CODECS

log = logging.getLogger("livestyle")

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
_COVER_CODECS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png"), "bmp": ("bmp", "image/bmp")}
"""FFmpeg's name -> (usual suffix, media type) of the covers that MP4 and Matroska know."""


class Target(Protocol):
    """What takes the packets of one stream of the source."""

    def write(
        self,
        output: OutputContainer,
        packet: Packet,
        start: Fraction | None,
        until: Fraction | None,
        origin: Fraction,
    ) -> None:
        """Write a packet, unless it lies outside start..until; its time becomes that after `origin`. In seconds."""

    def finish(self, output: OutputContainer) -> None:
        """Write what is held back."""


def fresh(metadata: dict[str, str]) -> dict[str, str]:
    """`metadata` without the facts about the old file that are not true of the new one."""
    return {key: value for key, value in metadata.items() if not key.lower().startswith(_STALE)}


def add_target(output: OutputContainer, stream: Stream, container: Container, *, has_timecode: bool) -> Target | None:
    """A stream in `output` for `stream`; None for one that is left out, which is logged, or needs no packets.

    `has_timecode`: the metadata hold it, of which the muxer makes its own track.
    """
    if isinstance(stream, av.stream.AttachmentStream):
        _add_attachment(output, stream, container)
        return None
    if stream.type == "video":
        log.warning("Stream %d (a further %s) is left out: one video is styled", stream.index, _named(stream))
        return None
    if stream.type == "audio":
        return _sound_target(output, stream, container)
    if stream.type == "subtitle":
        return _subtitle_target(output, stream, container)
    if not (has_timecode and "timecode" in stream.metadata):
        log.info("Stream %d (%s) is left out", stream.index, stream.type)
    return None


def cover_pictures(path: Path) -> dict[int, bytes]:
    """Stream index -> encoded picture of each cover of a file."""
    found: dict[int, bytes] = {}
    with open_input(path) as source:
        main = main_video(source)
        covers = [stream for stream in source.streams if is_cover(stream, main)]
        try:
            for packet in source.demux(covers) if covers else ():
                if packet.size:
                    found.setdefault(packet.stream.index, bytes(packet))
                if len(found) == len(covers):
                    break
        except Exception:  # a damaged file, which whoever styles it notices
            log.debug("the covers of %s cannot be read", path, exc_info=True)
    return found


def add_cover(
    output: OutputContainer, stream: Stream, picture: bytes | None, container: Container
) -> list[tuple[Stream, bytes]]:
    """The stream for a cover and what is to be written to it; nothing where there is none, or an attachment is made."""
    known = _COVER_CODECS.get(codec_name(stream))
    if not picture or known is None or container.format not in ("mp4", "matroska"):
        log.warning("The cover picture (stream %d) is left out: .mp4 and .mkv can carry one", stream.index)
        return []
    if container.format == "matroska":
        suffix, kind = known
        attached = output.add_attachment("attachment", stream.metadata.get("mimetype", kind), picture)
        attached.metadata.update({"filename": f"cover.{suffix}", **fresh(stream.metadata)})
        return []
    target = output.add_stream_from_template(stream, opaque=True)
    target.metadata.update(fresh(stream.metadata))
    target.disposition = Disposition.attached_pic
    return [(target, picture)]


def _named(stream: Stream) -> str:
    codec = codec_name(stream)
    return f"{codec} {stream.type}" if codec else stream.type


def _sound_target(output: OutputContainer, stream: Stream, container: Container) -> Target | None:
    try:
        target, copy = _sound(output, stream, container)
    except Exception as error:  # FFmpeg's errors and PyAV's ValueError, as the stream may be damaged too
        log.debug("stream %d cannot be carried: %s", stream.index, error)
        _leave_out(stream, container)
        return None
    _describe(stream, target)
    return copy


def _sound(output: OutputContainer, stream: Stream, container: Container) -> tuple[Stream, Target]:
    if carries_sound(container, stream):
        target = output.add_stream_from_template(stream, opaque=True)
        return target, PacketCopy(stream, target)
    codec = encoder_for(container)
    encoded = EncodedSound(stream, output, codec)
    log.warning(
        "The %s sound of stream %d is encoded as %s: %s cannot carry it as it is%s", codec_name(stream), stream.index,
        codec.title, container.format, "" if container.format == "matroska" else ", .mkv can",
    )  # fmt: skip
    return encoded.target, encoded


def _subtitle_target(output: OutputContainer, stream: Stream, container: Container) -> Target | None:
    try:
        target: Stream = output.add_stream_from_template(stream, opaque=True)
        copy = PacketCopy(stream, target)
    except Exception:  # FFmpeg's errors and PyAV's ValueError, as the stream may be damaged too
        found = _add_converted(output, stream, container)
        if found is None:
            _leave_out(stream, container)
            return None
        target, copy = found
    _describe(stream, target)
    return copy


def _leave_out(stream: Stream, container: Container) -> None:
    better = ", .mkv can" if codec_name(stream) and container.format != "matroska" else ""
    log.warning(
        "The %s of stream %d is left out: %s cannot carry it%s", _named(stream), stream.index, container.format, better
    )


def _add_converted(output: OutputContainer, stream: Stream, container: Container) -> tuple[Stream, PacketCopy] | None:
    if codec_name(stream) not in TEXT_CODECS or container.text is None:
        return None
    if container.text == "mov_text":
        text = output.add_stream("mov_text")
        text.codec_context.subtitle_header = ASS_HEADER
        text.time_base = text.codec_context.time_base = Fraction(1, 1000)
        target: Stream = text
    else:
        target = output.add_mux_stream(container.text, time_base=Fraction(1, 1000))
    return target, PacketCopy(stream, target, container.text)


def _add_attachment(output: OutputContainer, stream: av.stream.AttachmentStream, container: Container) -> None:
    if container.attachments:
        target = output.add_attachment("attachment", "application/octet-stream", stream.data or b"")
        target.metadata.update(fresh(stream.metadata))  # its name too, which `add_attachment` refuses unless UTF-8
    else:
        log.warning("The attachment %s is left out: %s cannot carry it, .mkv can", stream.name, container.format)


def _describe(stream: Stream, target: Stream) -> None:
    target.metadata.update(fresh(stream.metadata))
    target.disposition = stream.disposition
