"""The pixel format that an output is encoded in: bits, colour resolution, transparency."""

from __future__ import annotations

import logging

from livestyle.errors import UsageError
from livestyle.frame import ChromaKind
from livestyle.media.pyav import av

log = logging.getLogger("livestyle")

_NEED_EVEN = {"libx264", "libx265", "libsvtav1"}  # with 4:2:0; VP9 and FFV1 take any size
_RGB = {"ffv1": ("bgr0", "gbrp16le"), "libx264rgb": ("rgb24", "rgb24"), "gif": ("pal8", "pal8")}
ALPHA_FORMATS = {
    "prores_ks": ("yuva444p10le", "yuva444p10le"),
    "libvpx-vp9": ("yuva420p", "yuva420p"),
    "ffv1": ("bgra", "gbrap16le"),
    "gif": ("pal8", "pal8"),
}
"""Encoder -> pixel format with transparency, for 8 bits and for more."""
_SHALLOW = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")
_DEEP = ("yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le", "yuv420p12le")


def choose_pixels(
    codec: str, size: tuple[int, int], *, deep: bool, chroma: ChromaKind = "subsampled", alpha: bool = False
) -> str:
    """The pixel format to encode in.

    4:2:0, which plays everywhere, and 10 bits for deep sources and for encoders that have nothing less. H.264, H.265
    and AV1 cannot hold an odd size in 4:2:0: the size is kept exactly and 4:4:4 is used instead, which fewer players
    show, as for sources of `chroma` "full". FFV1 keeps RGB, so it is lossless. `alpha`: with transparency, if it can.
    """
    if alpha and codec in ALPHA_FORMATS:
        return ALPHA_FORMATS[codec][deep]
    if codec in _RGB:
        return _RGB[codec][deep]
    offered = {video_format.name for video_format in av.Codec(codec, "w").video_formats or ()}
    if deep and not offered & set(_DEEP):
        log.info("%s has no 10-bit format: the output has 8 bits", codec)
        deep = False
    wanted: tuple[str, ...] = _DEEP if deep else (*_SHALLOW, *_DEEP)
    if codec in _NEED_EVEN and (size[0] % 2 or size[1] % 2):
        wanted = _odd_formats(codec, size, offered, deep=deep)
    elif chroma == "full":
        wanted = _full_formats(codec, offered, wanted, deep=deep)
    elif chroma == "animation":
        log.warning(
            "The picture gets half the colour resolution (4:2:0), which plays everywhere: --chroma 444 keeps it"
        )
    chosen = next((name for name in wanted if name in offered), None)
    if chosen is None:
        raise UsageError(f"The codec {codec} takes none of {', '.join(wanted)}", hint="choose another --codec")
    return chosen


def _odd_formats(codec: str, size: tuple[int, int], offered: set[str], *, deep: bool) -> tuple[str, ...]:
    wanted = ("yuv444p10le",) if deep else ("yuv444p",)
    width, height = size
    if not offered & set(wanted):
        raise UsageError(
            f"{codec} cannot hold the odd size {width}x{height}",
            hint=f"give --size {width - width % 2}x{height - height % 2}, or --codec vp9 or ffv1",
        )
    log.info(
        "The odd size %dx%d is kept by encoding 4:4:4, which some players do not show: --size %dx%d plays everywhere",
        width, height, width - width % 2, height - height % 2,
    )  # fmt: skip
    return wanted


def _full_formats(codec: str, offered: set[str], usual: tuple[str, ...], *, deep: bool) -> tuple[str, ...]:
    """4:4:4 where the encoder has it, else what is usual."""
    wanted = ("yuv444p10le",) if deep else ("yuv444p", "yuv444p10le")
    if not offered & set(wanted):
        log.warning(
            "The source has full colour resolution (4:4:4 or RGB), which %s halves (4:2:0): --codec h264 keeps it",
            codec,
        )
        return usual
    log.info(
        "The full colour resolution (4:4:4) is kept, which some players do not show: --chroma 420 plays everywhere"
    )
    return wanted
