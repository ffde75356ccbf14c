"""Motion JPEG is taken apart by the pictures' own markers, whatever stands around them."""

from __future__ import annotations

import numpy as np
import pytest
from tests_network import jpeg

from livestyle.media.pyav import cv2
from livestyle.sources.network.mjpeg import JpegDecoder, JpegSplitter

PICTURE = jpeg()
OTHER = jpeg((80, 32), (10, 200, 20))


def split(data: bytes, step: int, boundary: str = "") -> list[bytes]:
    splitter = JpegSplitter(boundary)
    return [found for at in range(0, len(data), step) for found in splitter.feed(data[at : at + step])]


def with_exif_thumbnail(picture: bytes) -> bytes:
    """An APP1 segment that holds a whole JPEG."""
    inside = b"Exif\0\0" + jpeg((16, 16))
    return picture[:2] + b"\xff\xe1" + (len(inside) + 2).to_bytes(2, "big") + inside + picture[2:]


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
@pytest.mark.parametrize(
    "between", [b"", b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 7\r\n\r\n", b"\0" * 9]
)
def test_pictures_are_found_whatever_is_between_them(step: int, between: bytes) -> None:
    """In whatever pieces they come; each as soon as its last byte is there."""
    pictures = [PICTURE, with_exif_thumbnail(OTHER), jpeg(progressive=1), jpeg(grey=1), jpeg(rst_interval=2)]
    assert split(between.join([b"", *pictures]), step) == pictures


@pytest.mark.parametrize("cut", [3, 20, 200, len(PICTURE) // 2, len(PICTURE) - 2])
@pytest.mark.parametrize("boundary", ["", '"--frame"'])
def test_a_picture_that_was_cut_off_costs_no_other(cut: int, boundary: str) -> None:
    """Wherever it was cut, also within a table or a note, if the boundary is known."""
    between = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    cut_off = with_exif_thumbnail(PICTURE)[:cut] if boundary else PICTURE[:cut]
    found = split(between + cut_off + between + OTHER + between + PICTURE, 100, boundary)
    assert found[-2:] == [OTHER, PICTURE]
    assert len(found) <= 3


def test_noise_is_no_picture_and_is_not_kept() -> None:
    """Bytes in which no picture begins leave nothing behind; what follows them is found."""
    noise = np.random.default_rng(0).bytes(1 << 20).replace(b"\xff\xd8\xff", b"")
    splitter = JpegSplitter()
    assert splitter.feed(noise) == []
    assert len(splitter._data) < 4
    assert splitter.feed(PICTURE) == [PICTURE]


def test_a_picture_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded."""
    monkeypatch.setattr("livestyle.sources.network.mjpeg._LONGEST", 100_000)
    splitter = JpegSplitter()
    for _ in range(50):
        assert splitter.feed(PICTURE[:-2] if not splitter._begun else b"\1" * 10_000) == []
        assert len(splitter._data) <= 110_000
    assert splitter.feed(OTHER)[-1] == OTHER


@pytest.mark.parametrize("picture", [PICTURE, OTHER, jpeg(progressive=1), jpeg(grey=1), PICTURE[:-2]])
def test_pictures_are_decoded_as_opencv_does(picture: bytes) -> None:
    """Within what two inverse cosine transforms and two chroma filters differ; also without an end marker."""
    decoded = JpegDecoder().decode(picture)
    assert decoded is not None
    expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(picture + b"\xff\xd9", np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert decoded.shape == expected.shape
    difference = np.abs(decoded.astype(int) - expected)
    assert difference.mean() < 1.5
    assert difference.max() <= 12


def test_damaged_pictures_are_left_out() -> None:
    """Cut in the middle, cut with an end marker, noise within, no picture at all; the next one is as ever."""
    decoder = JpegDecoder()

    noisy = PICTURE[: len(PICTURE) // 2] + np.random.default_rng(3).bytes(200) + PICTURE[len(PICTURE) // 2 + 200 :]
    for data in (
        PICTURE[: len(PICTURE) // 2],
        PICTURE[: len(PICTURE) // 2] + b"\xff\xd9",
        noisy,
        b"",
        b"\xff\xd8\xff\xd9",
    ):
        assert decoder.decode(data) is None
    assert decoder.decode(PICTURE) is not None


def test_a_camera_that_always_sends_them_a_little_damaged_is_shown_all_the_same() -> None:
    """After ten in a row a decoder that fills the gaps takes over."""
    decoder = JpegDecoder()
    cut = PICTURE[: len(PICTURE) * 3 // 4]
    shown = [decoder.decode(cut) is not None for _ in range(12)]
    assert shown == [False] * 10 + [True] * 2


def test_a_picture_bomb_is_not_decoded() -> None:
    """A header that announces 65500x65500 pixels allocates nothing."""
    at = PICTURE.index(b"\xff\xc0")
    huge = PICTURE[: at + 5] + (65500).to_bytes(2, "big") * 2 + PICTURE[at + 9 :]
    assert JpegDecoder().decode(huge) is None
