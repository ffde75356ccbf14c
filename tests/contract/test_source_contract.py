"""Every source keeps livestyle.protocols.Source's promises. A new one is one more line in SOURCES."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests_media import scene

from livestyle.frame import Frame
from livestyle.protocols import Source
from livestyle.sources.files.animation import AnimationSource
from livestyle.sources.files.photo import PhotoSource
from livestyle.sources.files.video import VideoSource
from livestyle.sources.paced import PacedSource, RepeatedSource


def webp(still: Path) -> Path:
    """A moving WebP file beside `still`: three frames of it."""
    with Image.open(still) as image:
        path = still.with_suffix(".webp")
        image.save(path, save_all=True, append_images=[image.rotate(90), image.rotate(180)], duration=40, lossless=True)
    return path


# name -> a function of (folder of test media, writer of photos) that opens the source
SOURCES: dict[str, Callable[[Path, Any], Source]] = {
    "video": lambda media, photo: VideoSource(media / "vfr.mp4"),
    "video, 10 bits": lambda media, photo: VideoSource(media / "deep.mkv"),
    "video, a part": lambda media, photo: VideoSource(media / "gop.mkv", start=0.5, duration=0.5),
    "photo": lambda media, photo: PhotoSource(photo("a.png")),
    "photo, 16 bits": lambda media, photo: PhotoSource(photo("a.png", scene(dtype=np.uint16))),
    "moving WebP": lambda media, photo: AnimationSource(webp(photo("a.png"))),
    "video, played": lambda media, photo: PacedSource(VideoSource(media / "vfr.mp4", duration=0.2)),
    "photo, shown": lambda media, photo: RepeatedSource(PhotoSource(photo("a.png")), rate=500.0),
}

MOST = 70  # frames taken of a source; more than any here has that ends by itself


def some(source: Source) -> list[Frame]:
    """All frames, or the first ones of a source that goes on until it is closed."""
    return list(islice(source, MOST))


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, media: Path, photo: Any) -> Any:
    opened = SOURCES[request.param](media, photo)
    yield opened
    opened.close()


def test_it_is_a_source(source: Source) -> None:
    """It has the protocol's members."""
    assert isinstance(source, Source)


def test_frames_are_what_info_says(source: Source) -> None:
    """Size, depth, RGB, contiguous, read-only."""
    width, height = source.info.size
    wanted = np.uint16 if source.info.bit_depth > 8 else np.uint8
    frames = some(source)
    assert frames
    for frame in frames:
        assert frame.pixels.shape == (height, width, 3)
        assert frame.pixels.dtype == wanted
        assert frame.pixels.flags.c_contiguous
        assert not frame.pixels.flags.writeable


def test_times_strictly_increase(source: Source) -> None:
    """pts are integers that only grow."""
    times = [frame.pts for frame in some(source)]
    assert times
    assert all(isinstance(pts, int) for pts in times)
    assert all(first < second for first, second in pairwise(times))


def test_it_is_read_once(source: Source) -> None:
    """A second pass finds nothing."""
    assert some(source)
    assert some(source) == []


def test_close_ends_iteration_and_may_come_twice(source: Source) -> None:
    """Also half-way, without an error."""
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(islice(frames, MOST)) == []
    assert some(source) == []
