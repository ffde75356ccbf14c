"""Moving WebP files are films with their own times."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests_media import scene

from livestyle.errors import SourceError
from livestyle.sources.files.animation import AnimationSource

TIMES = [100, 40, 250, 60]  # milliseconds


def webp(path: Path, alpha: bool = False) -> Path:
    pictures = [scene(index) for index in range(4)]
    if alpha:
        pictures = [np.dstack([one, np.zeros((64, 96), np.uint8)]) for one in pictures]
    first, *rest = (Image.fromarray(one) for one in pictures)
    first.save(path, save_all=True, append_images=rest, duration=TIMES, lossless=True)
    return path


def test_every_frame_at_its_time(tmp_path) -> None:
    """Bit for bit, in milliseconds."""
    with closing(AnimationSource(webp(tmp_path / "a.webp"))) as source:
        frames = list(source)
    assert [frame.pts for frame in frames] == [0, 100, 140, 390]
    assert all(np.array_equal(frame.pixels, scene(index)) for index, frame in enumerate(frames))


def test_a_part_of_it(tmp_path) -> None:
    """--start and --duration, in seconds."""
    with closing(AnimationSource(webp(tmp_path / "a.webp"), start=0.1, duration=0.2)) as source:
        assert [frame.pts for frame in source] == [100, 140]


def test_transparent_parts_come_beside_the_picture(tmp_path) -> None:
    """Clear everywhere, so that a sink keeps it, or lays it on white."""
    with closing(AnimationSource(webp(tmp_path / "a.webp", alpha=True))) as source:
        assert source.info.has_alpha
        assert all(frame.alpha is not None and (frame.alpha == 0).all() for frame in source)


def test_damage_is_one_sentence(tmp_path) -> None:
    """Cut short in its second frame."""
    data = webp(tmp_path / "a.webp").read_bytes()
    (tmp_path / "b.webp").write_bytes(data[: data.index(b"ANMF", data.index(b"ANMF") + 4) + 100])
    with pytest.raises(SourceError, match="damaged"), closing(AnimationSource(tmp_path / "b.webp")) as source:
        list(source)
