"""Transparency and full colour resolution are kept where the codec can, and otherwise it is said that they are lost."""

from __future__ import annotations

import logging
import subprocess
from contextlib import closing
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
from PIL import Image

from livestyle.media.pyav import av
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.animation import AnimationSource
from livestyle.sources.files.video import VideoSource

pytestmark = pytest.mark.skipif(which("ffmpeg") is None, reason="ffmpeg makes the files, and is not installed")

SIZE = (64, 48)
SOURCES = {
    "prores.mov": ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"],
    "png.mov": ["-c:v", "png"],
    "animation.mov": ["-c:v", "qtrle"],
    "vp9.webm": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "5", "-b:v", "0"],
    "vp8.webm": ["-c:v", "libvpx", "-auto-alt-ref", "0", "-pix_fmt", "yuva420p", "-crf", "5", "-b:v", "2M"],
    "ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "bgra"],
    "deep.mkv": ["-c:v", "ffv1", "-pix_fmt", "gbrap16le"],
    "a.apng": ["-f", "apng"],
    "a.gif": ["-lavfi", "split[a][b];[a]palettegen[p];[b][p]paletteuse"],
}


def picture() -> Any:
    """Orange; opaque on the left, clear on the right, and half of it between them."""
    made = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    made[...] = (240, 130, 20, 255)
    made[:, 24:40, 3] = 128
    made[:, 40:, 3] = 0
    return made


def source(folder: Path, name: str) -> Path:
    still = folder / "still.png"
    Image.fromarray(picture()).save(still)
    command = ["ffmpeg", "-v", "error", "-loop", "1", "-r", "10", "-t", "0.5", "-i", still, *SOURCES[name]]
    subprocess.run([*command, folder / name], check=True)
    return folder / name


def styled(path: Path, target: Path, **options: Any) -> Path:
    with closing(VideoSource(path)) as frames, closing(VideoSink(target, frames.info, **options)) as sink:
        for frame in frames:
            sink.write(frame)
    return target


def opacity(path: Path) -> list[float]:
    """Mean alpha of the opaque, the half and the clear part in the last frame, as ffmpeg decodes it."""
    reader = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(codec(path))  # FFmpeg's own know no transparency
    decoder = [] if reader is None else ["-c:v", reader]
    command = ["ffmpeg", "-v", "error", *decoder, "-i", path, "-f", "rawvideo", "-pix_fmt", "rgba", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    alpha = np.frombuffer(raw, np.uint8).reshape(-1, SIZE[1], SIZE[0], 4)[-1, ..., 3]
    return [float(part.mean()) for part in (alpha[:, :20], alpha[:, 28:36], alpha[:, 44:])]


def codec(path: Path) -> str:
    return probe(path, "codec_name")


def probe(path: Path, what: str) -> str:
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", f"stream={what}", "-of", "csv=p=0"]
    return subprocess.run([*command, path], check=True, capture_output=True, text=True).stdout.strip().strip(",")


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("target", ["o.mov", "o.webm", "o.mkv"])
def test_transparency_is_kept(tmp_path: Path, name: str, target: str) -> None:
    """From everything that has it into everything that can hold it: opaque, half and clear within 3 of 255."""
    start = source(tmp_path, name)
    assert opacity(styled(start, tmp_path / target)) == pytest.approx(opacity(start), abs=3)


@pytest.mark.parametrize("codec_name", ["prores", "vp9", "ffv1"])
def test_a_codec_that_was_named_keeps_transparency(tmp_path: Path, codec_name: str) -> None:
    """ProRes becomes ProRes 4444; FFV1 keeps every sample."""
    start = source(tmp_path, "png.mov")
    target = styled(start, tmp_path / ("o.mov" if codec_name == "prores" else "o.mkv"), codec=codec_name)
    assert opacity(target) == pytest.approx([255, 128, 0], abs=3)
    if codec_name == "ffv1":
        with closing(VideoSource(start)) as first, closing(VideoSource(target)) as second:
            before, after = next(iter(first)), next(iter(second))
        assert np.array_equal(before.alpha, after.alpha)
        assert np.array_equal(before.pixels, after.pixels)


@pytest.mark.parametrize("name", ["prores.mov", "vp9.webm", "a.gif"])
@pytest.mark.parametrize("target", ["o.mp4", "o.ts", "o.avi"])
def test_transparency_that_is_lost_is_laid_on_white_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, target: str
) -> None:
    """Clear parts are white, not whatever colour lies beneath."""
    with caplog.at_level(logging.WARNING, "livestyle"):
        made = styled(source(tmp_path, name), tmp_path / target)
    assert caplog.text.count("is laid on white") == 1
    with closing(VideoSource(made)) as frames:
        shown = next(iter(frames)).pixels[24]
    full = np.iinfo(shown.dtype).max / 255
    assert np.abs(shown[4] / full - (240, 130, 20)).max() < 12
    assert shown[60].min() / full > 250


def test_a_format_that_could_be_transparent_but_is_not_keeps_the_usual_codec(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Screen recordings in RGBA are opaque: H.264, in full colour resolution, without a warning."""
    still = tmp_path / "still.png"
    Image.fromarray(np.full((48, 64, 4), 255, np.uint8)).save(still)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", still, "-c:v", "qtrle", "-pix_fmt", "argb", tmp_path / "s.mov"], check=True
    )
    with caplog.at_level(logging.WARNING, "livestyle"):
        assert codec(styled(tmp_path / "s.mov", tmp_path / "o.mov")) == "h264"
    assert not caplog.text


def test_gif_to_gif_keeps_its_clear_parts(tmp_path: Path) -> None:
    """One entry of the palette is transparent."""
    target = styled(source(tmp_path, "a.gif"), tmp_path / "o.gif")
    alpha = opacity(target)
    assert alpha[0] == 255
    assert alpha[2] == 0


@pytest.mark.parametrize("name", ["o.mov", "o.webm", "o.gif"])
def test_moving_webp_keeps_its_transparency(tmp_path: Path, name: str) -> None:
    """FFmpeg cannot read it; Pillow does."""
    frames = [Image.fromarray(picture()) for _ in range(2)]
    frames[1].putpixel((0, 0), (0, 0, 0, 255))
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    with (
        closing(AnimationSource(tmp_path / "a.webp")) as moving,
        closing(VideoSink(tmp_path / name, moving.info)) as sink,
    ):
        for frame in moving:
            sink.write(frame)
    assert opacity(tmp_path / name)[::2] == pytest.approx([255, 0], abs=3)


RED_ON_BLUE = np.zeros((48, 64, 3), np.uint8)
RED_ON_BLUE[...] = (0, 0, 255)
RED_ON_BLUE[::2] = (255, 0, 0)


def lines(folder: Path, name: str, *options: str) -> Path:
    Image.fromarray(RED_ON_BLUE).save(folder / "lines.png")
    command = ["ffmpeg", "-v", "error", "-i", folder / "lines.png", *options, folder / name]
    subprocess.run(command, check=True)
    return folder / name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("s.mp4", ["-c:v", "libx264", "-pix_fmt", "yuv444p", "-crf", "1"]),
        ("s.mkv", ["-c:v", "libx264rgb", "-crf", "1"]),
        ("s.mov", ["-c:v", "png"]),
        ("s.avi", ["-c:v", "rawvideo", "-pix_fmt", "bgr24"]),
        ("s.webm", ["-c:v", "libvpx-vp9", "-pix_fmt", "yuv444p", "-crf", "1", "-b:v", "0"]),
        ("t.mov", ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuv444p10le"]),
    ],
    ids=["H.264 4:4:4", "H.264 RGB", "PNG", "raw RGB", "VP9 4:4:4", "ProRes 4444"],
)
@pytest.mark.parametrize("target", ["o.mp4", "o.mov", "o.mkv", "o.webm", "o.ts", "o.avi"])
def test_lines_of_one_pixel_stay_sharp(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, options: list[str], target: str
) -> None:
    """Red on blue, 78 levels off in 4:2:0: within 12 in full resolution; where the codec cannot, that is said."""
    with caplog.at_level(logging.WARNING, "livestyle"):
        made = styled(lines(tmp_path, name, *options), tmp_path / target, crf=5)
    with av.open(str(made)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    error = np.abs(shown - RED_ON_BLUE).mean()
    assert ("444" in probe(made, "pix_fmt")) == (error < 12)
    assert (error < 12) or "full colour resolution" in caplog.text


def test_half_the_colour_resolution_on_request(tmp_path: Path) -> None:
    """`chroma` decides whatever the source has."""
    start = lines(tmp_path, "s.mp4", "-c:v", "libx264", "-pix_fmt", "yuv444p")
    assert probe(styled(start, tmp_path / "a.mp4", chroma="420"), "pix_fmt") == "yuv420p"
    half = lines(tmp_path, "h.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    assert probe(styled(half, tmp_path / "b.mp4", chroma="444"), "pix_fmt") == "yuv444p"


def test_an_animation_plays_everywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """GIF into MP4: 4:2:0, said with how to keep the rest."""
    start = lines(tmp_path, "s.gif")
    assert probe(styled(start, tmp_path / "a.mp4"), "pix_fmt") == "yuv420p"
    assert "--chroma 444" in caplog.text
