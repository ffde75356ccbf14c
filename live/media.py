"""The one place where OpenCV and PyAV are imported together, and where PyAV opens files.

cv2 comes first: with opencv-python >= 4.13 on Linux the other order hangs `cv2.imshow`. Everything that needs PyAV
says `from livestyle.media import av`; `import av` anywhere else is a lint error.

What differs between PyAV 18 and 19 is settled here: text in metadata that is not UTF-8, and rational numbers that are
not known.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

# isort: off
import cv2
import av
import av.error
# isort: on

__all__ = ["av", "cv2", "fraction_of", "open_input", "open_output"]

# Bytes that are not UTF-8 become surrogates in the strings of metadata, and the same bytes again when written. PyAV 19
# always does so and has no option for it; PyAV 18 raises UnicodeDecodeError unless it is asked to.
_METADATA = {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}


def open_input(path: Path) -> Any:
    """An open PyAV container that reads the file `path`. Raises av.error.FFmpegError, OSError and ValueError."""
    return av.open(_as_file(path), "r", **_METADATA)


def open_output(path: Path, muxer: str | None, options: dict[str, str]) -> Any:
    """An open PyAV container that writes the file `path`. `options`: those of the muxer.

    `muxer`: FFmpeg's name of it, None: by the ending of `path`.

    Raises av.error.FFmpegError, OSError and ValueError.
    """
    return av.open(_as_file(path), "w", format=muxer, container_options=options, **_METADATA)


def fraction_of(rational: Any) -> Fraction | None:
    """A rational of PyAV as a Fraction; None for one that is not known (None, 0/1 or something/0)."""
    return Fraction(rational.numerator, rational.denominator) if rational else None


def _as_file(path: Path) -> str:
    """The address of a local file for FFmpeg: a name with a colon is never a protocol then."""
    return f"file:{path}"
