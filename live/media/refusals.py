"""Messages for files that cannot be read: one wording for photos, videos and files of neither kind."""

from __future__ import annotations

from pathlib import Path

from livestyle.errors import SourceError, reason_of


def cannot_be_read(path: Path, error: Exception) -> SourceError:
    """For a file that the system does not let this process read."""
    return SourceError(f"{path} cannot be read: {reason_of(error)}", hint="check its permissions")


def is_damaged(path: Path, what: str = "") -> str:
    """The message for a file of which something is missing; `what`: how that was noticed."""
    return f"{path} is damaged or cut short{f': {what}' if what else ''}"
