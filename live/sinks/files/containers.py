"""What each file name ending means: a photo's format, or a container with its usual codec and encoder options."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from livestyle.errors import UsageError
from livestyle.media.pyav import av

log = logging.getLogger("livestyle")


@dataclass(frozen=True, slots=True)
class Container:
    """A file format that can be written."""

    format: str  # FFmpeg's name of the muxer
    codec: str  # encoder for 8-bit sources
    deep_codec: str  # encoder for sources with more than 8 bits
    alpha_codec: str | None = None  # encoder for transparent sources; None: there is none for it
    text: str | None = None  # codec that text subtitles are converted to, None: none can be carried
    tick: Fraction | None = None  # seconds; the container's only time base, None: the source's is kept
    constant: bool = False  # True: it counts frames and has no times, so the rate must be constant
    attachments: bool = False  # whether fonts and the like can be carried
    codecs: tuple[str, ...] | None = None  # encoders that players find in it, None: the muxer refuses the others itself


_MP4 = Container("mp4", "libx264", "libx265", text="mov_text")
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", "libx264", "libx265", alpha_codec="prores_ks", text="mov_text"),
    ".mkv": Container("matroska", "libx264", "libx265", alpha_codec="libvpx-vp9", text="subrip", attachments=True),
    ".webm": Container("webm", "libvpx-vp9", "libsvtav1", alpha_codec="libvpx-vp9", text="webvtt"),
    # FFmpeg writes any codec into MPEG-TS, most of them as private data that nothing can read.
    ".ts": Container("mpegts", "libx264", "libx265", codecs=("libx264", "libx264rgb", "libx265", "mpeg4")),
    ".avi": Container("avi", "libx264", "libx264", constant=True),
    ".gif": Container("gif", "gif", "gif", alpha_codec="gif", tick=Fraction(1, 100)),
}
PHOTO_FORMATS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".gif": "GIF", ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF",
    ".avif": "AVIF",
}  # fmt: skip
SHORT_NAMES = {
    "h264": "libx264", "avc": "libx264", "h265": "libx265", "hevc": "libx265", "vp9": "libvpx-vp9",
    "av1": "libsvtav1", "prores": "prores_ks",
}  # fmt: skip

# encoder -> (highest crf, our default). The defaults are where a styled picture shows no artefacts of its own.
_CRF = {"libx264": (51, 18), "libx264rgb": (51, 18), "libx265": (51, 20), "libvpx-vp9": (63, 24), "libsvtav1": (63, 24)}
_OPTIONS = {
    "libx265": {"x265-params": "log-level=error"},
    "libvpx-vp9": {"row-mt": "1", "deadline": "good", "cpu-used": "4"},
    "libsvtav1": {"preset": "8"},
    "ffv1": {"level": "3"},
    "prores_ks": {"profile": "hq"},
    "mjpeg": {"strict": "unofficial"},  # without it only full range, which is not what the source has
}
_MPEG4_TICK = Fraction(1, 60_000)  # seconds; MPEG-4 counts time in 16 bits
# A camera does not wait for the encoder: larger files, but the frames are kept. Nor may the encoder wait for frames to
# come (look-ahead, B frames, frame threads): they would be lost with the process.
_LIVE_OPTIONS = {
    "libx264": {"preset": "veryfast", "tune": "zerolatency"},
    "libx265": {"preset": "ultrafast", "tune": "zerolatency"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libsvtav1": {"preset": "12", "svtav1-params": "pred-struct=1"},
}
# What is on the disk plays at any moment. MP4 is written in fragments of half a second, which become an ordinary file
# at its end (FFmpeg's hybrid_fragmented); Matroska in clusters as long.
_MOV_LIVE = {"movflags": "+hybrid_fragmented+empty_moov+default_base_moof", "frag_duration": "500000"}
_LIVE_MUXER_OPTIONS = {
    "mp4": _MOV_LIVE,
    "mov": _MOV_LIVE,
    "matroska": {"cluster_time_limit": "500"},
    "webm": {"cluster_time_limit": "500"},
}


def container_of(path: Path, source: Path | None = None) -> Container:
    """The container that a file name asks for. Raises UsageError naming the choices.

    `source`: the file that is styled, if any. It may be a photo of a format that only FFmpeg knows (PPM, TGA), which is
    read as a video of one frame and cannot become a photo.
    """
    known = CONTAINERS.get(path.suffix.lower())
    if known is None:
        choices = f"use one of {', '.join(CONTAINERS)}"
        if source is not None and path.suffix.lower() in PHOTO_FORMATS:
            raise UsageError(
                f"{path} has the name of a photo, but {source} is read as a video",
                hint=f"{choices}; if it is a photo, convert it to PNG or TIFF first",
            )
        raise UsageError(f"Videos cannot be written as {path.suffix or path.name!r}", hint=choices)
    return known


def choose_codec(
    requested: str | None, container: Container, *, deep: bool, alpha: bool = False, has_crf: bool = False
) -> str:
    """The encoder's name in FFmpeg, one that keeps transparency for sources with `alpha`; `has_crf`: it needs one.

    Raises UsageError for one that is unknown or does not fit the container.
    """
    if requested is None:
        if alpha and container.alpha_codec is not None and (container.alpha_codec in _CRF or not has_crf):
            return container.alpha_codec
        return container.deep_codec if deep else container.codec
    name = SHORT_NAMES.get(requested.lower(), requested)
    fitting = _fitting(container)
    if name not in av.codecs_available:
        raise UsageError(f"There is no encoder called {requested}", hint=f"use one of {', '.join(fitting)}")
    if name not in fitting:
        raise UsageError(
            f"The codec {requested} cannot be written into {container.format}", hint=f"use one of {', '.join(fitting)}"
        )
    return name


def tick_of(codec: str, container: Container, time_base: Fraction) -> Fraction:
    """Seconds per tick of an output that keeps its frames' own times: the source's, where codec and container can."""
    tick = container.tick or time_base
    return _MPEG4_TICK if codec == "mpeg4" and tick.denominator > 65535 else tick


def encoder_options(codec: str, crf: int | None, container: Container, *, live: bool = False) -> dict[str, str]:
    """Private options for the encoder, its fast ones for a `live` source. Raises UsageError for an unknown crf."""
    options = dict(_OPTIONS.get(codec, {}))
    if live:
        options |= _LIVE_OPTIONS.get(codec, {})
    if codec in _CRF:
        highest, usual = _CRF[codec]
        crf = usual if crf is None else crf
        if not 0 <= crf <= highest:
            raise UsageError(f"{codec} takes --crf 0 to {highest}, not {crf}")
        options["crf"] = str(crf)
    elif crf is not None:
        raise UsageError(f"{codec} has no --crf", hint=f"leave it out, or choose one of {', '.join(_CRF)}")
    if container.format == "avi":
        options["bf"] = "0"  # AVI counts frames and cannot say that they are shown in another order
    return options


def muxer_options(container: Container, *, live: bool = False) -> dict[str, str]:
    """Options for the muxer: `live`, so that the file plays as far as it goes; else with its index in front."""
    if live:
        return {**_LIVE_MUXER_OPTIONS.get(container.format, {}), "flush_packets": "1"}
    return {"movflags": "+faststart"} if container.format in ("mp4", "mov") else {}


def _fitting(container: Container) -> list[str]:
    names = {*_CRF, *_OPTIONS, "mpeg4", "mjpeg", "gif", container.codec}
    return sorted(name for name in names if _can_hold(container, name))


def _can_hold(container: Container, codec: str) -> bool:
    """Whether this FFmpeg has the encoder and lets the container carry it, so that it can be read again."""
    if container.codecs is not None and codec not in container.codecs:
        return False
    try:
        av.Codec(codec, "w")
        with av.open(NullFile(), "w", format=container.format) as output:
            output.add_stream(codec, rate=25)
    except (av.codec.codec.UnknownCodecError, ValueError, av.error.FFmpegError):
        return False
    return True


class NullFile:
    """A file object that is never written, for asking a muxer what it can hold."""

    def write(self, data: bytes) -> int:
        """Take `data`."""
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go anywhere."""
        return offset

    def tell(self) -> int:
        """Always at the beginning."""
        return 0
