"""Media made for the tests: small, and each with one property that something could get wrong."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest

from livestyle.media.pyav import av, cv2

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode adds nothing: tests_media is shared by all folders

from tests_media import VFR, Picture, add_sound, add_subtitles_and_notes, scene, write_clip


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """What the command line sets up for its messages ends with the test that ran it."""
    log = logging.getLogger("livestyle")
    before = log.handlers[:], log.propagate, log.level
    yield
    log.handlers[:], log.propagate = before[:2]
    log.setLevel(before[2])


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clips that most tests read."""
    folder = tmp_path_factory.mktemp("media")
    ten = [scene(index) for index in range(10)]
    steady = [index * 40 for index in range(10)]
    write_clip(folder / "vfr.mp4", ten, VFR, sound=True)
    write_clip(folder / "vfr.mkv", ten, VFR, sound=True, extras=add_subtitles_and_notes)
    write_clip(folder / "bframes.mp4", ten, steady, options={"crf": "10", "bf": "3", "b_strategy": "0"})
    write_clip(
        folder / "deep.mkv", [scene(i, dtype=np.uint16) for i in range(4)], steady[:4], pixel_format="yuv420p10le"
    )
    write_clip(folder / "full.mp4", ten[:3], steady[:3], tags=(1, 1, 1, 2))
    write_clip(
        folder / "odd.mkv",
        [scene(i, (97, 63)) for i in range(3)],
        steady[:3],
        codec="ffv1",
        pixel_format="bgr0",
        options={},
    )
    write_clip(
        folder / "gop.mkv",
        [scene(i) for i in range(60)],
        [i * 40 for i in range(60)],
        options={"crf": "10", "g": "20"},
        sound=True,
    )
    for name, transfer in (("pq", 16), ("hlg", 18)):
        # three frames: libx265 leaves the decoding times of fewer to chance, and now and then the muxer refuses them
        write_clip(folder / f"{name}.mp4", [scene(dtype=np.uint16)] * 3, [0, 40, 80], codec="libx265",
                   pixel_format="yuv420p10le", tags=(9, transfer, 9, 1), matrix=9,
                   options={"x265-params": "log-level=none"})  # fmt: skip
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    (folder / "words.mp4").write_text("only words\n" * 50)
    _write_sound_only(folder / "sound.m4a")
    return folder


def _write_sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as output:
        add_sound(output)(0.5)


@pytest.fixture
def ffprobe() -> Callable[[Path], str]:
    """What FFmpeg's own tool says about a file's first video stream; the test is skipped where it is not installed."""
    program = which("ffprobe")
    if program is None:
        pytest.skip("ffprobe is not installed")

    def probe(path: Path) -> str:
        fields = "stream=codec_name,pix_fmt,width,height,color_range,color_space,color_transfer,color_primaries"
        command = [
            program,
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            fields,
            "-of",
            "compact",
            str(path),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    return probe


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    """Writes `scene()` as a photo: photo("a.jpg", exif=…) with Pillow's save options."""
    from PIL import Image

    def write(name: str, pixels: Picture | None = None, **options: Any) -> Path:
        path = tmp_path / name
        pixels = scene() if pixels is None else pixels
        if pixels.dtype == np.uint16:
            order = [2, 1, 0, 3][: pixels.shape[2]]
            cv2.imwrite(str(path), pixels[..., order])
        else:
            Image.fromarray(pixels).save(path, **options)
        return path

    return write
