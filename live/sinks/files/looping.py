"""How often a moving picture is repeated, for GIF files."""

from __future__ import annotations

from pathlib import Path

_FOR_EVER = "0"
_ONCE = "-1"


def gif_loop(source: Path | None) -> str:
    """FFmpeg's option for the GIF of `source`: as often as that is shown if it is a GIF, PNG or WebP; else for ever.

    A GIF counts repetitions, the others how often it is shown in all.
    """
    loops = None if source is None else _loops(source)
    if loops is None:
        return _FOR_EVER
    kind, count = loops
    if kind == "GIF":
        return _ONCE if count is None else str(count)
    return _FOR_EVER if not count else _ONCE if count == 1 else str(count - 1)


def _loops(source: Path) -> tuple[str, int | None] | None:
    """(format, what it says); None for a file of another kind."""
    from PIL import Image

    try:
        with Image.open(source, formats=["GIF", "PNG", "WEBP"]) as image:
            return str(image.format), image.info.get("loop")
    except Exception:  # which ones damaged files lead to is not specified
        return None
