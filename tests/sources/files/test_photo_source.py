"""Photos come upright, with all their bits."""

from __future__ import annotations

from contextlib import closing, suppress

import numpy as np
import pytest
from PIL import Image
from tests_media import scene

from livestyle.errors import LivestyleError, SourceError
from livestyle.sources.files.photo import PhotoSource

# What a viewer does for each EXIF orientation, as in Pillow's own transpose.
TURNS = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}  # fmt: skip


def pixels_of(path):
    with closing(PhotoSource(path)) as source:
        frames = list(source)
    assert [frame.pts for frame in frames] == [0]
    return frames[0].pixels


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(photo, orientation: int) -> None:
    """All eight, bit for bit (PNG)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(pixels_of(photo("a.png", exif=exif)), TURNS[orientation](scene()))


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.bmp"])
def test_lossless_formats_are_exact(photo, name: str) -> None:
    """8 bits in, the same 8 bits out."""
    assert np.array_equal(pixels_of(photo(name)), scene())


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_16_bits_are_kept(photo, name: str) -> None:
    """16-bit samples come as they are."""
    deep = scene(dtype=np.uint16)
    assert np.array_equal(pixels_of(photo(name, deep)), deep)


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "1", "LA"])
def test_every_mode_becomes_rgb(tmp_path, mode: str) -> None:
    """Grey, CMYK, palette and bilevel photos have three channels."""
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(scene()).convert(mode).save(path)
    assert pixels_of(path).shape == (64, 96, 3)


def test_damaged_photos_are_one_sentence(photo, tmp_path) -> None:
    """Cut short, nothing in it, or not a photo at all."""
    whole = photo("a.png")
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:400])
    with pytest.raises(SourceError, match="damaged or cut short"):
        PhotoSource(cut)
    (tmp_path / "no.jpg").write_bytes(b"\xff\xd8\xffnothing")
    with pytest.raises(SourceError):
        PhotoSource(tmp_path / "no.jpg")


def test_a_16_bit_photo_that_is_cut_short_is_one_sentence_and_no_noise(photo, tmp_path, capfd) -> None:
    """libpng would print on standard error by itself."""
    whole = photo("a.png", scene(dtype=np.uint16)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="damaged or cut short"):
        PhotoSource(tmp_path / "cut.png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_damage_makes_no_library_print(photo, tmp_path, capfd, name: str, deep: bool) -> None:
    """Whatever a byte becomes: libpng, libtiff and libjpeg would print, and the terminal is the product's."""
    if deep and name == "a.jpg":
        pytest.skip("there is no 16-bit JPEG")
    whole = photo(name, scene(dtype=np.uint16 if deep else np.uint8)).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 150)):
        damaged = tmp_path / f"{at}{name}"
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with suppress(LivestyleError):
            PhotoSource(damaged)
    assert capfd.readouterr().err == ""


def test_absurd_size_is_refused(tmp_path) -> None:
    """A header that claims 100,000 x 100,000 pixels allocates nothing."""
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="more pixels than a photo"):
        PhotoSource(path)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("layout", ["gbrp", "gray"])
def test_deep_jpeg_2000_stays_deep(tmp_path, layout: str, bits: int) -> None:
    """Without loss: the samples that were encoded, at full scale. FFmpeg's encoder is the oracle."""
    from livestyle.media.pyav import av

    most = (1 << bits) - 1
    samples = np.round(scene(dtype=np.uint16) / 65535 * most).astype(np.uint16)
    path = tmp_path / "a.jp2"
    with av.open(str(path), "w", format="image2") as output:
        stream = output.add_stream("jpeg2000", rate=1, options={"pred": "1", "format": "jp2"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, f"{layout}{bits}le"
        stored = samples if layout == "gbrp" else samples[..., 0]
        frame = av.VideoFrame.from_ndarray(stored, format=f"{layout}{bits}le")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    truth = samples if layout == "gbrp" else np.dstack([samples[..., 0]] * 3)
    assert np.abs(pixels_of(path) - truth / most * 65535).max() <= 0.5
