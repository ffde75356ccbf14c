"""Makes small media files for the tests, and measures what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livestyle.media.pyav import av, open_output

Picture = npt.NDArray[Any]


def scene(index: int = 0, size: tuple[int, int] = (96, 64), dtype: type = np.uint8) -> Picture:
    """A smooth picture of (width, height) with four different corners; `index` moves it."""
    width, height = size
    x = np.linspace(0, 1, width)[None, :]
    y = np.linspace(0, 1, height)[:, None]
    shift = 0.05 * index
    planes = [0.15 + 0.7 * x + 0 * y, 0.8 - 0.6 * y + 0 * x, 0.5 + 0.3 * np.sin(3 * (x + shift)) * np.cos(2 * y)]
    top = 65535 if dtype == np.uint16 else 255
    return np.ascontiguousarray((np.dstack(planes) * top).round().astype(dtype))


def write_clip(
    path: Path,
    pictures: Sequence[Picture],
    times: Sequence[int],
    *,
    time_base: Fraction = Fraction(1, 1000),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    tags: tuple[int, int, int, int] = (1, 1, 1, 1),
    matrix: int = 1,
    options: dict[str, str] | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    aspect: Fraction | None = None,
    sound: bool = False,
    extras: Callable[[Any], Callable[[], None]] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Encode `pictures` at `times`. `tags`: primaries, transfer, matrix, range as in H.273; `matrix`: the one used."""
    height, width = pictures[0].shape[:2]
    with open_output(path, None, muxer or {}) as output:
        stream = output.add_stream(codec, rate=25, options={"crf": "10"} if options is None else options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.time_base = stream.time_base = time_base
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
        if aspect:
            context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
        write_sound = add_sound(output) if sound else None
        write_extras = extras(output) if extras else None
        for picture, pts in zip(pictures, times, strict=True):
            kind = "rgb48le" if picture.dtype == np.uint16 else "rgb24"
            frame = av.VideoFrame.from_ndarray(picture, format=kind).reformat(
                format=pixel_format, src_colorspace=matrix, dst_colorspace=matrix, src_color_range=2,
                dst_color_range=tags[3] or 1,
                interpolation=av.video.reformatter.Interpolation.BICUBIC
                | av.video.reformatter.Interpolation.ACCURATE_RND,
            )  # fmt: skip
            frame.pts, frame.time_base = pts, time_base
            frame.colorspace, frame.color_range = tags[2], tags[3]
            frame.color_primaries, frame.color_trc = tags[0], tags[1]
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if write_sound:
            write_sound(float(max(times) * time_base) + 0.04)
        if write_extras:
            write_extras()
    return path


def add_sound(output: Any) -> Callable[[float], None]:
    stream = output.add_stream("aac", rate=48000)
    stream.metadata["language"] = "deu"

    def write(seconds: float) -> None:
        count = int(seconds * 48000)
        wave = (0.3 * np.sin(np.arange(count) * 2 * np.pi * 440 / 48000)).astype(np.float32)
        for start in range(0, count, 1024):
            part = wave[start : start + 1024]
            frame = av.AudioFrame.from_ndarray(np.stack([part, part]), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))

    return write


def add_subtitles_and_notes(output: Any) -> Callable[[], None]:
    """Two subtitles, two chapters, a title and, in Matroska, an attachment."""
    stream = output.add_mux_stream("subrip", time_base=Fraction(1, 1000))
    stream.metadata["language"] = "fra"
    output.metadata["title"] = "A title"
    output.metadata["comment"] = "made for a test"
    output.add_attachment("font.ttf", "font/ttf", b"not really a font")
    output.set_chapters(
        [
            {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
            for number, start, end, title in ((1, 0, 400, "One"), (2, 400, 1000, "Two"))
        ]
    )

    def write() -> None:
        for start, text in ((100, "hello\nthere"), (600, "<i>bye</i>")):
            packet = av.Packet(text.encode())
            packet.pts = packet.dts = start
            packet.duration, packet.time_base, packet.stream = 300, Fraction(1, 1000), stream
            output.mux_one(packet)

    return write


def frames_of(path: Path) -> list[tuple[Fraction, Any]]:
    """(seconds, av.VideoFrame) of every frame, straight from PyAV."""
    with av.open(str(path)) as container:
        return [(frame.pts * Fraction(frame.time_base), frame) for frame in container.decode(video=0)]


def psnr(first: Picture, second: Picture) -> float:
    """Peak signal-to-noise ratio in dB; each picture is scaled by its own full scale."""
    scaled = [picture / (65535.0 if picture.dtype == np.uint16 else 255.0) for picture in (first, second)]
    return float(-10 * np.log10(max(float(np.mean((scaled[0] - scaled[1]) ** 2)), 1e-12)))


VFR = (0, 40, 73, 200, 201, 460, 500, 900, 933, 966)
