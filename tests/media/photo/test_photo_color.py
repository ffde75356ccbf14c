"""Colour that is described by more than an RGB profile keeps its meaning, in every format that is written."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from tests_media import scene

from livestyle.errors import ColorError
from livestyle.media.photo import icc
from livestyle.media.photo.coding import coded, described
from livestyle.media.photo_file import read_photo
from livestyle.sinks.files.photo import PhotoSink
from livestyle.sources.files.photo import PhotoSource

SRGB = ImageCms.createProfile("sRGB")
NO_SHORTCUTS = 0x0100  # LittleCMS otherwise works with a coarse table, off by 10 in dark greys
COLORS = np.array([[200, 120, 80], [255, 255, 255], [128, 128, 128], [40, 90, 60], [100, 100, 180]], np.uint8)


def copy(source: Path, target: Path) -> Path:
    with closing(PhotoSource(source)) as photo, closing(PhotoSink(target, source)) as sink:
        sink.write(next(iter(photo)))
    return target


def seen(path: Path) -> np.ndarray:
    """The picture as a colour-managed viewer shows it: Pillow's reader, LittleCMS to sRGB."""
    import pillow_heif

    image = pillow_heif.open_heif(path).to_pillow() if path.suffix == ".heic" else Image.open(path)
    profile = image.info.get("icc_profile")
    if not profile:
        return np.asarray(image.convert("RGB")).astype(int)
    made = ImageCms.profileToProfile(
        image, io.BytesIO(profile), SRGB, renderingIntent=1, outputMode="RGB", flags=NO_SHORTCUTS
    )
    assert made is not None
    return np.asarray(made).astype(int)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path: Path, *chunks: bytes, pixels: np.ndarray | None = None) -> Path:
    """scene() as PNG with further chunks behind its header."""
    buffer = io.BytesIO()
    Image.fromarray(scene() if pixels is None else pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])
    return path


def chunks_of(path: Path) -> dict[bytes, bytes]:
    data, at, found = path.read_bytes(), 8, {}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        found[kind] = data[at + 8 : at + 8 + size]
        at += 12 + size
    return found


P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
CHRM_P3 = chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in P3)))
CHRM_SRGB = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))


def linear(encoded: np.ndarray) -> np.ndarray:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


# Display P3 to sRGB, linear: CSS Color 4's sample code, multiplied out.
P3_TO_SRGB = np.array([[1.2249402, -0.2249402, 0], [-0.0420570, 1.0420570, 0], [-0.0196376, -0.0786360, 1.0982736]])


def through(profile: bytes, colors: np.ndarray) -> np.ndarray:
    made = ImageCms.profileToProfile(
        Image.fromarray(colors[None]), io.BytesIO(profile), SRGB, renderingIntent=1, outputMode="RGB"
    )
    assert made is not None
    return np.asarray(made)[0].astype(int)


def test_a_profile_made_of_code_points_is_display_p3() -> None:
    """Primaries 12 with the transfer of sRGB, against the published matrix."""
    profile = coded(12, 13, "x").profile
    assert profile is not None
    assert np.abs(through(profile, COLORS) - srgb(linear(COLORS / 255) @ P3_TO_SRGB.T)).max() <= 1


def test_a_profile_made_of_gamma() -> None:
    """Linear values look as bright as their light."""
    profile = described(1.0, None).profile
    assert profile is not None
    assert np.abs(through(profile, COLORS) - srgb(COLORS / 255)).max() <= 1


@pytest.mark.parametrize("primaries", [1, 4, 5, 6, 7, 8, 9, 11, 12, 22])
@pytest.mark.parametrize("transfer", [1, 4, 5, 6, 7, 8, 13, 14, 15])
def test_greys_stay_grey(primaries: int, transfer: int) -> None:
    """Whatever the white: it is the white of the page. LittleCMS accepts each profile."""
    profile = coded(primaries, transfer, "x").profile
    if profile is not None:
        greys = through(profile, np.array([[255] * 3, [128] * 3, [20] * 3], np.uint8))
        assert np.ptp(greys, axis=1).max() <= 1
        assert greys[0].min() == 255
    else:
        assert (primaries, transfer) == (1, 13)


@pytest.mark.parametrize("name", ["o.png", "o.jpg", "o.tif", "o.webp", "o.heic", "o.avif"])
@pytest.mark.parametrize(
    ("extra", "matrix", "gamma"),
    [
        ([chunk(b"gAMA", struct.pack(">I", 100_000))], np.eye(3), 1.0),
        ([chunk(b"gAMA", struct.pack(">I", 45_455)), CHRM_P3], P3_TO_SRGB, None),
        ([chunk(b"cICP", bytes([12, 13, 0, 1]))], P3_TO_SRGB, None),
    ],
    ids=["linear", "cHRM", "cICP"],
)
def test_png_colour_chunks_are_seen_alike_in_every_format(tmp_path, name, extra, matrix, gamma) -> None:
    """What a colour-managed viewer shows of the output is what the chunks say of the input."""
    source = png(tmp_path / "a.png", *extra)
    light = linear(scene() / 255) if gamma is None else (scene() / 255) ** gamma
    difference = np.abs(seen(copy(source, tmp_path / name)) - srgb(light @ matrix.T))
    lossless = name in ("o.png", "o.tif")
    assert difference.max() <= 1.5 if lossless else np.percentile(difference, 95) <= 4


def test_png_keeps_the_chunks_themselves(tmp_path) -> None:
    """Byte for byte, with a profile for readers that know only those; sRGB needs none."""
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    kept = chunks_of(copy(png(tmp_path / "a.png", gamma), tmp_path / "o.png"))
    assert kept[b"gAMA"] == struct.pack(">I", 100_000)
    assert b"iCCP" in kept
    kept = chunks_of(copy(png(tmp_path / "b.png", chunk(b"cICP", bytes([12, 13, 0, 1]))), tmp_path / "p.png"))
    assert kept[b"cICP"] == bytes([12, 13, 0, 1])
    usual = chunk(b"gAMA", struct.pack(">I", 45_455))
    kept = chunks_of(copy(png(tmp_path / "c.png", usual, CHRM_SRGB), tmp_path / "q.png"))
    assert {b"gAMA", b"cHRM"} <= set(kept)
    assert b"iCCP" not in kept


def test_intensity_0_leaves_the_values(tmp_path) -> None:
    """Described colour is not converted: the samples are those of the input, at 8 and at 16 bits."""
    source = png(tmp_path / "a.png", chunk(b"gAMA", struct.pack(">I", 100_000)))
    assert np.array_equal(read_photo(copy(source, tmp_path / "o.png")).pixels, scene())


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_photos_are_refused_by_name(tmp_path, transfer: int) -> None:
    """PQ and HLG in cICP."""
    with pytest.raises(ColorError, match="HDR photo"):
        read_photo(png(tmp_path / "a.png", chunk(b"cICP", bytes([9, transfer, 0, 1]))))


def test_damaged_colour_chunks_are_passed_over(tmp_path) -> None:
    """Zero, a lone value of too few bytes, and primaries that span nothing."""
    for index, bad in enumerate([chunk(b"gAMA", bytes(4)), chunk(b"cICP", b"\x0c"), chunk(b"cHRM", bytes(32))]):
        photo = read_photo(png(tmp_path / f"{index}.png", bad))
        assert photo.notes.color.profile is None


def grey_profile(curve: bytes, space: bytes = b"XYZ ") -> bytes:
    """A grey profile, version 2, with that tone curve."""
    tags = {b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061), b"kTRC": curve,
            b"cprt": b"text" + bytes(4) + b"CC0\0",
            b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78)}  # fmt: skip
    start, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"lcms", 0x02100000, b"scnr", b"GRAY", space,
                         bytes(12), b"acsp")  # fmt: skip
    white = struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(68, b"\0") + white + bytes(48) + table + body


def curv(*values: int) -> bytes:
    return b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)


DOT_GAIN = tuple(int(65535 * (index / 255) ** 1.75) for index in range(256))
CURVES = {"linear": curv(), "gamma 1.8": curv(461), "dot gain": curv(*DOT_GAIN)}


@pytest.mark.parametrize("curve", list(CURVES))
@pytest.mark.parametrize("space", [b"XYZ ", b"Lab "])
def test_grey_profiles_are_honoured(tmp_path, curve: str, space: bytes) -> None:
    """Grey values through their profile to sRGB, as LittleCMS does it without its shortcuts; no profile stays."""
    profile = grey_profile(CURVES[curve], space)
    grey = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (4, 1)))
    grey.save(tmp_path / "a.png", icc_profile=profile)
    truth = ImageCms.profileToProfile(
        grey, io.BytesIO(profile), SRGB, renderingIntent=1, outputMode="RGB", flags=NO_SHORTCUTS
    )
    assert truth is not None
    photo = read_photo(tmp_path / "a.png")
    assert np.abs(photo.pixels.astype(int) - np.asarray(truth)).max() <= 1
    with Image.open(copy(tmp_path / "a.png", tmp_path / "o.png")) as image:
        assert "icc_profile" not in image.info


def test_deep_grey_goes_through_its_profile_in_16_bits(tmp_path) -> None:
    """Linear 16-bit grey: no step is lost in the dark."""
    values = np.tile(np.arange(0, 65536, 16, dtype=np.uint16), (2, 1))
    profile = grey_profile(CURVES["linear"])
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", iccprofile=profile)
    pixels = read_photo(tmp_path / "a.tif").pixels[0, :, 0]
    assert np.abs(pixels - srgb(values[0] / 65535) * 257).max() <= 1


def test_parametric_curves() -> None:
    """All five forms of ICC.1, table 68, at a point in each of their parts; expected values worked out by hand."""

    def para(form: int, *numbers: float) -> bytes:
        return b"para" + bytes(4) + struct.pack(f">HH{len(numbers)}i", form, 0, *(round(n * 65536) for n in numbers))

    def at(curve: bytes, x: float) -> float:
        found = icc.grey_curve(grey_profile(curve))
        assert found is not None
        return float(found(np.array([x]))[0])

    assert at(para(0, 2.0), 0.5) == pytest.approx(0.25, abs=1e-4)
    assert at(para(1, 2.0, 2.0, -1.0), 0.25) == 0
    assert at(para(1, 2.0, 2.0, -1.0), 0.75) == pytest.approx(0.25, abs=1e-4)
    assert at(para(2, 2.0, 2.0, -1.0, 0.125), 0.25) == pytest.approx(0.125, abs=1e-4)
    assert at(para(2, 2.0, 2.0, -1.0, 0.125), 0.75) == pytest.approx(0.375, abs=1e-4)
    assert at(para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045), 0.02) == pytest.approx(0.02 / 12.92, abs=1e-4)
    assert at(para(4, 2.0, 1.0, 0.0, 0.5, 0.5, 0.1, 0.05), 0.25) == pytest.approx(0.175, abs=1e-4)
    assert at(para(4, 2.0, 1.0, 0.0, 0.5, 0.5, 0.1, 0.05), 1.0) == pytest.approx(1.1, abs=1e-4)


def test_tiff_primaries_are_honoured(tmp_path) -> None:
    """PrimaryChromaticities and WhitePoint in place of a profile."""
    corners = [(round(value * 10_000), 10_000) for value in (*P3[2:],)]
    white = [(3127, 10_000), (3290, 10_000)]

    def flat(pairs: list[tuple[int, int]]) -> list[int]:
        return [number for pair in pairs for number in pair]

    tifffile.imwrite(tmp_path / "a.tif", scene(), photometric="rgb",
                     extratags=[(319, 5, 6, flat(corners), True), (318, 5, 2, flat(white), True)])  # fmt: skip
    difference = np.abs(seen(copy(tmp_path / "a.tif", tmp_path / "o.png")) - srgb(linear(scene() / 255) @ P3_TO_SRGB.T))
    assert difference.max() <= 1.5


def test_avif_code_points_become_a_profile(tmp_path) -> None:
    """nclx with the primaries of Display P3, which Pillow passes over. The code points are patched into the file."""
    path = tmp_path / "a.avif"
    Image.fromarray(scene()).save(path, quality=100, subsampling="4:4:4")
    data = path.read_bytes()
    at = data.index(b"colrnclx") + 8
    assert struct.unpack(">HH", data[at : at + 4]) == (1, 13)
    path.write_bytes(data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :])
    difference = np.abs(seen(copy(path, tmp_path / "o.png")) - srgb(linear(scene() / 255) @ P3_TO_SRGB.T))
    assert np.percentile(difference, 95) <= 3
    path.write_bytes(data[:at] + struct.pack(">HH", 9, 16) + data[at + 4 :])
    with pytest.raises(ColorError, match="HDR photo"):
        read_photo(path)


def styled(source: Path, target: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """As a style would, `change` is applied to the pixels between source and sink."""
    with closing(PhotoSource(source)) as photo, closing(PhotoSink(target, source)) as sink:
        frame = next(iter(photo))
        sink.write(replace(frame, pixels=change(frame.pixels)))
    return target


def darker(pixels: np.ndarray) -> np.ndarray:
    return (pixels * 0.8).astype(pixels.dtype)


LINEAR = chunk(b"gAMA", struct.pack(">I", 100_000))


def test_a_linear_photo_is_styled_as_it_looks(tmp_path) -> None:
    """The same style on the same picture, linear and sRGB: the results look alike."""
    encoded = scene()
    light = np.round(linear(encoded / 255) * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "linear.tif", light, photometric="rgb", iccprofile=described(1.0, None).profile)
    Image.fromarray(encoded).save(tmp_path / "usual.png")
    one = read_photo(styled(tmp_path / "linear.tif", tmp_path / "o.tif", darker))
    other = read_photo(styled(tmp_path / "usual.png", tmp_path / "p.png", darker))
    assert np.abs(srgb(one.pixels / 65535) - other.pixels).max() <= 1.5
    assert one.notes.color.profile == described(1.0, None).profile


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_a_style_leaves_alone_is_bit_for_bit_the_linear_photo(tmp_path, dtype: type) -> None:
    """Every value there is, at both depths, though the way through the curve of sRGB rounds."""
    top = int(np.iinfo(dtype).max)
    values = np.linspace(0, top, 256 * 256).astype(dtype).reshape(256, 256, 1).repeat(3, axis=2)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", iccprofile=described(1.0, None).profile)
    again = read_photo(styled(tmp_path / "a.tif", tmp_path / "o.tif", lambda pixels: pixels)).pixels
    assert again.dtype == dtype
    assert np.array_equal(again, values)
    half = read_photo(
        styled(tmp_path / "a.tif", tmp_path / "p.tif", lambda pixels: np.where(pixels > 30000, pixels, 0))
    )
    kept = half.pixels[..., 0] > 0
    assert np.array_equal(half.pixels[kept], values[kept])


@pytest.mark.parametrize("gamma", [1 / 1.8, 0.45455, 1 / 2.6])
def test_usual_curves_leave_the_values_alone(tmp_path, gamma: float) -> None:
    """What is styled are the photo's own samples."""
    source = png(tmp_path / "a.png", chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000))))
    with closing(PhotoSource(source)) as photo:
        assert np.array_equal(next(iter(photo)).pixels, scene())


def test_a_turned_linear_photo(tmp_path) -> None:
    """The original is compared upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "PNG", exif=exif)
    data = buffer.getvalue()
    (tmp_path / "a.png").write_bytes(data[:33] + LINEAR + data[33:])
    pixels = read_photo(copy(tmp_path / "a.png", tmp_path / "o.png")).pixels
    assert np.array_equal(pixels, np.rot90(scene(), -1))


def test_a_camera_s_adobe_rgb_gets_a_profile(tmp_path) -> None:
    """EXIF's interoperability index R03 is the only mark there; the published matrix is the oracle."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA001: 65535, 0xA005: {1: "R03", 2: b"0100"}})
    Image.fromarray(scene()).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    decoded = read_photo(tmp_path / "a.jpg").pixels
    # Adobe RGB (1998) to sRGB, linear: the XYZ matrices of both, multiplied out (Adobe's 4.3.5.3, IEC 61966-2-1).
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    srgb_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    matrix = np.linalg.solve(srgb_xyz, to_xyz)
    truth = srgb((decoded / 255) ** (563 / 256) @ matrix.T)
    assert np.abs(seen(copy(tmp_path / "a.jpg", tmp_path / "o.png")) - truth).max() <= 1.5
    assert read_photo(tmp_path / "o.png").notes.metadata.exif.is_adobe_rgb
