"""Whole files, in and out, against FFmpeg with one table for the whole frame; and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from livestyle.bench.speed.color import in_turns
from livestyle.bench.speed.peers import lut_chain, write_cube
from livestyle.bench.speed.pictures import Size
from livestyle.bench.speed.timing import Timing
from livestyle.bench.stopwatch import Stopwatch
from livestyle.current_style import CurrentStyle
from livestyle.errors import BackendError
from livestyle.frame import Frame, Picture, Probabilities, StreamInfo
from livestyle.masks.edges import refine
from livestyle.masks.lookahead import LookaheadMasks
from livestyle.media.pyav import add_video, av, fraction_of, open_output
from livestyle.protocols import Segmenter
from livestyle.session import style_file
from livestyle.settings import Settings
from livestyle.shaders.compile import compile_look
from livestyle.sinks.files.containers import container_of, encoder_options
from livestyle.sinks.files.pixel_choice import choose_pixels
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.opening import open_media
from livestyle.sources.files.video import VideoSource
from livestyle.stylist import Stylist
from livestyle.system.stop import Stop

PictureType = av.video.frame.PictureType

FFMPEG = "FFmpeg: decode, lut3d, encode"


def measure(clips: list[Path], settings: Settings, rounds: int) -> Iterator[Timing]:
    """For each clip livestyle's and FFmpeg's time per frame, alternating, then livestyle's by stage.

    Raises what opening a file raises.
    """
    style = CurrentStyle(settings)
    for clip in clips:
        with TemporaryDirectory() as folder:
            cube = Path(folder) / "table.cube"
            write_cube(compile_look(style.recipe, style.adjust), cube)
            frames, size = _extent(clip)
            works = {
                "livestyle: files": partial(_ours, clip, Path(folder) / "ours.mp4", style, settings),
                FFMPEG: partial(by_ffmpeg, clip, Path(folder) / "theirs.mp4", cube),
            }
            taken = {name: [t / frames for t in seconds] for name, seconds in in_turns(works, rounds).items()}
            other = Timing.of(FFMPEG, size, taken[FFMPEG], None, "")
            for name, seconds in taken.items():
                yield Timing.of(f"{name}, {clip.name}", size, seconds, other.ms / 1e3, "FFmpeg's one table")
            yield from _by_stage(clip, Path(folder) / "stages.mp4", style, size)


def _extent(clip: Path) -> tuple[int, Size]:
    with closing(VideoSource(clip)) as source:
        return sum(1 for _ in source), source.info.size


def _ours(clip: Path, output: Path, style: CurrentStyle, settings: Settings) -> None:
    report = style_file(clip, output, style, settings, Stop(), quiet=True)
    if report.error is not None:
        raise BackendError(report.error, hint=report.hint)


def by_ffmpeg(clip: Path, output: Path, cube: Path) -> None:
    """What FFmpeg would do with one table: its own colour conversions, all threads, the same encoder and options."""
    container = container_of(output)
    options = encoder_options(container.codec, None, container)
    with open_media(clip) as given, open_output(output, None, {}) as made:
        stream = given.streams.video[0]
        stream.thread_type = av.codec.context.ThreadType.AUTO
        size = stream.width, stream.height
        rate, tick = fraction_of(stream.average_rate), fraction_of(stream.time_base)
        if rate is None or tick is None:
            raise BackendError(f"{clip} does not say how long its frames last")
        out = add_video(made, container.codec, rate, options)
        out.width, out.height = size
        out.pix_fmt = pixels = choose_pixels(container.codec, size, deep=False)
        out.codec_context.time_base = tick
        graph = av.filter.Graph()
        as_encoded = graph.add("format", f"pix_fmts={pixels}")
        lut_chain(graph, graph.add_buffer(template=stream), cube, as_encoded)
        for frame in given.decode(stream):
            graph.vpush(frame)
            styled = graph.vpull()
            assert isinstance(styled, av.VideoFrame)
            styled.pict_type = PictureType.NONE  # else the encoder repeats the source's decisions
            made.mux(out.encode(styled))
        made.mux(out.encode(None))


# ---- by stage --------------------------------------------------------------------------------------------------------


class _Timed:
    """A segmenter whose work counts for the stage "model"."""

    def __init__(self, segmenter: Segmenter, watch: Stopwatch) -> None:
        self._segmenter, self._watch = segmenter, watch
        self.classes, self.regions, self.input_size = segmenter.classes, segmenter.regions, segmenter.input_size
        self.device = segmenter.device

    def __call__(self, pixels: Picture, /) -> Probabilities:
        with self._watch.stage("model"):
            return self._segmenter(pixels)


class _Kept:
    """Frames in memory as a source."""

    def __init__(self, frames: list[Frame], info: StreamInfo) -> None:
        self._frames, self.info = frames, info

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        """Nothing is open."""


_MOST = 24  # frames held in memory, with masks and styled: 500 MB at 1080p


def _by_stage(clip: Path, output: Path, style: CurrentStyle, size: Size) -> Iterator[Timing]:
    """One stage after the other over the clip's first frames: processor time of all threads, in ms a frame."""
    watch = Stopwatch()
    with closing(VideoSource(clip)) as source:
        info, kept = source.info, list[Frame]()
        with watch.stage("decode"):
            for frame in source:
                kept.append(frame)
                if len(kept) == _MOST:
                    break
    segmenter, refining = _Timed(style.segmenter(live=False), watch), watch.timed("masks: edges", refine)
    with closing(LookaheadMasks(_Kept(kept, info), segmenter, refine=refining)) as masks:
        stylist = Stylist(masks, style.grade())
        with watch.stage("masks: motion and time"):
            masked = list(masks)
        with watch.stage("colours"):
            styled = [stylist.render(frame) for frame in masked]
    with closing(VideoSink(output, replace(info, path=None))) as sink, watch.stage("encode"):
        for frame in styled:
            sink.write(frame)
        sink.close()
    for name, seconds in watch.seconds.items():
        yield Timing.of(f"  processor time, {name}", size, [seconds / len(kept)], None, "")


# ---- a clip ----------------------------------------------------------------------------------------------------------


def made_clip(folder: Path, size: Size, seconds: float) -> Path:
    """A film of a drawn person at 720p, in `size`, H.264 in MP4 at 30 frames/s, for those who give no clip."""
    from livestyle.bench.drawn_people import DrawnPeople
    from livestyle.bench.sequences import TIME_BASE, make_film

    film = make_film("talk", DrawnPeople(), rate=30, size=(1280, 720), seed=0, seconds=seconds)
    info = StreamInfo(film.name, film.size, TIME_BASE, Fraction(30))
    path = folder / f"made-{size[1]}.mp4"
    with closing(VideoSink(path, info, size=size)) as sink:
        for moment in film.moments:
            sink.write(Frame(moment.pixels, moment.pts, time.monotonic()))
    return path
