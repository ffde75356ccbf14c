"""A network camera on localhost: MJPEG over HTTP that can be killed and started again.

For tests, and by hand: python tests/mjpeg_server.py --port 8090 [--clip FILE]; then
livestyle --camera http://127.0.0.1:8090/
"""

from __future__ import annotations

import argparse
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

Pictures = Callable[[], Iterator[np.ndarray]]  # BGR, endless


def color_bars(size: tuple[int, int]) -> Pictures:
    """Left half red, right half blue, and a white square that moves: orientation and channel order can be told."""

    def pictures() -> Iterator[np.ndarray]:
        width, height = size
        still = np.zeros((height, width, 3), np.uint8)
        still[:, : width // 2], still[:, width // 2 :] = (0, 0, 200), (200, 0, 0)
        for number in itertools.count():
            picture = still.copy()
            x = number * 8 % (width - 32)
            picture[8:40, x : x + 32] = 255
            yield picture

    return pictures


def clip(path: Path) -> Pictures:
    """The pictures of a video file, over and over."""

    def pictures() -> Iterator[np.ndarray]:
        while True:
            capture = cv2.VideoCapture(str(path))
            ok, picture = capture.read()
            if not ok:
                raise SystemExit(f"{path}: no picture in it")
            while ok:
                yield picture
                ok, picture = capture.read()
            capture.release()

    return pictures


class MjpegServer:
    """Serves `pictures` at `rate` frames per second on 127.0.0.1; every client sees them from the first."""

    def __init__(self, pictures: Pictures, *, rate: float = 30.0, port: int = 0) -> None:
        self._clients: set[socket.socket] = set()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler(pictures, rate))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.address = f"http://127.0.0.1:{self.port}/camera.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Stop listening and cut every connection, as a power failure does."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        for client in list(self._clients):
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._thread.join()

    def _handler(self, pictures: Pictures, rate: float) -> type[BaseHTTPRequestHandler]:
        clients, stopped = self._clients, self._stopped

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                clients.add(self.connection)
                try:
                    self._stream()
                except OSError:
                    pass  # the client has gone
                finally:
                    clients.discard(self.connection)

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                due = time.monotonic()
                for picture in pictures():
                    if stopped.is_set():
                        return
                    body = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                    self.wfile.write(head.encode() + body + b"\r\n")
                    due = max(due + 1 / rate, time.monotonic() - 1)
                    stopped.wait(max(0.0, due - time.monotonic()))

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description="A network camera on localhost: MJPEG over HTTP.")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--clip", type=Path, help="a video file to play over and over; else colour bars")
    parser.add_argument("--rate", type=float, default=30.0, help="frames per second")
    parser.add_argument("--size", default="1280x720", help="of the colour bars")
    args = parser.parse_args()
    width, height = (int(number) for number in args.size.split("x"))
    server = MjpegServer(clip(args.clip) if args.clip else color_bars((width, height)), rate=args.rate, port=args.port)
    print(server.address, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.kill()


if __name__ == "__main__":
    main()
