"""Colour tags of a stream: reading them, guessing the missing ones, refusing what cannot be kept right.

Names are those FFmpeg prints; the numbers are the code points of ITU-T H.273. HDR (PQ and HLG) is refused: its values
mean light up to many times that of white, and showing them as if they were ordinary video crushes the picture.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from livestyle.errors import ColorError
from livestyle.frame import ColorInfo

PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip
RANGES = {1: "tv", 2: "pc"}

HDR_TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}

# libswscale's numbers (SWS_CS_*) for the matrices it can apply. BT.601's two names are one matrix.
SWSCALE_MATRICES = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 5, "smpte240m": 7, "bt2020nc": 9, "gbr": 1}
SWSCALE_RANGES = {"tv": 1, "pc": 2}

SRGB = ColorInfo(primaries="bt709", transfer="iec61966-2-1", matrix="gbr", range="pc")
BT709 = ColorInfo(primaries="bt709", transfer="bt709", matrix="bt709", range="tv")
BT601_525 = ColorInfo(primaries="smpte170m", transfer="smpte170m", matrix="smpte170m", range="tv")
BT601_625 = ColorInfo(primaries="bt470bg", transfer="bt709", matrix="bt470bg", range="tv")
BT2020 = ColorInfo(primaries="bt2020", transfer="bt2020-10", matrix="bt2020nc", range="tv")


def name_tags(primaries: int, transfer: int, matrix: int, range_: int) -> ColorInfo:
    """The tags of H.273 code points; unspecified and unknown ones become None."""
    return ColorInfo(PRIMARIES.get(primaries), TRANSFERS.get(transfer), MATRICES.get(matrix), RANGES.get(range_))


def code_of(names: dict[int, str], name: str | None) -> int:
    """The H.273 code point of a name, 2 ("unspecified") for None."""
    return next((code for code, known in names.items() if known == name), 2)


def guess_color(size: tuple[int, int]) -> ColorInfo:
    """What an untagged YUV stream of this coded (width, height) is taken for.

    HD is BT.709: 720 lines and more, or 1280 columns and more (a film cropped to 1280x544 is HD too). The rest is
    BT.601 with the primaries of 625 lines (576, 288) or 525 lines.
    """
    width, height = size
    if height >= 720 or width >= 1280:
        return BT709
    return BT601_625 if height in (576, 288) else BT601_525


def complete_color(color: ColorInfo, size: tuple[int, int], *, is_rgb: bool) -> ColorInfo:
    """`color` with every missing tag filled in: from the tags that are there, else from the size."""
    if is_rgb:
        base = replace(SRGB, matrix="gbr")
        color = replace(color, matrix="gbr")
    elif color.matrix in (None, "gbr"):
        base = _by_primaries(color.primaries) or guess_color(size)
        color = replace(color, matrix=None)
    else:
        base = _by_matrix(color.matrix)
    return ColorInfo(
        primaries=color.primaries or base.primaries,
        transfer=color.transfer or base.transfer,
        matrix=color.matrix or base.matrix,
        range=color.range or base.range,
    )


def refuse_unsupported(color: ColorInfo, name: str) -> None:
    """Raise ColorError for HDR and for matrices that nothing here can convert. `name` is the file, for the message."""
    kind = HDR_TRANSFERS.get(color.transfer or "")
    if kind:
        raise ColorError(
            f"{name} is HDR video ({kind}, {color.transfer}), whose colours livestyle would crush",
            hint=f"convert it to SDR first: {sdr_command(name)}",
        )
    if color.matrix is not None and color.matrix not in SWSCALE_MATRICES:
        raise ColorError(
            f"{name} encodes colour with the matrix {color.matrix}, which cannot be converted correctly here",
            hint=f"convert it first: {sdr_command(name)}",
        )


def sdr_command(name: str) -> str:
    """An ffmpeg command that tone-maps `name` to BT.709 SDR (needs an ffmpeg with zscale, as most builds have)."""
    chain = (
        "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,"
        "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
    )
    return f"ffmpeg -i {shlex.quote(name)} -vf {chain} -c:a copy sdr.mp4"


def _by_primaries(primaries: str | None) -> ColorInfo | None:
    return {"bt709": BT709, "bt470bg": BT601_625, "smpte170m": BT601_525, "bt2020": BT2020}.get(primaries or "")


def _by_matrix(matrix: str | None) -> ColorInfo:
    known = {"bt470bg": BT601_625, "smpte170m": BT601_525, "bt2020nc": BT2020}
    return replace(known.get(matrix or "", BT709), matrix=matrix)
