"""Pictures of places without people, as they are stored: a folder of pictures, a parquet file, or both mixed.

They are split by name as people are, so that a place on which a model is measured is none that it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livestyle.errors import InputError, SourceNotFoundError
from livestyle.training.parquet import bytes_of, read_parquet
from livestyle.training.split import is_validation

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
PARQUET = ".parquet"


@dataclass(frozen=True, slots=True)
class Place:
    """A picture without people, not decoded yet."""

    name: str  # decides on which side of the split it is: the row's name, or the path below the folder without suffix
    origin: str  # the file that holds it, for messages
    stored: bytes | Path  # the picture as a file

    @property
    def data(self) -> bytes:
        """The picture as a file, read when it is needed: a folder may hold more than fits into memory."""
        return self.stored if isinstance(self.stored, bytes) else self.stored.read_bytes()

    @property
    def validates(self) -> bool:
        """Whether it is on the validation side."""
        return is_validation(self.name)


def stored_places(path: Path) -> Iterator[Place]:
    """All pictures of the parquet file or of the folder `path`, at any depth, in the order of their paths.

    Raises SourceNotFoundError where nothing is there, SourceError for a parquet file without a column `image`, or with
    masks: what has labels has people; InputError where there is no picture at all.
    """
    if not path.exists():
        raise SourceNotFoundError(f"There is no folder or parquet file {path}.")
    files = [path] if path.is_file() else sorted(path.rglob("*"), key=Path.as_posix)
    found = False
    for file in files:
        for place in _places_of(file, path):
            found = True
            yield place
    if not found:
        raise InputError(
            f"{path} holds no picture.",
            hint=f"Places are {', '.join(PICTURE_SUFFIXES)} files, or parquet files with a column image.",
        )


def _places_of(file: Path, root: Path) -> Iterator[Place]:
    """The pictures in one file below `root`: one, all rows, or none."""
    kind = file.suffix.lower()
    if kind == PARQUET:
        for row in read_parquet(file, ("image",), without=("mask",)):
            yield Place(row["name"], f"{file}, {row['name']}", bytes_of(row["image"]))
    elif kind in PICTURE_SUFFIXES and file.is_file():
        name = file.relative_to(root) if file != root else Path(file.name)
        yield Place(name.with_suffix("").as_posix(), str(file), file)
