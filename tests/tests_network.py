"""Network cameras on localhost, on ports of their own, that answer as a test tells them to."""

from __future__ import annotations

import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

import numpy as np

from livestyle.media.pyav import av, cv2

Send = Callable[[bytes], None]
Answer = Callable[[Send], None]
"""Sends one whole answer, header and all; the connection is closed when it returns."""


def jpeg(size: tuple[int, int] = (64, 48), color: tuple[int, int, int] = (200, 10, 20), **options: int) -> bytes:
    """A picture of one colour (BGR) with a little noise, so that its coded data is not trivial."""
    noise = np.random.default_rng(1).integers(0, 8, (size[1], size[0], 3), np.uint8)
    picture = np.full_like(noise, color) // 8 * 8 + noise
    if options.pop("grey", 0):
        picture = picture[..., 0]
    flags = [
        value for name, value in options.items() for value in (getattr(cv2, f"IMWRITE_JPEG_{name.upper()}"), value)
    ]
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90, *flags])[1].tobytes())


def page(status: str, body: bytes = b"", **fields: str) -> Answer:
    """One answer with a length."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return lambda send: send(head.encode() + body)


def stream(
    parts: Callable[[], Iterator[bytes]], content_type: str = "multipart/x-mixed-replace; boundary=frame", **fields: str
) -> Answer:
    """An answer without an end: what `parts` yields, about a hundred times a second. Empty `content_type`: none."""
    lines = f"Content-Type: {content_type}\r\n" if content_type else ""
    lines += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())

    def answer(send: Send) -> None:
        send(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode())
        for part in parts():
            send(part)
            time.sleep(0.01)

    return answer


def multipart(
    *pictures: bytes, boundary: str = "--frame", newline: str = "\r\n", length: int | None = -1
) -> Callable[[], Iterator[bytes]]:
    """`pictures` over and over; `length`: what the parts say, -1 the truth, None nothing."""

    def parts() -> Iterator[bytes]:
        for picture in itertools.cycle(pictures):
            lines = [boundary, "Content-Type: image/jpeg"]
            if length is not None:
                lines.append(f"Content-Length: {len(picture) if length == -1 else length}")
            yield newline.join([*lines, "", ""]).encode() + picture + newline.encode()

    return parts


class _Server:
    """A TCP server on localhost with a thread for each client; subclasses define `_serve`."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[str] = []
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Stop listening and cut every connection, as a power failure does."""
        self._stopped.set()
        for each in [self._listener, *self._clients]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError


class HttpCamera(_Server):
    """An HTTP server whose paths answer what a test says; `requests` has what was asked, header and all."""

    def __init__(self, answers: dict[str, Answer], port: int = 0) -> None:
        self.answers = answers
        super().__init__(port)

    def address(self, path: str, login: str = "") -> str:
        """http://… of `path`."""
        return f"http://{login}127.0.0.1:{self.port}{path}"

    def _serve(self, client: socket.socket) -> None:
        def send(data: bytes) -> None:
            if self._stopped.is_set():
                raise OSError
            client.sendall(data)

        try:
            request = client.recv(65536).decode("latin-1")
            if request:
                self.requests.append(request)
                path = request.split()[1].partition("?")[0]
                self.answers.get(path, page("404 Not Found"))(send)
        except OSError:
            pass
        finally:
            client.close()


class RtspCamera(_Server):
    """An RTSP server (TCP, interleaved) that sends grey H.264 pictures; `login`: the Basic credentials it wants."""

    def __init__(self, login: str = "", size: tuple[int, int] = (64, 48)) -> None:
        self._login, self._size = login, size
        self.silent = threading.Event()  # set: sends nothing
        super().__init__()

    def address(self, login: str = "") -> str:
        """rtsp://…"""
        return f"rtsp://{login}127.0.0.1:{self.port}/live"

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                waiting = b""
                while not self._stopped.is_set():
                    while b"\r\n\r\n" not in waiting:
                        received = client.recv(4096)
                        if not received:
                            return
                        waiting += received
                    request, _, waiting = waiting.partition(b"\r\n\r\n")
                    self._answer(client, request.decode("latin-1"))
            except OSError:
                return

    def _answer(self, client: socket.socket, request: str) -> None:
        self.requests.append(request)
        number = re.search(r"CSeq: *(\d+)", request)
        method, url = request.split()[:2]
        status, lines, body = "200 OK", [f"CSeq: {number[1] if number else 0}", "Session: 1"], ""
        if self._login and f"Basic {self._login}" not in request:
            status = "401 Unauthorized"
            lines.append('WWW-Authenticate: Basic realm="camera"')
        elif method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            body = ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\n"
                    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n")  # fmt: skip
            lines += ["Content-Type: application/sdp", f"Content-Base: {url}/", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            lines.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        client.sendall("\r\n".join([f"RTSP/1.0 {status}", *lines, "", body]).encode())
        if method == "PLAY":
            threading.Thread(target=self._play, args=(client,), daemon=True).start()

    def _play(self, client: socket.socket) -> None:
        """FFmpeg makes RTP packets and sends them here by UDP; each goes on, framed."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
            relay.bind(("127.0.0.1", 0))
            relay.settimeout(0.01)
            target = f"rtp://127.0.0.1:{relay.getsockname()[1]}?pkt_size=1200"
            with av.open(target, "w", format="rtp") as output:
                video = output.add_stream("libx264", rate=30, options={"tune": "zerolatency", "preset": "ultrafast"})
                video.width, video.height, video.pix_fmt, video.gop_size = *self._size, "yuv420p", 5
                try:
                    for number in itertools.count():
                        grey = np.full((self._size[1], self._size[0], 3), 128, np.uint8)
                        frame = av.VideoFrame.from_ndarray(grey, "rgb24")
                        frame.pts = number
                        output.mux(video.encode(frame))
                        self._relay(relay, client)
                        if self._stopped.is_set():
                            return
                except OSError:
                    return

    def _relay(self, relay: socket.socket, client: socket.socket) -> None:
        until = time.monotonic() + 0.03
        while time.monotonic() < until:
            try:
                packet = relay.recv(65536)
            except TimeoutError:
                continue
            if not self.silent.is_set():
                client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
