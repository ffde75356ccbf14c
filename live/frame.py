"""The values that pass between the parts. All are immutable; units, ranges and shapes stand on each field."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, NewType, cast

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(H, W, 3) RGB samples at a stream's own depth."""

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB samples of 8 bits, full range: what models see, and masks are measured on."""

# An array says nothing about what its axes mean: as types of their own, the three cannot be mistaken for one another.
# livestyle.masks.weights converts them.
Probabilities = NewType("Probabilities", npt.NDArray[np.float32])
"""(C, h, w) float32 in [0, 1]: how likely each pixel is of each class of a model; the sum over C is 1."""

PlaneWeights = NewType("PlaneWeights", npt.NDArray[np.float32])
"""(R, h, w) float32 in [0, 1], by plane: how much each pixel is of each of REGIONS. As grades take them."""

PixelWeights = NewType("PixelWeights", npt.NDArray[np.float32])
"""(h, w, R), the same numbers by pixel: as OpenCV warps and enlarges them."""

REGIONS = ("background", "hair", "skin", "clothes")
"""The parts of a picture that a style treats separately, in the order of `Masks.weights` and `Look.luts`."""


@dataclass(frozen=True, slots=True)
class ColorInfo:
    """How a stream's samples encode colour: names as FFmpeg prints them, None where the stream does not say.

    ITU-T H.273 defines the code points behind the names.
    """

    primaries: str | None = None  # "bt709", "smpte170m", "bt2020", …
    transfer: str | None = None  # "bt709", "iec61966-2-1", "smpte2084" (PQ), "arib-std-b67" (HLG), …
    matrix: str | None = None  # "bt709", "smpte170m", "bt2020nc", … ; "gbr" for RGB streams
    range: str | None = None  # "tv" (limited) or "pc" (full)


Alpha = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(H, W) opacity, 0 to 255 or 65535 (opaque), at the depth of the pixels beside it, which are not multiplied by it."""

ChromaKind = Literal["subsampled", "full", "animation"]
"""Colour resolution of a source: less than that of brightness, or as fine; an animation is full, but need not stay."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source knows before its first frame."""

    name: str  # what messages call it: a path, "camera 0 (Integrated Camera)", an address
    size: tuple[int, int]  # (width, height) in pixels, upright, as `Frame.pixels` has them
    time_base: Fraction  # seconds per unit of `Frame.pts`
    rate: Fraction | None = None  # average frames per second; None when unknown (a photo). Not a promise: see pts
    color: ColorInfo = ColorInfo()  # as guessed where the stream does not say; the guess is logged by the source
    bit_depth: int = 8  # significant bits of a source sample, 8..16; `Frame.pixels` is uint16 when above 8
    is_live: bool = False  # a live source cannot wait: its feed drops the oldest frame
    frames: int | None = None  # how many frames to expect; an estimate for progress bars only
    duration: float | None = None  # seconds to expect; an estimate for progress bars only
    path: Path | None = None  # the file read, from which a file sink copies audio, subtitles, chapters, metadata
    start: float = 0.0  # seconds into `path` at which reading began (--start)
    stop: float | None = None  # seconds into `path` at which reading ends (--start + --duration); None: at the end
    closest_rate: Fraction | None = None  # frames per second where they are closest; None: as `rate`
    chroma: ChromaKind = "subsampled"
    has_alpha: bool = False  # whether the first frame is transparent somewhere


@dataclass(frozen=True, slots=True)
class Masks:
    """Soft weights of regions for one frame."""

    weights: PlaneWeights  # h <= H, w <= W of the frame; sum over R at most 1, less where the style fades
    regions: tuple[str, ...] = REGIONS  # names of the R planes; regions[0] == "background"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and its time."""

    pixels: Pixels  # (H, W, 3) upright full-range RGB, uint8 or uint16 (full scale 65535), C-contiguous, read-only
    pts: int  # presentation time in units of StreamInfo.time_base; strictly increasing within a stream
    captured: float  # time.monotonic() seconds at which the source had the frame; latency is measured from here
    before: Pixels | None = None  # set by rendering: the pixels before the style, for the preview's wipe
    masks: Masks | None = None  # the weights to blend the style with: set by rendering, or by a source that looks ahead
    alpha: Alpha | None = None  # None: opaque


def read_only(pixels: Pixels) -> Pixels:
    """C-contiguous `pixels` with writing switched off, as `Frame.pixels` promises. Copies only when it must."""
    fixed = cast(Pixels, np.ascontiguousarray(pixels))
    fixed.flags.writeable = False
    return fixed
