"""Opens sources and sinks by their names. Modules are imported when one of theirs is opened: starting stays quick."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from livestyle.frame import StreamInfo
from livestyle.media.resize import Size, fit_size
from livestyle.protocols import Sink, Source
from livestyle.settings import Settings
from livestyle.sinks.queued import REALTIME, QueuedSink


def open_camera(which: str, settings: Settings) -> Source:
    """The camera of `--camera WHICH`; with `on_demand` one that is open only while somebody watches.

    Raises InputError and BackendError; with `on_demand` those of the device come later.
    """
    from livestyle.sources.camera import CameraSource

    def opened() -> Source:
        return CameraSource(which, size=settings.size, rate=settings.rate, wait=settings.wait)

    if not settings.on_demand:
        return opened()
    from livestyle.sources.on_demand import OnDemandCamera

    return OnDemandCamera(_camera_label(which), opened, size=settings.size, rate=settings.rate)


def _camera_label(which: str) -> str:
    from livestyle.sources.camera_names import find_target
    from livestyle.sources.network.addresses import is_address, parse_address

    return parse_address(which).label if is_address(which) else find_target(which).label


def is_photo(path: Path) -> bool:
    """Whether the file's content is a still picture. Raises SourceError, SourceNotFoundError."""
    from livestyle.sources.files.file_type import kind_of

    return kind_of(path) == "photo"


def open_file(path: Path, settings: Settings, *, photo: bool) -> Source:
    """A photo, or the part of a video that `settings` names. Raises InputError."""
    if photo:
        from livestyle.sources.files.photo import PhotoSource

        return PhotoSource(path)
    from livestyle.sources.files.video import VideoSource

    return VideoSource(path, start=settings.start, duration=settings.duration)


def file_sink(output: Path, path: Path, info: StreamInfo, settings: Settings, *, photo: bool) -> Sink:
    """Where the styled file `path`, a photo or video of which `info` tells, is written to."""
    if photo:
        from livestyle.sinks.files.photo import PhotoSink

        return PhotoSink(output, path, overwrite=settings.overwrite)
    return video_sink(output, info, settings)


def video_sink(output: Path, info: StreamInfo, settings: Settings) -> Sink:
    """A video file, its picture no larger than the settings' size. Raises UsageError, EncodeError."""
    from livestyle.sinks.files.video import VideoSink

    return VideoSink(
        output,
        info,
        codec=settings.codec,
        crf=settings.crf,
        size=None if settings.size is None else even_fit(info.size, settings.size),
        rate=settings.rate,
        overwrite=settings.overwrite,
    )


def even_fit(size: Size, box: Size) -> Size:
    """The largest even size with the aspect of `size` inside `box`: what every codec takes and every player shows."""
    width, height = fit_size(size, box)
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
