"""A stream over HTTP: connecting, requesting, following redirects, reading. Each failure has its own message.

Not with http.client: a read that waits must look around now and then, whether anybody still wants the answer, and
http.client's streams cannot be read on after a timeout.
"""

from __future__ import annotations

import http.client
import io
import logging
import re
import socket
import ssl
import time
from email.message import Message
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import livestyle
from livestyle.errors import LivestyleError, RefusedError, SourceError
from livestyle.sources.live_source import Stopped
from livestyle.sources.network.addresses import Address, parse_address
from livestyle.sources.network.http_login import login

_log = logging.getLogger("livestyle")

ANSWER_WITHIN_S = 24.0  # from the beginning to the end of the header, redirects included
_CONNECT_S = 10.0  # for each address of a host
_TICK_S = 0.2  # how often a waiting read checks whether it is still needed
_MOST_REDIRECTS = 5
_LONGEST_HEADER = 65536  # bytes
_AT_ONCE = 1 << 20  # bytes; everything available is read, so that the newest picture is included
_USUAL_PATHS = "cameras often have the stream at /video, /mjpeg or /stream; the camera's manual says which"

_warned: set[str] = set()  # hosts whose certificate a warning was logged for


def connect(address: Address, deadline: float) -> socket.socket:
    """A connection to the address's host and port. Raises SourceError. `deadline`: time.monotonic() seconds."""
    label, port = address.label, address.port
    left = max(0.1, min(_CONNECT_S, deadline - time.monotonic()))
    try:
        return socket.create_connection((address.host, port), timeout=left)
    except (socket.gaierror, UnicodeError):
        raise SourceError(f"{label}: no host of this name is known",
                          hint="check the spelling, or give its IP address (as 192.168.1.20)") from None  # fmt: skip
    except ConnectionRefusedError:
        raise SourceError(f"{label}: nothing listens at port {port} of this host",
                          hint="is the camera on, and the port right? --wait waits for it") from None  # fmt: skip
    except TimeoutError:
        raise no_answer(address) from None
    except OSError as error:
        raise SourceError(f"{label}: cannot be reached ({error.strerror or type(error).__name__})",
                          hint="is the camera on, and in a network that this computer is in?") from None  # fmt: skip


def no_answer(address: Address) -> SourceError:
    """The error for a host that does not answer at all."""
    return SourceError(f"{address.label}: does not answer",
                       hint="is the camera on, and the address right? --wait waits for it")  # fmt: skip


class HttpStream:
    """The body of an answer with status 200, after as many requests as logins and redirects need."""

    def __init__(self, address: Address, stopped: Stopped, *, accept: str = "*/*", first_byte: int = 0) -> None:
        """Connect and request `address`; `first_byte`: request what follows (a Range).

        Raises SourceError; RefusedError where another attempt does not help.
        """
        self._stopped = stopped
        self._accept, self._first_byte = accept, first_byte
        self._deadline = time.monotonic() + ANSWER_WITHIN_S
        self.address = address
        self._authorization: str | None = None
        self._waiting = b""  # of the body, read together with the header
        for _ in range(_MOST_REDIRECTS + 1):
            if self._send_request():
                break
        else:
            raise SourceError(
                f"{address.label}: redirects again and again", hint="give the address that it redirects to"
            )
        chunked = "chunked" in (self.headers.get("Transfer-Encoding") or "").lower()
        self._chunks = _Chunks() if chunked else None

    @property
    def content_type(self) -> str:
        """As the server states it, without parameters, in lower case; "" where it states none."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    def read(self) -> bytes | None:
        """New data; None when nothing came for a moment; b"" at the end. Raises OSError."""
        if self._waiting:
            data, self._waiting = self._waiting, b""
        else:
            received = self._receive()
            if not received:
                return received
            data = received
        if self._chunks is None:
            return data
        data = self._chunks.feed(data)
        return data if data or self._chunks.ended else None

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    # One request

    def _send_request(self) -> bool:
        """Send one request; True for status 200, False when the next one is to be sent (a login, a redirect)."""
        self._socket = self._connect()
        try:
            self._socket.settimeout(_TICK_S)
            self._socket.sendall(self._request())
            self._read_header()
            return self._check_status()
        except LivestyleError:
            self._socket.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self._socket.close()
            raise SourceError(
                f"{self.address.label}: closed the connection without a valid answer ({type(error).__name__})",
                hint="is it an http:// address? rtsp:// and https:// are others",
            ) from None

    def _connect(self) -> socket.socket:
        plain = connect(self.address, self._deadline)
        if not self.address.encrypted:
            return plain
        try:
            return _encrypted(plain, self.address, trusted=True)
        except ssl.SSLCertVerificationError as error:
            if self.address.host not in _warned:
                _warned.add(self.address.host)
                _log.warning(
                    "%s: its certificate does not prove that it is the right camera (%s); the connection is encrypted",
                    self.address.label, (error.verify_message or "cannot be verified").lower().rstrip("."),
                )  # fmt: skip
            return _encrypted(connect(self.address, self._deadline), self.address, trusted=False)

    def _request(self) -> bytes:
        address = self.address
        lines = [
            f"GET {address.path} HTTP/1.1",
            f"Host: {re.sub('%[^]]*', '', address.netloc).encode('idna').decode()}",
            f"User-Agent: livestyle/{livestyle.__version__}",
            f"Accept: {self._accept}",
            "Connection: close",
        ]
        if self._first_byte:
            lines.append(f"Range: bytes={self._first_byte}-")
        if self._authorization:
            lines.append(f"Authorization: {self._authorization}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _read_header(self) -> None:
        data = bytearray()
        while (end := re.search(rb"\r?\n\r?\n", data)) is None:
            received = self._receive()
            if received == b"" or len(data) > _LONGEST_HEADER:
                raise ConnectionResetError
            data += received or b""
            if time.monotonic() > self._deadline or self._stopped():
                raise self.too_slow()
            if len(data) > 16 and not data.startswith(b"HTTP/"):
                raise SourceError(f"{self.address.label}: does not answer in HTTP",
                                  hint="is the port right? Cameras often have rtsp:// at port 554")  # fmt: skip
        line, _, fields = bytes(data[: end.start()]).partition(b"\n")
        words = line.split()
        self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        self.headers: Message = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
        self._waiting = bytes(data[end.end() :])

    def _receive(self) -> bytes | None:
        try:
            return self._socket.recv(_AT_ONCE)
        except (TimeoutError, ssl.SSLWantReadError):
            return None
        except ssl.SSLEOFError:
            return b""

    # What the answer says

    def _check_status(self) -> bool:
        if self.status in (200, 206):
            return True
        if self.status == 401 and self._authorization is None and self.address.user + self.address.password:
            self._authorization = login(self.headers.get_all("WWW-Authenticate") or [], self.address)
        elif self.status in (301, 302, 303, 307, 308):
            self.address = self._next_address()
            self._authorization = None
        else:
            raise refusal(self.address, self.status)
        self._socket.close()
        return False

    def _next_address(self) -> Address:
        """Where a redirect leads: only to the same host, so that a camera cannot make this computer contact others."""
        target = urljoin(
            f"{self.address.scheme}://{self.address.netloc}{self.address.path}", self.headers.get("Location") or ""
        )
        if urlsplit(target).scheme not in ("http", "https"):
            raise SourceError(f"{self.address.label}: redirects to something that is not an http:// address")
        there = parse_address(target)
        if there.host != self.address.host or (self.address.encrypted and not there.encrypted):
            raise SourceError(f"{self.address.label}: redirects to {there.label}, which is not followed",
                              hint="if that is the camera, give that address")  # fmt: skip
        return Address(there.scheme, there.host, there.port, there.path, self.address.user, self.address.password)

    def too_slow(self) -> SourceError:
        """The error for a server that accepts the connection and then sends nothing."""
        return SourceError(f"{self.address.label}: accepted the connection but does not answer",
                           hint="is it a camera's address? If it is, restart the camera")  # fmt: skip


def _encrypted(plain: socket.socket, address: Address, *, trusted: bool) -> socket.socket:
    """TLS on a connection. Where the certificate is not checked, protocols of old cameras are allowed too."""
    context = ssl.create_default_context()
    if not trusted:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        plain.settimeout(_CONNECT_S)
        return context.wrap_socket(plain, server_hostname=address.host)
    except ssl.SSLCertVerificationError:
        plain.close()
        raise
    except (OSError, ValueError) as error:
        plain.close()
        said = error.reason if isinstance(error, ssl.SSLError) else None
        reason = (said or type(error).__name__).replace("_", " ").lower()
        raise SourceError(f"{address.label}: no encrypted connection can be made ({reason})",
                          hint=f"try {address.scheme[:-1]}:// instead of {address.scheme}://") from None  # fmt: skip


def refusal(address: Address, status: int) -> SourceError:
    """The error for a status that is not 200."""
    if status == 401:
        return login_refused(address)
    if status == 403:
        return RefusedError(f"{address.label}: the camera forbids this address (403)",
                            hint="may this user see the stream? Some cameras allow only certain computers")  # fmt: skip
    if status in (404, 410):
        return SourceError(f"{address.label}: there is nothing at this address ({status} not found)", hint=_USUAL_PATHS)
    if status in (429, 500, 502, 503, 504):
        return SourceError(f"{address.label}: the camera is busy or not ready ({status})",
                           hint="close other programs that watch it, or add --wait")  # fmt: skip
    known = {int(code): code.phrase.lower() for code in HTTPStatus}
    text = f" {known[status]}" if status in known else ""
    return SourceError(f"{address.label}: the camera answers {status}{text} instead of a stream", hint=_USUAL_PATHS)


def login_refused(address: Address) -> RefusedError:
    """The error for 401, with and without a password in the address."""
    if address.user or address.password:
        return RefusedError(
            f"{address.label}: the camera does not accept this name and password",
            hint="check them; write # as %23, / as %2F, ? as %3F, @ as %40 in them",
        )
    return RefusedError(
        f"{address.label}: the camera asks for a name and a password",
        hint=f"write them into the address: {address.scheme}://NAME:PASSWORD@{address.netloc}/...",
    )


class _Chunks:
    """Undoes Transfer-Encoding: chunked, whatever pieces it comes in."""

    def __init__(self) -> None:
        self.ended = False
        self._line = b""  # of a chunk's size, as far as it has come
        self._left = -1  # bytes of the chunk that are to come; -1: its size is to come; 0: the line end behind it

    def feed(self, data: bytes) -> bytes:
        """The body in `data`. Raises ConnectionResetError for what is not chunked."""
        body = bytearray()
        while data and not self.ended:
            if self._left > 0:
                body += data[: self._left]
                data, self._left = data[self._left :], max(0, self._left - len(data))
                continue
            line, end, data = data.partition(b"\n")
            self._line += line
            if end:
                self._end_line()
            elif len(self._line) > 1000:
                raise ConnectionResetError
        return bytes(body)

    def _end_line(self) -> None:
        line, self._line = self._line.strip(), b""
        if self._left == 0 and not line:
            self._left = -1  # the line end behind a chunk
            return
        try:
            self._left = int(line.partition(b";")[0], 16)
        except ValueError:
            raise ConnectionResetError from None
        self.ended = self._left <= 0
