"""Which of a file's video streams is its film, which are covers."""

from __future__ import annotations

from livestyle.media.pyav import Disposition, InputContainer, Stream, av, codec_name
from livestyle.media.pyav import is_cover as is_marked_cover

_PICTURES = {"mjpeg", "png", "bmp", "gif", "webp", "tiff", "apng"}
"""FFmpeg's names of the codecs that cover pictures have."""


def main_video(container: InputContainer) -> av.VideoStream | None:
    """The stream that players show: of those that move the one marked as default, then the largest. None: no film.

    FFmpeg and players choose likewise. Matroska marks every stream as default unless told otherwise, so a film comes
    before a codec of pictures, which may be an unmarked cover.
    """
    streams = [stream for stream in container.streams.video if not is_marked_cover(stream)]
    return max(streams, key=_rank, default=None)


def is_cover(stream: Stream, main: Stream | None) -> bool:
    """Whether a video stream is a cover picture: marked as one, or a single picture beside the film `main`."""
    if stream.type != "video" or (main is not None and stream.index == main.index):
        return False
    if is_marked_cover(stream):
        return True
    return main is not None and codec_name(stream) in _PICTURES and stream.frames == 1


def _rank(stream: av.VideoStream) -> tuple[bool, bool, bool, int, int]:
    is_default = bool(stream.disposition & Disposition.default)
    is_film = codec_name(stream) not in _PICTURES
    # A sequence of HEIF or AVIF also holds its cover as a video of one frame.
    return stream.frames != 1, is_default, is_film, stream.width * stream.height, -stream.index
