"""The settings of one run, as plain values. The command line, the configuration file and tests make one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Sync = Literal["auto", "exact", "live"]
Chroma = Literal["auto", "420", "444"]
Deinterlace = Literal["auto", "yes", "no"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. None means: what the style, the source or the container suggests."""

    style: str = "vivid"  # a built-in or user style's name, a recipe file or a LUT file
    intensity: float | None = None  # 0..1, scales the whole difference from the input
    tone: float = 0.0  # -1..1, darker and richer … brighter and lifted
    color: float = 0.0  # -1..1, muted … vivid
    strengths: Mapping[str, float] = field(default_factory=dict)  # region name -> 0..1
    model: str | None = None  # a bundled model's name or the path of an .onnx file with its card
    device: str = "auto"  # auto, cpu, cuda or mps
    sync: Sync = "auto"  # auto: live for cameras; a video gets a mask every 0.1 s, warped from both sides
    max_latency: float | None = None  # milliseconds, live; None: one frame's time with a camera; 0: no limit
    max_cpu: float | None = None  # percent of the processor time of all cores, live
    start: float = 0.0  # seconds into a file
    duration: float | None = None  # seconds from `start`
    size: tuple[int, int] | None = None  # (width, height) requested from a camera, or the most of an output file
    rate: float | None = None  # frames per second requested from a camera, or of an output file
    wait: float | None = None  # seconds to wait for a camera that is not there yet; inf: for ever; None: not at all
    deinterlace: Deinterlace = "auto"  # a video file's frames that are marked as interlaced; all; none
    codec: str | None = None
    chroma: Chroma = "auto"  # colour resolution of an output video; auto: that of the source, where the codec can
    crf: int | None = None
    overwrite: bool = False
    virtual_camera: str | None = None  # None: none; "": the first device; else the device's name or path
    on_demand: bool = False  # a camera is open only while a program reads the virtual camera
    window: bool = True
    mirror: bool | None = None  # the preview only, never the output; None: only that of a local camera
    captures: Path = Path()  # folder for snapshots and recordings
