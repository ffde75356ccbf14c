"""Network cameras: every way of theirs to send a stream, or something else, from real servers on localhost."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import logging
import os
import re
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mjpeg_server import MjpegServer, color_bars
from tests_devices import DEADLINE, Reader, wait_until
from tests_network import HttpCamera, RtspCamera, Send, jpeg, multipart, page, stream

from livestyle.errors import LivestyleError, RefusedError, SourceError
from livestyle.frame import Frame
from livestyle.media.pyav import av
from livestyle.sources import live_source
from livestyle.sources.camera import CameraSource
from livestyle.sources.network import http_stream

PICTURE, WIDE = jpeg(), jpeg((96, 48))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting as in life, only shorter."""
    monkeypatch.setattr(live_source, "_LOST_AFTER_S", 0.5)
    monkeypatch.setattr(live_source, "_LONGEST_PAUSE_S", 0.2)


def some_frames(address: str, count: int = 10) -> list[Frame]:
    source = CameraSource(address)
    reader = Reader(source)
    try:
        reader.wait_for_more(count)
    finally:
        source.close()
    reader.join(DEADLINE)
    assert not reader.is_alive()
    return reader.frames


def failure(address: str, **options: Any) -> LivestyleError:
    with pytest.raises(LivestyleError) as caught:
        CameraSource(address, **options)
    return caught.value


def messages(caplog: pytest.LogCaptureFixture, least: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= least]


# What cameras send


def bare() -> Iterator[bytes]:
    return itertools.repeat(PICTURE)


def chunked() -> Iterator[bytes]:
    """Chunks that end anywhere but where a picture ends."""
    data = b"".join(itertools.islice(multipart(PICTURE)(), 4))
    for at in itertools.count(step=777):
        piece = (data + data)[at % len(data) :][:777]
        yield b"%x;note=1\r\n%s\r\n" % (len(piece), piece)


def first_boundary_missing() -> Iterator[bytes]:
    head = b"Content-Type: image/jpeg\r\n\r\n"
    return itertools.repeat(head + PICTURE + b"\r\n--frame\r\n")


X = "multipart/x-mixed-replace"
STREAMS = {
    "as it should be": stream(multipart(PICTURE)),
    "lines end in LF": stream(multipart(PICTURE, newline="\n")),
    "no length": stream(multipart(PICTURE, length=None)),
    "a length too long": stream(multipart(PICTURE, length=len(PICTURE) + 1000)),
    "a length too short": stream(multipart(PICTURE, length=10)),
    "length zero": stream(multipart(PICTURE, length=0)),
    "quoted boundary": stream(multipart(PICTURE), f'{X}; boundary="frame"'),
    "boundary with its dashes": stream(multipart(PICTURE), f"{X};boundary=--frame"),
    "another boundary": stream(multipart(PICTURE, boundary="--other"), f"{X}; boundary=frame"),
    "no boundary": stream(multipart(PICTURE), X),
    "no content type": stream(multipart(PICTURE), ""),
    "a content type that is wrong": stream(multipart(PICTURE), "text/plain"),
    "first boundary missing": stream(first_boundary_missing),
    "nothing between the pictures": stream(bare),
    "nothing between them, as image/jpeg": stream(bare, "image/jpeg"),
    "chunked": stream(chunked, Transfer_Encoding="chunked"),
    "grey": stream(multipart(jpeg(grey=1))),
    "progressive": stream(multipart(jpeg(progressive=1))),
    "length of the whole answer wrong": stream(multipart(PICTURE), Content_Length="100"),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_every_form_of_motion_jpeg_is_read(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """In the right size and colour, over one connection, with nothing said."""
    with caplog.at_level(logging.INFO, "livestyle"), HttpCamera({"/x": STREAMS[kind]}) as camera:
        frames = some_frames(camera.address("/x"))
        assert len(camera.requests) == 1
    assert {frame.pixels.shape for frame in frames} == {(48, 64, 3)}
    if kind != "grey":
        assert np.abs(frames[0].pixels.mean((0, 1)) - (20, 12, 203)).max() < 8
    assert all(not frame.pixels.flags.writeable and frame.pixels.flags.c_contiguous for frame in frames)
    assert messages(caplog) == []


def test_left_is_left_and_red_is_red() -> None:
    """With the stand-in that people use by hand: red on the left, blue on the right, within what JPEG does to them."""
    server = MjpegServer(color_bars((320, 240)))
    picture = some_frames(server.address)[-1].pixels.astype(int)
    server.kill()
    assert np.abs(picture[200, 10] - (200, 0, 0)).max() < 12
    assert np.abs(picture[200, -10] - (0, 0, 200)).max() < 12


def test_a_damaged_picture_is_one_frame_less(caplog: pytest.LogCaptureFixture) -> None:
    """No reconnect, no message; the frames around it come."""
    half = PICTURE[: len(PICTURE) * 3 // 4]
    sent = [PICTURE, PICTURE, half, PICTURE, b"\0" * 300 + PICTURE[300:], PICTURE]
    with caplog.at_level(logging.INFO, "livestyle"), HttpCamera({"/x": stream(multipart(*sent))}) as camera:
        assert len(some_frames(camera.address("/x"), 30)) >= 30
        assert len(camera.requests) == 1
    assert messages(caplog) == []


def test_a_size_that_changes_on_the_way_is_told_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Pictures come in their own size: nothing is squeezed into the first one's."""

    def parts() -> Iterator[bytes]:
        yield from itertools.islice(multipart(PICTURE)(), 50)
        yield from multipart(WIDE)()

    with caplog.at_level(logging.INFO, "livestyle"), HttpCamera({"/x": stream(parts)}) as camera:
        source = CameraSource(camera.address("/x"))
        reader = Reader(source)
        wait_until(lambda: source.info.size == (96, 48))
        reader.wait_for_more()
        source.close()
        label = camera.address("/x")
    assert source.info.size == (96, 48)
    assert {frame.pixels.shape for frame in reader.frames} == {(48, 64, 3), (48, 96, 3)}
    assert messages(caplog) == [f"{label} now delivers 96x48"]


def test_a_flood_does_not_pile_up() -> None:
    """Of pictures that come together only the newest is decoded: a slow reader sees no old ones."""
    numbered = [jpeg((16, 16), (value, value, value)) for value in range(0, 250, 10)]

    def parts() -> Iterator[bytes]:
        yield b"".join(itertools.islice(multipart(PICTURE)(), 1))
        yield b"".join(itertools.islice(multipart(*numbered)(), len(numbered)))
        yield from multipart(numbered[-1])()

    with HttpCamera({"/x": stream(parts)}) as camera:
        small = [frame for frame in some_frames(camera.address("/x"), 20) if frame.pixels.shape == (16, 16, 3)]
    assert len([frame for frame in small if frame.pixels.mean() < 230]) <= 1


# Lost and back


@pytest.mark.usefixtures("impatient")
def test_a_camera_that_is_killed_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    """Frames, then nothing, then frames of another size; one line when it goes and one when it is back."""
    camera = HttpCamera({"/x": stream(multipart(PICTURE))})
    source = CameraSource(camera.address("/x"))
    with caplog.at_level(logging.INFO, "livestyle"):
        reader = Reader(source)
        reader.wait_for_more()
        camera.kill()
        wait_until(lambda: source.is_lost)
        with HttpCamera({"/x": stream(multipart(WIDE))}, camera.port):
            reader.wait_for_more()
            wait_until(lambda: not source.is_lost)
            source.close()
    reader.join(DEADLINE)
    assert not reader.is_alive()
    assert reader.frames[-1].pixels.shape == (48, 96, 3)
    assert all(a.pts < b.pts for a, b in itertools.pairwise(reader.frames))
    assert len([text for text in messages(caplog) if "waiting" in text]) == 1
    assert len([text for text in messages(caplog) if "is back" in text]) == 1


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_ends_and_is_taken_up_again_at_once_is_not_mentioned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Some cameras close the connection every few pictures."""
    answer = stream(lambda: itertools.islice(multipart(PICTURE)(), 5))
    with caplog.at_level(logging.INFO, "livestyle"), HttpCamera({"/x": answer}) as camera:
        some_frames(camera.address("/x"), 15)
        assert len(camera.requests) >= 3
    assert messages(caplog) == []


@pytest.mark.usefixtures("impatient")
def test_a_camera_that_falls_silent_is_connected_to_again() -> None:
    """The connection stands, and nothing comes."""
    silent = threading.Event()

    def parts() -> Iterator[bytes]:
        if silent.is_set():
            yield from multipart(PICTURE)()
        yield from itertools.islice(multipart(PICTURE)(), 5)
        silent.set()
        while True:
            yield b""

    with HttpCamera({"/x": stream(parts)}) as camera:
        some_frames(camera.address("/x"), 20)
        assert len(camera.requests) == 2


def test_a_slow_camera_is_not_taken_for_a_lost_one(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pictures are further apart than the silence that counts as a loss at the usual rates."""
    monkeypatch.setattr(live_source, "_LOST_AFTER_S", 0.4)

    def parts() -> Iterator[bytes]:
        for part in multipart(PICTURE)():
            yield part
            time.sleep(0.6)

    with caplog.at_level(logging.INFO, "livestyle"), HttpCamera({"/x": stream(parts)}) as camera:
        some_frames(camera.address("/x"), 6)
        assert len(camera.requests) == 1
    assert messages(caplog) == []


def test_close_ends_iteration_while_nothing_comes() -> None:
    """At once, though the camera keeps the connection."""

    def parts() -> Iterator[bytes]:
        yield from itertools.islice(multipart(PICTURE)(), 5)
        while True:
            yield b""

    with HttpCamera({"/x": stream(parts)}) as camera:
        source = CameraSource(camera.address("/x"))
        reader = Reader(source)
        reader.wait_for_more(1)
        source.close()
        source.close()
        reader.join(DEADLINE)
        assert not reader.is_alive()


# What is not a stream

PAGE = b"<html><body><img src='/video'></body></html>"
REFUSALS = {
    "404": (page("404 Not Found"), SourceError, "404 not found", "/mjpeg"),
    "401": (page("401 No", WWW_Authenticate='Basic realm="x"'), RefusedError, "asks for a name", "NAME:PASSWORD@"),
    "403": (page("403 Forbidden"), RefusedError, r"forbids .* \(403\)", "user"),
    "500": (page("500 Oops"), SourceError, r"not ready \(500\)", "--wait"),
    "503": (page("503 Busy"), SourceError, r"busy .* \(503\)", "--wait"),
    "418": (page("418 \x1b[31mteapot"), SourceError, "418 i'm a teapot", "/mjpeg"),
    "999": (page("999 What"), SourceError, "answers 999 instead", "/mjpeg"),
    "a page": (page("200 OK", PAGE, Content_Type="text/html"), RefusedError, "web page", "/mjpeg"),
    "a page, chunked": (stream(lambda: iter([b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE)]), "text/html",
                               Transfer_Encoding="chunked"), RefusedError, "web page", "/stream"),
    "a page without type": (page("200 OK", b" \n<!DOCTYPE html><html>"), RefusedError, "web page", "/video"),
    "a picture": (page("200 OK", PICTURE, Content_Type="image/jpeg"), RefusedError, "single picture", "/mjpeg"),
    "JSON": (page("200 OK", b'{"error": 1}', Content_Type="application/json"), RefusedError, "not a video", "/mjpeg"),
    "nothing": (page("200 OK"), RefusedError, "not a video", "/mjpeg"),
    "no HTTP": (lambda send: send(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n"), SourceError, "answer in HTTP", "rtsp://"),
    "hangs up": (lambda send: None, SourceError, "closed the connection", "rtsp://"),
    "another host": (page("302 Found", Location="http://example.invalid/x?token=s3cret"), SourceError,
                     r"redirects to http://example.invalid/x\?\.\.\., which is not followed", "that address"),
    "a file": (page("302 Found", Location="file:///etc/passwd"), SourceError, "not an http:// address", ""),
    "round and round": (page("302 Found", Location="/x"), SourceError, "again and again", "redirects to"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_is_no_stream_is_named(kind: str) -> None:
    """Each with its own sentence and hint, at once, and with the exit code of an input that cannot be used."""
    answer, error, words, hint = REFUSALS[kind]
    with HttpCamera({"/x": answer}) as camera:
        caught = failure(camera.address("/x"))
    assert type(caught) is error
    assert re.search(words, caught.message)
    assert hint in caught.hint
    assert caught.exit_code == 3
    assert caught.message.isprintable()


def test_redirects_on_the_same_host_are_followed() -> None:
    """Relative ones and whole ones."""
    with HttpCamera({"/b": page("301 Moved", Location="c?d=1"), "/c": stream(multipart(PICTURE))}) as camera:
        camera.answers["/a"] = page("307 Temporary", Location=camera.address("/b"))
        assert some_frames(camera.address("/a"))
        assert [request.split()[1] for request in camera.requests] == ["/a", "/b", "/c?d=1"]


def test_nothing_there() -> None:
    """A port where nothing listens, and a name that nobody has."""
    with HttpCamera({}) as camera:
        address = camera.address("/x")
    assert "nothing listens at port" in failure(address).message
    assert "no host of this name" in failure("http://nonesuch.invalid/x").message
    assert "no host of this name" in failure("http://a..b/x").message


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_server_that_does_not_answer_is_given_up(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and is silent: after the time that a local camera gets, too."""
    monkeypatch.setattr(live_source, "FIRST_FRAME_S", 1.0)
    forever = threading.Event()
    with HttpCamera({"/x": lambda send: forever.wait(DEADLINE)}) as camera:  # type: ignore[func-returns-value]
        caught = failure(camera.address("/x").replace("http", scheme))
        forever.set()
    assert "answer" in caught.message


def test_a_server_that_answers_late_is_waited_for() -> None:
    """Beyond the time after which a stream that stops counts as lost."""

    def answer(send: Send) -> None:
        time.sleep(4)
        stream(multipart(PICTURE))(send)

    with HttpCamera({"/x": answer}) as camera:
        assert some_frames(camera.address("/x"))


def test_a_header_that_trickles_or_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then does not keep anybody waiting; memory is bounded."""
    monkeypatch.setattr(http_stream, "ANSWER_WITHIN_S", 1.0)

    def trickle(send: Send) -> None:
        send(b"HTTP/1.1 200 OK\r\n")
        while True:
            send(b"a")
            time.sleep(0.05)

    def endless(send: Send) -> None:
        send(b"HTTP/1.1 200 OK\r\n")
        while True:
            send(b"a: b\r\n" * 1000)

    with HttpCamera({"/trickle": trickle, "/endless": endless}) as camera:
        assert "does not answer" in failure(camera.address("/trickle")).message
        assert "valid answer" in failure(camera.address("/endless")).message


# Names and passwords


def digest_server(algorithm: str, qop: str, seen: list[str]) -> Callable[[Send], None]:
    def answer(send: Send) -> None:
        request = seen[-1]
        given = re.search(r"Authorization: Digest (.*)", request)
        if given is None or not digest_is_right(dict(re.findall(r'(\w+)="?([^",\r]*)"?', given[1])), algorithm):
            challenge = 'Digest realm="the, cam", nonce="abc=", opaque="o"'
            challenge += f", algorithm={algorithm}" if algorithm else ""
            challenge += f', qop="{qop}"' if qop else ""
            return page("401 Unauthorized", WWW_Authenticate=challenge)(send)
        return stream(multipart(PICTURE))(send)

    return answer


def digest_is_right(given: dict[str, str], algorithm: str) -> bool:
    """RFC 7616, 3.4.1, written out once more."""
    name = "sha256" if algorithm.startswith("SHA") else "md5"

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    first = h("me:the, cam:p#s")
    if algorithm.endswith("-sess"):
        first = h(f"{first}:{given['nonce']}:{given['cnonce']}")
    second = h(f"GET:{given['uri']}")
    if "qop" in given:
        return given["response"] == h(
            ":".join([first, given["nonce"], given["nc"], given["cnonce"], given["qop"], second])
        )
    return given["response"] == h(f"{first}:{given['nonce']}:{second}")


@pytest.mark.parametrize(
    ("algorithm", "qop"),
    [("", ""), ("", "auth,auth-int"), ("MD5", ""), ("MD5", "auth"), ("SHA-256", ""), ("SHA-256", "auth"),
     ("MD5-sess", "auth")],
)  # fmt: skip
def test_digest(algorithm: str, qop: str) -> None:
    """The password itself is never sent."""
    with HttpCamera({}) as camera:
        camera.answers["/x"] = digest_server(algorithm, qop, camera.requests)
        assert some_frames(camera.address("/x?a=1", "me:p%23s@"))
        assert not any("p#s" in request or "Basic" in request for request in camera.requests)
        assert "name and password" in failure(camera.address("/x", "me:wrong@")).message


def test_basic() -> None:
    """Sent when it was asked for, also by a camera that does not say how."""
    wanted = "Basic " + base64.b64encode(b"me:p@s/:\xc3\xa4").decode()

    def answer(send: Send) -> None:
        right = wanted in camera.requests[-1]
        (stream(multipart(PICTURE)) if right else page("401 Unauthorized"))(send)

    with HttpCamera({"/x": answer}) as camera:
        assert some_frames(camera.address("/x", "me:p%40s%2F:%C3%A4@"))
        assert "Authorization" not in camera.requests[0]
        assert "name and password" in failure(camera.address("/x", "me:wrong@")).message


SECRET = "s3cr3t"
WITH_SECRETS = [
    "http://me:{0}@127.0.0.1:{1}/404", "http://127.0.0.1:{1}/404?user=me&pwd={0}", "http://127.0.0.1:{1}/404?{0}",
    "http://me:#{0}@127.0.0.1:{1}/404", "http://me:/{0}@127.0.0.1:{1}/404", "http://me:?{0}@127.0.0.1:{1}/404",
    "http://me:@{0}@127.0.0.1:{1}/404", "http://me:%23{0}@127.0.0.1:{1}/404", "http://me:{0}#{0}@127.0.0.1:{1}/404",
    "http://127.0.0.1:{1}/user=me&password={0}", "http://{0}@127.0.0.1:{1}/404", "http://me:{0}@[::1/404",
    "http://me:{0}@127.0.0.1:99999/", "ftp://me:{0}@127.0.0.1/", "rtsp://me:{0}@127.0.0.1:{1}/404?token={0}",
    "rtmp://127.0.0.1/live?key={0}",
    "me:{0}@127.0.0.1:{1}/404", "127.0.0.1/x?pwd={0}", "me:{0}@host", "http:/me:{0}@h/x",
    "https://me:{0}@127.0.0.1:{1}/x", "rtsps://me:{0}@127.0.0.1:{1}/x", "http://me:{0}@127.0.0.1:{1}/page?p={0}",
    "http://me:{0}@127.0.0.1:{1}/away?p={0}", "http://me:{0}@nonesuch.invalid/", "http://me:{0}@127.0.0.1:{1}/json",
    "http://127.0.0.1:{1}/404#pw={0}", "://me:{0}@h", "http://me:{0}@/x", "HTTP://ME:{0}@127.0.0.1:{1}/404",
]  # fmt: skip


@pytest.mark.parametrize("address", WITH_SECRETS)
def test_no_message_holds_a_password(
    address: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the error, its hint, the log at --debug, the traceback, nor what libraries print by themselves."""
    monkeypatch.setattr(http_stream, "_CONNECT_S", 1.0)
    answers = {"/page": page("200 OK", PAGE), "/json": page("200 OK", b"{}"),
               "/away": page("302 Found", Location=f"http://x.invalid/?{SECRET}")}  # fmt: skip
    with caplog.at_level(logging.DEBUG, "livestyle"), HttpCamera(answers) as camera:
        caught = failure(address.format(SECRET, camera.port), cameras=list)
    printed = capfd.readouterr()
    told = "".join(traceback.format_exception(caught))
    assert caught.exit_code == 3
    for text in (caught.message, caught.hint, repr(caught), caplog.text, told, printed.out, printed.err):
        assert SECRET not in text


def test_the_name_of_a_source_holds_no_password(caplog: pytest.LogCaptureFixture) -> None:
    """So no report does, and no message of a camera that is there."""
    with caplog.at_level(logging.DEBUG, "livestyle"), HttpCamera({"/x": stream(multipart(PICTURE))}) as camera:
        source = CameraSource(camera.address(f"/x?pwd={SECRET}", f"me:{SECRET}@"), size=(1280, 720))
        source.close()
    assert source.info.name == camera.address("/x?...")
    assert SECRET not in caplog.text
    assert SECRET not in repr(source._device._address)  # type: ignore[attr-defined]


# RTSP


def test_rtsp() -> None:
    """H.264 over TCP, in the right size and colour."""
    with RtspCamera() as camera:
        frames = some_frames(camera.address(), 5)
    assert frames[-1].pixels.shape == (48, 64, 3)
    assert np.abs(frames[-1].pixels.astype(int) - 128).max() < 6


def test_rtsp_with_a_password() -> None:
    """Whatever letters it has."""
    with RtspCamera(base64.b64encode(b"me:p#/@s").decode()) as camera:
        assert "asks for a name" in failure(camera.address()).message
        assert "name and password" in failure(camera.address("me:wrong@")).message
        assert some_frames(camera.address("me:p%23%2F%40s@"), 3)


def test_rtsp_where_there_is_none() -> None:
    with HttpCamera({}) as camera:
        caught = failure(camera.address("/x").replace("http", "rtsp"))
    assert isinstance(caught, SourceError)
    assert caught.exit_code == 3


# Other video over HTTP


def video(container: str, seconds: float = 4.0) -> bytes:
    """H.264 at 30 frames a second."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as output:
        track = output.add_stream("libx264", rate=30, options={"tune": "zerolatency"})
        track.width, track.height, track.pix_fmt, track.gop_size = 64, 48, "yuv420p", 10
        for number in range(int(seconds * 30)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), "rgb24")
            frame.pts = number
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return out.getvalue()


def test_a_transport_stream_is_played_by_its_own_clock() -> None:
    """Though all of it comes at once: pictures arrive about as far apart as they were taken."""
    with HttpCamera({"/x": page("200 OK", video("mpegts"), Content_Type="video/mp2t")}) as camera:
        frames = some_frames(camera.address("/x"), 30)
    assert frames[-1].captured - frames[0].captured > 0.5  # of 1 s


PLAYLIST = (
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n"
)


def test_an_hls_playlist_is_played_from_the_same_host() -> None:
    """With the same login; relative names and whole ones."""
    with HttpCamera({"/s.ts": page("200 OK", video("mpegts"))}) as camera:
        for name in ("s.ts", camera.address("/s.ts")):
            camera.answers["/x.m3u8"] = page(
                "200 OK", PLAYLIST.format(name).encode(), Content_Type="application/vnd.apple.mpegurl"
            )
            assert some_frames(camera.address("/x.m3u8"), 5)


def test_an_hls_playlist_that_grows_is_read_again(caplog: pytest.LogCaptureFixture) -> None:
    """A live one: the next parts are played as they are named, without a loss between them."""
    began, part = time.monotonic(), page("200 OK", video("mpegts", 1.0))

    def playlist(send: Send) -> None:
        first = int(time.monotonic() - began)
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, first + 3):
            lines += ["#EXT-X-DISCONTINUITY", "#EXTINF:1,", f"{number}.ts"]
        page("200 OK", "\n".join(lines).encode(), Content_Type="application/vnd.apple.mpegurl")(send)

    with caplog.at_level(logging.INFO, "livestyle"), HttpCamera({"/x.m3u8": playlist}) as camera:
        camera.answers |= {f"/{number}.ts": part for number in range(100)}
        some_frames(camera.address("/x.m3u8"), 100)
        asked = [request.split()[1] for request in camera.requests]
    assert asked.count("/x.m3u8") >= 2
    parts = [path for path in asked if path.endswith(".ts")]
    assert len(parts) == len(set(parts)) >= 4
    assert messages(caplog) == []


@contextmanager
def noticed_opening(path: Path) -> Iterator[Callable[[], bool]]:
    """A pipe at `path`, and whether anybody has opened it for reading, by Python or by a library."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(path)
    opened = threading.Event()

    def write() -> None:
        handle = os.open(path, os.O_WRONLY)  # returns when somebody reads
        opened.set()
        os.close(handle)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield opened.is_set
    finally:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        thread.join(DEADLINE)


@pytest.mark.parametrize("target", ["{other}/s.ts", "file://{file}", "{file}", "concat:{file}", "crypto:{file}",
                                    "data:video/mp2t;base64,AAAA", "subfile,,start,0,end,9,,:{file}"])  # fmt: skip
@pytest.mark.parametrize("form", ["segment", "variant", "key", "map"])
def test_a_hostile_playlist_opens_nothing_else(
    target: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other host and no local file, whatever entry of the playlist names it; and no frame comes of it."""
    monkeypatch.setattr(live_source, "FIRST_FRAME_S", 3.0)
    file = tmp_path / "s.ts"
    with (
        HttpCamera({"/s.ts": page("200 OK", video("mpegts"))}) as camera,
        HttpCamera({}) as other,
        noticed_opening(file) as was_opened,
    ):
        other.answers = camera.answers
        name = target.format(other=other.address("").replace("127.0.0.1", "localhost"), file=file)
        forms = {
            "segment": PLAYLIST.format(name),
            "variant": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{name}\n",
            "key": PLAYLIST.format("s.ts").replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{name}"\n#EXTINF'),
            "map": PLAYLIST.format("s.ts").replace("#EXTINF", f'#EXT-X-MAP:URI="{name}"\n#EXTINF'),
        }
        camera.answers["/x"] = page("200 OK", forms[form].encode(), Content_Type="application/vnd.apple.mpegurl")
        caught = failure(camera.address("/x"))
        assert isinstance(caught, SourceError)
        assert other.requests == []
        assert not was_opened()


# Waiting for a camera that is not there yet


@pytest.mark.usefixtures("impatient")
def test_wait_goes_on_until_the_camera_is_there(caplog: pytest.LogCaptureFixture) -> None:
    """Through refused connections and an answer that it is busy, which is reported once."""
    with HttpCamera({}) as before:
        port = before.port
    opened: list[CameraSource] = []
    address = f"http://me:{SECRET}@127.0.0.1:{port}/x"
    thread = threading.Thread(target=lambda: opened.append(CameraSource(address, wait=DEADLINE)))
    with caplog.at_level(logging.INFO, "livestyle"):
        thread.start()
        wait_until(lambda: "waiting for it" in caplog.text)
        with HttpCamera({"/x": page("503 Busy")}, port) as camera:
            wait_until(lambda: len(camera.requests) > 1)
            camera.answers["/x"] = stream(multipart(PICTURE))
            thread.join(DEADLINE)
            assert opened
            opened[0].close()
    assert len([text for text in messages(caplog) if "waiting for it" in text]) == 1
    assert SECRET not in caplog.text


def test_wait_ends_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """After as many seconds; at once where waiting does not help."""
    with HttpCamera({"/busy": page("503 Busy"), "/login": page("401 Unauthorized")}) as camera:
        assert "busy" in failure(camera.address("/busy"), wait=0.5).message
        assert len(camera.requests) > 1
        assert "asks for a name" in failure(camera.address("/login"), wait=DEADLINE).message


# Encrypted


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed one, as cameras have."""
    import shutil
    import subprocess

    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "camera.pem"
    subprocess.run([program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out",
                    path.with_suffix(".crt"),
                    "-days", "2", "-subj", "/CN=camera"], check=True, capture_output=True, timeout=60)  # fmt: skip
    return path


def test_a_self_signed_certificate_is_used_and_told_once(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Most cameras have no other; what that means is reported once for a host."""
    import socket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_suffix(".crt"), certificate)
    http_stream._warned.clear()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client = context.wrap_socket(listener.accept()[0], server_side=True)
                except ssl.SSLError:
                    continue
                except OSError:
                    return
                try:
                    client.recv(65536)
                    stream(multipart(PICTURE))(client.sendall)
                except OSError:
                    client.close()

        threading.Thread(target=serve, daemon=True).start()
        address = f"https://127.0.0.1:{listener.getsockname()[1]}/x"
        with caplog.at_level(logging.INFO, "livestyle"):
            assert some_frames(address)
            assert some_frames(address)
        listener.close()
    assert len([text for text in messages(caplog) if "certificate" in text]) == 1
