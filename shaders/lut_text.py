"""The text of LUT files, and what messages quote of it."""

from __future__ import annotations

import re
from pathlib import Path

from livestyle.errors import StyleError

BROKEN = "the file is damaged or cut off; export or download it again"


def decode(path: Path, data: bytes) -> str:
    r"""Text with `\n` line ends and no byte-order mark. Old files hold Latin-1 in their comments, some are UTF-16."""
    try:
        text = data.decode(_utf_16(data) or "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    strange = re.search(r"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f\x7f-\x9f]", text)
    if strange:
        raise StyleError(f"{path}:{_line_at(text, strange.start())}: expected text, found binary data")
    return text


def _utf_16(data: bytes) -> str | None:
    """The encoding of text in UTF-16: by its mark, or by the zero in every other byte of its beginning."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = data[: min(len(data), 64) // 2 * 2]
    if len(head) < 8 or head.count(0) != len(head) // 2:
        return None
    return "utf-16-le" if not any(head[1::2]) else "utf-16-be" if not any(head[::2]) else None


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def numbers_of(line: str) -> list[float] | None:
    """The line's numbers; None when anything on it is not one. "nan" and "inf" are numbers here."""
    if "_" in line:  # Python allows it within digits
        return None
    try:
        return [float(token) for token in line.split()]
    except ValueError:
        return None


def no_copy(path: Path, error: OSError) -> StyleError:
    """The error for a LUT of which OpenColorIO gets no copy."""
    return StyleError(
        f"{path}: no temporary copy of it can be made: {error.strerror or error}",
        hint="free some space, or name another folder for temporary files in TMPDIR",
    )


def shown(text: str, longest: int = 60) -> str:
    """What a message quotes of a file."""
    text = text.strip() or "nothing"
    return text if len(text) <= longest else text[:longest] + "…"
