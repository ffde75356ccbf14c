"""Files that name other files, that lie about themselves, or that are damaged in any way: one clear error each."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests_media import scene, write_clip

from livestyle.errors import DecodeError, EncodeError, LivestyleError, SourceError, foreign_errors
from livestyle.media.pyav import av, open_input
from livestyle.sinks.files.photo import PhotoSink
from livestyle.sinks.files.video import VideoSink
from livestyle.sources.files.file_type import kind_of
from livestyle.sources.files.photo import PhotoSource
from livestyle.sources.files.video import VideoSource

LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile {name}\n",
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
    "hls after a byte order mark": "\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n",
    "pls": "[playlist]\nFile1={path}\nNumberOfEntries=1\n",
    "asx": '<asx version="3.0"><entry><ref href="{path}"/></entry></asx>',
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>{path}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "vobsub": "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\n",
    "imf": '<?xml version="1.0"?><cpl:CompositionPlaylist xmlns:cpl="http://www.smpte-ra.org/schemas/2067-3/2013"/>',
    "smil": '<smil><body><video src="{path}"/></body></smil>',
}


def small_clip(path: Path, **options: Any) -> Path:
    return write_clip(path, [scene(i, (48, 32)) for i in range(6)], range(0, 240, 40), **options)


@pytest.mark.parametrize("ending", [".mp4", ".m3u8"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_other_files_is_refused(tmp_path: Path, kind: str, ending: str) -> None:
    """Whatever it is called: only the file that is given is read."""
    other = small_clip(tmp_path / "other.ts")
    path = tmp_path / f"list{ending}"
    path.write_text(LISTS[kind].format(name=other.name, path=other), "utf-8")
    with pytest.raises(SourceError, match="names other files or addresses"):
        VideoSource(path)


@pytest.mark.parametrize("kind", ["ffconcat", "hls", "dash", "sdp", "vobsub", "imf"])
def test_ffmpeg_opens_no_list_either(tmp_path: Path, kind: str) -> None:
    """The second lock: where the list is not recognized by its beginning, FFmpeg has no demuxer for it."""
    other = small_clip(tmp_path / "other.ts")
    path = tmp_path / "list.m3u8"
    path.write_text(LISTS[kind].format(name=other.name, path=other), "utf-8")
    with pytest.raises(av.error.FFmpegError):
        open_input(path)


def test_a_movie_whose_data_lie_in_another_file_reads_only_itself(tmp_path: Path) -> None:
    """QuickTime's external data references (url with flags 0) are not followed."""
    clip = small_clip(tmp_path / "a.mov")
    data = clip.read_bytes()
    at = data.index(b"url \0\0\0\1")  # "the data are in this file"
    (tmp_path / "b.mov").write_bytes(data[: at + 7] + b"\0" + data[at + 8 :])
    with open_input(tmp_path / "b.mov") as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames == 6  # its own: the reference was passed over


def test_a_name_with_a_pattern_is_that_one_file(tmp_path: Path) -> None:
    """`%d` in a name numbers no pictures."""
    from PIL import Image

    for index in range(3):
        Image.fromarray(scene(index, (48, 32))).save(tmp_path / f"a{index}.ppm")
    Image.fromarray(scene(5, (48, 32))).save(tmp_path / "a%d.ppm")
    with closing(VideoSource(tmp_path / "a%d.ppm")) as source:
        pictures = [frame.pixels for frame in source]
    assert len(pictures) == 1
    assert np.array_equal(pictures[0], scene(5, (48, 32)))


@pytest.mark.parametrize(
    "name",
    ["12:30.mp4", "http:.mp4", "pipe:1.mp4", "-.mp4", "a%03d.mp4", "concat:a|b.mkv", "file:x.mkv", "a b'\"&.mkv",
     "%.ts", "fd:.gif", "tcp:1.mov"],
)  # fmt: skip
def test_any_name_is_a_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read and written under names that FFmpeg would take for addresses, options or patterns, relative ones too."""
    (tmp_path / "in").mkdir()
    source = small_clip(tmp_path / "in" / name) if not name.endswith(".gif") else small_clip(tmp_path / "in" / "a.mp4")
    monkeypatch.chdir(tmp_path)
    with (
        closing(VideoSource(source.relative_to(tmp_path))) as frames,
        closing(VideoSink(Path(name), frames.info)) as sink,
    ):
        for frame in frames:
            sink.write(frame)
    with open_input(tmp_path / name) as written:
        assert sum(1 for _ in written.decode(video=0)) == 6
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["in", name])


def test_pillow_runs_no_other_reader(tmp_path: Path) -> None:
    """An EPS file, for which Pillow would start Ghostscript, is no photo, even with WebP's mark in its place."""
    path = tmp_path / "a.webp"
    path.write_bytes(b"%!PS-ADWEBP\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n")
    with pytest.raises(SourceError, match="not a photo"):
        PhotoSource(path)


def test_side_data_of_an_unknown_kind_hide_no_orientation(tmp_path: Path) -> None:
    """FFmpeg 8 gives frames their EXIF data, a kind that PyAV 18 does not know, beside the display matrix."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    still = tmp_path / "a.jpg"
    Image.fromarray(scene(0, (48, 32))).save(still, exif=exif, quality=95)
    clip = tmp_path / "a.mjpeg"
    clip.write_bytes(still.read_bytes() * 3)
    with closing(VideoSource(clip)) as source:
        frames = list(source)
    assert source.info.size == (32, 48)
    turned = np.rot90(scene(0, (48, 32)), -1)
    assert np.abs(frames[0].pixels.astype(int) - turned).mean() < 5  # JPEG's loss; 60 when it is not turned


def test_foreign_errors_are_ours_and_ours_pass() -> None:
    """Any Exception of a library becomes the error given; a LivestyleError and Ctrl-C stay what they are."""
    for foreign in (TypeError("x"), struct.error("x"), RuntimeError("x"), OSError("x"), KeyError(3), MemoryError()):
        with pytest.raises(DecodeError) as caught, foreign_errors(lambda error: DecodeError(str(error))):
            raise foreign
        assert caught.value.__cause__ is foreign
    with pytest.raises(EncodeError), foreign_errors(lambda error: DecodeError(str(error))):
        raise EncodeError("ours")
    with pytest.raises(KeyboardInterrupt), foreign_errors(lambda error: DecodeError(str(error))):
        raise KeyboardInterrupt


# ---- mutations -------------------------------------------------------------------------------------------------------


def _photo(kind: str, **options: Any) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        from PIL import Image

        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "a camera"
        exif.get_ifd(0x8769)[0x829A] = 0.5
        if kind == "GIF":
            Image.fromarray(scene(0, (48, 32))).save(path, kind, **options)
        else:
            Image.fromarray(scene(0, (48, 32))).save(path, kind, exif=exif, dpi=(300, 300), **options)
        return path

    return make


MUTATED: dict[str, Callable[[Path], Path]] = {
    "a.png": _photo("PNG"),
    "a.jpg": _photo("JPEG"),
    "a.tif": _photo("TIFF"),
    "b.tif": _photo("TIFF", compression="tiff_lzw"),
    "a.webp": _photo("WEBP"),
    "a.bmp": _photo("BMP"),
    "a.gif": _photo("GIF"),
    "b.gif": lambda path: small_clip(path, codec="gif", pixel_format="rgb8", options={}),
    "a.mp4": lambda path: small_clip(path, sound=True),
    "a.mkv": lambda path: small_clip(path, sound=True),
    "a.avi": lambda path: small_clip(path, codec="mpeg4", options={}, time_base=Fraction(1, 25)),
    "a.webm": lambda path: small_clip(path, codec="libvpx-vp9", options={}),
    "a.ts": lambda path: small_clip(path, sound=True),
}


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to eight changes: bytes set, bits flipped, cut short, a piece removed, doubled, or filled."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if not changed:
            break
        # headers decide most, so half of the changes are near the beginning
        at = chance.randrange(min(len(changed), chance.choice([64, 512, len(changed)])))
        length = chance.randint(1, 16)
        how = chance.randrange(7)
        if how == 0:
            changed[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)])
        elif how == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif how == 2 and chance.random() < 0.3:
            del changed[at:]
        elif how == 3:
            del changed[at : at + length]
        elif how == 4:
            changed[at:at] = changed[at : at + length]
        elif how == 5:
            changed[at : at + length] = bytes([chance.choice([0, 255])]) * length
        else:
            changed[at : at + 4] = struct.pack(">I", chance.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
    return bytes(changed)


def style(source: Path, folder: Path) -> None:
    """What a run does with one file, without the styling: read it all, write it. Large frames are not read."""
    if kind_of(source) == "photo":
        with closing(PhotoSource(source)) as photo, closing(PhotoSink(folder / "o.png", source)) as sink:
            for frame in photo:
                sink.write(frame)
        return
    with closing(VideoSource(source)) as frames:
        if frames.info.size[0] * frames.info.size[1] > 1_000_000:
            return
        with closing(VideoSink(folder / "o.mkv", frames.info, overwrite=True)) as video:
            for index, frame in enumerate(frames):
                video.write(frame)
                if index > 20:
                    break


def test_damaged_files_end_in_our_errors(tmp_path: Path) -> None:
    """Thirty seeded mutations of each format, read and written in one process: no other exception, nothing left."""
    failures = [f for name in MUTATED for seed in range(30) if (f := _fails(tmp_path, name, seed))]
    assert failures == []


def _fails(folder: Path, name: str, seed: int) -> str | None:
    whole = folder / f"whole-{name}"
    if not whole.exists():
        MUTATED[name](whole)
    given, out = folder / name, folder / "out"
    out.mkdir(exist_ok=True)
    given.write_bytes(mutate(whole.read_bytes(), random.Random(f"{name} {seed}")))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            style(given, out)
    except LivestyleError:
        pass
    except Exception as error:
        return f"{name} {seed}: {error!r}"
    finally:
        left = [entry.name for entry in out.iterdir() if entry.name not in ("o.png", "o.mkv")]
        for entry in out.iterdir():
            entry.unlink()
    return f"{name} {seed}: left {left}" if left else None


@pytest.mark.parametrize(
    ("opening", "read"),
    [
        ("livestyle.sources.files.opening.open_input", VideoSource),
        ("PIL.Image.open", PhotoSource),
        ("pathlib.Path.open", kind_of),
    ],
)
def test_a_file_that_may_not_be_read_is_refused_in_the_same_words(
    tmp_path: Path, opening: str, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a photo, as a video, and before it is known which."""
    path = tmp_path / "a"
    path.write_bytes(b"something")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(opening, forbidden)
    with pytest.raises(SourceError) as caught:
        read(path)
    assert str(caught.value) == f"{path} cannot be read: Permission denied"
    assert caught.value.hint == "check its permissions"
