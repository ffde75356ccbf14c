"""HTTP authentication: Basic (RFC 7617) and Digest (RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from urllib.request import parse_http_list, parse_keqv_list

from livestyle.errors import SourceError
from livestyle.sources.network.addresses import Address

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


def login(challenges: Sequence[str], address: Address) -> str:
    """The Authorization header that answers a server's WWW-Authenticate headers; Digest where it is offered.

    Basic where none is offered: some small cameras forget to say it. Raises SourceError for other ways.
    """
    digests = [fields for text in challenges if (fields := _digest_fields(text)) is not None]
    known = [fields for fields in digests if _algorithm(fields) in _HASHES]
    if known:
        return _digest(known[0], address)
    if not challenges or any(text.strip().lower().startswith("basic") for text in challenges):
        return "Basic " + base64.b64encode(f"{address.user}:{address.password}".encode()).decode()
    raise SourceError(
        f"{address.label}: asks for the password in a way that is not supported",
        hint="set the camera to Basic or Digest authentication",
    )


def _digest_fields(challenge: str) -> dict[str, str] | None:
    found = re.match(r"\s*digest\s+(.*)", challenge, re.IGNORECASE | re.DOTALL)
    if found is None:
        return None
    pairs = [pair for pair in parse_http_list(found[1]) if "=" in pair]
    return {name.strip().lower(): value for name, value in parse_keqv_list(pairs).items()}


def _algorithm(fields: dict[str, str]) -> str:
    return fields.get("algorithm", "MD5").upper().removesuffix("-SESS")


def _digest(fields: dict[str, str], address: Address, method: str = "GET") -> str:
    def hashed(text: str) -> str:
        return hashlib.new(_HASHES[_algorithm(fields)], text.encode(), usedforsecurity=False).hexdigest()

    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    count, own = "00000001", secrets.token_hex(8)
    first = hashed(f"{address.user}:{realm}:{address.password}")
    if fields.get("algorithm", "").upper().endswith("-SESS"):
        first = hashed(f"{first}:{nonce}:{own}")
    second = hashed(f"{method}:{address.path}")
    offered = [way.strip() for way in fields.get("qop", "").split(",")]
    protected = "auth" in offered
    middle = f"{nonce}:{count}:{own}:auth" if protected else nonce
    answer = {
        "username": address.user, "realm": realm, "nonce": nonce, "uri": address.path,
        "response": hashed(f"{first}:{middle}:{second}"),
    }  # fmt: skip
    answer |= {name: fields[name] for name in ("opaque",) if name in fields}
    quoted = [f'{name}="{_escaped(value)}"' for name, value in answer.items()]
    plain = [f"algorithm={fields['algorithm']}"] if "algorithm" in fields else []
    if protected:
        plain += ["qop=auth", f"nc={count}", f'cnonce="{own}"']
    return "Digest " + ", ".join(quoted + plain)


def _escaped(text: str) -> str:
    return re.sub(r"[\r\n]", "", text).replace("\\", "\\\\").replace('"', '\\"')
