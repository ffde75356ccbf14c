"""Metadata come along tag by tag, and never cost the picture. exiftool, where it is installed, is the oracle."""

from __future__ import annotations

import io
import json
import logging
import shutil
import struct
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational
from tests_media import scene

from livestyle.errors import EncodeError
from livestyle.media.photo import jpeg, xmp
from livestyle.media.photo.exif import MAKER_NOTE, read_exif
from livestyle.media.photo_file import read_photo
from livestyle.sinks.files.photo import PhotoSink
from livestyle.sources.files.photo import PhotoSource

XMP = b"""<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='test'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmlns:tiff='http://ns.adobe.com/tiff/1.0/'
 xmlns:GPano='http://ns.google.com/photos/1.0/panorama/' xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'
 xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'
 xmlns:xmpGImg='http://ns.adobe.com/xap/1.0/g/img/' xmlns:mine='http://example.org/mine/'
 xmp:Rating='5' tiff:Orientation='6' GPano:ProjectionType='equirectangular' GCamera:MotionPhoto='1'
 hdrgm:Version='1.0' mine:Own='kept'>
<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType='Resource'><xmpGImg:image>AAAA</xmpGImg:image></rdf:li></rdf:Alt>
</xmp:Thumbnails><dc:subject><rdf:Bag><rdf:li>holiday &amp; sun</rdf:li></rdf:Bag></dc:subject>
<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Se\xc3\xa9</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""
IPTC = b"\x1c\x01\x5a\x00\x03\x1b%G\x1c\x02\x19\x00\x05beach\x1c\x02\x50\x00\x02me"
FORMATS = ["o.jpg", "o.png", "o.tif", "o.webp", "o.heic", "o.avif"]


def copy(source: Path, target: Path) -> Path:
    with closing(PhotoSource(source)) as photo, closing(PhotoSink(target, source)) as sink:
        sink.write(next(iter(photo)))
    return target


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = 6
    made[0x010F] = "Maker"
    made[0x8298] = "(c) me"
    made[0xC4A5] = b"PrintIM"  # not about the photo
    details = made.get_ifd(0x8769)
    details |= {0x9003: "2020:01:02 03:04:05", 0x9011: "+01:00", 0x9204: IFDRational(3, 2), 0x927C: b"note" * 10,
                0xA002: 96, 0xA003: 64, 0xA001: 65535}  # fmt: skip
    made.get_ifd(0x8825).update({1: "N", 2: (10.0, 30.0, 0.0), 3: "E", 4: (20.0, 15.0, 0.0)})
    details[0xA005] = {1: "R03", 2: b"0100"}
    return made


def rich_jpeg(path: Path) -> Path:
    """A JPEG photo with everything, its thumbnail too."""
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "JPEG", exif=exif(), comment=b"a comment")
    photoshop = jpeg.PHOTOSHOP + jpeg.photoshop_resource(0x040C, b"thumbnail") + jpeg.photoshop_resource(0x0404, IPTC)
    extra = [(jpeg.APP1, jpeg.XMP + XMP), (jpeg.APP13, photoshop)]
    data = buffer.getvalue()
    exif_end = data.index(b"\xff\xe1") + 2
    exif_end += struct.unpack(">H", data[exif_end : exif_end + 2])[0]
    made = b"".join(struct.pack(">BBH", 0xFF, marker, len(part) + 2) + part for marker, part in extra)
    path.write_bytes(data[:exif_end] + made + data[exif_end:])
    return path


@pytest.fixture
def exiftool() -> Callable[[Path], dict[str, Any]]:
    """Group:tag -> value, as exiftool reads a file."""
    program = shutil.which("exiftool")
    if program is None:
        pytest.skip("exiftool is not installed")

    def read(path: Path) -> dict[str, Any]:
        said = subprocess.run(
            [program, "-j", "-G1", "-n", "-a", str(path)], capture_output=True, check=True, timeout=60
        )
        found: dict[str, Any] = json.loads(said.stdout)[0]
        return found

    return read


EVERYWHERE = {
    "IFD0:Make": "Maker", "IFD0:Copyright": "(c) me", "IFD0:Orientation": 1,
    "ExifIFD:DateTimeOriginal": "2020:01:02 03:04:05", "ExifIFD:OffsetTime": None,
    "ExifIFD:OffsetTimeOriginal": "+01:00", "ExifIFD:ExposureCompensation": 1.5,
    "ExifIFD:ExifImageWidth": 64, "ExifIFD:ExifImageHeight": 96, "InteropIFD:InteropIndex": "R03",
    "GPS:GPSLatitudeRef": "N", "GPS:GPSLatitude": 10.5, "GPS:GPSLongitude": 20.25,
    "XMP-xmp:Rating": 5, "XMP-tiff:Orientation": 1, "XMP-GPano:ProjectionType": "equirectangular",
    "XMP-dc:Subject": "holiday & sun", "XMP-dc:Title": "Seé", "XMP-GCamera:MotionPhoto": None,
    "XMP-xmp:ThumbnailImage": None, "XMP-hdrgm:Version": None,
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_everything_comes_along_in_every_format(tmp_path, exiftool, name: str) -> None:
    """EXIF with place and interoperability, XMP; what would turn the picture again or is of the old one does not."""
    found = exiftool(copy(rich_jpeg(tmp_path / "a.jpg"), tmp_path / name))
    if name == "o.avif":  # the tag is left out there, which says the same
        found["IFD0:Orientation"] = found.get("IFD0:Orientation", 1)
    assert {key: found.get(key) for key in EVERYWHERE} == EVERYWHERE
    assert not [key for key in found if "Thumbnail" in key or "PrintIM" in key]


@pytest.mark.parametrize(("name", "comment"), [("o.jpg", "File:Comment"), ("o.png", "PNG:Comment"),
                                               ("o.tif", "IFD0:ImageDescription")])  # fmt: skip
def test_iptc_and_comments_where_there_is_a_place(tmp_path, exiftool, name: str, comment: str) -> None:
    """JPEG, PNG and TIFF; what else lay in Photoshop's resources, its thumbnail among it, is left out."""
    found = exiftool(copy(rich_jpeg(tmp_path / "a.jpg"), tmp_path / name))
    assert (found["IPTC:Keywords"], found["IPTC:By-line"], found[comment]) == ("beach", "me", "a comment")


def test_what_has_no_place_is_said(tmp_path, caplog) -> None:
    """WebP has none for IPTC and comments."""
    copy(rich_jpeg(tmp_path / "a.jpg"), tmp_path / "o.webp")
    assert "WEBP has no place for its IPTC data, its comment" in caplog.text


@pytest.mark.parametrize("step", ["o.png", "o.tif", "o.heic"])
def test_the_way_through_another_format_loses_nothing(tmp_path, exiftool, step: str) -> None:
    """JPEG to another format and back."""
    back = exiftool(copy(copy(rich_jpeg(tmp_path / "a.jpg"), tmp_path / step), tmp_path / "b.jpg"))
    assert {key: back.get(key) for key in EVERYWHERE} == EVERYWHERE


def test_png_texts_come_along(tmp_path) -> None:
    """Title and author, in any script; texts about how the file was stored do not."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Title", "Sea")
    texts.add_text("Author", "名前", zip=True)
    texts.add_itxt("Description", "ü", "de", "Beschreibung")
    texts.add_text("exif:Make", "stale")
    Image.fromarray(scene()).save(tmp_path / "a.png", pnginfo=texts)
    with Image.open(copy(tmp_path / "a.png", tmp_path / "o.png")) as image:
        image.load()
        assert image.text == {"Title": "Sea", "Author": "名前", "Description": "ü"}


def test_layers_and_long_tags_never_cost_the_picture(tmp_path, caplog) -> None:
    """Photoshop's layers in a TIFF are no metadata; a maker note that is too long for JPEG is left out, and said."""
    layers = b"Adobe Photoshop Document Data Block\0" + bytes(80_000)
    tifffile.imwrite(tmp_path / "a.tif", scene(), photometric="rgb", extratags=[(37724, 7, len(layers), layers, True)])
    with caplog.at_level(logging.INFO, "livestyle"):
        copy(tmp_path / "a.tif", tmp_path / "o.jpg")
    assert "also holds the layers of Photoshop: left out" in caplog.text
    assert "too long" not in caplog.text
    made = exif()
    made.get_ifd(0x8769)[MAKER_NOTE] = bytes(70_000)
    Image.fromarray(scene()).save(tmp_path / "b.png", exif=made)
    with (
        caplog.at_level(logging.WARNING, "livestyle"),
        Image.open(copy(tmp_path / "b.png", tmp_path / "p.jpg")) as image,
    ):
        details = image.getexif().get_ifd(0x8769)
        assert MAKER_NOTE not in details
        assert details[0x9003] == "2020:01:02 03:04:05"
    assert "without the maker note" in caplog.text
    kept = read_exif((tmp_path / "b.png").read_bytes().split(b"eXIf", 1)[1])
    assert len(kept.root.below[0x8769].entries[MAKER_NOTE].raw) == 70_000


@pytest.mark.parametrize("name", FORMATS)
def test_metadata_that_cannot_be_written_never_cost_the_picture(tmp_path, monkeypatch, caplog, name: str) -> None:
    """Whatever fails about them: the photo is written, with its colour, and that is said."""
    source = rich_jpeg(tmp_path / "a.jpg")

    def fails(*_: object) -> bytes:
        raise ValueError("no room")

    monkeypatch.setattr("livestyle.media.photo.exif.tiff_bytes", fails)
    monkeypatch.setattr("livestyle.sinks.files.photo_encoding._tiff_notes", fails, raising=True)
    if name == "o.tif":
        with pytest.raises(EncodeError, match="no room"):  # the colour goes that way, too
            copy(source, tmp_path / name)
        return
    assert read_photo(copy(source, tmp_path / name)).pixels.shape == (96, 64, 3)
    assert "cannot be written and are left out: no room" in caplog.text


@pytest.mark.parametrize("order", ["<", ">"])
def test_entries_keep_their_bytes(order: Any) -> None:
    """Types, counts and values of each entry are those of the input, in both byte orders."""
    data = Image.Exif()
    data.endian = order
    data[0x010F] = "Maker"
    data.get_ifd(0x8769)[0x829A] = 0.005
    block = data.tobytes()
    before = read_exif(block)
    after = read_exif(before.to_bytes())
    assert after.order == order
    assert after.root.entries == before.root.entries
    assert after.root.below[0x8769].entries == before.root.below[0x8769].entries


def test_damaged_exif_is_left_out_entry_by_entry() -> None:
    """Every byte of the data may change or be missing: what is whole stays, and nothing is raised but ValueError."""
    block = exif().tobytes()
    rng = np.random.default_rng(3)
    survived = 0
    for _ in range(400):
        damaged = bytearray(block)
        for at in rng.integers(0, len(block), 3):
            damaged[at] = rng.integers(0, 256)
        try:
            survived += bool(read_exif(bytes(damaged[: rng.integers(8, len(block) + 1)])).to_bytes())
        except ValueError:
            continue
    assert survived > 100


def test_xmp_that_is_no_xml_or_asks_for_entities_is_left_out() -> None:
    """Broken text, and declarations by which a few bytes become millions."""
    bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>"
    assert xmp.updated(b"<x", (1, 1), converted=False) is None
    assert xmp.updated(bomb, (1, 1), converted=False) is None


def test_xmp_keeps_prefixes_and_unknown_namespaces(tmp_path) -> None:
    """As they were written: some readers look for names, not for namespaces."""
    made = xmp.updated(XMP, (64, 96), converted=False)
    assert made is not None
    for name in (b"xmp:Rating=", b"GPano:ProjectionType=", b"mine:Own=", b"<dc:subject>", b"<x:xmpmeta"):
        assert name in made


def test_a_turned_photo_is_upright_for_those_who_read_xmp(tmp_path) -> None:
    """The orientation in both places is 1, the picture turned once."""
    photo = read_photo(copy(rich_jpeg(tmp_path / "a.jpg"), tmp_path / "o.jpg"))
    assert photo.pixels.shape == (96, 64, 3)
    assert photo.notes.orientation == 1
    assert b'Orientation="1"' in photo.notes.metadata.xmp
