"""Styled frames to a video file, together with the sound and everything else of the file they came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from livestyle.errors import UsageError, foreign_errors
from livestyle.frame import Frame, StreamInfo
from livestyle.media.pyav import open_output
from livestyle.media.resize import letterbox
from livestyle.sinks.files.containers import (
    choose_codec,
    choose_pixels,
    container_of,
    encoder_options,
    muxer_options,
    tick_of,
)
from livestyle.sinks.files.durability import PeriodicSync
from livestyle.sinks.files.encoding import Converter, aspect_after, output_color, quiet_encoder, set_tags
from livestyle.sinks.files.fragments import drop_broken_fragment
from livestyle.sinks.files.output import Pending, check_output, write_error
from livestyle.sinks.files.pacing import Pace, Shown
from livestyle.sinks.files.stream_copy import Companions

_FALLBACK_RATE = Fraction(30)


class VideoSink:
    """Writes frames to `path`, whose ending chooses the container: mp4, m4v, mov, mkv, webm, ts, avi or gif.

    Every frame keeps its own time (`rate` None), to the millisecond in Matroska and WebM, which know nothing finer; AVI
    has no times, so a constant rate is made. Sound, subtitles, attachments, chapters and metadata of `info.path` are
    copied. The file has a temporary name until `close`; nothing is left when no frame came or writing failed.

    What a live source gives cannot be made again: it is written so that the temporary file plays as far as it goes, is
    put on the disk twice a second, and keeps what it has when writing fails.
    """

    def __init__(
        self,
        path: str | Path,
        info: StreamInfo,
        *,
        codec: str | None = None,
        crf: int | None = None,
        size: tuple[int, int] | None = None,
        rate: Fraction | float | None = None,
        overwrite: bool = False,
    ) -> None:
        """`size`: (width, height) to scale to; `rate`: frames per second, constant, by repeating and dropping.

        Raises UsageError, OutputExistsError, EncodeError.
        """
        self._path = Path(path)
        self._info = info
        self._container = container_of(self._path)
        check_output(self._path, info.path, overwrite=overwrite)
        deep = info.bit_depth > 8
        self._codec = choose_codec(codec, self._container, deep=deep)
        self._options = encoder_options(self._codec, crf, self._container, live=info.is_live)
        self._muxer_options = muxer_options(self._container, live=info.is_live)
        self._size = _checked_size(size) or info.size
        self._pixel_format = choose_pixels(self._codec, self._size, deep=deep)
        self._rate = _constant_rate(rate, info, self._container.constant)
        self._time_base = 1 / self._rate if self._rate else tick_of(self._codec, self._container, info.time_base)
        self._pending = Pending(self._path, overwrite=overwrite, recording=info.is_live)
        self._syncing = PeriodicSync(self._pending) if info.is_live else None
        self._file: _File | None = None
        self._failed = False
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def write(self, frame: Frame) -> None:
        """Encode a frame (once its successor is known, for its duration). Raises EncodeError."""
        with self._failing():
            if self._file is None:
                self._file = self._open(frame)
            self._file.write(frame)

    def idle(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Finish the file and move it in place; remove it when it holds no frame or writing failed before."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._file is not None and not self._failed:
                with self._failing():
                    self._file.finish()
                self._put_in_place()
        finally:
            self._give_up()

    def _put_in_place(self) -> None:
        if self._syncing is not None:
            self._syncing.close()
        self._pending.commit()

    def _give_up(self) -> None:
        """Release everything. A recording whose writing failed is kept as it is; any other file is removed."""
        if self._file is not None:
            self._file.abandon()
        if self._syncing is not None:
            self._syncing.close()
        if self._failed and self._file is not None:
            if self._info.is_live and self._container.format in ("mp4", "mov"):
                _drop_broken_end(self._pending.temporary)
            self._pending.settle()
        self._pending.discard()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Foreign errors as EncodeError; after any error the file is given up."""
        try:
            with foreign_errors(lambda error: write_error(self._path, error)):
                yield
        except BaseException:
            self._failed = True
            raise

    def _open(self, first: Frame) -> _File:
        height, width = first.pixels.shape[:2]
        companions = None
        if self._info.path is not None:
            companions = Companions(self._info.path, self._info.start, self._info.stop)
        try:
            return _File(self, first, (width, height), companions)
        except BaseException:
            if companions is not None:
                companions.close()
            raise


class _File:
    """An open output: encoder, muxer, and what is copied along."""

    def __init__(
        self, sink: VideoSink, first: Frame, shown_size: tuple[int, int], companions: Companions | None
    ) -> None:
        self._companions = companions
        self._shown_size = shown_size
        self._base = sink._info.time_base
        self._durations: dict[int, int] = {}
        self._last_pts: int | None = None
        self._written = 0
        self._encoded = 0
        self._color = output_color(sink._info.color, sink._size, sink._pixel_format)
        self._convert = Converter(sink._size, sink._pixel_format, self._color)
        self._origin = first.pts * self._base if sink._info.is_live else Fraction(0)
        if companions is not None:
            self._origin = companions.origin
        self._time_base = sink._time_base
        self._pace = Pace(self._time_base, constant=sink._rate is not None)
        self._usual = 1 / (sink._info.rate or _FALLBACK_RATE)
        muxer = sink._container.format
        options = _with_own_keys(sink._muxer_options, companions)
        self._output: Any = open_output(sink._pending.temporary, muxer, options)
        self._stream = self._add_video(sink, shown_size)
        if companions is not None:
            self._bring_along(companions, sink)

    def write(self, frame: Frame) -> None:
        """Encode what is known to be shown until this frame, and keep this one."""
        self._last_pts = frame.pts
        self._written += 1
        moment = frame.pts * self._base - self._origin
        # A camera that comes back with another size gets bars: a stretched face would be worse.
        pixels = letterbox(frame.pixels, self._shown_size)
        for shown in self._pace.put(self._convert.convert(pixels), moment):
            self._encode(shown)

    def finish(self) -> None:
        """Encode the frame that is still held, empty the encoder, copy the rest, write the file's end."""
        end = self._end()
        for shown in self._pace.finish(end - self._origin):
            self._encode(shown)
        self._mux(self._last_packets())
        if self._companions is not None:
            self._companions.copy_rest(self._output, self._last_pts, end)
        self._output.close()

    def _last_packets(self) -> list[Any]:
        packets: list[Any] = list(self._stream.encode(None))
        if self._encoded <= 2:
            # libx265 fills in decoding times from its third frame on: before, they are whatever was in memory.
            for packet in packets:
                packet.dts = packet.pts
        return packets

    def abandon(self) -> None:
        """Release files and memory, whatever state they are in."""
        with suppress(Exception):  # the temporary file is removed anyway
            self._output.close()
        if self._companions is not None:
            self._companions.close()

    def _encode(self, shown: Shown) -> None:
        picture = shown.picture
        picture.pts, picture.time_base = shown.pts, self._time_base
        self._durations[shown.pts] = shown.duration
        self._encoded += 1
        self._mux(self._stream.encode(picture))
        if self._companions is not None:
            self._companions.copy_until(self._output, shown.pts * self._time_base + self._origin)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._output.mux_one(packet)

    def _end(self) -> Fraction:
        """When the last frame stops being shown, seconds on the source's clock."""
        last = (self._last_pts or 0) * self._base
        if self._companions is None:
            return last + (self._pace.last_gap or self._usual)
        self._companions.copy_until(self._output, last)
        announced = self._companions.end_of_video(self._written)
        if announced is not None and announced > last:
            return announced
        ticks = self._companions.duration_of(self._last_pts or 0)
        return last + (ticks * self._base if ticks else self._pace.last_gap or self._usual)

    def _add_video(self, sink: VideoSink, shown_size: tuple[int, int]) -> Any:
        rate = sink._rate or sink._info.rate or _FALLBACK_RATE
        stream = self._output.add_stream(sink._codec, rate=rate.limit_denominator(1 << 16), options=sink._options)
        context: Any = stream.codec_context
        context.width, context.height = sink._size
        context.pix_fmt = sink._pixel_format
        context.time_base = stream.time_base = self._time_base
        set_tags(context, self._color)
        context.sample_aspect_ratio = aspect_after(self._pixel_aspect(shown_size), shown_size, sink._size)
        if sink._codec == "libx265" and sink._container.format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players refuse FFmpeg's default, hev1
        with quiet_encoder(sink._codec):
            context.open()
        return stream

    def _pixel_aspect(self, shown_size: tuple[int, int]) -> Fraction:
        if self._companions is None:
            return Fraction(1)
        coded = self._companions.coded_size
        turned = coded is not None and coded[0] != coded[1] and coded == shown_size[::-1]
        return self._companions.pixel_aspect(turned=turned)

    def _bring_along(self, companions: Companions, sink: VideoSink) -> None:
        self._output.metadata.update(companions.metadata)
        self._stream.metadata.update(companions.video_metadata)
        companions.add_streams(self._output, sink._container)
        self._output.set_chapters(companions.chapters())


def _with_own_keys(options: dict[str, str], companions: Companions | None) -> dict[str, str]:
    """Phones keep place and camera in keys of their own, which MP4 has room for only in this form."""
    own_keys = companions is not None and any(key.startswith("com.") for key in companions.metadata)
    if own_keys and "movflags" in options:
        return {**options, "movflags": f"{options['movflags']}+use_metadata_tags"}
    return options


def _drop_broken_end(path: Path) -> None:
    """Where writing failed in the middle of a fragment; by far quicker than a copy where there are others before it."""
    from livestyle.sinks.files.rescue import mend

    with suppress(OSError):
        if not drop_broken_fragment(path):
            mend(path)


def _checked_size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    if size is not None and not all(1 <= side <= 16384 for side in size):
        raise UsageError(f"The size {size[0]}x{size[1]} cannot be encoded", hint="each side is 1 to 16384 pixels")
    return size


def _constant_rate(rate: Fraction | float | None, info: StreamInfo, needed: bool) -> Fraction | None:
    if rate is None:
        return (info.rate or _FALLBACK_RATE).limit_denominator(1001) if needed else None
    exact = Fraction(rate).limit_denominator(1001)
    if not 0 < exact <= 1000:
        raise UsageError(f"A rate of {float(rate):g} frames per second cannot be written", hint="--fps takes 1 to 1000")
    return exact
