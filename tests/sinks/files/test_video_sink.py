"""A styled video keeps times, sound, subtitles, chapters, metadata and colours, and never half a file."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests_media import frames_of, psnr, scene, write_clip

from livestyle.errors import EncodeError, OutputExistsError, UsageError
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.media.depth import to_8_bit
from livestyle.media.pyav import av
from livestyle.sinks.files.containers import container_of, encoder_options
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.video import VideoSource


def copy(
    source: Path, target: Path, *, limit: int | None = None, reading: dict[str, Any] | None = None, **options: Any
) -> Path:
    """Every frame of `source` (or the first `limit`) through the sink, unchanged."""
    with (
        closing(VideoSource(source, **(reading or {}))) as frames,
        closing(VideoSink(target, frames.info, **options)) as sink,
    ):
        for index, frame in enumerate(frames):
            if limit is not None and index >= limit:
                break
            sink.write(frame)
    return target


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def live_info(**changes: Any) -> StreamInfo:
    return StreamInfo(
        **{"name": "test camera", "size": (96, 64), "time_base": Fraction(1, 1_000_000), "is_live": True, **changes}
    )


def leftovers(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.ts"])
@pytest.mark.parametrize("source", ["vfr.mp4", "bframes.mp4"])
def test_times_are_kept(media: Path, tmp_path: Path, source: str, name: str) -> None:
    """Each frame has its own time, exact to the millisecond that Matroska and WebM know."""
    times = [moment for moment, _ in frames_of(copy(media / source, tmp_path / name))]
    expected = [moment for moment, _ in frames_of(media / source)]
    if name in ("a.ts", "a.mkv"):  # a clock that begins anywhere; no times before 0, where AAC begins by its delay
        times = [moment - times[0] for moment in times]
    assert [round(float(moment), 4) for moment in times] == [round(float(moment), 4) for moment in expected]


def test_last_frame_lasts_as_long_as_in_the_source(media: Path, tmp_path: Path) -> None:
    """MP4 knows the duration of each frame; the last one has no successor to tell."""

    def video_length(path: Path) -> Fraction:
        with av.open(str(path)) as container:
            return container.streams.video[0].duration * container.streams.video[0].time_base

    assert video_length(copy(media / "bframes.mp4", tmp_path / "a.mp4")) == video_length(media / "bframes.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_is_copied_packet_for_packet(media: Path, tmp_path: Path, name: str) -> None:
    """Not re-encoded, and in sync to a millisecond."""
    before, after = packets(media / "vfr.mp4", "audio"), packets(copy(media / "vfr.mp4", tmp_path / name), "audio")
    assert [data for _, data in after] == [data for _, data in before]
    # Matroska begins at 0 what MP4 begins before it, by the encoder's delay: everything moves alike or not at all
    assert np.allclose(
        [time for time, _ in after], [time for time, _ in before], atol=0.0225 if name == "a.mkv" else 0.001
    )


def test_subtitles_chapters_metadata_and_attachments_come_along(media: Path, tmp_path: Path) -> None:
    """Matroska to Matroska: all of it, unchanged."""
    target = copy(media / "vfr.mkv", tmp_path / "a.mkv")
    with av.open(str(media / "vfr.mkv")) as before, av.open(str(target)) as after:
        assert after.metadata["title"] == "A title"
        assert after.chapters() == before.chapters()
        assert [stream.type for stream in after.streams] == [stream.type for stream in before.streams]
        assert after.streams.audio[0].language == "deu"
        assert after.streams.subtitles[0].language == "fra"
        assert next(s for s in after.streams if s.type == "attachment").data == b"not really a font"
    assert packets(target, "subtitles") == packets(media / "vfr.mkv", "subtitles")


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_metadata_that_is_not_utf_8_keeps_its_bytes(tmp_path: Path, name: str) -> None:
    """A title, a chapter and a font named in Latin-1, as old recorders write them, are copied byte for byte."""

    def name_it(output: Any) -> Callable[[], None]:
        output.metadata["title"] = "caf\udce9 title"
        output.add_attachment("a", "font/ttf", b"a font").metadata["filename"] = "caf\udce9.ttf"
        chapter = {"id": 1, "start": 0, "end": 400, "time_base": Fraction(1, 1000)}
        output.set_chapters([{**chapter, "metadata": {"title": "caf\udce9 chapter"}}])
        return lambda: None

    source = write_clip(tmp_path / "latin.mkv", [scene(i) for i in range(10)], range(0, 400, 40), extras=name_it)
    expected = {b"caf\xe9 title"}
    if name != "a.avi":
        expected.add(b"caf\xe9 chapter")
    if name == "a.mkv":
        expected.add(b"caf\xe9.ttf")
    written = copy(source, tmp_path / name).read_bytes()
    assert {words for words in (b"caf\xe9 title", b"caf\xe9 chapter", b"caf\xe9.ttf") if words in written} == expected


def test_subtitles_become_what_mp4_can_carry(media: Path, tmp_path: Path) -> None:
    """SubRip to MOV text: the words and their times."""
    target = copy(media / "vfr.mkv", tmp_path / "a.mp4")
    shown = [(time, data[2 : 2 + int.from_bytes(data[:2], "big")]) for time, data in packets(target, "subtitles")]
    assert [entry for entry in shown if entry[1]] == [(0.1, b"hello\nthere"), (0.6, b"bye")]
    with av.open(str(target)) as after:
        assert [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in after.chapters()] == [
            (0, "One"),
            (Fraction(2, 5), "Two"),
        ]


def test_a_part_begins_at_zero_in_sync(media: Path, tmp_path: Path) -> None:
    """--start 0.8 --duration 0.4: pictures and sound of that part, moved together."""
    target = copy(media / "gop.mkv", tmp_path / "a.mkv", reading={"start": 0.8, "duration": 0.4})
    assert [float(moment) for moment, _ in frames_of(target)] == pytest.approx([i * 0.04 for i in range(10)], abs=1e-9)
    sound = packets(target, "audio")
    wanted = [(time - 0.8, data) for time, data in packets(media / "gop.mkv", "audio") if 0.8 <= time < 1.2]
    assert [data for _, data in sound] == [data for _, data in wanted]
    assert np.allclose([time for time, _ in sound], [time for time, _ in wanted], atol=0.0011)


def test_stopping_half_way_leaves_a_playable_file(media: Path, tmp_path: Path) -> None:
    """After Ctrl-C the file ends with its last frame, sound included."""
    target = copy(media / "gop.mkv", tmp_path / "a.mp4", limit=20)
    assert len(frames_of(target)) == 20
    assert packets(target, "audio")[-1][0] == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (6, 6, 6, 1), (1, 1, 1, 2)], ids=["709", "601", "709 full"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_colors_and_tags_survive(tmp_path: Path, tags: tuple[int, int, int, int], name: str) -> None:
    """All four tags as in the source, and the picture the same: above 38 dB at crf 5 (two lossy 4:2:0 passes)."""
    source = write_clip(tmp_path / "s.mp4", [scene()], [0], tags=tags, matrix=5 if tags[2] == 6 else 1)
    target = copy(source, tmp_path / name, crf=5)
    frame = frames_of(target)[0][1]
    assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == tags
    with closing(VideoSource(source)) as first, closing(VideoSource(target)) as second:
        assert psnr(next(iter(first)).pixels, next(iter(second)).pixels) > 38


def test_tags_are_seen_by_ffprobe(media: Path, tmp_path: Path, ffprobe: Any) -> None:
    """What another program reads."""
    seen = ffprobe(copy(media / "bframes.mp4", tmp_path / "a.mp4"))
    for tag in (
        "color_range=tv",
        "color_space=bt709",
        "color_transfer=bt709",
        "color_primaries=bt709",
        "pix_fmt=yuv420p",
    ):
        assert tag in seen


def test_lossless_is_bit_exact(media: Path, tmp_path: Path) -> None:
    """FFV1 keeps RGB: 8 and 16 bits come back as they went in."""
    for name in ("odd.mkv", "deep.mkv"):
        target = copy(media / name, tmp_path / name, codec="ffv1")
        with closing(VideoSource(media / name)) as first, closing(VideoSource(target)) as second:
            for before, after in zip(first, second, strict=True):
                assert np.array_equal(before.pixels, after.pixels)


def test_ten_bits_stay_ten_bits(media: Path, tmp_path: Path, ffprobe: Any) -> None:
    """In every container that can; white stays white within a thousandth."""
    for name in ("a.mp4", "a.mkv", "a.webm"):
        assert "10le" in ffprobe(copy(media / "deep.mkv", tmp_path / name))
    white = read_only(np.full((64, 96, 3), 65535, np.uint16))
    info = live_info(bit_depth=10)
    with closing(VideoSink(tmp_path / "w.mkv", info, codec="libx264", crf=0)) as sink:
        sink.write(Frame(white, 0, 0.0))
    with closing(VideoSource(tmp_path / "w.mkv")) as source:
        assert next(iter(source)).pixels.min() > 65535 * 0.999


def test_odd_size_is_kept_exactly(media: Path, tmp_path: Path) -> None:
    """H.264 in 4:4:4, VP9 in 4:2:0: 97x63 stays 97x63."""
    for name in ("a.mp4", "a.webm"):
        frame = frames_of(copy(media / "odd.mkv", tmp_path / name))[0][1]
        assert (frame.width, frame.height) == (97, 63)


def test_constant_rate_repeats_and_drops(media: Path, tmp_path: Path) -> None:
    """rate=10: a frame every 100 ms, each the one that is newest by then, sound still in sync."""
    target = copy(media / "vfr.mp4", tmp_path / "a.mp4", rate=10, size=(48, 32))
    times = [float(moment) for moment, _ in frames_of(target)]
    assert times == pytest.approx([index / 10 for index in range(len(times))])
    with av.open(str(media / "vfr.mp4")) as before:
        length = before.streams.video[0].duration * before.streams.video[0].time_base
    assert abs(len(times) - length * 10) <= 1  # the last picture gets a frame even if it would be over by then
    assert frames_of(target)[0][1].width == 48


def test_a_camera_is_recorded_with_its_own_times(tmp_path: Path) -> None:
    """Microseconds from any clock: the file begins at 0 and keeps the gaps."""
    moments = [5_000_000_123, 5_000_033_456, 5_000_150_000, 5_000_160_001]
    with closing(VideoSink(tmp_path / "a.mp4", live_info())) as sink:
        for index, pts in enumerate(moments):
            sink.write(Frame(read_only(scene(index)), pts, 0.0))
    assert [moment for moment, _ in frames_of(tmp_path / "a.mp4")] == [
        Fraction(pts - moments[0], 1_000_000) for pts in moments
    ]


def test_pixel_shape_is_kept(tmp_path: Path) -> None:
    """Anamorphic video stays anamorphic, on its side too."""
    for rotation, expected in ((None, Fraction(4, 3)), ((90.0, False, False), Fraction(3, 4))):
        source = write_clip(tmp_path / "s.mp4", [scene()], [0], aspect=Fraction(4, 3), rotation=rotation)
        with av.open(str(copy(source, tmp_path / "a.mp4", overwrite=True))) as after:
            assert after.streams.video[0].sample_aspect_ratio == expected


def test_nothing_is_overwritten_or_left_over(media: Path, tmp_path: Path) -> None:
    """An existing file needs overwrite; the input never may be the output; no frame, no file."""
    target = tmp_path / "a.mp4"
    with closing(VideoSink(target, live_info())):
        pass
    assert leftovers(tmp_path) == []
    target.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="exists already"):
        VideoSink(target, live_info())
    assert target.read_bytes() == b"precious"
    copy(media / "bframes.mp4", target, overwrite=True)
    link = tmp_path / "link.mp4"
    link.symlink_to(target)
    hard = tmp_path / "hard.mp4"
    os.link(target, hard)
    for name in (target, link, hard):
        with closing(VideoSource(target)) as source, pytest.raises(UsageError, match="input itself"):
            VideoSink(name, source.info, overwrite=True)


@pytest.mark.parametrize("ending", [".ppm", ".tga"])
def test_a_photo_that_only_ffmpeg_reads_is_not_called_a_video(tmp_path: Path, ending: str) -> None:
    """It comes as a video of one frame, so it cannot become a PNG: the refusal says what to do about a photo."""
    from PIL import Image

    photo = tmp_path / f"a{ending}"
    Image.new("RGB", (32, 24)).save(photo)
    with closing(VideoSource(photo)) as source, pytest.raises(UsageError, match=r"read as a video") as caught:
        VideoSink(tmp_path / "b.png", source.info)
    assert "if it is a photo, convert it" in caught.value.hint
    assert ".mp4" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.xyz", {}, "cannot be written as"),
        ("a", {}, "cannot be written as"),
        ("a.mp4", {"codec": "nonsense"}, "no encoder called nonsense"),
        ("a.webm", {"codec": "h264"}, "cannot be written into"),
        ("a.mp4", {"crf": 99}, "--crf 0 to 51"),
        ("a.mkv", {"codec": "ffv1", "crf": 3}, "no --crf"),
        ("gone/a.mp4", {}, "does not exist"),
        ("a.mp4", {"rate": 0}, "rate"),
    ],
)
def test_impossible_outputs_are_refused_first(tmp_path: Path, name: str, options: dict[str, Any], words: str) -> None:
    """Before any frame, with the choices in the hint, and without a trace."""
    with pytest.raises(UsageError, match=words) as caught:
        VideoSink(tmp_path / name, live_info(), **options)
    assert caught.value.hint or "crf" in words
    assert leftovers(tmp_path) == []


@pytest.fixture
def full_disk() -> Iterator[None]:
    """A limit on file size stands in for the full disk: the same path through the encoder's writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """A file can be made again, so an unfinished one is removed."""
    with pytest.raises(EncodeError, match="disk"):
        write_noise(tmp_path / "a.mp4", live_info(is_live=False))
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_what_was_recorded_before_the_disk_was_full_is_kept(tmp_path: Path, name: str) -> None:
    """A recording cannot be made again: its name holds what there was room for, and that plays."""
    with pytest.raises(EncodeError, match="disk"):
        write_noise(tmp_path / name, live_info())
    assert leftovers(tmp_path) == [name]
    assert len(frames_of(tmp_path / name)) >= 20  # a frame of noise takes about 7.4 kB


def test_a_disk_that_is_full_within_the_first_fragment_costs_only_the_last_frame(tmp_path: Path) -> None:
    """What is kept decodes to its end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with pytest.raises(EncodeError, match="disk"):
            write_noise(tmp_path / "a.mp4", live_info())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert leftovers(tmp_path) == ["a.mp4"]
    assert len(frames_of(tmp_path / "a.mp4")) >= 5


def write_noise(path: Path, info: StreamInfo) -> None:
    noise = np.random.default_rng(0)
    with closing(VideoSink(path, info, crf=1)) as sink:
        for index in range(200):
            picture = noise.integers(0, 255, (64, 96, 3), dtype=np.uint8)
            sink.write(Frame(read_only(picture), index * 40_000, 0.0))


def test_gif_moves(tmp_path: Path) -> None:
    """Each frame with its own palette and time (hundredths of a second), above 25 dB with 256 dithered colours."""
    with closing(VideoSink(tmp_path / "a.gif", live_info())) as sink:
        for index in range(3):
            sink.write(Frame(read_only(scene(index)), index * 100_000, 0.0))
    with closing(VideoSource(tmp_path / "a.gif")) as source:
        frames = list(source)
    assert [frame.pts * source.info.time_base for frame in frames] == [0, Fraction(1, 10), Fraction(1, 5)]
    assert all(psnr(frame.pixels, scene(index)) > 25 for index, frame in enumerate(frames))


def test_a_gif_of_a_source_that_is_faster_than_its_clock_is_not_slowed_down(tmp_path: Path) -> None:
    """240 frames per second in hundredths of a second: some are left out, each is shown at its time within a tick."""
    with closing(VideoSink(tmp_path / "a.gif", live_info(rate=Fraction(240)))) as sink:
        for index in range(48):
            picture = np.full((64, 96, 3), 5 * index, np.uint8)
            sink.write(Frame(read_only(picture), index * 1_000_000 // 240, 0.0))
    shown = frames_of(tmp_path / "a.gif")
    for moment, frame in shown:
        index = frame.to_ndarray(format="rgb24").mean() / 5
        assert float(moment) == pytest.approx(index / 240, abs=0.0151)  # a tick, and half of one by rounding
    assert len(shown) >= 19  # of the 20 ticks


def test_a_camera_that_returns_with_another_size_gets_bars_not_a_stretched_face(tmp_path):
    path = tmp_path / "recording.mkv"
    info = StreamInfo("camera", (64, 48), Fraction(1, 1000), is_live=True)
    with closing(VideoSink(path, info, codec="ffv1")) as sink:
        sink.write(Frame(read_only(np.full((48, 64, 3), 200, np.uint8)), 0, 0.0))
        sink.write(Frame(read_only(np.full((48, 48, 3), 200, np.uint8)), 40, 0.0))
    with closing(VideoSource(path)) as source:
        last = list(source)[-1].pixels
    assert last.shape == (48, 64, 3)
    assert (last[:, :8] == 0).all()
    assert (last[:, 8:56] == 200).all()


def test_a_finished_file_that_cannot_be_moved_in_place_is_kept_and_named(tmp_path: Path) -> None:
    """Another user's file in a sticky folder, a folder made meanwhile: an hour of encoding must not be lost unnamed."""
    target = tmp_path / "a.mp4"
    sink = VideoSink(target, live_info(), overwrite=True)
    sink.write(Frame(read_only(np.zeros((64, 96, 3), np.uint8)), 0, 0.0))
    target.mkdir()
    with pytest.raises(EncodeError, match=r"a\.mp4") as caught:
        sink.close()
    kept = Path(caught.value.hint.rpartition(" ")[2])
    assert kept == tmp_path / "a-2.mp4"  # a name that no later run takes for a leftover
    assert kept.stat().st_size > 0


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "prores"), ("a.mp4", "mpeg4"), ("a.mkv", "mjpeg")])
def test_a_codec_that_the_hints_offer_works_for_a_camera(tmp_path: Path, name: str, codec: str) -> None:
    """8 bits into ProRes, which has 10; microseconds into MPEG-4, whose time has 16 bits; limited range into MJPEG."""
    with closing(VideoSink(tmp_path / name, live_info(), codec=codec)) as sink:
        for index in range(3):
            sink.write(Frame(read_only(np.full((64, 96, 3), 90 * index, np.uint8)), index * 33_333, 0.0))
    with closing(VideoSource(tmp_path / name)) as source:
        frames = list(source)
        times = [float(frame.pts * source.info.time_base) for frame in frames]
    assert times == pytest.approx([0, 1 / 30, 2 / 30], abs=0.001)  # Matroska's tick
    for index, frame in enumerate(frames):
        assert (
            abs(to_8_bit(frame.pixels).astype(int) - 90 * index).max() <= 3
        )  # flat grey survives any of them but for rounding


_RECORD = """
import os, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.sinks.files.video import VideoSink
before = os.environ.get("SVT_LOG")
sink = VideoSink(Path(sys.argv[1]), StreamInfo("camera", (96, 64), Fraction(1, 1000), is_live=True), codec="av1")
sink.write(Frame(read_only(np.zeros((64, 96, 3), np.uint8)), 0, 0.0))
sink.close()
assert os.environ.get("SVT_LOG") == before
"""


def test_an_encoder_prints_nothing_of_its_own(tmp_path: Path) -> None:
    """SVT-AV1 has a banner of 20 lines; who set its variable gets what he asked for. It looks once per process."""

    def printed(name: str, **variables: str) -> str:
        environment = {key: value for key, value in os.environ.items() if key != "SVT_LOG"}
        command = [sys.executable, "-c", _RECORD, str(tmp_path / name)]
        done = subprocess.run(command, env={**environment, **variables}, stderr=subprocess.PIPE, text=True, check=True)
        return done.stderr

    assert printed("quiet.webm") == ""
    assert "Svt" in printed("loud.webm", SVT_LOG="3")


def test_what_transport_streams_are_offered_can_be_read_again(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written into") as caught:
        VideoSink(tmp_path / "a.ts", live_info(), codec="ffv1")
    offered = caught.value.hint.removeprefix("use one of ").split(", ")
    assert {"libx264", "libx265", "mpeg4"} <= set(offered)
    for codec in offered:
        with closing(VideoSink(tmp_path / "a.ts", live_info(), codec=codec, overwrite=True)) as sink:
            for index in range(10):
                sink.write(Frame(read_only(scene(index)), index * 40_000, 0.0))
        assert len(frames_of(tmp_path / "a.ts")) == 10


def test_a_live_source_gets_the_fast_settings_of_its_encoder():
    """The encoder shares its cores with the camera's frame loop; a file can wait."""
    container = container_of(Path("a.mp4"))
    assert encoder_options("libx264", None, container, live=True)["preset"] == "veryfast"
    assert "preset" not in encoder_options("libx264", None, container)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_very_short_10_bit_video_has_decoding_times(tmp_path, count):
    """libx265 leaves them to chance for one or two frames, and one file in twenty failed: so five tries."""
    for attempt in range(5):
        path = tmp_path / f"{attempt}.mp4"
        info = StreamInfo("short", (64, 48), Fraction(1, 25), Fraction(25), bit_depth=10)
        with closing(VideoSink(path, info)) as sink:
            for at in range(count):
                sink.write(Frame(read_only(np.full((48, 64, 3), 30000, np.uint16)), at, 0.0))
        with av.open(str(path)) as clip:
            packets = [packet for packet in clip.demux(video=0) if packet.size]
            times = sorted(packet.pts * packet.time_base for packet in packets)
            assert times == [Fraction(at, 25) for at in range(count)]
            assert all(0 <= (packet.pts - packet.dts) * packet.time_base <= 1 for packet in packets)
