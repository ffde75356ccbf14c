"""Which pictures validate and which train: decided once, by the name of the picture or of the person in it.

The rule looks at nothing but the name, so it gives the same split on every machine, in every order of reading and
after pictures were added. Where a set's names tell people apart, all pictures of a person fall on the same side.
"""

from __future__ import annotations

import hashlib
import re

VALIDATION_SHARE = 0.10


def person_of(name: str, pattern: str | None) -> str:
    """What must not be shared between the sides: the groups of `pattern` found in `name`, or the whole name."""
    found = re.search(pattern, name) if pattern else None
    return "|".join(found.groups()) if found else name


def is_validation(name: str, pattern: str | None = None, share: float = VALIDATION_SHARE) -> bool:
    """True for about `share` (0..1) of all people: those whose SHA-256 falls into the lowest part of its range."""
    digest = hashlib.sha256(person_of(name, pattern).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
