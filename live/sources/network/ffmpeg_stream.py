"""Streams that FFmpeg reads: RTSP, and over HTTP what is not Motion JPEG. FFmpeg opens nothing but what it is given.

RTSP is FFmpeg's own; its white list holds RTSP and what that runs on. Over HTTP it does not get the address at all, but
a stream that was opened here; what a playlist (HLS) names is opened here, too, and only from the same host.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

from livestyle.errors import LivestyleError, RefusedError, SourceError
from livestyle.frame import ColorInfo, Pixels
from livestyle.media.color import SWSCALE_MATRICES, complete_color, name_tags
from livestyle.media.orientation import flip_of
from livestyle.media.pyav import InputContainer, av, decoder_of, fraction_of, open_stream
from livestyle.sources.live_source import Received, Stopped
from livestyle.sources.network.addresses import Address, is_address, parse_address
from livestyle.sources.network.http_stream import (
    ANSWER_WITHIN_S,
    HttpStream,
    connect,
    login_refused,
    no_answer,
    refusal,
)
from livestyle.sources.pixel_format import PictureReader, is_rgb

_READ_S = 6.0  # silence after which FFmpeg gives up
_TICK_S = 0.1
_MOST_AHEAD_S = 10.0  # of a stream's own clock; more is a jump
_MOST_BEHIND_S = 1.0
_MOST_PIXELS = str(1 << 26)
_FORMATS = "mpegts,mov,matroska,flv,ogg,h264,hevc,m4v,mpeg,mpegvideo,asf,avi"  # none that opens other addresses
_RTSP = {
    "rtsp_transport": "tcp", "rtsp_flags": "prefer_tcp", "fflags": "nobuffer", "flags": "low_delay",
    "protocol_whitelist": "rtsp,rtsps,rtp,tcp,tls", "timeout": str(int(_READ_S * 1e6)),
    "max_pixels": _MOST_PIXELS,
}  # fmt: skip


def open_rtsp(address: Address) -> FFmpegConnection:
    """Connect to an rtsp:// or rtsps:// camera. Raises SourceError."""
    deadline = time.monotonic() + ANSWER_WITHIN_S
    connect(address, deadline).close()  # whose errors are clearer than FFmpeg's
    left = max(1.0, deadline - time.monotonic())
    try:
        container = open_stream(address.url(), format="rtsp", options=_RTSP, timeout=(left, _READ_S))
    except (av.error.FFmpegError, ValueError) as error:
        raise _rtsp_error(address, error) from None  # its text holds the address with its password
    return FFmpegConnection(container, address, paced=False)


def _rtsp_error(address: Address, error: Exception) -> SourceError:
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return login_refused(address)
    if isinstance(error, av.error.HTTPForbiddenError):
        return refusal(address, 403)
    if isinstance(error, av.error.HTTPNotFoundError):
        return refusal(address, 404)
    if isinstance(error, av.error.HTTPServerError):
        return refusal(address, 503)
    if isinstance(error, TimeoutError | av.error.ExitError):
        return no_answer(address)
    # Not its text, which holds the address with its password.
    said = error.strerror if isinstance(error, av.error.FFmpegError) else None
    reason = said or type(error).__name__
    return SourceError(
        f"{address.label}: does not give a valid answer in RTSP ({reason})",
        hint="is it an rtsp:// address? Many cameras have http:// too; the camera's manual says where the stream is",
    )


def open_http_media(stream: HttpStream, begin: bytes, stopped: Stopped) -> FFmpegConnection:
    """Read `stream`, of which `begin` was read already. Raises SourceError; RefusedError for no video."""
    address = stream.address
    playlist = begin.lstrip().startswith(b"#EXTM3U")
    opener = _SameHost(address, stopped)
    options = {"format_whitelist": f"{_FORMATS},hls" if playlist else _FORMATS, "http_persistent": "0",
               "http_multiple": "0", "fflags": "nobuffer", "max_pixels": _MOST_PIXELS,
               "protocol_whitelist": "http,https" if playlist else "none"}  # fmt: skip
    try:
        container = open_stream(
            _Body(stream, begin, stopped), format="hls" if playlist else None, options=options,
            io_open=opener,
        )  # fmt: skip
    except (av.error.FFmpegError, ValueError):
        if opener.refused is not None:
            raise opener.refused from None
        if playlist:
            raise RefusedError(
                f"{address.label}: sends a playlist that names nothing that can be played",
                hint="only unencrypted video on the camera's own host is played",
            ) from None
        kind = f" ({stream.content_type})" if stream.content_type and stream.content_type.isprintable() else ""
        raise RefusedError(
            f"{address.label}: sends something that is not a video{kind}",
            hint="cameras often have the stream at /video, /mjpeg or /stream; the camera's manual says which",
        ) from None
    return FFmpegConnection(container, address, paced=True, stream=stream)


class _Body:
    """An HTTP stream as the file that PyAV reads."""

    def __init__(self, stream: HttpStream, begin: bytes, stopped: Stopped) -> None:
        self.name = f"{stream.address.scheme}://{stream.address.netloc}{stream.address.path}"  # relative to this
        self._stream, self._waiting, self._stopped = stream, begin, stopped

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end. Raises TimeoutError after a silence, or when it is no longer needed."""
        until = time.monotonic() + _READ_S
        while not self._waiting:
            received = self._stream.read()
            if received == b"":
                return b""
            if self._stopped() or time.monotonic() > until:
                raise TimeoutError
            self._waiting = received or b""
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def close(self) -> None:
        """PyAV closes what it opened by itself: the parts of a playlist."""
        self._stream.close()


class _SameHost:
    """Opens what a playlist names, if it is on the host that the playlist came from."""

    def __init__(self, address: Address, stopped: Stopped) -> None:
        self._address, self._stopped = address, stopped
        self.refused: RefusedError | None = None  # the last one, which FFmpeg makes an error of its own

    def __call__(self, url: str, flags: int, options: dict[str, str]) -> _Body:
        """The file-like object for one address. Raises RefusedError for any other."""
        home = self._address
        there = parse_address(url) if is_address(url) else None
        same = there is not None and there.scheme.startswith("http") and there.host == home.host
        if there is None or not same or (home.encrypted and not there.encrypted):
            other = there.label if there is not None else "a file"
            self.refused = RefusedError(
                f"{home.label}: its playlist names {other}, which is not opened",
                hint="only what is on the camera's own host is",
            )
            raise self.refused
        there = Address(there.scheme, there.host, there.port, there.path, home.user, home.password)
        return _Body(HttpStream(there, self._stopped, first_byte=int(options.get("offset", 0))), b"", self._stopped)


class FFmpegConnection:
    """Decoded pictures of an open PyAV container. A `livestyle.sources.live_source.Connection`."""

    def __init__(
        self, container: InputContainer, address: Address, *, paced: bool, stream: HttpStream | None = None
    ) -> None:
        """`paced`: pictures come by their own clock, because what carries them comes in pieces of several seconds.

        Raises SourceError where it contains no video.
        """
        self._container, self._stream = container, stream
        try:
            video = _video(container, address)
        except LivestyleError:
            self.close()
            raise
        self._packets: Iterator[av.Packet[av.VideoStream]] = container.demux(video)
        self._codec = video.codec_context
        self._converter = _Converter()
        self._clock = _Clock() if paced else None
        self._ready: list[av.VideoFrame] = []
        rate = fraction_of(video.average_rate)
        self.rate: Fraction | None = rate if rate is not None and 1 <= rate <= 240 else None

    def read(self) -> Received | None:
        """As `Connection.read`: the newest picture, or the next that is due."""
        if not self._ready:
            packet = next(self._packets, None)
            if packet is None:
                raise ConnectionResetError
            self._ready = self._decoded(packet)
        if not self._ready or (self._clock is not None and not self._clock.is_due(self._ready[0])):
            return None
        frame = self._ready.pop(0)
        return Received(lambda: self._converter.convert(frame), time.monotonic())

    def _decoded(self, packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
        """Its pictures; without a clock of their own, only the newest."""
        try:
            frames = list(self._codec.decode(packet))
        except av.error.FFmpegError:  # one damaged packet
            return []
        return frames if self._clock is not None else frames[-1:]

    def close(self) -> None:
        """Close the container and the stream that it reads."""
        self._container.close()
        if self._stream is not None:
            self._stream.close()


def _video(container: InputContainer, address: Address) -> av.VideoStream:
    stream = next(iter(container.streams.video), None)
    decoder = None if stream is None else decoder_of(stream)
    if stream is None or decoder is None:
        raise RefusedError(f"{address.label}: has no video that can be decoded here", hint="set the camera to H.264")
    decoder.thread_type = av.codec.context.ThreadType.SLICE  # threads by frames would delay pictures
    decoder.flags |= av.codec.context.Flags.low_delay
    return stream


class _Clock:
    """When a picture is due by its own time stamp."""

    def __init__(self) -> None:
        self._origin: float | None = None  # time.monotonic() seconds of time stamp 0

    def is_due(self, frame: av.VideoFrame) -> bool:
        """Whether `frame` is due; if not, waits for a moment."""
        now = time.monotonic()
        stamp: float | None = frame.time  # PyAV's type stubs leave None out
        if stamp is None:
            return True
        ahead = 0.0 if self._origin is None else self._origin + stamp - now
        if self._origin is None or not -_MOST_BEHIND_S < ahead < _MOST_AHEAD_S:
            self._origin, ahead = now - stamp, 0.0
        time.sleep(min(max(ahead, 0.0), _TICK_S))
        return ahead <= _TICK_S


class _Converter:
    """Pictures of one stream, which may change in size and format, to 8-bit RGB."""

    def __init__(self) -> None:
        self._kind: tuple[int, int, str, ColorInfo] | None = None
        self._reader: PictureReader | None = None

    def convert(self, frame: av.VideoFrame) -> Pixels | None:
        """(H, W, 3) uint8 RGB; None for what cannot be converted."""
        kind = frame.width, frame.height, frame.format.name, _color(frame)
        if self._reader is None or kind != self._kind:
            self._kind = kind
            self._reader = PictureReader(kind[3], (frame.width, frame.height), 8, flip_of(frame))
        try:
            return self._reader.read(frame)
        except (av.error.FFmpegError, ValueError):
            return None


def _color(frame: av.VideoFrame) -> ColorInfo:
    """Complete tags; what cannot be converted is taken for untagged, as a camera is not refused for its tags."""
    tags = name_tags(frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
    if frame.format.name.startswith("yuvj"):
        tags = ColorInfo(tags.primaries, tags.transfer, tags.matrix, "pc")
    if tags.matrix not in SWSCALE_MATRICES:
        tags = ColorInfo(tags.primaries, tags.transfer, None, tags.range)
    return complete_color(tags, (frame.width, frame.height), is_rgb=is_rgb(frame.format))
