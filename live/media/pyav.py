"""The one place where OpenCV and PyAV are imported together, and where PyAV opens files.

cv2 comes first: with opencv-python >= 4.13 on Linux the other order hangs `cv2.imshow`. Everything that needs PyAV
says `from livestyle.media.pyav import av`; `import av` anywhere else is a lint error.

What differs between PyAV 18 and 19 is settled here: text in metadata that is not UTF-8, rational numbers that are not
known, and side data of unknown kinds.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

# isort: off
import cv2
import av
import av.error
# isort: on

__all__ = ["av", "cv2", "fraction_of", "open_input", "open_output", "open_stream"]

# Bytes that are not UTF-8 become surrogates in the strings of metadata, and the same bytes again when written. PyAV 19
# always does so and has no option for it; PyAV 18 raises UnicodeDecodeError unless it is asked to.
_METADATA = {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}

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


def open_input(path: Path) -> Any:
    """An open PyAV container that reads the file `path`, and no other file or address whatever `path` holds.

    Raises any exception that PyAV may have for it.
    """
    return av.open(_as_file(path), "r", container_options=_ONE_FILE, **_METADATA)


def open_stream(source: Any, **options: Any) -> Any:
    """An open PyAV container that reads an address or a file object; its caller names what may be reached in `options`.

    Raises any exception that PyAV may have for it.
    """
    return av.open(source, "r", **options, **_METADATA)


def open_output(path: Path, muxer: str | None, options: dict[str, str]) -> Any:
    """An open PyAV container that writes the file `path`. `options`: those of the muxer.

    `muxer`: FFmpeg's name of it, None: by the ending of `path`. Raises any exception that PyAV may have for it.
    """
    return av.open(_as_file(path), "w", format=muxer, container_options=options, **_METADATA)


def fraction_of(rational: Any) -> Fraction | None:
    """A rational of PyAV as a Fraction; None for one that is not known (None, 0/1 or something/0)."""
    return Fraction(rational.numerator, rational.denominator) if rational else None


def _name_unknown_side_data() -> None:
    """Let PyAV 18 pass over side data that came with a later FFmpeg than it was written for, as PyAV 19 does.

    Otherwise a frame with one (EXIF, for example) gives none of its side data, so it could not be turned upright.
    """
    kinds: Any = av.sidedata.sidedata.Type
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
