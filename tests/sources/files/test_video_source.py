"""Frames of a file come once, in order, with their own times, upright and in true colours."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests_media import VFR, psnr, scene, write_clip

from livestyle.errors import ColorError, DecodeError, SourceError, SourceNotFoundError, UsageError
from livestyle.frame import Frame
from livestyle.media.pyav import av
from livestyle.sources.files.file_type import kind_of, search_folder
from livestyle.sources.files.video import VideoSource


def read(path: Path, **options: float) -> list[Frame]:
    with closing(VideoSource(path, **options)) as source:
        return list(source)


def seconds(path: Path, **options: float) -> list[Fraction]:
    with closing(VideoSource(path, **options)) as source:
        return [frame.pts * source.info.time_base for frame in source]


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_variable_rate_times_are_kept(media: Path, name: str) -> None:
    """Every frame comes with the time it was written with."""
    assert seconds(media / name) == [Fraction(ms, 1000) for ms in VFR]


def test_frames_with_b_frames_come_in_order(media: Path) -> None:
    """Decoding order is not display order; what comes is display order, each frame once."""
    assert seconds(media / "bframes.mp4") == [Fraction(index, 25) for index in range(10)]


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_rotated_video_is_upright(tmp_path: Path, degrees: int, mirrored: bool, vertical: bool) -> None:
    """All four rotations and their mirrored forms: the same picture as numpy turns it, above 35 dB (lossy 4:2:0)."""
    clip = write_clip(tmp_path / "turned.mp4", [scene()], [0], rotation=(degrees, mirrored, vertical))
    plain = write_clip(tmp_path / "plain.mp4", [scene()], [0])
    stored = read(plain)[0].pixels
    expected = np.rot90(stored, degrees // 90)  # the matrix turns counterclockwise, then mirrors
    expected = expected[:, ::-1] if mirrored else expected
    expected = expected[::-1] if vertical else expected
    with closing(VideoSource(clip)) as source:
        frame = next(iter(source))
        assert source.info.size == (frame.pixels.shape[1], frame.pixels.shape[0])
    assert frame.pixels.shape == expected.shape
    assert psnr(frame.pixels, expected) > 35


def test_odd_size_is_exact(media: Path) -> None:
    """FFV1 in RGB is lossless, so an odd-sized clip comes back bit for bit."""
    frames = read(media / "odd.mkv")
    assert all(np.array_equal(frame.pixels, scene(index, (97, 63))) for index, frame in enumerate(frames))


def test_ten_bits_are_uint16_at_full_scale(media: Path) -> None:
    """10-bit 4:2:0 at crf 10 is within 44 dB of the 16-bit picture: a wrong white would not be."""
    frames = read(media / "deep.mkv")
    assert len(frames) == 4
    assert all(frame.pixels.dtype == np.uint16 for frame in frames)
    assert psnr(frames[0].pixels, scene(0, dtype=np.uint16)) > 44


def independent_rgb(frame: av.VideoFrame, kr: float, kb: float, *, full: bool) -> np.ndarray:
    """BT.601/709 by their formulas, in float, for flat-chroma pictures (4:4:4 values repeated)."""
    planes = frame.to_ndarray(format=frame.format.name)
    height, width = frame.height, frame.width
    luma = planes[:height].astype(float)
    chroma = planes[height:].reshape(2, height // 2, width // 2).repeat(2, 1).repeat(2, 2).astype(float)
    y = luma / 255 if full else (luma - 16) / 219
    cb, cr = (chroma - 128) / (255 if full else 224)
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.dstack([red, green, blue]), 0, 1) * 255


@pytest.mark.parametrize(
    ("size", "tags", "matrix", "weights", "full"),
    [
        ((128, 64), (1, 1, 1, 1), 1, (0.2126, 0.0722), False),
        ((128, 64), (6, 6, 6, 1), 5, (0.299, 0.114), False),
        ((128, 64), (1, 1, 1, 2), 1, (0.2126, 0.0722), True),
        ((128, 64), (2, 2, 2, 0), 5, (0.299, 0.114), False),
        ((128, 720), (2, 2, 2, 0), 1, (0.2126, 0.0722), False),
    ],
    ids=["709", "601", "709 full range", "untagged small: 601", "untagged 720 lines: 709"],
)
def test_colors_follow_the_matrix(
    tmp_path: Path, size: tuple[int, int], tags: tuple[int, int, int, int], matrix: int,
    weights: tuple[float, float], full: bool, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Mean error below 0.6 of 255 against the formulas (rounding, chroma); the wrong matrix gives 3 to 9."""
    picture = np.full((size[1], size[0], 3), (200, 60, 40), np.uint8)
    picture[:, size[0] // 2 :] = (40, 90, 200)
    clip = write_clip(tmp_path / "c.mp4", [picture], [0], tags=tags, matrix=matrix)
    with caplog.at_level(logging.INFO, "livestyle"):
        pixels = read(clip)[0].pixels
    with av.open(str(clip)) as container:
        expected = independent_rgb(next(container.decode(video=0)), *weights, full=full)
    flat = np.r_[4 : size[0] // 2 - 4, size[0] // 2 + 4 : size[0] - 4]  # away from the edge, where chroma is mixed
    assert np.abs(pixels[:, flat] - expected[:, flat]).mean() < 0.6
    assert ("does not say how its colours are encoded" in caplog.text) == (tags[2] == 2)


@pytest.mark.parametrize(("name", "kind"), [("pq.mp4", "PQ"), ("hlg.mp4", "HLG")])
def test_hdr_is_refused_with_a_command(media: Path, name: str, kind: str) -> None:
    """HDR is never crushed silently: the error names it and how to convert."""
    with pytest.raises(ColorError, match=kind) as caught:
        VideoSource(media / name)
    assert "ffmpeg -i" in caught.value.hint
    assert "tonemap" in caught.value.hint


@pytest.mark.parametrize("start", [0.4, 0.81, 1.0, 2.0])
def test_start_is_exact(media: Path, start: float) -> None:
    """Frames before the start are decoded but not given, also between key frames; the picture is the right one."""
    everything = {frame.pts: frame.pixels for frame in read(media / "gop.mkv")}
    part = read(media / "gop.mkv", start=start, duration=0.2)
    assert [frame.pts for frame in part] == [pts for pts in everything if start * 1000 <= pts < start * 1000 + 200]
    assert all(np.array_equal(frame.pixels, everything[frame.pts]) for frame in part)


def test_start_beyond_the_end_is_an_error(media: Path) -> None:
    """The message says how long the file is."""
    with pytest.raises(SourceError, match="lasts 2"):
        VideoSource(media / "gop.mkv", start=50)
    with pytest.raises(UsageError):
        VideoSource(media / "gop.mkv", start=-1)


def test_a_part_between_two_frames_is_an_error_and_not_an_empty_success(tmp_path: Path) -> None:
    slides = write_clip(tmp_path / "slides.mkv", [scene(index) for index in range(3)], [0, 2000, 4000])
    with pytest.raises(SourceError, match=r"2\.00 s") as caught:
        VideoSource(slides, start=0.5, duration=0.5)
    assert "--duration" in caught.value.hint
    assert len(read(slides, start=0.5, duration=2)) == 1


def test_cut_file_gives_its_frames_then_an_error(tmp_path: Path) -> None:
    """A fast-start MP4 cut in half: the readable frames, in order, then what is missing."""
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(40)]
    whole = write_clip(tmp_path / "w.mp4", pictures, [i * 40 for i in range(40)], muxer={"movflags": "+faststart"},
                       options={"crf": "10", "bf": "0"})  # fmt: skip
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames: list[Frame] = []
    with closing(VideoSource(cut)) as source, pytest.raises(DecodeError, match=r"\d+ of 40 frames"):
        frames.extend(source)
    assert 10 < len(frames) < 30
    assert all(first.pts < second.pts for first, second in pairwise(frames))


def test_cut_matroska_says_how_many_seconds_are_missing(media: Path, tmp_path: Path) -> None:
    """Matroska does not count its frames, so seconds are named."""
    data = (media / "gop.mkv").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) // 2])
    with closing(VideoSource(cut)) as source, pytest.raises(DecodeError, match=r"\d\.\d\d s are missing"):
        assert len(list(source)) > 5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty.mp4", "empty"),
        ("noise.mp4", "not a video"),
        ("words.mp4", "text|not a video"),
        ("sound.m4a", "only sound"),
        (".", "folder"),
    ],
)
def test_what_is_no_video_is_one_sentence(media: Path, name: str, words: str) -> None:
    """Bad files are SourceErrors that say what is wrong."""
    with pytest.raises(SourceError, match=words):
        VideoSource(media / name)


def test_missing_file_is_not_found(tmp_path: Path) -> None:
    """As the built-in FileNotFoundError, too."""
    with pytest.raises(SourceNotFoundError, match=r"no file .*gone\.mp4"):
        VideoSource(tmp_path / "gone.mp4")


def test_the_end_is_judged_while_no_other_thread_can_close_the_file(media: Path, monkeypatch) -> None:
    """FFmpeg's memory is asked how long the file should be; a main loop that stops just then must not free it."""
    finished = []

    def check_complete(*_: object) -> None:
        closing_thread.start()
        closing_thread.join(0.1)
        finished.append(not closing_thread.is_alive())

    source = VideoSource(media / "vfr.mp4")
    closing_thread = threading.Thread(target=source.close)
    monkeypatch.setattr(source._reading, "check_complete", check_complete)
    assert len(list(source)) == len(VFR)
    closing_thread.join()
    assert finished == [False]


def test_closing_does_not_wait_for_the_end_of_what_cannot_be_decoded(media: Path, monkeypatch) -> None:
    """One frame is asked for, and none comes for a long stretch: Ctrl-C must not wait for all of it."""
    decoded: list[object] = []
    begun = threading.Event()

    def nothing(packet: object) -> list[object]:
        decoded.append(packet)
        begun.set()
        time.sleep(0.02)
        return []

    source = VideoSource(media / "gop.mkv")
    monkeypatch.setattr(source._reading, "_decode", nothing)
    reader = threading.Thread(target=list, args=(source,))  # its DecodeError would be about a file closed too early
    reader.start()
    assert begun.wait(10)
    source.close()
    reader.join()
    assert len(decoded) < 55  # of 60


def test_content_decides_the_kind(media: Path, photo, tmp_path: Path) -> None:
    """A JPEG called .mp4 is a photo, a video called .jpg is a video."""
    misnamed = photo("a.jpg").rename(tmp_path / "a.mp4")
    clip = tmp_path / "b.jpg"
    clip.write_bytes((media / "vfr.mp4").read_bytes())
    assert kind_of(misnamed) == "photo"
    assert kind_of(clip) == "video"


def test_raw_motion_jpeg_is_a_video_although_it_begins_like_a_photo(photo, tmp_path: Path) -> None:
    """Told by the picture that follows; not by a thumbnail in the header, which ends like a picture."""

    def write(name: str, *pictures: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(pictures))
        return path

    first, second = (photo(f"{index}.jpg", scene(index)).read_bytes() for index in range(2))
    stream = write("a.mjpeg", first, second)
    assert kind_of(stream) == "video"
    assert len(read(stream)) == 2
    assert kind_of(write("one.mjpeg", first)) == "photo"
    assert kind_of(write("thumbnail.bin", photo("c.jpg", comment=first + second).read_bytes())) == "photo"
    assert kind_of(write("gain map.bin", photo("m.jpg", comment=b"MPF\0").read_bytes(), second)) == "photo"
    assert kind_of(write("preview.jpg", first, second)) == "photo"


def test_folder_is_listed_in_natural_order(tmp_path: Path) -> None:
    """2 comes before 10; hidden and foreign files are left out."""
    for name in ("b10.mp4", "b2.mp4", "a.JPG", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in search_folder(tmp_path)[0]] == ["a.JPG", "b2.mp4", "b10.mp4"]
