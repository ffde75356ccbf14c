"""A GIF is shown as often as the moving picture that it was made of."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from tests_media import scene

from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.animation import AnimationSource
from livestyle.sources.files.video import VideoSource


@pytest.mark.parametrize(
    ("name", "loop", "expected"),
    [
        ("s.gif", None, None),
        ("s.gif", 0, 0),
        ("s.gif", 3, 3),
        ("s.png", 0, 0),
        ("s.png", 1, None),
        ("s.png", 3, 2),
        ("s.webp", 0, 0),
        ("s.webp", 4, 3),
    ],
)
def test_loops_are_kept(tmp_path: Path, name: str, loop: int | None, expected: int | None) -> None:
    """As Pillow reads it: None is once, 0 for ever, else the repetitions. PNG and WebP count the first time, too."""
    pictures = [Image.fromarray(scene(index, (32, 24))) for index in range(3)]
    options = {} if loop is None else {"loop": loop}
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=100, **options)
    source = AnimationSource if name.endswith("webp") else VideoSource
    with (
        closing(source(tmp_path / name)) as frames,
        closing(VideoSink(tmp_path / "a.gif", frames.info)) as sink,
    ):
        for frame in frames:
            sink.write(frame)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 3
        assert image.info.get("loop") == expected
