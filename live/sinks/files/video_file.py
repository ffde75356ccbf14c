"""A video file that is open: encoder, muxer, and what is copied along from the source."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from livestyle.frame import Alpha, Frame, Pixels, StreamInfo
from livestyle.media.depth import laid_on_white
from livestyle.media.pyav import Packet, add_video, av, open_output
from livestyle.media.resize import Size, letterbox, size_of
from livestyle.sinks.files.containers import Container
from livestyle.sinks.files.encoding import Converter, aspect_after, output_color, quiet_encoder, set_tags
from livestyle.sinks.files.pacing import Pace, Shown
from livestyle.sinks.files.projection import carry_marks
from livestyle.sinks.files.stream_copy import CopiedStreams

log = logging.getLogger("livestyle")

FALLBACK_RATE = Fraction(30)
"""Frames per second, where neither the source nor the user says any."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the frames of one stream become one file."""

    info: StreamInfo  # of the source
    container: Container
    codec: str  # FFmpeg's name of the encoder
    options: dict[str, str]  # of the encoder
    muxer_options: dict[str, str]
    size: Size  # (width, height) of the output
    pixel_format: str  # FFmpeg's name
    keeps_alpha: bool  # False: transparent frames are laid on white
    rate: Fraction | None  # frames per second, constant; None: every frame keeps its own time
    time_base: Fraction  # seconds per tick of the output


class VideoFile:
    """Takes frames until `finish` writes the end of the file, or `abandon` discards it."""

    def __init__(self, path: Path, encoding: Encoding, first: Frame, copied: CopiedStreams | None) -> None:
        """Create the file at `path`. `first`: the frame that will be written first; `copied`: closed with this.

        Raises any exception that PyAV may have for it.
        """
        self._path, self._encoding, self._copied = path, encoding, copied
        self._shown_size = size_of(first.pixels)
        self._base = encoding.info.time_base
        self._durations: dict[int, int] = {}
        self._last_pts: int | None = None
        self._laid = False
        self._written = 0
        self._encoded = 0
        self._color = output_color(encoding.info.color, encoding.size, encoding.pixel_format)
        self._convert = Converter(encoding.size, encoding.pixel_format, self._color)
        self._origin = first.pts * self._base if encoding.info.is_live else Fraction(0)
        if copied is not None:
            self._origin = copied.origin
        self._time_base = encoding.time_base
        self._pace = Pace(self._time_base, constant=encoding.rate is not None)
        self._usual = 1 / (encoding.info.rate or FALLBACK_RATE)
        options = _with_own_keys(encoding.muxer_options, copied)
        self._output = open_output(path, encoding.container.format, options)
        self._stream = self._add_video()
        if copied is not None:
            self._add_copied_streams(copied)

    def write(self, frame: Frame) -> None:
        """Encode the frames whose duration is now known, and keep this one."""
        self._last_pts = frame.pts
        self._written += 1
        moment = frame.pts * self._base - self._origin
        # A camera that comes back with another size gets bars: a stretched face would be worse.
        pixels = letterbox(frame.pixels, self._shown_size)
        alpha = frame.alpha if frame.alpha is not None and frame.alpha.shape == pixels.shape[:2] else None
        if alpha is not None and not self._encoding.keeps_alpha:
            pixels, alpha = self._on_white(pixels, alpha), None
        for shown in self._pace.put(self._convert.convert(pixels, alpha), moment):
            self._encode(shown)

    def _on_white(self, pixels: Pixels, alpha: Alpha) -> Pixels:
        if alpha.min() == np.iinfo(alpha.dtype).max:
            return pixels
        if not self._laid:
            self._laid = True
            log.warning(
                "%s is transparent, which %s in %s is not: it is laid on white (.mov and .webm keep it)",
                self._encoding.info.name, self._encoding.codec, self._encoding.container.format,
            )  # fmt: skip
        return laid_on_white(pixels, alpha)

    def finish(self) -> None:
        """Encode the frame that is still held, empty the encoder, copy the rest, write the file's end."""
        end = self._end()
        for shown in self._pace.finish(end - self._origin):
            self._encode(shown)
        self._mux(self._last_packets())
        if self._pace.left_out:
            log.warning(
                "%d of %d pictures of %s are left out: %s", self._pace.left_out, self._written,
                self._encoding.info.name, self._why_left_out(),
            )  # fmt: skip
        if self._copied is not None:
            self._copied.copy_rest(self._output, self._last_pts, end)
        self._output.close()
        if self._copied is not None:
            carry_marks(self._copied, self._path, self._encoding.container)

    def _why_left_out(self) -> str:
        rate = self._encoding.rate
        if rate is None:
            return f"{self._encoding.container.format} cannot show them that quickly"
        return f"they come faster than the output's {float(rate):g} frames per second"

    def _last_packets(self) -> list[Packet]:
        packets: list[Packet] = list(self._stream.encode(None))
        if self._encoded <= 2:
            # libx265 fills in decoding times from its third frame on: before, they are uninitialised memory.
            for packet in packets:
                packet.dts = packet.pts
        return packets

    def abandon(self) -> None:
        """Release files and memory, whatever state they are in."""
        with suppress(Exception):  # the temporary file is removed anyway
            self._output.close()
        if self._copied is not None:
            self._copied.close()

    def _encode(self, shown: Shown) -> None:
        picture = shown.picture
        picture.pts, picture.time_base = shown.pts, self._time_base
        self._durations[shown.pts] = shown.duration
        self._encoded += 1
        self._mux(self._stream.encode(picture))
        if self._copied is not None:
            self._copied.copy_until(self._output, shown.pts * self._time_base + self._origin)

    def _mux(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._output.mux_one(packet)

    def _end(self) -> Fraction:
        """When the last frame stops being shown, seconds on the source's clock."""
        last = (self._last_pts or 0) * self._base
        if self._copied is None:
            return last + (self._pace.last_gap or self._usual)
        self._copied.copy_until(self._output, last)
        announced = self._copied.end_of_video(self._written)
        if announced is not None and announced > last:
            return announced
        ticks = self._copied.duration_of(self._last_pts or 0)
        return last + (ticks * self._base if ticks else self._pace.last_gap or self._usual)

    def _add_video(self) -> av.VideoStream:
        encoding = self._encoding
        rate = (encoding.rate or encoding.info.rate or FALLBACK_RATE).limit_denominator(1 << 16)
        stream = add_video(self._output, encoding.codec, rate, encoding.options)
        context = stream.codec_context
        context.width, context.height = encoding.size
        context.pix_fmt = encoding.pixel_format
        context.time_base = stream.time_base = self._time_base
        set_tags(context, self._color)
        context.sample_aspect_ratio = aspect_after(self._pixel_aspect(), self._shown_size, encoding.size)
        if encoding.codec == "libx265" and encoding.container.format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players refuse FFmpeg's default, hev1
        with quiet_encoder(encoding.codec):
            context.open()
        return stream

    def _pixel_aspect(self) -> Fraction:
        if self._copied is None:
            return Fraction(1)
        coded = self._copied.coded_size
        turned = coded is not None and coded[0] != coded[1] and coded == self._shown_size[::-1]
        return self._copied.pixel_aspect(turned=turned)

    def _add_copied_streams(self, copied: CopiedStreams) -> None:
        self._output.metadata.update(copied.metadata)
        self._stream.metadata.update(copied.video_metadata)
        self._stream.disposition = copied.video_disposition
        copied.add_streams(self._output, self._encoding.container)
        self._output.set_chapters(copied.chapters())
        self._output.start_encoding()  # which decides the ticks of every stream
        copied.write_covers(self._output)


def _with_own_keys(options: dict[str, str], copied: CopiedStreams | None) -> dict[str, str]:
    """Phones keep place and camera in keys of their own, which MP4 has room for only in this form."""
    own_keys = copied is not None and any(key.startswith("com.") for key in copied.metadata)
    if own_keys and "movflags" in options:
        return {**options, "movflags": f"{options['movflags']}+use_metadata_tags"}
    return options
