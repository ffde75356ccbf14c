"""What to say about a virtual camera that fails: one sentence and what to do, by what the system answered."""

from __future__ import annotations

import errno
import os
import sys

from livestyle.errors import VirtualCameraError
from livestyle.media.resize import Size

_GET_ONE = {
    "linux": (
        "install v4l2loopback (Debian, Ubuntu: sudo apt install v4l2loopback-dkms; Fedora: from RPM Fusion), "
        'then: sudo modprobe v4l2loopback devices=1 exclusive_caps=1 card_label="livestyle" '
        "(exclusive_caps=1 is what makes Chrome list it)"
    ),
    "darwin": (
        "install OBS Studio 30 or newer, press its Start Virtual Camera once and allow the system extension, stop it "
        "and quit OBS; then start livestyle"
    ),
    "win32": (
        "install OBS Studio 28 or newer, press its Start Virtual Camera once, stop it and quit OBS; "
        "then start livestyle"
    ),
}
_STOP_IT = "stop that one (OBS: Stop Virtual Camera), or name another device"
_IN_USE = f"another program feeds it: {_STOP_IT}"
_LET_GO = "close the programs that watch or feed it; if it does not come back then, start it again"
_NOT_ALLOWED = "add yourself to the video group (sudo usermod -a -G video $USER), then log out and in"
_RELOAD = (
    "reload the module (sudo modprobe -r v4l2loopback, then sudo modprobe v4l2loopback exclusive_caps=1 "
    'card_label="livestyle")'
)
_GONE = (errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.EBADF)
_NOT_A_DEVICE = (errno.ENOTTY, errno.EISDIR, errno.ENOTDIR)


def how_to_get_one(system: str = sys.platform) -> str:
    """What to do on `system` (a value of sys.platform) so that there is a virtual camera."""
    return _GET_ONE.get(system, "pyvirtualcam has no backend for this system; register one with register_backend")


def hint_for(failures: str) -> str:
    """What to do about the sentences that foreign backends failed with; their words are all there is to go by."""
    if "permission" in failures:
        return _NOT_ALLOWED
    if any(word in failures for word in ("in use", "busy", "could not be started")):
        return _IN_USE
    if "invalid argument" in failures.casefold():
        return _LET_GO
    return how_to_get_one()


def hint_in_mid_run(failure: str) -> str:
    """What to do when a foreign backend, that has worked no longer accepts frames."""
    return how_to_get_one() if "no such device" in failure.casefold() else _LET_GO


def none_found() -> VirtualCameraError:
    """There is no loopback device on this machine."""
    return VirtualCameraError("no v4l2 loopback device was found", hint=how_to_get_one("linux"))


def no_such_label(label: str, there_are: str) -> VirtualCameraError:
    """No device has the name that was given; `there_are` lists those there are, empty for none."""
    return VirtualCameraError(f"no virtual camera has {label!r} in its name", hint=there_are or how_to_get_one("linux"))


def taken(path: str) -> VirtualCameraError:
    """The device is fed by another program."""
    return VirtualCameraError(f"{path}: another program feeds this virtual camera", hint=_STOP_IT)


def not_an_output(path: str, card: str) -> VirtualCameraError:
    """The device delivers pictures and takes none."""
    return VirtualCameraError(
        f"{path} ({card}) is not a virtual camera: it takes no pictures", hint=how_to_get_one("linux")
    )


def opening_failed(path: str, number: int) -> VirtualCameraError:
    """The device at `path` could not be opened or asked what it is; `number` is the errno."""
    if number in _GONE:
        return VirtualCameraError(f"{path}: there is no such virtual camera", hint=how_to_get_one("linux"))
    if number in (errno.EACCES, errno.EPERM):
        return VirtualCameraError(f"{path}: you are not allowed to open this virtual camera", hint=_NOT_ALLOWED)
    if number == errno.EBUSY:
        return taken(path)
    if number in _NOT_A_DEVICE:
        return VirtualCameraError(f"{path} is not a video device", hint=how_to_get_one("linux"))
    return VirtualCameraError(f"{path}: the virtual camera cannot be opened: {os.strerror(number)}", hint=_RELOAD)


def format_refused(path: str, number: int, size: Size) -> VirtualCameraError:
    """The device refused frames of `size` (width, height); `number` is the errno."""
    if number == errno.EINVAL:
        return held(path, size, "another size or format")
    if number == errno.ENOTTY:
        return VirtualCameraError(f"{path} takes no pictures from programs", hint=how_to_get_one("linux"))
    return opening_failed(path, number)


def held(path: str, size: Size, by: str, *, try_size: str = "") -> VirtualCameraError:
    """The device keeps `by`, the format that whoever watches it was given, and takes no frames of `size`."""
    also = f", or use --size {try_size}" if try_size else ""
    return VirtualCameraError(
        f"{path}: the virtual camera does not take {size[0]}x{size[1]}: it is held with {by}",
        hint=f"close the call or program that watches it{also}, or {_RELOAD}",
    )


def writing_failed(path: str, number: int) -> VirtualCameraError:
    """The device took no more frames in mid-run; `number` is the errno."""
    said = f"{path}: the virtual camera no longer accepts frames"
    if number in _GONE:
        return VirtualCameraError(f"{path}: the virtual camera is gone: {os.strerror(number)}", hint=how_to_get_one())
    if number == errno.EBUSY:
        return VirtualCameraError(f"{said}: another program feeds it", hint=_STOP_IT)
    hint = f"close the programs that watch or feed it, or {_RELOAD}" if number == errno.EINVAL else _RELOAD
    return VirtualCameraError(f"{said}: {os.strerror(number)}", hint=hint)


def frames_cut(path: str, took: int, of: int) -> VirtualCameraError:
    """The device takes only `took` of the `of` bytes of a frame."""
    return VirtualCameraError(
        f"{path}: the virtual camera takes only {took} of the {of} bytes of a frame: it has another size or format",
        hint=f"close the call or program that watches it, or {_RELOAD}",
    )


def stalled(path: str, seconds: float) -> VirtualCameraError:
    """The device has taken no frame for `seconds`."""
    return VirtualCameraError(f"{path}: the virtual camera has taken no frame for {seconds:.0f} s", hint=_RELOAD)


def cannot_tell(device: str) -> VirtualCameraError:
    """Nothing says whether somebody watches `device`."""
    return VirtualCameraError(
        f"{device}: this virtual camera cannot tell whether somebody watches it, which --on-demand needs",
        hint="drop --on-demand; it works with v4l2loopback on Linux",
    )
