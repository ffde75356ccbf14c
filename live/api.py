"""livestyle for Python programs: pictures and files in a style, and the parts to style frames of your own.

Everything here is also a name of the package itself: `livestyle.style_image`, `livestyle.load_style` …
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

import numpy as np
import numpy.typing as npt

from livestyle.compute.devices import open_segmenter
from livestyle.current_style import CurrentStyle
from livestyle.frame import Frame, read_only
from livestyle.masks.exact import ExactMasks
from livestyle.protocols import Grade, Segmenter
from livestyle.report import Report
from livestyle.session import style_file as run_file
from livestyle.settings import Chroma, Deinterlace, Settings, Sync
from livestyle.sinks.files.output import check_output
from livestyle.stylist import Stylist
from livestyle.system.stop import Stop

Depth = TypeVar("Depth", np.uint8, np.uint16)


class FileOptions(TypedDict, total=False):
    """What style_file may be told, in the words of `livestyle --help`; unset, the command's own defaults apply."""

    intensity: float  # 0..1
    tone: float  # -1..1
    color: float  # -1..1
    strengths: Mapping[str, float]  # region ("skin", "hair", "clothes", "background") -> 0..1
    model: str
    device: str
    sync: Sync
    start: float  # seconds
    duration: float  # seconds
    size: tuple[int, int]  # (width, height) that the output fits into
    rate: float  # frames per second
    codec: str
    crf: int
    chroma: Chroma
    deinterlace: Deinterlace
    overwrite: bool


def load_style(
    name: str = "vivid",
    *,
    intensity: float | None = None,
    tone: float = 0.0,
    color: float = 0.0,
    strengths: Mapping[str, float] | None = None,
    device: str = "auto",
) -> Grade:
    """The style `name`, a built-in or user style, a recipe (.toml) or a LUT file, compiled for `device`.

    `intensity` 0..1 scales all of it (None: the style's own), `tone` and `color` -1..1 are applied on top, `strengths`
    says how much of it each region takes, 0..1. Raises StyleError and DeviceError.
    """
    settings = Settings(
        style=name, intensity=intensity, tone=tone, color=color, strengths=strengths or {}, device=device
    )
    return CurrentStyle(settings).grade()


def load_segmenter(model: str | None = None, *, device: str = "auto") -> Segmenter:
    """A bundled model by its name (None: the default one) or the .onnx file at that path, on `device`.

    Keeps nothing between pictures: one serves any number of streams and threads. Raises ModelError and DeviceError.
    """
    return open_segmenter(model, device)


def style_image(
    pixels: npt.NDArray[Depth], style: str | Grade = "vivid", *, segmenter: Segmenter | None = None
) -> npt.NDArray[Depth]:
    """A new (H, W, 3) RGB picture in a style. `pixels`, uint8 or uint16, sRGB, upright, stays as it is.

    `segmenter`: None takes the bundled model, loaded at the first call. Raises ValueError for another kind of array,
    StyleError, ModelError and DeviceError.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"not an (H, W, 3) array of uint8 or uint16: {pixels.shape} of {pixels.dtype}")
    grade = load_style(style) if isinstance(style, str) else style
    frame = Frame(read_only(pixels.view()), pts=0, captured=0.0)
    with closing(ExactMasks(segmenter or _bundled_segmenter())) as masks:
        styled: npt.NDArray[Depth] = np.array(Stylist(masks, grade).render(frame).pixels)
    return styled


@lru_cache(maxsize=1)
def _bundled_segmenter() -> Segmenter:
    return load_segmenter()


def style_file(path: str | Path, output: str | Path, style: str = "vivid", **options: Unpack[FileOptions]) -> Report:
    """Style the photo or video at `path` into `output`, as `livestyle PATH -o OUTPUT` does; any thread may call it.

    An output that exists is an error unless `overwrite` is true. Where the input breaks off, the output has the frames
    before, and `Report.error` says so. Raises LivestyleError for what cannot be opened or written; nothing is then left
    under the output's name.
    """
    settings = Settings(style=style, **options)
    path, output = Path(path), Path(output)
    check_output(output, path, overwrite=settings.overwrite)
    return run_file(path, output, CurrentStyle(settings), settings, Stop(signals=False), quiet=True)
