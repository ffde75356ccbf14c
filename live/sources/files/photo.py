"""A photo as a stream of one frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from livestyle.frame import Frame, Pixels, StreamInfo, read_only
from livestyle.media.color import SRGB
from livestyle.media.photo.working import table_of, with_usual_curve
from livestyle.media.photo_file import read_photo


class PhotoSource:
    """One upright frame, pts 0. Raises SourceNotFoundError, SourceError and ColorError on opening, which decodes."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        picture = read_photo(self._path)
        table = table_of(picture.notes, picture.pixels.dtype)
        pixels = picture.pixels if table is None else with_usual_curve(picture.pixels, table)
        self._pixels: Pixels | None = read_only(pixels)
        height, width = pixels.shape[:2]
        self.info = StreamInfo(
            name=str(self._path),
            size=(width, height),
            time_base=Fraction(1),
            color=SRGB,
            bit_depth=16 if pixels.dtype == np.uint16 else 8,
            frames=1,
            path=self._path,
        )
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Frame]:
        with self._lock:
            pixels, self._pixels = self._pixels, None
        if pixels is not None:
            yield Frame(pixels, 0, time.monotonic())

    def close(self) -> None:
        """End iteration. Twice is fine."""
        with self._lock:
            self._pixels = None
