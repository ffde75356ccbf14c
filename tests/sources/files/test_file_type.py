"""What a file is, is decided by its content; nothing in a folder is passed over silently."""

from __future__ import annotations

import io
import json
import logging
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image
from tests_media import scene, write_clip

from livestyle.cli.main import livestyle
from livestyle.cli.outputs import expand_inputs, name_in_folder
from livestyle.console.messages import Messages
from livestyle.errors import InputError, SourceError
from livestyle.media.photo_file import read_photo
from livestyle.sources.files.file_type import identify, search_folder
from livestyle.sources.files.video import VideoSource


def saved(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, kind, **options)
    return buffer.getvalue()


def heic(**options: Any) -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(scene())).save(buffer, **options)
    return buffer.getvalue()


def moving(kind: str) -> bytes:
    more = [Image.fromarray(255 - scene())]
    return saved(kind, save_all=True, append_images=more, duration=100)


PHOTOS = {"JPEG": saved, "PNG": saved, "WebP": saved, "BMP": saved, "GIF": saved, "TIFF": saved, "AVIF": saved}


@pytest.mark.parametrize("name", list(PHOTOS))
def test_photos_by_content(tmp_path, name: str) -> None:
    """Whatever they are called: a photo named like a film is a photo, and becomes a photo."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(saved(name.upper()))
    assert (identify(path).kind, identify(path).name) == ("photo", name)
    assert name_in_folder(path) == "clip.png"


def test_heic_and_jpeg_2000(tmp_path) -> None:
    """HEIC under the name .JPG, as phones send it; JPEG 2000 with and without boxes."""
    (tmp_path / "IMG_1.JPG").write_bytes(heic())
    assert identify(tmp_path / "IMG_1.JPG").name == "HEIF"
    assert np.abs(read_photo(tmp_path / "IMG_1.JPG").pixels.astype(int) - scene()).mean() < 6
    for suffix in ("jp2", "j2k"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(scene()).save(path)
        assert identify(path).name == "JPEG 2000"
        assert np.array_equal(read_photo(path).pixels, scene())


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_moving_pictures_are_films(tmp_path, kind: str) -> None:
    """Two frames are a film, one in the same kind of file is not."""
    (tmp_path / "a.png").write_bytes(moving(kind))
    assert identify(tmp_path / "a.png").kind == "video"
    assert name_in_folder(tmp_path / "a.png") == "a.mp4"
    (tmp_path / "b.png").write_bytes(saved(kind, save_all=True))
    assert identify(tmp_path / "b.png").kind == "photo"


def test_a_moving_png_whose_profile_is_large_is_a_film(tmp_path) -> None:
    """The mark of moving PNG files may stand anywhere before the picture."""
    (tmp_path / "a.png").write_bytes(moving("PNG").replace(b"acTL", b"acTL", 1))
    data = (tmp_path / "a.png").read_bytes()
    import zlib

    junk = b"x" * 20_000
    chunk = struct.pack(">I", len(junk)) + b"juNk" + junk + struct.pack(">I", zlib.crc32(b"juNk" + junk))
    (tmp_path / "b.png").write_bytes(data[:33] + chunk + data[33:])
    assert identify(tmp_path / "b.png").kind == "video"


def raw_tiff(maker: str, **tags: Any) -> bytes:
    """A preview in the first directory, sensor samples in a second below it, as NEF, ARW and PEF have it."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(scene()[::4, ::4].copy(), photometric="rgb", subfiletype=1, subifds=1, software=False,
                   extratags=[(271, 2, len(maker) + 1, maker, True), *tags.get("extra", [])])  # fmt: skip
        kind = tags.get("photometric", 32803)
        samples = scene(dtype=np.uint16)
        file.write(samples[..., 0] if kind == 32803 else samples, photometric=kind, subfiletype=0)
    return buffer.getvalue()


RAWS = {
    "digital negative (DNG)": raw_tiff("Leica", extra=[(50706, 1, 4, b"\1\4\0\0", True)]),
    "Nikon raw (NEF)": raw_tiff("NIKON CORPORATION"),
    "Sony raw (ARW)": raw_tiff("SONY"),
    "Pentax raw (PEF)": raw_tiff("PENTAX"),
    "camera raw": raw_tiff("Unheard of", photometric=34892),
    "Canon raw (CR2)": b"II*\0\x10\0\0\0CR\x02\0" + bytes(200),
    "Canon raw (CR3)": struct.pack(">I", 24) + b"ftypcrx \0\0\0\x01crx isom" + bytes(200),
    "Fujifilm raw (RAF)": b"FUJIFILMCCD-RAW 0201" + bytes(200),
    "Olympus raw (ORF)": b"IIRO\x08\0\0\0" + bytes(200),
    "Panasonic raw (RW2)": b"IIU\0\x18\0\0\0" + bytes(200),
    "Sigma raw (X3F)": b"FOVb" + bytes(200),
    "Minolta raw (MRW)": b"\0MRM" + bytes(200),
}


@pytest.mark.parametrize("name", list(RAWS))
def test_camera_raw_files_are_refused_by_name(tmp_path, name: str) -> None:
    """Never the preview in their first directory; the hint says what to do."""
    path = tmp_path / "photo.tif"
    path.write_bytes(RAWS[name])
    assert identify(path).kind == "raw"
    with pytest.raises(SourceError) as caught:
        read_photo(path)
    assert name in str(caught.value)
    assert "TIFF or JPEG" in caught.value.hint


def mixed_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "sub").mkdir()
    files = {
        "a.jpg": saved("JPEG"), "b.heic": heic(), "c.avif": saved("AVIF"), "d.jp2": saved("JPEG2000"),
        "e": saved("PNG"), "f.apng": moving("PNG"), "photo.nef": RAWS["Nikon raw (NEF)"],
        "x.jxl": b"\xff\x0a" + bytes(50),
        "notes.txt": b"words\n", "more.txt": b"words\n", "song.mp3": b"ID3" + bytes(50), "list.m3u8": b"#EXTM3U\n",
        "app.ts": b"let x = 1;\n", ".hidden": b"x",
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_folder_names_what_it_leaves_out(tmp_path, caplog) -> None:
    """Every visible file is styled or named, with its kind and how many there are."""
    folder = mixed_folder(tmp_path / "in")
    with caplog.at_level(logging.INFO, "livestyle"):
        found = expand_inputs([folder])
    assert [path.name for path in found.files] == ["a.jpg", "b.heic", "c.avif", "d.jp2", "e", "f.apng"]
    assert {one.path.name for one in found.left_out} == {
        "photo.nef", "x.jxl", "notes.txt", "more.txt", "song.mp3", "list.m3u8", "app.ts"
    }  # fmt: skip
    (line,) = [record.message for record in caplog.records if "left out" in record.message]
    assert line.startswith("7 of the files")
    for words in (
        "Nikon raw (NEF): photo.nef",
        "JPEG XL: x.jxl",
        "text: app.ts, more.txt, notes.txt",
        "sound (MP3): song",
    ):
        assert words in line
    assert any("1 folder inside" in record.message for record in caplog.records)


def test_what_is_left_out_is_in_the_json(tmp_path) -> None:
    """One line for each file, besides those of the outputs."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(saved("PNG"))
    (folder / "b.nef").write_bytes(RAWS["Nikon raw (NEF)"])
    arguments = [str(folder), "-o", str(tmp_path / "out"), "--json", "--intensity", "0", "-q"]
    result = CliRunner().invoke(livestyle, arguments, obj=Messages(as_json=True))
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {"source": str(folder / "b.nef"), "left_out": "Nikon raw (NEF)"} in lines
    assert [line["source"] for line in lines if "outputs" in line] == [str(folder / "a.png")]


def test_a_folder_of_other_files_is_an_error(tmp_path) -> None:
    """With nothing to style in it."""
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(InputError, match="no photo or video"):
        expand_inputs([tmp_path])
    assert [one.reason for one in search_folder(tmp_path)[1]] == ["text"]


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_mark_is_whole(tmp_path, progressive: bool) -> None:
    """Some cameras and downloads leave it out: bit for bit the picture. With samples missing too, it is damaged."""
    whole = saved("JPEG", quality=95, progressive=progressive)
    truth = np.asarray(Image.open(io.BytesIO(whole)))
    for index, data in enumerate((whole[:-2], whole[:-1], whole[:-2] + bytes(64))):
        (tmp_path / f"{index}.jpg").write_bytes(data)
        assert np.array_equal(read_photo(tmp_path / f"{index}.jpg").pixels, truth)
    for cut in (5, 12, 100):
        (tmp_path / "cut.jpg").write_bytes(whole[:-cut])
        with pytest.raises(SourceError, match="damaged or cut short"):
            read_photo(tmp_path / "cut.jpg")


def test_a_heif_sequence_is_a_film(tmp_path) -> None:
    """As phones write bursts: a track of pictures. An MP4 file gets the brand and the handler of one."""
    write_clip(tmp_path / "a.mp4", [scene(index) for index in range(5)], [index * 40 for index in range(5)],
               codec="libx265", options={"x265-params": "log-level=none"})  # fmt: skip
    data = (tmp_path / "a.mp4").read_bytes()
    data = data[:8] + b"hevc" + data[12:]
    (tmp_path / "b.heics").write_bytes(data.replace(b"vide\0\0\0\0\0\0\0\0", b"pict\0\0\0\0\0\0\0\0", 1))
    assert identify(tmp_path / "b.heics").kind == "video"
    assert name_in_folder(tmp_path / "b.heics") == "b.mp4"
    with closing(VideoSource(tmp_path / "b.heics")) as source:
        assert len(list(source)) == 5


def test_an_avif_sequence_is_not_its_cover(tmp_path) -> None:
    """Its cover is a video of one frame to FFmpeg, and comes first."""
    (tmp_path / "a.avif").write_bytes(moving("AVIF"))
    with closing(VideoSource(tmp_path / "a.avif")) as source:
        assert len(list(source)) == 2
