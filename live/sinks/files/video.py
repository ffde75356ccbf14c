"""Styled frames to a video file, together with the sound and everything else of the file they came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Literal

from livestyle.errors import UsageError, foreign_errors
from livestyle.frame import ChromaKind, Frame, StreamInfo
from livestyle.media.resize import Size
from livestyle.sinks.files.containers import (
    Container,
    choose_codec,
    container_of,
    encoder_options,
    muxer_options,
    tick_of,
)
from livestyle.sinks.files.durability import PeriodicSync
from livestyle.sinks.files.fragments import drop_broken_fragment
from livestyle.sinks.files.looping import gif_loop
from livestyle.sinks.files.output import Pending, check_output, write_error
from livestyle.sinks.files.pixel_choice import ALPHA_FORMATS, choose_pixels
from livestyle.sinks.files.stream_copy import CopiedStreams
from livestyle.sinks.files.video_file import FALLBACK_RATE, Encoding, VideoFile


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
        chroma: Literal["auto", "420", "444"] = "auto",
        size: Size | None = None,
        rate: Fraction | float | None = None,
        overwrite: bool = False,
    ) -> None:
        """`size`: (width, height) to scale to; `rate`: frames per second, constant, by repeating and dropping.

        `chroma`: colour resolution, "auto": the source's, where the codec can.

        Raises UsageError, OutputExistsError, EncodeError.
        """
        self._path = Path(path)
        container = container_of(self._path, info.path)
        check_output(self._path, info.path, overwrite=overwrite)
        self._encoding = _plan(info, container, codec, crf, chroma, size, rate)
        self._pending = Pending(self._path, overwrite=overwrite, recording=info.is_live)
        self._syncing = PeriodicSync(self._pending) if info.is_live else None
        self._file: VideoFile | None = None
        self._failed = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
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
            if self._encoding.info.is_live and self._encoding.container.format in ("mp4", "mov"):
                _drop_broken_end(self._pending.temporary)
            self._pending.settle()
        self._pending.discard()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Foreign errors as EncodeError; after any error the file is abandoned."""
        try:
            with foreign_errors(lambda error: write_error(self._path, error)):
                yield
        except BaseException:
            self._failed = True
            raise

    def _open(self, first: Frame) -> VideoFile:
        info = self._encoding.info
        copied = None if info.path is None else CopiedStreams(info.path, info.start, info.stop, self._encoding.rate)
        try:
            return VideoFile(self._pending.temporary, self._encoding, first, copied)
        except BaseException:
            if copied is not None:
                copied.close()
            raise


def _drop_broken_end(path: Path) -> None:
    """Where writing failed in the middle of a fragment; by far quicker than a copy where there are others before it."""
    from livestyle.sinks.files.rescue import mend

    with suppress(OSError):
        if not drop_broken_fragment(path):
            mend(path)


def _plan(
    info: StreamInfo,
    container: Container,
    codec: str | None,
    crf: int | None,
    chroma: Literal["auto", "420", "444"],
    size: Size | None,
    rate: Fraction | float | None,
) -> Encoding:
    """The arguments of VideoSink as one value. Raises UsageError."""
    deep = info.bit_depth > 8
    chosen = choose_codec(codec, container, deep=deep, alpha=info.has_alpha, has_crf=crf is not None)
    options = encoder_options(chosen, crf, container, live=info.is_live)
    size = _checked_size(size) or info.size
    kind: ChromaKind = {"420": "subsampled", "444": "full"}.get(chroma, info.chroma)  # type: ignore[assignment]
    pixel_format = choose_pixels(chosen, size, deep=deep, chroma=kind, alpha=info.has_alpha)
    if chosen == "prores_ks" and "444" in pixel_format:
        options["profile"] = "4444"
    constant = _constant_rate(rate, info, container.constant)
    return Encoding(
        info=info,
        container=container,
        codec=chosen,
        options=options,
        muxer_options=muxer_options(container, live=info.is_live)
        | ({"loop": gif_loop(info.path)} if container.format == "gif" else {}),
        size=size,
        pixel_format=pixel_format,
        keeps_alpha=info.has_alpha and chosen in ALPHA_FORMATS,
        rate=constant,
        time_base=1 / constant if constant else tick_of(chosen, container, info.time_base),
    )


def _checked_size(size: Size | None) -> Size | None:
    if size is not None and not all(1 <= side <= 16384 for side in size):
        raise UsageError(f"The size {size[0]}x{size[1]} cannot be encoded", hint="each side is 1 to 16384 pixels")
    return size


def _constant_rate(rate: Fraction | float | None, info: StreamInfo, needed: bool) -> Fraction | None:
    if rate is None:
        return (info.closest_rate or info.rate or FALLBACK_RATE).limit_denominator(1001) if needed else None
    exact = Fraction(rate).limit_denominator(1001)
    if not 0 < exact <= 1000:
        raise UsageError(f"A rate of {float(rate):g} frames per second cannot be written", hint="--fps takes 1 to 1000")
    return exact
