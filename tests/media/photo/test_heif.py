"""HEIC photos in and out: tiles, rotation, depth, transparency. pillow-heif's own reader and writer are the oracle."""

from __future__ import annotations

import logging
import struct
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms
from tests_media import psnr, scene

from livestyle.errors import ColorError, SourceError
from livestyle.media.photo.boxes import coding_of
from livestyle.media.photo_file import read_photo
from livestyle.sinks.files.photo import PhotoSink
from livestyle.sources.files.photo import PhotoSource

P3_LIKE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def heic(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    mode = {3: "RGB", 4: "RGBA"}[pixels.shape[2]] + (";16" if pixels.dtype == np.uint16 else "")
    file = pillow_heif.from_bytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    file.save(path, quality=95, **{"chroma": "444", **options})
    return path


def copy(source: Path, target: Path) -> Path:
    with closing(PhotoSource(source)) as photo, closing(PhotoSink(target, source)) as sink:
        sink.write(next(iter(photo)))
    return target


def test_tiles_are_one_picture(tmp_path) -> None:
    """As iPhones write them: the whole picture, not its first tile; written again as one picture."""
    large = scene(size=(256, 192))
    path = heic(tmp_path / "a.heic", large, tile_size=128)
    assert pillow_heif.open_heif(path).info["tiling"]
    assert psnr(read_photo(path).pixels, large) > 40
    assert pillow_heif.open_heif(copy(path, tmp_path / "o.heic")).size == (256, 192)


def test_rotation_is_applied_once(tmp_path) -> None:
    """libheif turns the picture by its irot box; EXIF says the same and must not turn it again."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = pillow_heif.from_pillow(Image.fromarray(scene()))
    image.save(tmp_path / "a.heic", exif=exif.tobytes(), quality=95)
    truth = np.asarray(pillow_heif.open_heif(tmp_path / "a.heic").to_pillow())
    photo = read_photo(tmp_path / "a.heic")
    assert np.array_equal(photo.pixels, truth)
    for name in ("o.jpg", "o.heic"):
        again = read_photo(copy(tmp_path / "a.heic", tmp_path / name))
        assert again.pixels.shape == truth.shape
        assert psnr(again.pixels, truth) > 34


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_photos_stay_deep(tmp_path, bits: int) -> None:
    """White is 65535, and as many bits are written as were read; in PNG and TIFF all 16 are used."""
    deep = scene(dtype=np.uint16)
    deep[:8] = 65535
    path = heic(tmp_path / "a.heic", deep, bit_depth=bits)
    photo = read_photo(path)
    assert photo.pixels.dtype == np.uint16
    assert photo.pixels[:4].min() > 65535 - (65535 >> (bits - 2))
    assert photo.pixels.max() == 65535
    assert np.abs(photo.pixels.astype(int) - deep).mean() < 600
    assert pillow_heif.open_heif(copy(path, tmp_path / "o.heic"), convert_hdr_to_8bit=False).info["bit_depth"] == bits
    assert np.array_equal(read_photo(copy(path, tmp_path / "o.png")).pixels, photo.pixels)


def test_transparency_is_kept(tmp_path) -> None:
    """RGBA in and out, from PNG too."""
    rgba = np.dstack([scene(), np.tile(np.linspace(0, 255, 96), (64, 1)).astype(np.uint8)])
    photo = read_photo(copy(heic(tmp_path / "a.heic", rgba), tmp_path / "o.heic"))
    assert photo.alpha is not None
    assert np.abs(photo.alpha.astype(int) - rgba[..., 3]).max() < 12
    Image.fromarray(rgba).save(tmp_path / "b.png")
    assert read_photo(copy(tmp_path / "b.png", tmp_path / "p.heic")).alpha is not None


def test_alpha_that_is_multiplied_in_is_taken_out(tmp_path) -> None:
    """As some programs store it."""
    multiplied = np.dstack([scene() // 2, np.full((64, 96), 128, np.uint8)])
    file = pillow_heif.from_bytes("RGBa", (96, 64), np.ascontiguousarray(multiplied).tobytes())
    file.save(tmp_path / "a.heic", quality=95, chroma="444")
    photo = read_photo(tmp_path / "a.heic")
    assert photo.alpha is not None
    assert psnr(photo.pixels, scene()) > 34


@pytest.mark.parametrize("chroma", [420, 444])
def test_profile_and_chroma_are_those_of_the_source(tmp_path, chroma: int) -> None:
    """The ICC profile byte for byte, the same subsampling."""
    image = pillow_heif.from_pillow(Image.fromarray(scene()))
    image.save(tmp_path / "a.heic", chroma=str(chroma), icc_profile=P3_LIKE, quality=95)
    info = pillow_heif.open_heif(copy(tmp_path / "a.heic", tmp_path / "o.heic")).info
    assert info["icc_profile"] == P3_LIKE
    assert info["chroma"] == chroma


def test_code_points_of_display_p3_become_a_profile(tmp_path) -> None:
    """nclx in, a profile out, which more readers know."""
    path = heic(tmp_path / "a.heic", scene(), color_primaries=12, transfer_characteristics=13, matrix_coefficients=6,
                full_range_flag=1)  # fmt: skip
    data = path.read_bytes()
    coding = coding_of(data)
    assert (coding.primaries, coding.transfer, coding.depth) == (12, 13, 8)
    info = pillow_heif.open_heif(copy(path, tmp_path / "o.heic")).info
    assert b"smpte432" in info["icc_profile"].replace(b"\0", b"")


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_by_name(tmp_path, transfer: int) -> None:
    """PQ and HLG."""
    path = heic(tmp_path / "a.heic", scene(dtype=np.uint16), color_primaries=9, transfer_characteristics=transfer,
                matrix_coefficients=9, full_range_flag=1)  # fmt: skip
    with pytest.raises(ColorError, match="HDR photo"):
        read_photo(path)


def test_further_pictures_and_depth_maps_are_said(tmp_path, caplog) -> None:
    """The primary picture is styled, wherever it stands."""
    file = pillow_heif.from_bytes("RGB", (96, 64), (255 - scene()).tobytes())
    file.add_frombytes("RGB", (96, 64), scene().tobytes())
    file.save(tmp_path / "a.heic", primary_index=1, quality=95, chroma="444")
    with caplog.at_level(logging.INFO, "livestyle"):
        assert psnr(read_photo(tmp_path / "a.heic").pixels, scene()) > 35
    assert "holds 2 pictures" in caplog.text


def test_damage_is_one_sentence(tmp_path, capfd) -> None:
    """Whatever a byte becomes, and wherever the file ends."""
    whole = heic(tmp_path / "a.heic", scene()).read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(120):
        damaged = bytearray(whole[: rng.integers(40, len(whole) + 1)])
        damaged[rng.integers(12, len(damaged))] ^= 1 << rng.integers(0, 8)
        (tmp_path / "b.heic").write_bytes(damaged)
        with suppress(SourceError, ColorError):
            read_photo(tmp_path / "b.heic")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_deep_avif_stays_deep(tmp_path, matrix: int, full: bool) -> None:
    """10 bits, of which Pillow reads 8. The oracle is the picture before it was encoded, nearly without loss."""
    from livestyle.media.pyav import av

    deep = scene(dtype=np.uint16)
    path = tmp_path / "a.avif"
    frame = av.VideoFrame.from_ndarray(deep, format="rgb48le")
    frame = frame.reformat(format="yuv420p10le", dst_colorspace=matrix, dst_color_range=2 if full else 1)
    with av.open(str(path), "w", format="avif") as output:
        stream = output.add_stream("libsvtav1", rate=1, options={"crf": "4", "preset": "8"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p10le"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1
        stream.codec_context.color_primaries, stream.codec_context.color_trc = 1, 13
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    photo = read_photo(path)
    assert photo.pixels.dtype == np.uint16
    assert len(np.unique(photo.pixels[..., 0])) > 256
    assert np.abs(photo.pixels.astype(int) - deep).mean() / 65535 < 0.005
    assert np.abs(photo.pixels.reshape(-1, 3).mean(axis=0) - deep.reshape(-1, 3).mean(axis=0)).max() / 65535 < 0.003


def test_boxes_of_any_size(tmp_path) -> None:
    """Large sizes, sizes to the end, and sizes that make no sense end the search, not the program."""
    ftyp = struct.pack(">I4s4sI", 16, b"ftyp", b"avif", 0)
    for box in (
        struct.pack(">I4sQ", 1, b"meta", 1 << 60),
        struct.pack(">I4s", 0, b"meta"),
        struct.pack(">I4s", 3, b"meta"),
    ):
        assert coding_of(ftyp + box).transfer == 2
