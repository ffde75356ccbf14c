"""Opens a video file, and finds the stream in it that is styled."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import cast

from livestyle.errors import SourceError, foreign_errors, reason_of
from livestyle.media.memory import check_video, most_pixels
from livestyle.media.pyav import InputContainer, av, codec_name, decoder_of, fraction_of, open_input
from livestyle.media.refusals import cannot_be_read
from livestyle.media.streams import main_video
from livestyle.sources.files.file_type import refuse_lists

_NOT_VIDEO = {"tty"}  # FFmpeg's demuxers that accept any text


def open_media(path: Path) -> InputContainer:
    """An open PyAV input container. Raises SourceNotFoundError or SourceError."""
    refuse_lists(path)
    with foreign_errors(lambda error: unreadable(path, error)):
        container = open_input(path)
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise SourceError(f"{path} is text, not a video")
    return container


def unreadable(path: Path, error: Exception) -> SourceError:
    """The error for a file that FFmpeg cannot open."""
    if isinstance(error, PermissionError):
        return cannot_be_read(path, error)
    return SourceError(
        f"{path} is not a video that FFmpeg can read, or its beginning or index is damaged ({reason_of(error)})",
        hint="a recording that was cut off before it was finished often cannot be opened",
    )


def video_stream(container: InputContainer, path: Path) -> av.VideoStream:
    """The video that is styled, with a decoder that is set up. Raises SourceError."""
    stream = main_video(container)
    if stream is None:
        has_cover = bool(container.streams.video)
        kind = "only sound" if container.streams.audio else "no pictures"
        raise SourceError(
            f"{path} has {kind}{' and a cover picture' if has_cover else ''}: there is no video stream to style",
            hint="give a video or a photo",
        )
    decoder = decoder_of(stream)
    if decoder is None:
        raise SourceError(f"{path} uses a video codec that this FFmpeg cannot decode", hint="convert it to H.264 first")
    decoder.thread_type = av.codec.context.ThreadType.AUTO
    check_video(path, (decoder.width, decoder.height))
    # Sizes may change on the way, or stand in no header.
    decoder.options = {"max_pixels": str(most_pixels())}
    return stream


def decoder_with_alpha(stream: av.VideoStream) -> av.VideoCodecContext | None:
    """libvpx reads the transparency that WebM keeps beside the picture; FFmpeg's own decoders of VP8 and VP9 do not."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(codec_name(stream))
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return None
    decoder = av.CodecContext.create(name, "r")
    decoder.extradata = stream.codec_context.extradata
    return cast(av.VideoCodecContext, decoder)


def time_base_of(stream: av.VideoStream, path: Path) -> Fraction:
    """Seconds per tick of its times. Raises SourceError for a stream that does not say."""
    time_base = fraction_of(stream.time_base)
    if time_base is None:
        raise SourceError(f"{path} does not say in what unit the times of its video are", hint="convert it first")
    return time_base
