"""The one place where OpenCV and PyAV are imported together, and where PyAV opens files.

cv2 comes first: with opencv-python >= 4.13 on Linux the other order hangs `cv2.imshow`. Everything that needs PyAV
says `from livestyle.media.pyav import av`; `import av` anywhere else is a lint error.

What differs between PyAV 18 and 19 is settled here: text in metadata that is not UTF-8, rational numbers that are not
known, and side data of unknown kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

# isort: off
import cv2
import av
import av.error
from av.container import InputContainer, OutputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition, Stream
# isort: on

import numpy as np

from livestyle.frame import Pixels

if TYPE_CHECKING:  # it exists in the type stubs only
    from av.container.core import Chapter

__all__ = [
    "Chapter",
    "Disposition",
    "InputContainer",
    "OutputContainer",
    "Packet",
    "Readable",
    "Stream",
    "add_video",
    "av",
    "codec_name",
    "cv2",
    "decoder_of",
    "fraction_of",
    "is_cover",
    "open_input",
    "open_output",
    "open_stream",
    "samples_of",
    "side_data",
]

Packet: TypeAlias = "av.Packet[Stream]"
"""A packet of any stream."""


class Rational(Protocol):
    """A rational number of PyAV: a Fraction in PyAV 18, its own AVRational in PyAV 19."""

    @property
    def numerator(self) -> int: ...
    @property
    def denominator(self) -> int: ...


class Readable(Protocol):
    """The part of a file object that PyAV needs to read a stream."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"" at the end."""


# Bytes that are not UTF-8 become surrogates in the strings of metadata, and the same bytes again when written. PyAV 19
# always does so and has no option for it; PyAV 18 raises UnicodeDecodeError unless it is asked to.
# Any: the type stubs of PyAV 19 have no such parameter.
_METADATA: dict[str, Any] = {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}

# FFmpeg's demuxers that open further files or addresses named in the file (mlv: made from its name), run scripts, or
# read devices. Those of them that a build lacks do no harm here.
_REFERRING = {
    "alsa", "avfoundation", "avisynth", "bluray", "concat", "concatf", "dash", "dshow", "dvdvideo", "fbdev", "gdigrab",
    "hls", "iec61883", "imf", "jack", "kmsgrab", "lavfi", "libcdio", "libdc1394", "mlv", "openal", "oss",
    "pulse", "rtp", "rtsp", "sap", "sdp", "sndio", "v4l2", "vapoursynth", "vfwcap", "video4linux2", "vobsub",
    "webm_dash_manifest", "x11grab", "xcbgrab",
}  # fmt: skip
# Demuxers hand both lists on to what they open, so not even one that is missing above can reach an address.
_ONE_FILE = {
    "protocol_whitelist": "file",
    "pattern_type": "none",  # of image2, for which a%d.ppm would be a0.ppm, a1.ppm …
    "format_whitelist": ",".join(sorted(name for name in av.formats_available if not _REFERRING & {*name.split(",")})),
}


def open_input(path: Path) -> InputContainer:
    """An open PyAV container that reads the file `path`, and no other file or address whatever `path` holds.

    Raises any exception that PyAV may have for it.
    """
    return av.open(_as_file(path), "r", container_options=_ONE_FILE, **_METADATA)


def open_stream(
    source: str | Readable,
    *,
    format: str | None,
    options: dict[str, str],
    timeout: tuple[float, float] | None = None,
    io_open: Callable[[str, int, dict[str, str]], Readable] | None = None,
) -> InputContainer:
    """An open PyAV container that reads an address or a file object; its caller names what may be reached in `options`.

    `format`: FFmpeg's name of the demuxer, None: by the content. `timeout`: seconds to open, and for each read.
    `io_open`: (address, flags, options) -> a file object, called for what the stream itself names. Raises any exception
    that PyAV may have for it.
    """
    return av.open(source, "r", format=format, options=options, timeout=timeout, io_open=io_open, **_METADATA)


def open_output(path: Path, muxer: str | None, options: dict[str, str]) -> OutputContainer:
    """An open PyAV container that writes the file `path`. `options`: those of the muxer.

    `muxer`: FFmpeg's name of it, None: by the ending of `path`. Raises any exception that PyAV may have for it.
    """
    return av.open(_as_file(path), "w", format=muxer, container_options=options, **_METADATA)


def add_video(container: OutputContainer, codec: str, rate: Fraction | int, options: dict[str, str]) -> av.VideoStream:
    """A new video stream of an output; `rate`: frames per second, `options`: those of the encoder.

    Raises any exception that PyAV may have for it, ValueError for a codec that is not a video codec.
    """
    stream = container.add_stream(codec, rate=rate, options=options)
    if not isinstance(stream, av.VideoStream):
        raise ValueError(f"{codec} is not a video codec")
    return stream


def fraction_of(rational: Rational | None) -> Fraction | None:
    """A rational of PyAV as a Fraction; None for one that is not known (None, 0/1 or something/0)."""
    return Fraction(rational.numerator, rational.denominator) if rational else None


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a cover picture, not video."""
    return bool(stream.disposition & Disposition.attached_pic)


def decoder_of(stream: av.VideoStream) -> av.VideoCodecContext | None:
    """The stream's decoder; None where this FFmpeg has none for it, which PyAV's type stubs leave out."""
    return stream.codec_context


def codec_name(stream: Stream) -> str:
    """FFmpeg's name of the stream's codec; "" where it has no decoder for it."""
    context: av.CodecContext | None = stream.codec_context
    return "" if context is None else context.name


def side_data(frame: av.VideoFrame, kind: str) -> bytes | None:
    """What a frame carries besides its picture; `kind`: FFmpeg's name, such as "DISPLAYMATRIX". None: it has none."""
    carried: Any = frame.side_data  # any kind in truth; PyAV's type stubs know motion vectors only
    data = carried.get(kind)
    return None if data is None else bytes(data)


def samples_of(plane: av.video.plane.VideoPlane, dtype: type[np.uint8] | type[np.uint16]) -> Pixels:
    """A plane of a decoded frame without a copy: (height, samples a line), which may be more than its width."""
    buffer: Any = plane  # a buffer, which types can say from Python 3.12 on
    return cast(Pixels, np.frombuffer(buffer, dtype).reshape(plane.height, -1))


def _name_unknown_side_data() -> None:
    """Let PyAV 18 pass over side data that came with a later FFmpeg than it was written for, as PyAV 19 does.

    Otherwise a frame with one (EXIF, for example) gives none of its side data, so it could not be turned upright.
    """
    kinds: Any = SideDataType  # Any: what follows are the inner parts of enum.Enum
    if "_missing_" in vars(kinds):
        return

    def missing(cls: Any, value: object) -> Any:
        if not isinstance(value, int):
            return None
        kind = object.__new__(cls)
        kind._name_, kind._value_ = f"UNKNOWN_{value}", value
        return cls._value2member_map_.setdefault(value, kind)

    kinds._missing_ = classmethod(missing)


_name_unknown_side_data()


def _as_file(path: Path) -> str:
    """The address of a local file for FFmpeg: a name with a colon is never a protocol then."""
    return f"file:{path}"
