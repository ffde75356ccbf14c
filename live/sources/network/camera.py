"""Network cameras: Motion JPEG over HTTP, and through FFmpeg RTSP and whatever else comes over HTTP."""

from __future__ import annotations

import time
from fractions import Fraction

from livestyle.errors import LivestyleError, RefusedError, SourceError
from livestyle.sources.live_source import FIRST_FRAME_S, Connection, Received, Stopped
from livestyle.sources.network.addresses import Address
from livestyle.sources.network.ffmpeg_stream import open_http_media, open_rtsp
from livestyle.sources.network.http_stream import HttpStream, no_answer
from livestyle.sources.network.mjpeg import JpegDecoder, JpegSplitter

_SNIFF_S = 10.0  # how long the first bytes of an answer may take before its Content-Type alone must do
_SNIFFED = 512  # bytes
_PICTURES = ("image/jpeg", "image/jpg", "image/png", "image/gif", "image/webp", "image/bmp")
_NOT_A_STREAM = "try the address of its stream: cameras often have it at /video, /mjpeg or /stream"


class NetworkCamera:
    """A camera with an address. A `livestyle.sources.live_source.Device`."""

    picture_within_s = FIRST_FRAME_S
    hung_after_s = FIRST_FRAME_S + 5

    def __init__(self, address: Address) -> None:
        self._address = address
        self.label = address.label
        self._silence = no_answer(address)  # the error when nothing more comes

    def open(self, stopped: Stopped, *, again: bool) -> Connection:
        """Connect, and find out what comes. Raises SourceError, RefusedError where another attempt does not help."""
        self._silence = no_answer(self._address)
        if self._address.scheme.startswith("rtsp"):
            connection: Connection = open_rtsp(self._address)
        else:
            connection = self._open_http(stopped)
        self._silence = SourceError(
            f"{self.label}: the camera answers, but sends no picture",
            hint="restart the camera, or try another of its addresses",
        )
        return connection

    def no_picture(self) -> LivestyleError:
        """The camera answers without a picture, or with what was recognised in its answer."""
        return self._silence

    def too_slow(self, seconds: float) -> LivestyleError:
        """By how far the connection got."""
        return self._silence

    def _open_http(self, stopped: Stopped) -> Connection:
        stream = HttpStream(self._address, stopped)
        try:
            return self._recognised(stream, stopped)
        except BaseException:
            stream.close()
            raise

    def _recognised(self, stream: HttpStream, stopped: Stopped) -> Connection:
        """What can read the stream. What it begins with counts for more than its Content-Type, which is often wrong."""
        kind = stream.content_type
        boundary = stream.headers.get_param("boundary") if kind.startswith("multipart/") else None
        begin = b"" if boundary is not None else _first_bytes(stream, stopped)
        text = begin.lstrip().lower()
        if kind in _PICTURES and "Content-Length" in stream.headers:
            raise self._single_picture()
        if kind.startswith("multipart/") or begin.startswith(b"\xff\xd8\xff") or text.startswith(b"--"):
            return MjpegConnection(stream, begin, str(boundary or ""))
        if text.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")):
            raise RefusedError(f"{self.label}: shows a web page, not a stream", hint=_NOT_A_STREAM)
        if kind in _PICTURES:
            raise self._single_picture()
        return open_http_media(stream, begin, stopped)

    def _single_picture(self) -> RefusedError:
        return RefusedError(f"{self.label}: sends a single picture, not a stream", hint=_NOT_A_STREAM)


def _first_bytes(stream: HttpStream, stopped: Stopped) -> bytes:
    """What the body begins with: enough to recognise it by, or what comes within a while."""
    begin, until = b"", time.monotonic() + _SNIFF_S
    while len(begin.lstrip()) < _SNIFFED and time.monotonic() < until and not stopped():
        try:
            data = stream.read()
        except OSError:
            break
        if data == b"":
            break
        begin += data or b""
    return begin


class MjpegConnection:
    """JPEG pictures over HTTP. What was received is decoded only when somebody takes it: the newest one wins."""

    rate: Fraction | None = None  # unknown

    def __init__(self, stream: HttpStream, begin: bytes, boundary: str) -> None:
        """`begin`: what was already read of the stream."""
        self._stream = stream
        self._begin = begin
        self._splitter = JpegSplitter(boundary)
        self._decoder = JpegDecoder()

    def read(self) -> Received | None:
        """The newest picture; None when none is complete yet. Raises OSError at the end of the stream."""
        data = self._begin or self._stream.read()
        self._begin = b""
        if data == b"":
            raise ConnectionResetError
        pictures = self._splitter.feed(data or b"")
        if not pictures:
            return None
        newest = pictures[-1]
        return Received(lambda: self._decoder.decode(newest), time.monotonic())

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
