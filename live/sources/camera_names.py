"""Which cameras there are, and which one an index, a name or a path means."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from livestyle.errors import RefusedError, SourceNotFoundError
from livestyle.sources.network.addresses import refuse_incomplete
from livestyle.system.v4l2 import can_capture

_log = logging.getLogger("livestyle")

_SYSFS = Path("/sys/class/video4linux")
_WINDOWS_QUERY = (
    "Get-CimInstance Win32_PnPEntity | Where-Object { $_.PNPClass -in 'Camera', 'Image' } | "
    "Select-Object Name, DeviceID | ConvertTo-Json"
)


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of this machine."""

    index: int  # what OpenCV opens; on macOS and Windows the system's order, which OpenCV need not share
    name: str  # as its maker named it
    path: str  # /dev/video0 on Linux; the system's own identifier elsewhere


@dataclass(frozen=True, slots=True)
class Target:
    """What to open."""

    device: int | str  # for cv2.VideoCapture
    label: str  # for messages; holds no password
    name: str | None = None  # as its maker named it, when known without a slow query


def list_cameras() -> list[Camera]:
    """The cameras of this machine, by index; empty when there are none or the system does not list them.

    On macOS and Windows the order is the system's, which was not verified to be OpenCV's.
    """
    listers: dict[str, Callable[[], list[Camera]]] = {"linux": linux_cameras, "darwin": darwin_cameras}
    return listers.get(sys.platform, windows_cameras)()


def linux_cameras(
    sysfs: Path = _SYSFS, dev: Path = Path("/dev"), captures: Callable[[str], bool | None] = can_capture
) -> list[Camera]:
    """Video4Linux nodes that deliver pictures, so without a webcam's metadata nodes."""
    nodes = {int(node.name[5:]): node for node in sysfs.glob("video*") if node.name[5:].isdigit()}
    found: list[Camera] = []
    for index, node in sorted(nodes.items()):
        path = str(dev / node.name)
        answer = captures(path)
        # A device that cannot be queried (permissions) is listed by its first node: the later ones are metadata.
        if answer or (answer is None and _read(node / "index") in ("0", "")):
            found.append(Camera(index, _read(node / "name") or node.name, path))
    return found


def darwin_cameras(run: Callable[[list[str]], str] | None = None) -> list[Camera]:
    """What system_profiler lists."""
    answer = _query(["system_profiler", "-json", "SPCameraDataType"], run)
    entries = answer.get("SPCameraDataType", []) if isinstance(answer, dict) else []
    return [
        Camera(index, str(entry.get("_name", "camera")), str(entry.get("spcamera_unique-id", "")))
        for index, entry in enumerate(entries)
    ]


def windows_cameras(run: Callable[[list[str]], str] | None = None) -> list[Camera]:
    """What the Plug and Play manager lists as cameras."""
    answer = _query(["powershell", "-NoProfile", "-NonInteractive", "-Command", _WINDOWS_QUERY], run)
    entries = [answer] if isinstance(answer, dict) else answer if isinstance(answer, list) else []
    return [
        Camera(index, str(entry.get("Name") or "camera"), str(entry.get("DeviceID") or ""))
        for index, entry in enumerate(entries)
    ]


def find_target(which: str, cameras: Callable[[], Sequence[Camera]] = list_cameras) -> Target:
    """What `which` means: an index, a device path, or a name or a part of one.

    Raises SourceNotFoundError when no camera has such a name, RefusedError when several have or when it is the name of
    a file or an address without its beginning.
    """
    if which.isdecimal():
        return _by_index(int(which), cameras)
    if which.startswith(("/", "\\\\")):
        _refuse_file(which)
        return Target(str(Path(which).resolve()), f"camera {which}")
    return _by_name(which, cameras())


def there_are(cameras: Sequence[Camera]) -> str:
    """A hint that names the cameras."""
    if not cameras:
        return "no camera was found on this machine; an rtsp:// or http:// address works too"
    return "there are: " + ", ".join(f"{camera.index} ({camera.name})" for camera in cameras)


def _refuse_file(which: str) -> None:
    if os.path.isfile(which):  # a device is not one
        raise RefusedError(f"{which} is a file, not a camera", hint="name it without --camera")


def _by_index(index: int, cameras: Callable[[], Sequence[Camera]]) -> Target:
    # Only on Linux are names cheap; elsewhere a query takes seconds.
    known = cameras() if sys.platform == "linux" else ()
    name = next((camera.name for camera in known if camera.index == index), None)
    return Target(index, f"camera {index} ({name})" if name else f"camera {index}", name)


def _by_name(which: str, cameras: Sequence[Camera]) -> Target:
    wanted = which.casefold()
    matches = [camera for camera in cameras if wanted in camera.name.casefold()]
    exact = [camera for camera in matches if camera.name.casefold() == wanted]
    matches = exact or matches
    if not matches:
        _refuse_file(which)
        refuse_incomplete(which)
        raise SourceNotFoundError(f"no camera has {which!r} in its name", hint=there_are(cameras))
    if len(matches) > 1:
        raise RefusedError(f"{which!r} fits {len(matches)} cameras", hint=f"say the index; {there_are(matches)}")
    (camera,) = matches
    return Target(camera.index, f"camera {camera.index} ({camera.name})", camera.name)


def _read(path: Path) -> str:
    try:
        return re.sub(r"\s+", " ", path.read_text(encoding="utf-8", errors="replace")).strip()
    except OSError:
        return ""


def _query(command: list[str], run: Callable[[list[str]], str] | None) -> object:
    """The JSON that a system tool prints; None when that fails (logged)."""
    try:
        return json.loads((run or _run)(command) or "null")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        _log.warning("the cameras cannot be listed: %s: %s", command[0], error)
        return None


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
