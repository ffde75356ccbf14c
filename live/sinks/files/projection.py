"""The marks of 360° and stereo video, from the source to the styled file."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from livestyle.media.mp4_boxes import read_marks, write_marks
from livestyle.sinks.files.containers import Container
from livestyle.sinks.files.stream_copy import CopiedStreams

log = logging.getLogger("livestyle")

# Matroska: a Projection master with a ProjectionType other than 0, rectangular (RFC 9559, 5.1.4.1.28.41).
_PROJECTION = re.compile(rb"\x76\x70.{1,8}?\x76\x71\x81[\x01-\x03]", re.DOTALL)
_TRACKS = 1 << 16  # bytes at the beginning of a Matroska file that are searched


def carry_marks(copied: CopiedStreams, output: Path, container: Container) -> None:
    """Mark the finished `output` as the source is; log where it cannot be. Raises OSError."""
    source, track = copied.video_track
    marks = read_marks(source, track)
    if marks and container.format in ("mp4", "mov") and write_marks(output, marks):
        return
    if marks or _has_projection(source):
        log.warning(
            "%s is marked as 360° or stereo video, which %s loses here: MP4 and MOV files keep it in MP4 and MOV",
            source, container.format,
        )  # fmt: skip


def _has_projection(source: Path) -> bool:
    with source.open("rb") as file:
        start = file.read(_TRACKS)
    return start.startswith(b"\x1a\x45\xdf\xa3") and _PROJECTION.search(start) is not None
