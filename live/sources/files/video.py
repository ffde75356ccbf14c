"""Frames of a video file, through FFmpeg (PyAV)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from livestyle.errors import ColorError, LivestyleError, SourceError, UsageError, foreign_errors
from livestyle.frame import ChromaKind, ColorInfo, Frame, Pixels, StreamInfo
from livestyle.media.clock import jumps_before
from livestyle.media.color import complete_color, name_tags, refuse_unsupported
from livestyle.media.orientation import flip_of
from livestyle.media.pyav import (
    InputContainer,
    av,
    codec_name,
    fraction_of,
    side_data,
)
from livestyle.media.timeline import first_tick, start_of
from livestyle.sources.files.deinterlace import Deinterlace, Deinterlacer
from livestyle.sources.files.opening import decoder_with_alpha, open_media, time_base_of, unreadable, video_stream
from livestyle.sources.files.reading import Reading
from livestyle.sources.pixel_format import PictureReader, bit_depth, has_full_chroma, is_rgb, is_transparent

log = logging.getLogger("livestyle")

_ANIMATIONS = {"gif", "apng", "webp"}  # FFmpeg's names of codecs
_FASTEST = 120  # frames per second that are believed of a file with varying ones
_SEEK_BACK = (0, 2, 10, 60)  # seconds before the start that are tried when a file's index leads beyond it


class VideoSource:
    """Every frame of a file's first video stream, once, in order, each with its own time.

    Raises SourceNotFoundError, SourceError, ColorError (HDR) and UsageError on opening. The first frame is decoded on
    opening already, because size, orientation, colour and a missing decoder show only there.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        start: float = 0.0,
        duration: float | None = None,
        deinterlace: Deinterlace = "auto",
    ) -> None:
        """Read `duration` seconds (None: to the end) of `path`, from the first frame at or after `start` seconds."""
        self._path = Path(path)
        if start < 0 or (duration is not None and duration <= 0):
            raise UsageError(
                f"Cannot read {self._path} from {start:g} s for {duration} s",
                hint="--start is 0 or more, --duration more than 0",
            )
        self._container = open_media(self._path)
        self._lock = threading.Lock()  # PyAV crashes when a container is closed while another thread decodes
        self._closed = False
        self._closing = threading.Event()  # seen between two packets, so that closing never waits for a whole file
        self._size_noted = False
        try:
            with foreign_errors(lambda error: unreadable(self._path, error)):
                self._begin(start, duration, deinterlace)
        except BaseException:
            self._container.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        last: int | None = None
        while (picture := self._next()) is not None:
            pts = self._time_of(picture, last)
            if self._stop_pts is not None and pts >= self._stop_pts:
                return
            if pts < self._start_pts:
                continue
            last = pts
            pixels = self._pixels_of(picture)
            if pixels is not None:
                yield Frame(pixels, pts, time.monotonic(), alpha=self._reader.read_alpha(picture))
        with self._lock:  # the open container holds what the file announces
            if not self._closing.is_set():
                if self._reading.clock_jumped:
                    log.warning("The clock of %s jumps: pictures and sound go on without a gap there", self._path)
                self._reading.check_complete(last, self.info)

    def close(self) -> None:
        """End iteration and close the file, after the frame that is being decoded. Twice is fine."""
        self._closing.set()
        with self._lock:
            if not self._closed:
                self._closed = True
                self._container.close()

    def _begin(self, start: float, duration: float | None, deinterlace: Deinterlace) -> None:
        self._stream = video_stream(self._container, self._path)
        self._time_base = time_base_of(self._stream, self._path)
        self._whole = Deinterlacer(str(self._path), self._time_base, deinterlace)
        self._bounds(start, duration)
        self._reading = self._read_on()
        first = self._first_frame(start)
        self._first: av.VideoFrame | None = first
        self._reader, self.info = self._describe(first, start, duration)
        self._reader.read(first)  # a format that cannot be converted is refused before an output is created

    def _read_on(self) -> Reading:
        """From where the container is."""
        self._whole.finish()  # frames from where it was before
        decoder = decoder_with_alpha(self._stream)
        return Reading(self._container, self._stream, self._path, self._closing, self._whole, decoder)

    def _pixels_of(self, picture: av.VideoFrame) -> Pixels | None:
        """None for a picture that cannot be converted, such as damaged ones whose format changes in the middle."""
        try:
            return self._reader.read(picture)
        except LivestyleError:
            raise
        except Exception:
            log.debug("a frame of %s cannot be converted", self._path, exc_info=True)
            self._reading.note_damage()
            return None

    def _next(self) -> av.VideoFrame | None:
        with self._lock:
            if self._closed:
                return None
            picture, self._first = self._first, None
            picture = picture or self._reading.next()
            self._note_size(picture)
            return picture

    def _note_size(self, picture: av.VideoFrame | None) -> None:
        if picture is None or (picture.width, picture.height) == self._coded_size or self._size_noted:
            return
        self._size_noted = True
        log.info(
            "%s changes its picture size to %dx%d on the way: scaled to the %dx%d it began with",
            self._path, picture.width, picture.height, *self._coded_size,
        )  # fmt: skip

    def _bounds(self, start: float, duration: float | None) -> None:
        origin = start_of(self._container)
        # From 0 means from the first frame, also when an edit list puts that before the file's own start.
        self._start_pts = first_tick(origin + Fraction(start), self._time_base) if start else -(1 << 62)
        self._stop_pts = None
        if duration is not None:
            self._stop_pts = first_tick(origin + Fraction(start) + Fraction(duration), self._time_base)

    def _first_frame(self, start: float) -> av.VideoFrame:
        first = self._seek(start) if start else self._reading.next()
        while first is not None and first.pts is not None and first.pts < self._start_pts:
            first = self._reading.next()
        if first is None:
            raise self._no_frame(start)
        if self._stop_pts is not None and first.pts is not None and first.pts >= self._stop_pts:
            shown = float(first.pts * self._time_base - start_of(self._container))
            raise SourceError(
                f"No frame of {self._path} begins in the requested part; the next one begins at {shown:.2f} s",
                hint="choose a longer --duration, or another --start",
            )
        return first

    def _seek(self, start: float) -> av.VideoFrame | None:
        """The first frame decoded after seeking to the key frame before `start`; never one that skips frames."""
        if jumps_before(self._path, start):
            return self._reading.next()
        for back in (seconds for seconds in _SEEK_BACK if seconds < start):
            try:
                offset = self._start_pts - int(back / self._time_base)
                self._container.seek(offset, stream=self._stream, backward=True)
            except Exception:  # FFmpeg's errors, and OverflowError for a time beyond its 64 bits
                break
            self._reading = self._read_on()
            first = self._reading.next()
            if first is not None and first.pts is not None and first.pts <= self._start_pts:
                return first
        return self._reopen().next()

    def _reopen(self) -> Reading:
        """From the beginning: for files that cannot seek."""
        self._container.close()
        self._container = open_media(self._path)
        self._stream = video_stream(self._container, self._path)
        self._reading = self._read_on()
        return self._reading

    def _no_frame(self, start: float) -> SourceError:
        length = _duration(self._container, self._stream)
        if start and length is not None and start >= float(length) - 0.001:
            return SourceError(
                f"{self._path} lasts {float(length):.2f} s, so nothing is left from {start:g} s on",
                hint="choose a smaller --start",
            )
        return SourceError(f"No frame of {self._path} can be decoded", hint="check the file with: ffprobe FILE")

    def _describe(self, first: av.VideoFrame, start: float, duration: float | None) -> tuple[PictureReader, StreamInfo]:
        self._coded_size = (first.width, first.height)
        color = _color(first, self._stream, self._path)
        depth, flip = bit_depth(first.format), flip_of(first)
        reader = PictureReader(color, self._coded_size, depth, flip)
        length = _duration(self._container, self._stream)
        rate = _rate(self._stream)
        left = None if length is None else max(0.0, min(float(length) - start, duration or float("inf")))
        info = StreamInfo(
            name=str(self._path),
            size=self._coded_size[::-1] if flip[0] else self._coded_size,
            time_base=self._time_base,
            rate=rate,
            closest_rate=_closest_rate(self._stream),
            color=color,
            bit_depth=depth,
            chroma=self._chroma(first),
            has_alpha=is_transparent(reader.read_alpha(first)),
            frames=_frames(self._stream, start, duration) or (round(left * rate) if left and rate else None),
            duration=left,
            path=self._path,
            start=start,
            stop=None if duration is None else start + duration,
        )
        return reader, info

    def _chroma(self, first: av.VideoFrame) -> ChromaKind:
        if not has_full_chroma(first.format):
            return "subsampled"
        return "animation" if codec_name(self._stream) in _ANIMATIONS else "full"

    def _time_of(self, picture: av.VideoFrame, last: int | None) -> int:
        step = max(1, round(1 / (self.info.rate or 25) / self._time_base))
        if picture.pts is None:
            return step + last if last is not None else 0
        pts = int(picture.pts)
        if last is None or pts > last:
            return pts
        self._reading.note_time(pts, last)
        return last + 1


def _color(first: av.VideoFrame, stream: av.VideoStream, path: Path) -> ColorInfo:
    """Complete colour tags. Raises ColorError for what cannot be kept right; logs a guess."""
    context = stream.codec_context
    tags = name_tags(first.color_primaries, first.color_trc, first.colorspace, first.color_range)
    stated = name_tags(context.color_primaries, context.color_trc, context.colorspace, context.color_range)
    full = "pc" if first.format.name.startswith("yuvj") else None
    color = ColorInfo(
        tags.primaries or stated.primaries,
        tags.transfer or stated.transfer,
        tags.matrix or stated.matrix,
        full or tags.range or stated.range,
    )
    refuse_unsupported(color, str(path))
    _refuse_dolby_vision(first, color, path)
    rgb = is_rgb(first.format)
    complete = complete_color(color, (first.width, first.height), is_rgb=rgb)
    if not rgb and color.matrix is None and "gray" not in first.format.name:
        log.info(
            "%s does not say how its colours are encoded: taken as %s (%d lines)",
            path, "BT.709" if complete.matrix == "bt709" else complete.matrix.upper() if complete.matrix == "bt2020nc"
            else "BT.601", first.height,
        )  # fmt: skip
    return complete


def _refuse_dolby_vision(first: av.VideoFrame, color: ColorInfo, path: Path) -> None:
    """Dolby Vision without ordinary tags (profile 5) has a colour encoding of its own."""
    dolby = any(side_data(first, kind) is not None for kind in ("DOVI_METADATA", "DOVI_RPU_BUFFER"))
    if color.transfer is None and dolby:
        raise ColorError(f"{path} is Dolby Vision video, whose colours only its own players decode right",
                         hint="convert it to SDR first with a player or encoder that knows Dolby Vision")  # fmt: skip


def _duration(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    time_base = fraction_of(stream.time_base)
    if stream.duration and time_base is not None:
        return stream.duration * time_base
    return None if container.duration is None else Fraction(container.duration, 1_000_000)


def _rate(stream: av.VideoStream) -> Fraction | None:
    rate = fraction_of(stream.average_rate) or fraction_of(stream.guessed_rate)
    return rate if rate and 0 < rate < 1000 else None


def _closest_rate(stream: av.VideoStream) -> Fraction | None:
    """The rate that all times of a stream fit (FFmpeg's r_frame_rate), unless it is that of a clock's ticks."""
    rate = fraction_of(stream.base_rate)
    return rate if rate and 0 < rate <= _FASTEST else None


def _frames(stream: av.VideoStream, start: float, duration: float | None) -> int | None:
    return stream.frames or None if start == 0 and duration is None else None
