"""A video of one's own as a film: no truth, but everything that can be said without."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

from livestyle.bench.sequences import TIME_BASE, Film, Moment
from livestyle.errors import SourceError


def read_clip(path: Path, *, start: float = 0.0, seconds: float = 4.0) -> Film:
    """The `seconds` of a video from `start` on, in memory (3 MB a frame at 720p).

    Raises what opening a video raises, and SourceError for one of fewer than three frames.
    """
    from livestyle.media.depth import to_8_bit
    from livestyle.sources.files.video import VideoSource

    with closing(VideoSource(path, start=start, duration=seconds)) as source:
        base = source.info.time_base / TIME_BASE
        moments = tuple(Moment(to_8_bit(frame.pixels), int(frame.pts * base)) for frame in source)
    if len(moments) < 3:
        raise SourceError(f"{path} shows fewer than three frames there", hint="give a video of a second or more")
    whole = (moments[-1].pts - moments[0].pts) * TIME_BASE
    return Film(path.name, moments, Fraction((len(moments) - 1) / whole).limit_denominator(1001))
