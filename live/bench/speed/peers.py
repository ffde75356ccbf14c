"""Other programs with a look-up table on a CPU, to compare with: FFmpeg's lut3d through PyAV, OpenColorIO."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from livestyle.errors import StyleError
from livestyle.frame import Pixels
from livestyle.media.pyav import av
from livestyle.shaders.look import Look

FLOAT, BYTES = "gbrpf32le", "rgb24"
"""FFmpeg's pixel formats: planar float, on which its lut3d is vectorised, and ordinary 8 bits."""


def write_cube(look: Look, path: Path) -> None:
    """The look's first table as a .cube file (Adobe, "Cube LUT Specification 1.0": red runs fastest).

    Raises StyleError for a look that changes nothing.
    """
    lut = next(iter(look.regions_by_lut()), None)
    if lut is None:
        raise StyleError("The style changes nothing: there is nothing to measure", hint="name another --style")
    rows = lut.table.transpose(2, 1, 0, 3).reshape(-1, 3)
    lines = [f"LUT_3D_SIZE {lut.size}", *(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def lut_chain(graph: Any, source: Any, cube: Path, *after: Any) -> None:
    """Link source -> tetrahedral lut3d -> what comes after -> sink, and configure the graph."""
    # In FFmpeg's filter syntax a colon ends an option's value, quotes group, and a backslash escapes.
    name = str(cube).replace("\\", "/")
    for special in "':":
        name = name.replace(special, f"\\{special}")
    lut = graph.add("lut3d", f"file={name}:interp=tetrahedral")
    graph.link_nodes(source, lut, *after, graph.add("buffersink")).configure()


def _buffer(graph: av.filter.Graph, size: tuple[int, int], layout: str) -> av.filter.FilterContext:
    """Where frames of (width, height) `size` go in."""
    format_ = av.VideoFormat(layout, *size)
    return graph.add_buffer(width=size[0], height=size[1], format=format_, time_base=Fraction(1, 30))


class FFmpegLut:
    """`lut3d=interp=tetrahedral` on (H, W, 3) frames that are in FFmpeg's memory and `layout` already."""

    def __init__(self, cube: Path, size: tuple[int, int], layout: str, *, threads: int = 1) -> None:
        graph = av.filter.Graph()
        graph.threads = threads
        lut_chain(graph, _buffer(graph, size, layout), cube)
        self._graph, self._layout = graph, layout

    def frame(self, pixels: Pixels) -> Any:
        """(H, W, 3) uint8 as an av.VideoFrame in the layout."""
        given = pixels if self._layout == BYTES else (pixels / np.float32(255)).astype(np.float32)
        frame = av.VideoFrame.from_ndarray(given, format=self._layout)
        frame.time_base = Fraction(1, 30)
        return frame

    def __call__(self, frame: Any) -> Any:
        """The frame through the table."""
        self._graph.vpush(frame)
        return self._graph.vpull()


def opencolorio(cube: Path) -> Callable[[Pixels], Pixels]:
    """The table on (H, W, 3) uint8 pixels by OpenColorIO's 8-bit CPU renderer."""
    import PyOpenColorIO as ocio

    transform = ocio.FileTransform(str(cube), interpolation=ocio.INTERP_TETRAHEDRAL)
    depth = ocio.BIT_DEPTH_UINT8
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    cpu = processor.getOptimizedCPUProcessor(depth, depth, ocio.OPTIMIZATION_DEFAULT)

    def apply(pixels: Pixels) -> Pixels:
        out = np.empty_like(pixels)
        height, width = pixels.shape[:2]
        cpu.apply(
            ocio.PackedImageDesc(pixels, width, height, 3, depth, 1, 3, 3 * width),
            ocio.PackedImageDesc(out, width, height, 3, depth, 1, 3, 3 * width),
        )
        return out

    return apply
