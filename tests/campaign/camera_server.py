"""A network camera on localhost that can be made to misbehave: MJPEG over HTTP, the time burnt into every picture."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from campaign.clock import Pixels, burn

MILLISECONDS = 1 << 32  # the clock restarts after so many
RATE = 15.0
SIZE = (320, 240)


def now_ms() -> int:
    """Milliseconds of the clock that is burnt in."""
    return int(time.time() * 1000) % MILLISECONDS


def green(size: tuple[int, int]) -> Pixels:
    """What the camera sees: green that changes, so that an unstyled frame can be told by its colour. BGR."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 1] = np.linspace(120, 220, width).astype(np.uint8)
    picture[height // 2 :, ::7, 1] = 90
    return picture


def noise(size: tuple[int, int]) -> Pixels:
    """A picture that no codec makes small."""
    return np.random.default_rng(time.monotonic_ns() % 1000).integers(0, 256, (size[1], size[0], 3), np.uint8)


class CameraServer:
    """Serves pictures to any number of clients until it is stopped. What it does next is set while it runs."""

    def __init__(self, picture: Callable[[tuple[int, int]], Pixels] = green, *, port: int = 0) -> None:
        self.picture, self.size, self.rate = picture, SIZE, RATE
        self.silent = False  # keeps the connection and sends nothing
        self.rubbish: Callable[[bytes], bytes] | None = None  # applied to every part that is sent
        self.answer: tuple[int, str, bytes] | None = None  # status, type and body instead of a stream
        self._clients: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.port = port
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """What --camera takes."""
        return f"http://127.0.0.1:{self.port}/camera.mjpg"

    def start(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", self.port), _handler(self, self._clients))
            self.port = int(self._server.server_address[1])
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and cut every connection, as a power failure does."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self.cut()

    def cut(self) -> None:
        """Cut every connection; clients may come back at once."""
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def part(self) -> bytes:
        """One picture of the stream with its header."""
        body = cv2.imencode(".jpg", burn(self.picture(self.size), now_ms()), [cv2.IMWRITE_JPEG_QUALITY, 90])[
            1
        ].tobytes()
        part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body + b"\r\n"
        return part if self.rubbish is None else self.rubbish(part)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def _handler(camera: CameraServer, clients: set[socket.socket]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            clients.add(self.connection)
            with contextlib.suppress(OSError):  # the client has gone
                self._answer()
            clients.discard(self.connection)

        def _answer(self) -> None:
            if camera.answer is not None:
                status, kind, body = camera.answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            while camera.running and camera.answer is None:
                if not camera.silent:
                    self.wfile.write(camera.part())
                time.sleep(1 / camera.rate)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


# ---- rubbish ---------------------------------------------------------------------------------------------------------


def cut_pictures(rng: random.Random) -> Callable[[bytes], bytes]:
    """Now and then a JPEG that ends too early, or with other bytes in it."""

    def spoil(part: bytes) -> bytes:
        chance = rng.random()
        if chance < 0.7:
            return part
        if chance < 0.85:
            return part[: rng.randrange(60, len(part))]
        at = rng.randrange(60, len(part))
        return part[:at] + rng.randbytes(40) + part[at + 40 :]

    return spoil


def wrong_lengths(rng: random.Random) -> Callable[[bytes], bytes]:
    """Content-Length wrong or missing."""

    def spoil(part: bytes) -> bytes:
        head, separator, body = part.partition(b"\r\n\r\n")
        kind = rng.randrange(4)
        length = (b"Content-Length: 5", b"Content-Length: 99999999", b"Content-Length: -1", b"X: y")[kind]
        return head.rpartition(b"Content-Length")[0] + length + separator + body

    return spoil


def noise_between(rng: random.Random) -> Callable[[bytes], bytes]:
    """Bytes between the pictures that belong to none."""
    return lambda part: part + rng.randbytes(rng.randrange(2000)) + b"\r\n"


def foreign_parts(rng: random.Random) -> Callable[[bytes], bytes]:
    """Pictures of other kinds and sizes among the right ones: grey, one pixel, PNG, text."""
    grey = cv2.imencode(".jpg", np.full((240, 320), 90, np.uint8))[1].tobytes()
    dot = cv2.imencode(".jpg", np.full((1, 1, 3), 90, np.uint8))[1].tobytes()
    png = cv2.imencode(".png", np.full((16, 16, 3), 90, np.uint8))[1].tobytes()
    others = (grey, dot, png, b"<html>busy</html>", b"")

    def spoil(part: bytes) -> bytes:
        if rng.random() < 0.8:
            return part
        body = rng.choice(others)
        return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body + b"\r\n"

    return spoil


RUBBISH = (cut_pictures, wrong_lengths, noise_between, foreign_parts)
