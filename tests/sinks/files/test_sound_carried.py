"""Sound that a container cannot carry is encoded and said, never lost; what it can carry is copied bit for bit."""

from __future__ import annotations

import logging
import subprocess
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from shutil import which

import numpy as np
import numpy.typing as npt
import pytest
from tests_media import scene

from livestyle.media.pyav import av, open_output
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource

pytestmark = pytest.mark.skipif(which("ffmpeg") is None, reason="the tests compare with ffmpeg, which is not installed")

RATE = 48000
BEEP = (0.4, 0.6)  # seconds


def clip(path: Path, codec: str, *, rate: int = RATE, layout: str = "stereo", delay: float = 0) -> Path:
    """A second of video and of sound, silent but for a beep, which begins `delay` seconds late."""
    with open_output(path, None, {}) as output:
        video = output.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        sound = output.add_stream(codec, rate=rate, layout=layout)
        context = sound.codec_context
        if codec == "wmav2":
            context.bit_rate = 128_000
        context.options = {"strict": "-2"}
        context.open()
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(scene(index, (64, 48)), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        times = np.arange(rate) / rate
        wave = np.where((times >= BEEP[0]) & (times < BEEP[1]), 0.5 * np.sin(times * 2 * np.pi * 1000), 0)
        resample = av.AudioResampler(context.format, layout, rate, context.frame_size or 1000)
        whole = av.AudioFrame.from_ndarray(
            np.stack([wave.astype(np.float32)] * len(context.layout.channels)), format="fltp", layout=layout
        )
        whole.sample_rate, whole.pts, whole.time_base = rate, round(delay * rate), Fraction(1, rate)
        for part in [*resample.resample(whole), *resample.resample(None)]:
            output.mux(sound.encode(part))
        output.mux(sound.encode(None))
    return path


def styled(source: Path, target: Path) -> Path:
    with closing(VideoSource(source)) as frames, closing(VideoSink(target, frames.info)) as sink:
        for frame in frames:
            sink.write(frame)
    return target


def loud(path: Path) -> tuple[float, float]:
    """(first, last) moment in seconds at which the sound is loud, against the first picture, as ffmpeg decodes it."""
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-copyts", "-i", path, "-map", "0:a", "-af", "aresample=async=1:first_pts=0",
         "-f", "f32le", "-ac", "1", "-ar", "48000", "-"], check=True, capture_output=True,
    )  # fmt: skip
    wave: npt.NDArray[np.float32] = np.frombuffer(raw.stdout, np.float32)
    assert not raw.stderr
    at = np.flatnonzero(np.abs(wave) > 0.2) / 48000
    first = (
        subprocess.run(
            ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0",
             "-read_intervals", "%+#1", path], check=True, capture_output=True, text=True,
        ).stdout.split()[0].strip(",")
    )  # fmt: skip
    begin = 0 if first == "N/A" else float(first)  # AVI has no times and begins at 0
    return at[0] - begin, at[-1] - begin


def codec_of(path: Path) -> str:
    """As ffprobe calls it."""
    command = ["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]
    return subprocess.run([*command, path], check=True, capture_output=True, text=True).stdout.split()[0].strip(",")


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.ts"])
@pytest.mark.parametrize(
    "codec",
    ["pcm_s16le", "pcm_u8", "pcm_s24le", "adpcm_ms", "adpcm_ima_wav", "libopus", "vorbis", "flac", "ac3", "libmp3lame",
     "aac", "wmav2", "alac", "mp2"],
)  # fmt: skip
def test_no_container_loses_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture, codec: str, name: str) -> None:
    """The beep is where it was, within 60 ms (codecs smear and delay it); a new codec is said."""
    source = clip(
        tmp_path / {"adpcm_ms": "s.avi", "adpcm_ima_wav": "s.avi", "wmav2": "s.asf"}.get(codec, "s.mkv"), codec
    )
    with caplog.at_level(logging.WARNING, "livestyle"):
        target = styled(source, tmp_path / name)
    assert loud(target) == pytest.approx(loud(source), abs=0.06)
    before, after = (codec_of(path).replace("mp3", "mp2") for path in (source, target))  # one kind for MP4
    assert ("is encoded as" in caplog.text) == (before != after)
    assert after not in ("", "unknown", "bin_data")


@pytest.mark.parametrize("codec", ["pcm_s16le", "adpcm_ima_wav", "adpcm_ms", "libmp3lame", "ac3"])
def test_an_avi_file_keeps_the_packets_of_its_sound(tmp_path: Path, codec: str) -> None:
    """AVI counts the sound in ticks of its own: packets never collide there, and none is changed."""
    source = clip(tmp_path / "s.avi", codec, rate=16000 if "pcm" in codec else RATE)
    target = styled(source, tmp_path / "a.avi")

    def sound(path: Path) -> bytes:
        with av.open(str(path)) as container:
            return b"".join(bytes(packet) for packet in container.demux(audio=0))

    assert sound(target) == sound(source)


@pytest.mark.parametrize(("rate", "layout"), [(8000, "mono"), (22050, "mono"), (96000, "stereo"), (44100, "5.1")])
def test_any_rate_and_any_number_of_channels_is_encoded(tmp_path: Path, rate: int, layout: str) -> None:
    """Those of cameras and of films, into each codec that stands in for another; surround becomes stereo in MP3."""
    source = clip(tmp_path / "s.mkv", "pcm_s16le", rate=rate, layout=layout)
    for name in ("a.mp4", "a.webm"):
        assert loud(styled(source, tmp_path / name)) == pytest.approx(loud(source), abs=0.03)
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.audio[0].layout.nb_channels == {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    vorbis = clip(tmp_path / "v.mkv", "flac", rate=rate, layout=layout)
    assert loud(styled(vorbis, tmp_path / "a.avi")) == pytest.approx(loud(vorbis), abs=0.08)


def test_sound_that_begins_late_stays_late(tmp_path: Path) -> None:
    """Encoded sound begins when the source's does."""
    source = clip(tmp_path / "s.mkv", "pcm_s16le", delay=0.3)
    target = styled(source, tmp_path / "a.mp4")
    assert loud(source)[0] == pytest.approx(0.7, abs=0.01)
    assert loud(target) == pytest.approx(loud(source), abs=0.03)


def test_a_part_has_the_sound_of_that_part(tmp_path: Path) -> None:
    """--start 0.2 with sound that is encoded: the beep comes 0.2 s earlier."""
    source = clip(tmp_path / "s.mkv", "pcm_s16le")
    with (
        closing(VideoSource(source, start=0.2, duration=0.6)) as frames,
        closing(VideoSink(tmp_path / "a.mp4", frames.info)) as sink,
    ):
        for frame in frames:
            sink.write(frame)
    assert loud(tmp_path / "a.mp4") == pytest.approx((0.2, 0.4), abs=0.05)
