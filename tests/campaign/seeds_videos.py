"""Valid short videos of every container, with sound, subtitles, chapters and rotation where they can have them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests_media import add_sound, add_subtitles_and_notes, scene, write_clip

from livestyle.media.pyav import av, cv2

_FRAMES, _SIZE = 10, (64, 48)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a clip is encoded."""

    codec: str
    pixels: str = "yuv420p"
    options: dict[str, str] | None = None
    sound: bool = False
    extras: bool = False
    rotation: tuple[float, bool, bool] | None = None
    deep: bool = False
    tick: int = 1000  # times are counted in 1/tick s


_H264 = _Way("libx264", options={"preset": "ultrafast", "g": "5"}, sound=True)
_MPEG4 = _Way("mpeg4", options={"g": "5"}, tick=25)
_WAYS: dict[str, tuple[_Way, ...]] = {
    "mp4": (_H264, _Way("libx264", rotation=(90, False, False)), _Way("libx265", "yuv420p10le", deep=True,
            options={"x265-params": "log-level=none"})),
    "mov": (_H264, _Way("prores_ks", "yuv422p10le", {}, deep=True)),
    "mkv": (_Way("libx264", options={"preset": "ultrafast"}, sound=True, extras=True), _Way("ffv1", "bgr0", {})),
    "webm": (_Way("libvpx-vp9", options={"cpu-used": "8", "deadline": "realtime"}),),
    "avi": (_MPEG4, _Way("mjpeg", "yuvj420p", {}, tick=25)),
    "ts": (_H264,),
    "flv": (_H264, _Way("flv1", options={})),
    "mpg": (_Way("mpeg2video", options={}, tick=25),),
    "wmv": (_Way("wmv2", options={}),),
    "ogv": (_Way("libvpx", options={"cpu-used": "8", "deadline": "realtime"}, tick=25),),
    "mxf": (_Way("mpeg2video", options={}, tick=25),),
    "3gp": (_Way("libx264", options={"preset": "ultrafast"}),),
    "y4m": (_Way("wrapped_avframe", options={}, tick=25),),
    "apng": (_Way("apng", "rgb24", {}, tick=25),),
}  # fmt: skip


def videos(kind: str) -> list[bytes]:
    """Valid files of a container; none where this FFmpeg cannot write it."""
    if kind in _PICTURES:
        return [_PICTURES[kind]()]
    with tempfile.TemporaryDirectory(prefix="livestyle-campaign-") as folder:
        return [
            data for number, way in enumerate(_WAYS[kind]) if (data := _clip(Path(folder, f"{number}.{kind}"), way))
        ]


def _clip(path: Path, way: _Way) -> bytes | None:
    pictures = [scene(index, _SIZE, np.uint16 if way.deep else np.uint8) for index in range(_FRAMES)]
    times = [index * way.tick // 25 for index in range(_FRAMES)]
    more: dict[str, Any] = {"extras": add_subtitles_and_notes} if way.extras else {}
    try:
        write_clip(path, pictures, times, time_base=Fraction(1, way.tick), codec=way.codec, pixel_format=way.pixels,
                   options=way.options, rotation=way.rotation, sound=way.sound, **more)  # fmt: skip
    except (av.error.FFmpegError, ValueError, KeyError):
        return None  # an encoder that this build does not have
    return path.read_bytes()


def _mjpeg() -> bytes:
    """Pictures of Motion JPEG, one directly after the other."""
    return b"".join(bytes(cv2.imencode(".jpg", scene(index, _SIZE))[1]) for index in range(_FRAMES))


def _gif() -> bytes:
    first, *others = (Image.fromarray(scene(index, _SIZE)) for index in range(_FRAMES))
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=40, loop=0)
    return file.getvalue()


_PICTURES = {"mjpeg": _mjpeg, "moving-gif": _gif}
VIDEOS = (*_WAYS, *_PICTURES)


def moving_clip(path: Path, pictures: Callable[[int], np.ndarray[Any, Any]], frames: int, rate: int) -> Path:
    """A clip of `frames` RGB pictures(number) at `rate`, of good quality, with sound."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "ultrafast"})
        stream.height, stream.width = pictures(0).shape[:2]
        write_sound = add_sound(output)
        for number in range(frames):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pictures(number), format="rgb24")))
        output.mux(stream.encode(None))
        write_sound(frames / rate)
    return path
