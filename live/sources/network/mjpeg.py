"""Motion JPEG as cameras really send it.

Split by the pictures' own markers, because what surrounds them is often wrong (lengths, boundaries, headers), and
decoded so strictly that a damaged picture is left out.
"""

from __future__ import annotations

import re
from enum import Enum

import numpy as np

from livestyle.frame import ColorInfo, Pixels, read_only
from livestyle.media.orientation import flip_of, make_upright
from livestyle.media.pyav import av, cv2, samples_of
from livestyle.media.resize import enlarge
from livestyle.sources.pixel_format import PictureReader

_BEGIN = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # in a picture's coded data, where FF00 and FFD0 to FFD7 are none
_LONGEST = 32 << 20  # bytes of one picture
_LONGEST_SEGMENT = 4096  # bytes of tables; only APPn and comments may be longer
_MOST_PIXELS = 1 << 26
_STRICT_FOR = 10  # damaged pictures in a row, after which the camera is taken to send all of them a little wrong
_SOI, _EOI, _SOS, _COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
_PLAIN = ("yuvj420p", "yuvj422p", "yuvj440p", "yuvj444p", "gray")
_COLOR = ColorInfo(primaries="bt709", transfer="iec61966-2-1", matrix="smpte170m", range="pc")  # JFIF's


class _Walk(Enum):
    MORE = 1  # data is needed
    WHOLE = 2
    CUT = 3  # the next picture begins, or what follows is not a JPEG


class JpegSplitter:
    """Finds the JPEG pictures in a stream of bytes, as soon as each is complete."""

    def __init__(self, boundary: str = "") -> None:
        """`boundary`: what the server says stands between the pictures; "" where it says nothing."""
        name = boundary.strip().strip("\"'").lstrip("-").encode("latin-1", "replace")
        self._boundary = b"--" + name if name else b""
        self._data = bytearray()
        self._begun = False  # the data begins with a picture
        self._at = 0  # how far the data was examined
        self._coded = False  # `_at` is in a picture's coded data, not at a marker
        self._scanned = False  # the picture has coded data

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that `data` completes, in order; one that was cut off is among them, without its end."""
        self._data += data
        found: list[bytes] = []
        while self._begun or self._begin():
            walked = self._walk()
            if walked is _Walk.MORE:
                break
            if self._scanned:
                found.append(bytes(self._data[: self._at]))
            self._drop(self._at)
        if len(self._data) > _LONGEST:
            self._drop(len(self._data))
        return found

    def _begin(self) -> bool:
        at = self._data.find(_BEGIN)
        if at < 0:
            self._drop(max(0, len(self._data) - len(_BEGIN) + 1))
            return False
        self._drop(at)
        self._begun, self._at = True, 2
        return True

    def _drop(self, count: int) -> None:
        del self._data[:count]
        self._begun, self._coded, self._scanned, self._at = False, False, False, 0

    def _walk(self) -> _Walk:
        """Step from marker to marker; `_at` is then behind the picture, or where it stops being a valid one."""
        while True:
            if self._coded and not self._find_marker():
                return _Walk.MORE
            head = self._data[self._at : self._at + 4]
            if len(head) < 2:
                return _Walk.MORE
            step = _step(head)
            if step is _Walk.WHOLE:
                self._at += 2
            if isinstance(step, _Walk):
                return step
            if self._is_cut_within(step, note=_is_note(head[1])):
                return _Walk.CUT
            if len(self._data) < self._at + step:
                return _Walk.MORE
            self._coded = head[1] == _SOS
            self._scanned |= self._coded
            self._at += step

    def _find_marker(self) -> bool:
        found = _MARKER.search(self._data, self._at)
        self._at = found.start() if found else max(self._at, len(self._data) - 1)
        self._coded = found is None
        return found is not None

    def _is_cut_within(self, length: int, *, note: bool) -> bool:
        """Whether the next picture begins within what should be one segment. Notes may hold a picture (a thumbnail)."""
        end = self._at + length
        if self._boundary and self._data.find(self._boundary, self._at, end) >= 0:
            return True
        return not note and self._data.find(_BEGIN, self._at, end) >= 0


def _step(head: bytearray) -> int | _Walk:
    """Bytes from the marker in `head` to the next one, or what the marker means for the picture."""
    if head[0] != 0xFF or head[1] == _SOI:
        return _Walk.CUT
    code = head[1]
    if code == 0xFF:  # padding
        return 1
    if code == _EOI:
        return _Walk.WHOLE
    if 0xD0 <= code <= 0xD7 or code == 0x01:  # stand alone
        return 2
    if code < 0xC0 or 0xF0 <= code < _COMMENT:  # not used by any encoder
        return _Walk.CUT
    if len(head) < 4:
        return _Walk.MORE
    length = int.from_bytes(head[2:4], "big")
    return 2 + length if length >= 2 and (_is_note(code) or length <= _LONGEST_SEGMENT) else _Walk.CUT


def _is_note(code: int) -> bool:
    """APPn and comments, which hold anything."""
    return code == _COMMENT or 0xE0 <= code <= 0xEF


class JpegDecoder:
    """Decodes one stream's pictures, which may change in size. For one thread at a time."""

    def __init__(self) -> None:
        self._context = _context(strict=True)
        self._damaged = 0  # in a row
        self._reader: PictureReader | None = None
        self._size = (0, 0)

    def decode(self, data: bytes) -> Pixels | None:
        """(H, W, 3) upright RGB; None for a damaged picture."""
        if not data:  # which would end the decoder
            return None
        try:
            (frame,) = self._context.decode(av.Packet(data))
        except (av.error.FFmpegError, ValueError, MemoryError):
            self._note_damage()
            return None
        self._damaged = 0
        if frame.format.name in _PLAIN:
            return read_only(make_upright(_plain_rgb(frame), flip_of(frame)))
        if self._reader is None or (frame.width, frame.height) != self._size:
            self._size = frame.width, frame.height
            self._reader = PictureReader(_COLOR, self._size, 8, flip_of(frame))
        return self._reader.read(frame)

    def _note_damage(self) -> None:
        self._damaged += 1
        if self._damaged == _STRICT_FOR:
            self._context = _context(strict=False)


def _plain_rgb(frame: av.VideoFrame) -> Pixels:
    """JFIF's own colours, which OpenCV calls YCrCb: half the time of libswscale's exact conversion (measured).

    Chroma lies in the middle between its pixels, which is how `enlarge` takes them.
    """
    luma, *chroma = [samples_of(part, np.uint8)[:, : part.width] for part in frame.planes]
    if not chroma:
        return cv2.cvtColor(np.ascontiguousarray(luma), cv2.COLOR_GRAY2RGB)
    size = frame.width, frame.height
    blue, red = (enlarge(np.ascontiguousarray(part, np.uint8), size) for part in chroma)
    return cv2.cvtColor(cv2.merge([np.ascontiguousarray(luma), red, blue]), cv2.COLOR_YCrCb2RGB)


def _context(*, strict: bool) -> av.VideoCodecContext:
    context = av.CodecContext.create("mjpeg", "r")
    context.thread_count = 1  # more would delay pictures
    context.options = {"max_pixels": str(_MOST_PIXELS)} | ({"err_detect": "explode"} if strict else {})
    return context
