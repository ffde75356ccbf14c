"""Frames of a moving WebP file, which FFmpeg's decoder does not read; Pillow does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livestyle.errors import SourceError, UsageError, foreign_errors, reason_of
from livestyle.frame import Alpha, Frame, Pixels, StreamInfo, read_only
from livestyle.media.color import SRGB
from livestyle.media.memory import check_video
from livestyle.media.refusals import is_damaged

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_USUAL_MS = 100  # of a frame that does not say how long it is shown, as browsers have it


class AnimationSource:
    """Every frame once, in order, at its own time in milliseconds, transparent parts included."""

    def __init__(self, path: str | Path, *, start: float = 0.0, duration: float | None = None) -> None:
        """Read `duration` seconds (None: to the end) of `path`, from the first frame at or after `start` seconds.

        Raises SourceError, UsageError.
        """
        self._path = Path(path)
        if start < 0 or (duration is not None and duration <= 0):
            raise UsageError(
                f"Cannot read {self._path} from {start:g} s for {duration} s",
                hint="--start is 0 or more, --duration more than 0",
            )
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._open = True
        with foreign_errors(self._damaged):
            self._image = self._opened()
        self._left = iter(range(self._image.n_frames))  # type: ignore[attr-defined]  # which only moving images have
        self._part = (round(start * 1000), None if duration is None else round((start + duration) * 1000))
        self.info = self._describe(start, duration)

    def __iter__(self) -> Iterator[Frame]:
        at = 0
        for index in self._left:
            with self._lock:
                if not self._open:
                    return
                with foreign_errors(self._damaged):
                    pixels, alpha, shown_ms = self._frame(index)
            first, end = self._part
            if end is not None and at >= end:
                return
            if at >= first:
                yield Frame(read_only(pixels), at, time.monotonic(), alpha=alpha)
            at += shown_ms

    def close(self) -> None:
        """End iteration and close the file. Twice is fine."""
        with self._lock:
            self._open = False
            self._stack.close()

    def _opened(self) -> ImageFile:
        from PIL import Image

        image = self._stack.enter_context(Image.open(self._path, formats=["WEBP"]))
        check_video(self._path, image.size)
        return image

    def _frame(self, index: int) -> tuple[Pixels, Alpha | None, int]:
        """(H, W, 3), (H, W) or None for an opaque image, and how many milliseconds it is shown."""
        self._image.seek(index)
        self._image.load()
        shown = max(1, int(self._image.info.get("duration") or _USUAL_MS))
        if self._image.mode != "RGBA":
            return np.array(self._image.convert("RGB")), None, shown
        whole = np.asarray(self._image)
        return np.ascontiguousarray(whole[..., :3]), np.ascontiguousarray(whole[..., 3]), shown

    def _describe(self, start: float, duration: float | None) -> StreamInfo:
        with foreign_errors(self._damaged):
            _, alpha, shown_ms = self._frame(0)
        whole = start == 0 and duration is None
        return StreamInfo(
            name=str(self._path),
            size=self._image.size,
            time_base=Fraction(1, 1000),
            rate=Fraction(1000, shown_ms),
            color=SRGB,
            chroma="animation",
            has_alpha=alpha is not None and bool((alpha < 255).any()),
            frames=self._image.n_frames if whole else None,  # type: ignore[attr-defined]
            path=self._path,
            start=start,
            stop=None if duration is None else start + duration,
        )

    def _damaged(self, error: Exception) -> SourceError:
        return SourceError(is_damaged(self._path, reason_of(error)), hint="copy or export it again")
