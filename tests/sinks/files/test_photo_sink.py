"""A styled photo keeps the profile, EXIF, resolution and transparency of the one it came from."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from tests_media import psnr, scene

from livestyle.errors import EncodeError, OutputExistsError, UsageError
from livestyle.media.photo_file import read_photo
from livestyle.sinks.files.photo import PhotoSink
from livestyle.sources.files.photo import PhotoSource

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def copy(source: Path, target: Path, **options: Any) -> Path:
    with closing(PhotoSource(source)) as photo, closing(PhotoSink(target, source, **options)) as sink:
        sink.write(next(iter(photo)))
    return target


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = 6
    made[0x010F] = "Maker"
    made.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return made


@pytest.mark.parametrize("target", ["o.jpg", "o.png", "o.webp", "o.tiff"])
@pytest.mark.parametrize("source", ["a.jpg", "a.png", "a.webp"])
def test_profile_and_exif_come_along(photo: Any, tmp_path: Path, source: str, target: str) -> None:
    """Byte for byte and tag for tag, but upright: the orientation is 1, or viewers would turn the picture again."""
    made = photo(source, exif=exif(), icc_profile=PROFILE)
    with Image.open(copy(made, tmp_path / target)) as image:
        assert image.info["icc_profile"] == PROFILE
        kept = image.getexif()
        assert kept[0x0112] == 1
        assert kept[0x010F] == "Maker"
        assert kept.get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"
        assert image.size == (64, 96)


@pytest.mark.parametrize("target", ["o.png", "o.tif"])
def test_16_bits_profile_and_transparency_are_kept(photo: Any, tmp_path: Path, target: str) -> None:
    """16-bit RGBA through the sink is bit-exact; its profile and resolution are readable by Pillow."""
    deep = np.dstack([scene(dtype=np.uint16), np.linspace(0, 65535, 96 * 64).reshape(64, 96).astype(np.uint16)])
    made = copy(photo("a.png", deep), tmp_path / target)
    read = read_photo(made)
    assert np.array_equal(read.pixels, deep[..., :3])
    assert read.alpha is not None
    assert np.array_equal(read.alpha, deep[..., 3])


@pytest.mark.parametrize("source", ["a.png", "a.tiff"])
def test_resolution_is_kept(photo: Any, tmp_path: Path, source: str) -> None:
    """Dots per inch, to a thousandth (PNG counts per metre)."""
    made = photo(source, dpi=(300, 300))
    for name in ("o.jpg", "o.png", "o.tiff"):
        with Image.open(copy(made, tmp_path / name)) as image:
            assert image.info["dpi"][0] == pytest.approx(300, rel=1e-3)


def test_jpeg_is_of_high_quality(photo: Any, tmp_path: Path) -> None:
    """Above 40 dB, and chroma is not halved."""
    made = photo("a.png")
    target = copy(made, tmp_path / "o.jpg")
    with Image.open(target) as image:
        assert psnr(np.asarray(image), scene()) > 40
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


def test_transparent_on_white_where_it_cannot_be_kept(
    photo: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """JPEG: what was fully transparent is white, not whatever lay hidden there; said in one line, elsewhere in none."""
    rgba = np.dstack([scene(), np.zeros((64, 96), np.uint8)])
    made = photo("a.png", rgba)
    with caplog.at_level(logging.INFO, "livestyle"):
        copy(made, tmp_path / "o.webp")
        copy(photo("opaque.png"), tmp_path / "opaque.jpg")
        assert not caplog.records
        with Image.open(copy(made, tmp_path / "o.jpg")) as image:
            assert np.asarray(image).min() >= 254
    assert ["transparency" in record.message for record in caplog.records] == [True]


def test_nothing_is_overwritten_or_left_over(photo: Any, tmp_path: Path) -> None:
    """The same rules as for videos."""
    made = photo("a.png")
    with pytest.raises(UsageError, match="input itself"):
        PhotoSink(made, made, overwrite=True)
    with pytest.raises(OutputExistsError):
        PhotoSink(made, None)
    with pytest.raises(UsageError, match="cannot be written as"):
        PhotoSink(tmp_path / "o.xcf", made)
    with closing(PhotoSource(made)) as photo_source:
        frame = next(iter(photo_source))
    with closing(PhotoSink(tmp_path / "o.png", made)) as sink:
        sink.write(frame)
        with pytest.raises(EncodeError):
            sink.write(frame)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.png", "o.png"]
