"""Sources and sinks of other packages: a tiny distribution, installed beside livestyle, opens both ends of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livestyle.plugins import PluginAddress, sink_address, source_address

FRAMES, SIZE, RATE = 6, (64, 48), 10

MODULE = '''
"""Opens grey frames that grow brighter, and keeps what is written to it in a .npz file."""
import sys, time
from fractions import Fraction
from pathlib import Path
import numpy as np
from livestyle.errors import SourceNotFoundError
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.plugins import SinkRequest, SourceRequest

class Source:
    def __init__(self, name, count, fails_at=None):
        self.info = StreamInfo(name, (64, 48), Fraction(1, 10), Fraction(10), frames=count)
        self.count, self.fails_at = count, fails_at

    def __iter__(self):
        for at in range(self.count):
            if at == self.fails_at:
                raise KeyError("a fault of the plugin")
            yield Frame(read_only(np.full((48, 64, 3), 40 * at, np.uint8)), at, time.monotonic())

    def close(self):
        pass

def open_source(request):
    assert isinstance(request, SourceRequest)
    if request.name == "nothing":
        return None
    if request.name == "missing":
        raise SourceNotFoundError("There is no grey of that name", hint="try another")
    return Source(f"grey {request.name}", 6, fails_at=3 if request.name == "faulty" else None)

def open_clip(request):
    first = int(request.start * 10)
    return Source(request.name, int(Path(request.name).read_text()) - first)

class Sink:
    closed = False

    def __init__(self, request):
        assert isinstance(request, SinkRequest)
        self.request, self.pixels, self.pts = request, [], []

    def write(self, frame):
        self.pixels.append(frame.pixels.copy())
        self.pts.append(frame.pts)

    def idle(self):
        pass

    def close(self):
        if self.pixels:
            np.savez(self.request.name, pixels=self.pixels, pts=self.pts, size=self.request.info.size)
            self.pixels = []
'''

ENTRY_POINTS = """
[livestyle.sources]
grey = grey_frames:open_source
.grey = grey_frames:open_clip
broken = no_such_module:open_source
twice = grey_frames:open_source

[livestyle.sinks]
npz = grey_frames:Sink
"""

OTHER = """
[livestyle.sources]
twice = other:open_source
"""


def install(folder: Path, name: str, entry_points: str) -> None:
    """What pip leaves of a package: the folder with its metadata."""
    metadata = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", "utf-8")
    (metadata / "entry_points.txt").write_text(entry_points, "utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "grey_frames.py").write_text(MODULE, "utf-8")
    install(folder, "grey-frames", ENTRY_POINTS)
    install(folder, "other-frames", OTHER)
    return folder


def livestyle(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with the packages of `site` beside those of this one."""
    environment = {**os.environ, "PYTHONPATH": str(site), "XDG_CONFIG_HOME": str(site / "config")}
    command = [sys.executable, "-m", "livestyle", *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=site.parent, capture_output=True, text=True, timeout=120)


def written(path: Path) -> np.ndarray:
    with np.load(path) as data:
        assert tuple(data["size"]) == SIZE
        assert data["pts"].tolist() == sorted(set(data["pts"].tolist()))
        return np.asarray(data["pixels"])


def test_a_source_of_a_package_is_styled_into_a_sink_of_a_package(site: Path, tmp_path: Path) -> None:
    """`--camera grey:…` to `-o npz:…`: the sink gets every frame, with intensity 0 the very pixels of the source."""
    output = tmp_path / "out.npz"
    done = livestyle(site, "--camera", "grey:a", "-o", f"npz:{output}", "--no-window", "--intensity", "0", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["source"], report["outputs"], report["error"]) == ("grey a", [f"npz:{output}"], None)
    assert written(output)[:, 0, 0, 0].tolist() == [40 * at for at in range(FRAMES)]


def test_the_style_is_applied_on_the_way(site: Path, tmp_path: Path) -> None:
    """The same with a style: other pixels, of the same frames."""
    output = tmp_path / "out.npz"
    options = ("--no-window", "--style", "warm", "--sync", "exact")
    done = livestyle(site, "--camera", "grey:a", "-o", f"npz:{output}", *options)
    assert done.returncode == 0, done.stderr
    pixels = written(output).astype(int)
    assert len(pixels) == FRAMES
    middle = pixels[3].reshape(-1, 3).mean(0)
    assert middle[0] > middle[2]  # grey became warm: more red than blue


def test_a_file_of_a_kind_that_a_package_adds(site: Path, tmp_path: Path) -> None:
    """A suffix of its own, read from --start on; the output may be an ordinary video or a sink of the package."""
    clip = tmp_path / "clip.grey"
    clip.write_text("5", "utf-8")
    done = livestyle(site, clip, "-o", f"npz:{tmp_path / 'out.npz'}", "--start", "0.2", "--intensity", "0", "-q")
    assert done.returncode == 0, done.stderr
    assert len(written(tmp_path / "out.npz")) == 3
    done = livestyle(site, clip, "-o", tmp_path / "out.mp4", "--json", "-q")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames_out"] == 5
    assert (tmp_path / "out.mp4").stat().st_size > 0


@pytest.mark.parametrize(
    ("camera", "code", "says"),
    [
        ("broken:x", 5, "grey-frames 1.2, which opens broken, cannot be loaded: ModuleNotFoundError"),
        ("twice:x", 2, "twice is opened by several installed packages: grey-frames 1.2 and other-frames 1.2"),
        ("grey:nothing", 5, "grey-frames 1.2 has no livestyle.protocols.Source"),
        ("grey:missing", 3, "There is no grey of that name"),
        ("grey:faulty", 4, "grey:faulty failed in grey-frames 1.2: KeyError: 'a fault of the plugin'"),
    ],
)
def test_what_is_wrong_with_a_package_is_one_sentence(
    site: Path, tmp_path: Path, camera: str, code: int, says: str
) -> None:
    """It names the package and what to do, and no traceback comes with it."""
    done = livestyle(
        site, "--camera", camera, "-o", f"npz:{tmp_path / 'out.npz'}", "--no-window", "-q", "--intensity", 0
    )
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_package_affects_no_other_run(site: Path, tmp_path: Path) -> None:
    """Ordinary runs and those of other schemes go on; nothing of a package is imported before its name is used."""
    (site / "grey_frames.py").write_text("raise SystemError('imported')", "utf-8")
    assert livestyle(site, "--version").returncode == 0
    done = livestyle(site, "--list-cameras")
    assert done.returncode == 0
    assert "--camera grey:NAME is opened by grey-frames 1.2" in done.stderr
    assert ".grey" not in done.stderr
    assert "imported" in livestyle(site, "--camera", "grey:a", "--no-window", "-o", tmp_path / "x.mp4").stderr


def test_several_inputs_do_not_go_into_one_sink(site: Path, tmp_path: Path) -> None:
    """There is no folder to put them in: refused before the first is read."""
    done = livestyle(site, "a.mp4", "b.mp4", "-o", f"npz:{tmp_path / 'out.npz'}")
    assert done.returncode == 2
    assert "takes a single input" in done.stderr


@pytest.mark.parametrize("text", ["0", "HD Webcam: front", "C:\\films\\a.mp4", "grey:", "http://cam.example/", "a:b"])
def test_what_is_no_address_of_a_package(text: str) -> None:
    """Names, drives, built-in schemes and schemes that nobody opens stay what they were."""
    assert source_address(text) is None
    assert sink_address(text) is None


def test_an_address_does_not_show_what_may_be_a_password() -> None:
    """Messages and reports have the address without what is before its last @."""
    assert str(PluginAddress("ndi", "me:secret@studio/1")) == "ndi:...@studio/1"
    assert str(PluginAddress("ndi", "studio-1")) == "ndi:studio-1"
    assert "secret" not in repr(PluginAddress("ndi", "me:secret@studio/1"))
