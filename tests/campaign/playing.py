"""Whether outputs can be shown: read whole by the libraries themselves, not by the product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from livestyle.media.pyav import av


def shows(path: Path) -> str:
    """Why a photo cannot be read whole; "" where it can."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"does not show: {error}"
    return ""


def plays(path: Path) -> str:
    """Why a video cannot be played to its end; "" where it can, with at least one picture."""
    try:
        count = sum(1 for _ in pictures(path))
    except (av.error.FFmpegError, ValueError, OSError) as error:
        return f"does not play: {error}"
    return "" if count else "does not play: no picture in it"


def pictures(path: Path) -> Iterator[Any]:
    """The av.VideoFrames of a file, every packet of which must decode."""
    av.logging.set_level(None)
    with av.open(f"file:{path}") as container:
        yield from container.decode(video=0)
