"""Addresses of cameras: parsed, and shown without what may be secret in them."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, quote, unquote, urlsplit

from livestyle.errors import RefusedError, UsageError

SCHEMES = ("http", "https", "rtsp", "rtsps")
_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}

_ESCAPES = "in a name or password write # as %23, / as %2F, ? as %3F, @ as %40, : as %3A, % as %25"
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/{1,2}")  # two letters or more: C:/ is a Windows path
_HOST_AND_PORT = re.compile(r"[\w.-]+\.[\w-]+|[\w.-]+:\d+|localhost|\[[0-9a-fA-F:.]+\](:\d+)?")
_MAY_BE_SECRET = re.compile(r"[=&@:;%]|^(?=.*\d)[\w.~-]{16,}$")
_KEPT = "/%:=&?~+!$,;'@()*[]"  # what stays as it is in a path or query


@dataclass(frozen=True, slots=True)
class Address:
    """Where a network camera is. What may be secret does not show in `repr` and is never part of `label`."""

    scheme: str  # one of SCHEMES
    host: str  # lower case; an IPv6 address without brackets
    port: int
    path: str = field(default="/", repr=False)  # percent-encoded, begins with "/"; with the query
    user: str = field(default="", repr=False)  # decoded
    password: str = field(default="", repr=False)  # decoded

    @property
    def label(self) -> str:
        """The address for messages: without name, password, query and what looks like a key in the path."""
        path, _, query = self.path.partition("?")
        shown = "/".join("..." if _MAY_BE_SECRET.search(part) else part for part in path.split("/"))
        return _printable(f"{self.scheme}://{self.netloc}{shown}{'?...' if query else ''}")

    @property
    def netloc(self) -> str:
        """Host and, unless it is the scheme's own, port: as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("https", "rtsps")

    def url(self) -> str:
        """The whole address, name and password included, as FFmpeg takes it. Never for a message."""
        secret = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user or self.password else ""
        return f"{self.scheme}://{secret}{self.netloc}{self.path}"


def is_address(which: str) -> bool:
    """Whether an address is meant, including one that is malformed or of another kind."""
    return _SCHEME.match(which) is not None or "://" in which


def parse_address(which: str) -> Address:
    """The parts of an address. Raises RefusedError for one that is malformed or of another kind."""
    parts, port = _split(which)
    if parts is None:
        _refuse_unclear(which)
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise RefusedError(f"{hide_secrets(which)}: not an address of a camera",
                           hint=f"addresses begin with {', '.join(f'{known}://' for known in SCHEMES)}")  # fmt: skip
    if not which.lower().startswith(f"{scheme}://"):
        raise RefusedError(f"{hide_secrets(which)}: not an address of a camera", hint=f"write {scheme}://HOST/...")
    if not parts.hostname or port == 0 or _has_secret_behind_host(parts):
        _refuse_unclear(which)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    return Address(scheme, parts.hostname, port or _PORTS[scheme], path, user, password)


def _split(which: str) -> tuple[SplitResult | None, int | None]:
    """The parts and the port; None for an invalid port, and for brackets that do not close."""
    try:
        parts = urlsplit(which.strip())
        return parts, parts.port
    except ValueError:  # whose text may hold a password, so nothing is raised from it
        return None, None


def refuse_incomplete(which: str) -> None:
    """Raise RefusedError where what should be a camera's name looks like an address without its beginning."""
    host = which.rpartition("@")[2].split("/")[0]
    if _HOST_AND_PORT.fullmatch(host) or _is_ip(host) or any(mark in which for mark in "@?="):
        raise RefusedError(f"{hide_secrets(which)} is an address without its beginning",
                           hint="put http:// before it, or rtsp://, as the camera has it")  # fmt: skip


def refuse_addresses(inputs: Iterable[Path], output: Path | None = None) -> None:
    """Raise UsageError for an address where a file must stand: `Path` has made `http://host` into `http:/host`."""
    for path in inputs:
        if (found := _SCHEME.match(str(path))) is None or os.path.exists(path):
            continue
        if found[1].lower() == "file":
            raise UsageError("a file is named without file://", hint="write its path alone")
        raise UsageError(f"{_whole(path)} is an address, not a file", hint="use --camera for an address")
    if output is not None and _SCHEME.match(str(output)):
        raise UsageError(f"{_whole(output)} is an address: the output must be a file",
                         hint="write -o FILE, or use --virtual-camera")  # fmt: skip


def hide_secrets(text: str) -> str:
    """Text that may be an address with only its scheme and host shown: nothing is assumed about its form."""
    scheme = _SCHEME.match(text)
    secret, at, rest = text[scheme.end() if scheme else 0 :].rpartition("@")
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    begin = f"{scheme[1]}://" if scheme else ""
    more = "/..." if len(rest) > len(host) + 1 else ""
    return _printable(f"{begin}{'...' if secret or at else ''}{at}{host}{more}")


def _has_secret_behind_host(parts: SplitResult) -> bool:
    """Whether the host may be the beginning of `NAME:PASSWORD@HOST` whose password holds a `/`, `?` or `#`."""
    if "@" in parts.netloc or "@" not in parts.path + parts.query + parts.fragment:
        return False
    if "@" in parts.fragment:
        return True
    host = parts.hostname or ""
    return parts.port is not None and "." not in host and ":" not in host and host != "localhost"


def _refuse_unclear(which: str) -> NoReturn:
    if "@" in which:
        raise RefusedError(f"{hide_secrets(which)}: it is not clear where the password ends", hint=_ESCAPES)
    raise RefusedError(f"{hide_secrets(which)}: host or port of this address cannot be read",
                       hint="write http://HOST:PORT/..., with a port from 1 to 65535")  # fmt: skip


def _whole(path: Path) -> str:
    return hide_secrets(str(path).replace("\\", "/"))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
