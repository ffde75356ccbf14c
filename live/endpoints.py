"""Opens sources and sinks by their names. Modules are imported when one of theirs is opened: starting stays quick."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal

from livestyle.frame import StreamInfo
from livestyle.media.resize import Size, size_within
from livestyle.plugins import (
    Output,
    SinkRequest,
    SourceRequest,
    open_plugin_file,
    open_plugin_sink,
    open_plugin_source,
    opens_file,
    source_address,
)
from livestyle.protocols import Sink, Source
from livestyle.settings import Settings
from livestyle.sinks.queued import REALTIME, QueuedSink
from livestyle.system.paths import check_file


def open_camera(which: str, settings: Settings) -> Source:
    """The camera of `--camera WHICH`; with `on_demand` one that is open only while somebody watches.

    Raises InputError and BackendError; with `on_demand` those of the device come later.
    """

    def opened() -> Source:
        if (address := source_address(which)) is not None:
            wishes = SourceRequest(address.name, size=settings.size, rate=settings.rate, wait=settings.wait)
            return open_plugin_source(address, wishes)
        from livestyle.sources.camera import CameraSource

        return CameraSource(which, size=settings.size, rate=settings.rate, wait=settings.wait)

    if not settings.on_demand:
        return opened()
    from livestyle.sources.on_demand import OnDemandCamera

    return OnDemandCamera(_camera_label(which), opened, size=settings.size, rate=settings.rate)


def _camera_label(which: str) -> str:
    from livestyle.sources.camera_names import find_target
    from livestyle.sources.network.addresses import is_address, parse_address

    if (address := source_address(which)) is not None:
        return str(address)
    return parse_address(which).label if is_address(which) else find_target(which).label


def is_local_camera(which: str) -> bool:
    """Whether it is a camera of this computer, not an address of any kind."""
    from livestyle.sources.network.addresses import is_address

    return not is_address(which) and source_address(which) is None


FileKind = Literal["photo", "video", "plugin"]
"""What opens a file; "plugin": an installed package that adds its suffix (livestyle.plugins)."""


def kind_of_file(path: Path) -> FileKind:
    """By the content, unless only an installed package knows the suffix. Raises SourceError, SourceNotFoundError."""
    from livestyle.sources.files.file_type import PHOTO_SUFFIXES, VIDEO_SUFFIXES, kind_of

    if path.suffix.lower() not in PHOTO_SUFFIXES | VIDEO_SUFFIXES and opens_file(path):
        check_file(path)
        return "plugin"
    return kind_of(path)


def open_file(path: Path, kind: FileKind, settings: Settings) -> Source:
    """A photo, or the part of a video that `settings` names. Raises InputError; BackendError for a broken plugin."""
    if kind == "plugin":
        return open_plugin_file(path, SourceRequest(str(path), start=settings.start, duration=settings.duration))
    if kind == "photo":
        from livestyle.sources.files.photo import PhotoSource

        return PhotoSource(path)
    from livestyle.sources.files.file_type import identify

    if identify(path).name == "moving WebP":
        from livestyle.sources.files.animation import AnimationSource

        return AnimationSource(path, start=settings.start, duration=settings.duration)
    from livestyle.sources.files.video import VideoSource

    return VideoSource(path, start=settings.start, duration=settings.duration, deinterlace=settings.deinterlace)


def file_sink(output: Output, path: Path, kind: FileKind, info: StreamInfo, settings: Settings) -> Sink:
    """Where the styled file `path` is written to; `info` is that of its frames. Raises UsageError, EncodeError."""
    if isinstance(output, Path) and is_still(kind, info):
        from livestyle.sinks.files.photo import PhotoSink

        return PhotoSink(output, path if kind == "photo" else None, overwrite=settings.overwrite)
    return open_sink(output, info, settings)


def is_still(kind: FileKind, info: StreamInfo) -> bool:
    """Whether the file is a single picture, as its content or its plugin says."""
    return kind == "photo" or (kind == "plugin" and info.frames == 1)


def open_sink(output: Output, info: StreamInfo, settings: Settings) -> Sink:
    """A video file, or the sink of an installed package. Raises UsageError, EncodeError, BackendError."""
    if isinstance(output, Path):
        return video_sink(output, info, settings)
    request = SinkRequest(
        output.name,
        info,
        codec=settings.codec,
        crf=settings.crf,
        size=settings.size,
        rate=settings.rate,
        overwrite=settings.overwrite,
    )
    return open_plugin_sink(output, request)


def video_sink(output: Path, info: StreamInfo, settings: Settings) -> Sink:
    """A video file, its picture no larger than the settings' size. Raises UsageError, EncodeError."""
    from livestyle.sinks.files.video import VideoSink

    return VideoSink(
        output,
        info,
        codec=settings.codec,
        crf=settings.crf,
        chroma=settings.chroma,
        size=None if settings.size is None else even_fit(info.size, settings.size),
        rate=settings.rate,
        overwrite=settings.overwrite,
    )


def even_fit(size: Size, box: Size) -> Size:
    """The largest even size with the aspect of `size` inside `box`: what every codec takes and every player shows."""
    width, height = size_within(size, box)
    return max(2, width - width % 2), max(2, height - height % 2)


def open_virtual_camera(source: Source, settings: Settings) -> QueuedSink:
    """The virtual camera that the settings name; a source on demand is opened by who watches it.

    Raises VirtualCameraError, UsageError.
    """
    from livestyle.sinks.virtual_camera.camera import VirtualCameraOpener
    from livestyle.sources.on_demand import OnDemandCamera

    info = source.info
    rate = settings.rate or float(info.rate or 30)
    opener = VirtualCameraOpener(settings.size or info.size, rate, settings.virtual_camera or None)
    with ExitStack() as unless_queued:
        camera = unless_queued.enter_context(closing(opener()))
        if isinstance(source, OnDemandCamera):
            source.follow(camera.viewers())
        unless_queued.pop_all()
    return QueuedSink("virtual camera", camera, REALTIME, reopen=opener)
