"""Interlaced video to whole frames: FFmpeg's filter bwdif, one frame for each pair of fields, at its own time."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Literal

from livestyle.media.pyav import av

log = logging.getLogger("livestyle")

Deinterlace = Literal["auto", "yes", "no"]
"""auto: frames that are marked as interlaced; yes: all frames; no: none."""


class Deinterlacer:
    """Passes frames through until the first interlaced one, and from there on through the filter.

    Frames that are not marked as interlaced stay as they are there, unless all are requested.
    """

    def __init__(self, name: str, time_base: Fraction, wanted: Deinterlace) -> None:
        """`name`: of the file, for messages; `time_base`: seconds per tick of its frames."""
        self._name, self._base, self._wanted = name, time_base, wanted
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[int, int, str] | None = None  # width, height and format that the filter is set up for
        self._said = False

    def put(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """Take a frame; gives those that are ready, one frame later than they came where the filter works."""
        if self._graph is None and not self._begins(frame):
            return [frame]
        kind = frame.width, frame.height, frame.format.name
        before = self.finish() if self._kind not in (None, kind) else []
        if self._graph is None:
            self._graph, self._kind = self._filter(frame), kind
        self._graph.vpush(frame)
        return before + self._pull(self._graph)

    def finish(self) -> list[av.VideoFrame]:
        """What is still held back; the filter begins anew with the next frame."""
        graph, self._graph, self._kind = self._graph, None, None
        if graph is None:
            return []
        graph.vpush(None)
        return self._pull(graph)

    def _begins(self, frame: av.VideoFrame) -> bool:
        if not frame.interlaced_frame:
            return self._wanted == "yes" or (self._said and self._wanted == "auto")
        if not self._said:
            self._said = True
            self._say()
        return self._wanted != "no"

    def _say(self) -> None:
        if self._wanted == "no":
            log.warning("%s is interlaced: its fields stay in the lines of whole frames, as combs", self._name)
        else:
            log.warning(
                "%s is interlaced: its fields become whole frames (--deinterlace no keeps them as combs)", self._name
            )

    def _filter(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        source = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base=str(self._base),
            pixel_aspect="1/1",
            colorspace=str(int(frame.colorspace)),
            range=str(int(frame.color_range)),
        )
        which = "all" if self._wanted == "yes" else "interlaced"
        graph.link_nodes(source, graph.add("bwdif", mode="send_frame", deint=which), graph.add("buffersink"))
        graph.configure()
        return graph

    def _pull(self, graph: av.filter.Graph) -> list[av.VideoFrame]:
        frames: list[av.VideoFrame] = []
        while True:
            try:
                frame = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return frames
            if frame.pts is not None and frame.time_base is not None:  # the filter counts in half ticks
                frame.pts = round(frame.pts * Fraction(frame.time_base) / self._base)
                frame.time_base = self._base
            frames.append(frame)
