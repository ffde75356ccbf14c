"""TIFF of every layout gives the samples that tifffile wrote; what cannot be kept right is refused by name."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps
from tests_media import scene

from livestyle.errors import ColorError, SourceError
from livestyle.media.photo_file import Photo, read_photo

DEEP = scene(dtype=np.uint16)
GREY = DEEP[..., :1]


def written(folder: Path, samples: np.ndarray, **options: Any) -> Photo:
    path = folder / "a.tif"
    tifffile.imwrite(path, samples, **options)
    return read_photo(path)


LAYOUTS = [
    *itertools.product("<>", (False, True), (np.uint8, np.uint16), (False, True), (None, (32, 48)), (False, True))
]


@pytest.mark.parametrize(("order", "big", "dtype", "planar", "tile", "packed"), LAYOUTS)
def test_every_layout(tmp_path, order: str, big: bool, dtype: type, planar: bool, tile: Any, packed: bool) -> None:
    """Byte order, BigTIFF, depth, planes, tiles and strips, Deflate with a predictor: bit for bit."""
    samples = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (77, 101, 3)).astype(dtype)
    stored = np.ascontiguousarray(samples.transpose(2, 0, 1)) if planar else samples
    packing = {"compression": "zlib", "predictor": 2} if packed else {}
    photo = written(
        tmp_path,
        stored,
        byteorder=order,
        bigtiff=big,
        photometric="rgb",
        tile=tile,
        planarconfig="separate" if planar else "contig",
        rowsperstrip=None if tile else 10,
        **packing,
    )
    assert np.array_equal(photo.pixels, samples)


COMPRESSIONS = ["raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg", "zstd", "lzma", "group4"]


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"]
POSSIBLE = {"jpeg": ["L", "RGB", "CMYK", "YCbCr"], "group4": ["1"]}  # with these compressions; all with the others


@pytest.mark.parametrize(
    ("packing", "mode"), [(name, mode) for name in COMPRESSIONS for mode in POSSIBLE.get(name, MODES)]
)
def test_every_compression_of_pillow(tmp_path, packing: str, mode: str) -> None:
    """The same picture as Pillow makes of the file, for what its libtiff can write."""
    path = tmp_path / "a.tif"
    try:
        Image.fromarray(scene()).convert(mode).save(path, compression=None if packing == "raw" else packing)
        with Image.open(path) as image:
            image.load()
    except OSError as error:  # older ones lack compressions, and cannot read all that they write
        pytest.skip(f"this Pillow does not do {packing} {mode}: {error}")
    photo = read_photo(path)
    with Image.open(path) as image:
        truth = np.asarray(image.convert("RGB" if photo.alpha is None else "RGBA"))
    assert np.array_equal(photo.pixels, truth[..., :3])
    assert (photo.alpha is not None) == (mode in ("LA", "RGBA"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_tiff_is_turned_once(tmp_path, orientation: int) -> None:
    """All eight orientations, as Pillow turns the same picture."""
    photo = written(tmp_path, DEEP, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    Image.fromarray((DEEP // 257).astype(np.uint8)).save(buffer, "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    assert photo.pixels.shape == upright.shape
    assert np.abs(photo.pixels // 257 - upright.astype(int)).max() == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_zero(tmp_path, dtype: type) -> None:
    """A negative as it is stored is the same picture."""
    grey = scene(dtype=dtype)[..., 0]
    photo = written(tmp_path, ~grey, photometric="miniswhite")
    assert np.array_equal(photo.pixels, np.dstack([grey] * 3))


@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
def test_depths_between_are_at_full_scale(tmp_path, bits: int) -> None:
    """White is white at every depth, 12 bits keep their 4096 values. The file is packed here, as TIFF 6.0 says."""
    most = (1 << bits) - 1
    values = np.arange(64 * 96).reshape(64, 96) % (most + 1)
    loose = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(loose.reshape(64, -1).astype(np.uint8), axis=1)
    path = tmp_path / "a.tif"
    path.write_bytes(minimal_tiff(packed.tobytes(), 96, 64, bits))
    pixels = read_photo(path).pixels
    full = 65535 if bits > 8 else 255
    assert pixels.dtype == (np.uint16 if bits > 8 else np.uint8)
    assert np.abs(pixels[..., 0] - values * full / most).max() <= 0.5


def minimal_tiff(strip: bytes, width: int, height: int, bits: int) -> bytes:
    import struct

    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, height),
            (279, len(strip))]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory + bytes(4)


def test_alpha_is_taken_out_of_associated_colours(tmp_path) -> None:
    """Within the rounding of the multiplication; unassociated alpha changes nothing, spare channels are no alpha."""
    alpha = np.full((64, 96, 1), 32768, np.uint16)
    multiplied = np.round(DEEP * (alpha / 65535)).astype(np.uint16)
    photo = written(tmp_path, np.dstack([multiplied, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(photo.pixels.astype(int) - DEEP).max() <= 1
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha[..., 0])
    photo = written(tmp_path, np.dstack([DEEP, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(photo.pixels, DEEP)
    assert photo.alpha is not None
    photo = written(tmp_path, np.dstack([DEEP, alpha, alpha]), photometric="rgb", extrasamples=[0, 0])
    assert np.array_equal(photo.pixels, DEEP)
    assert photo.alpha is None


def test_16_bit_grey_with_alpha(tmp_path) -> None:
    """Two channels, both at their depth."""
    photo = written(tmp_path, np.dstack([GREY, GREY // 2]), photometric="minisblack", extrasamples=["unassalpha"],
                    planarconfig="contig")  # fmt: skip
    assert np.array_equal(photo.pixels, np.dstack([GREY] * 3))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, GREY[..., 0] // 2)


@pytest.mark.parametrize("planar", [False, True])
def test_16_bit_cmyk_is_converted_deep(tmp_path, planar: bool) -> None:
    """Without a profile: (1 - ink) (1 - black), in 16 bits."""
    inks = np.dstack([DEEP, GREY])
    stored = np.ascontiguousarray(inks.transpose(2, 0, 1)) if planar else inks
    photo = written(tmp_path, stored, photometric="separated", planarconfig="separate" if planar else "contig")
    truth = (1 - inks[..., :3] / 65535) * (1 - inks[..., 3:] / 65535) * 65535
    assert np.abs(photo.pixels - truth).max() <= 1


def test_the_main_picture_is_not_the_thumbnail(tmp_path) -> None:
    """A reduced picture may come first; further pages are left out."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(DEEP[::4, ::4].copy(), photometric="rgb", subfiletype=1)
        file.write(DEEP, photometric="rgb")
        file.write(DEEP // 2, photometric="rgb")
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, DEEP)
    assert photo.notes.pictures == 2


def lab_tiff(path: Path) -> None:
    lab = ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(scene()), ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    assert image is not None
    image.save(path)


REFUSED = {
    "float": ("floating-point samples of 32 bits", {"photometric": "rgb"}, scene().astype(np.float32) / 255),
    "half": ("floating-point samples of 16 bits", {"photometric": "rgb"}, scene().astype(np.float16) / 255),
    "signed": ("signed samples of 16 bits", {"photometric": "rgb"}, scene().astype(np.int16)),
    "lab": (r"CIE L\*a\*b\*", {"photometric": "cielab"}, DEEP),
    "logl": ("LogL", {"photometric": 32844}, DEEP[..., 0].astype(np.int16)),
    "inks": ("inks other than CMYK", {"photometric": "separated", "extratags": [(332, 3, 1, 2, True)]},
             np.dstack([DEEP, DEEP])),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_has_no_fixed_meaning_is_refused_by_name(tmp_path, name: str) -> None:
    """One sentence that says what the file holds, and no library prints anything."""
    words, options, samples = REFUSED[name]
    with pytest.raises(ColorError, match=words):
        written(tmp_path, samples, **options)


def test_lab_of_pillow_is_refused_too(tmp_path) -> None:
    """8-bit L*a*b*."""
    lab_tiff(tmp_path / "a.tif")
    with pytest.raises(ColorError, match="CIE"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_tiff_that_is_cut_short_is_damaged(tmp_path, cut: float, capfd) -> None:
    """Samples that are missing are an error, never black."""
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb", rowsperstrip=8)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "b.tif").write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(SourceError, match="damaged or cut short"):
        read_photo(tmp_path / "b.tif")
    assert capfd.readouterr().err == ""
