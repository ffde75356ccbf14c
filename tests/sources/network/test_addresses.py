"""Addresses of cameras: what is taken for one, what is refused and why, and what of it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestyle.errors import RefusedError, UsageError
from livestyle.sources.network.addresses import (
    hide_secrets,
    is_address,
    parse_address,
    refuse_addresses,
    refuse_incomplete,
)


@pytest.mark.parametrize(
    ("which", "parts", "label"),
    [
        ("http://10.0.0.5/video", ("http", "10.0.0.5", 80, "/video", "", ""), "http://10.0.0.5/video"),
        ("RTSP://Cam.Local:8554", ("rtsp", "cam.local", 8554, "/", "", ""), "rtsp://cam.local:8554/"),
        ("https://[fe80::1]:444/a", ("https", "fe80::1", 444, "/a", "", ""), "https://[fe80::1]:444/a"),
        ("http://me:p%23s@h/a", ("http", "h", 80, "/a", "me", "p#s"), "http://h/a"),
        ("http://me:p@s:s@h/a", ("http", "h", 80, "/a", "me", "p@s:s"), "http://h/a"),
        ("http://h/a?ch=1&pwd=x", ("http", "h", 80, "/a?ch=1&pwd=x", "", ""), "http://h/a?..."),
        ("http://h/\u00e4 b#x", ("http", "h", 80, "/%C3%A4%20b", "", ""), "http://h/..."),
        ("rtsp://h/user=a&password=b&ch=1.sdp", ("rtsp", "h", 554, "/user=a&password=b&ch=1.sdp", "", ""), "rtsp://h/..."),
        ("rtsps://h:7441/AbC123dEf456GhI7?x", ("rtsps", "h", 7441, "/AbC123dEf456GhI7?x", "", ""), "rtsps://h:7441/...?..."),
        ("rtsp://h/Streaming/Channels/101", ("rtsp", "h", 554, "/Streaming/Channels/101", "", ""), "rtsp://h/Streaming/Channels/101"),
    ],
)  # fmt: skip
def test_parts_and_label(which: str, parts: tuple[object, ...], label: str) -> None:
    """Names and passwords are decoded, paths encoded; the label holds neither, nor a query, nor what may be a key."""
    address = parse_address(which)
    assert is_address(which)
    found = address.scheme, address.host, address.port, address.path, address.user, address.password
    assert found == parts
    assert address.label == label


def test_ffmpeg_gets_names_and_passwords_encoded() -> None:
    """FFmpeg ends the host part at a slash, and decodes what is encoded."""
    assert parse_address("rtsp://me:p%23%2F%40s@h:1/x?y").url() == "rtsp://me:p%23%2F%40s@h:1/x?y"


@pytest.mark.parametrize(
    ("which", "words", "hint"),
    [
        ("rtmp://127.0.0.1/x", "not an address of a camera", "http://, https://, rtsp://, rtsps://"),
        ("http:/127.0.0.1/x", "not an address of a camera", "write http://HOST"),
        ("http://", "host or port", "1 to 65535"),
        ("http://h:99999/", "host or port", "1 to 65535"),
        ("http://h:0/", "host or port", "1 to 65535"),
        ("http://[::1/x", "host or port", "1 to 65535"),
        ("http://me:p#w@127.0.0.1/x", "where the password ends", "%23"),
        ("http://me:p/w@127.0.0.1/x", "where the password ends", "%2F"),
        ("http://me:1/w@127.0.0.1/x", "where the password ends", "%2F"),
    ],
)
def test_what_is_refused(which: str, words: str, hint: str) -> None:
    """Waiting would not help, so it is a RefusedError."""
    with pytest.raises(RefusedError, match=words) as caught:
        parse_address(which)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "which", ["127.0.0.1:8801/good", "cam.local/video", "localhost/x", "me:pw@h/x", "10.0.0.1", "::1", "[::1]:80/"]
)
def test_an_address_without_its_beginning(which: str) -> None:
    """Is not taken for a camera's name."""
    with pytest.raises(RefusedError, match="without its beginning") as caught:
        refuse_incomplete(which)
    assert "http://" in caught.value.hint
    assert "pw" not in caught.value.message


@pytest.mark.parametrize("which", ["brio", "USB Camera 2.0", "HD Pro Webcam C920", "cam 1:2"])
def test_names_are_not_addresses(which: str) -> None:
    """Blanks and dots in a name do not make an address of it."""
    refuse_incomplete(which)
    assert not is_address(which)


@pytest.mark.parametrize(
    "given", ["http://me:s3cret@127.0.0.1:8801/good", "rtsp://h/x?pwd=s3cret", "HTTPS://me:a#s3cret@h/"]
)
def test_an_address_where_a_file_must_stand(given: str) -> None:
    """As an input or as the output; Path has made one slash of two."""
    for inputs, output, words in (([Path(given)], None, "an address, not a file"), ([], Path(given), "must be a file")):
        with pytest.raises(UsageError, match=words) as caught:
            refuse_addresses(inputs, output)
        assert "s3cret" not in caught.value.message
        assert "://" in caught.value.message


def test_files_are_no_addresses(tmp_path: Path) -> None:
    """Not a drive letter, a colon in a name, or a folder that really is called like a scheme."""
    (tmp_path / "http:").mkdir()
    refuse_addresses([Path("C:/clip.mp4"), Path("12:30 dance.mp4"), tmp_path / "http:" / "x.mp4"], Path("a:b.mp4"))


def test_file_addresses_are_explained() -> None:
    """A hint in place of "there is no file file:/..."."""
    with pytest.raises(UsageError) as caught:
        refuse_addresses([Path("file:///home/me/clip.mp4")])
    assert "path alone" in caught.value.hint


def test_control_characters_do_not_reach_messages() -> None:
    """They could rewrite a terminal."""
    assert hide_secrets("http://h\x1b[31m/\x07").isprintable()
    assert parse_address("http://h/\x1b[31m\x07").label.isprintable()
