"""Rows of a data set: pictures and masks as bytes, decoded when they are first needed.

One reader serves local parquet files and hub data sets: both have a column of pictures and a column of masks in the
layout of the `datasets` library ({bytes, path}). Bad rows are counted by kind, or stop the run when `strict`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import InputError, SourceError, SourceNotFoundError
from livestyle.training.classes import ANY, BACKGROUND, Members
from livestyle.training.cutout import flooded, islands
from livestyle.training.parquet import bytes_of, read_parquet
from livestyle.training.sets import SetDescription

log = logging.getLogger("livestyle")

T = TypeVar("T")


class BadRow(Exception):
    """A row that cannot be used; the argument is the kind that the report counts."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Who is where on a picture of several people."""

    number: npt.NDArray[np.uint8]  # (H, W): the person that a pixel shows, 0: nobody
    heads: tuple[float, ...]  # pixels, about: the height of the head of person 1, 2, …


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture, decoded."""

    name: str
    pixels: npt.NDArray[np.uint8]  # (H, W, 3) RGB
    members: Members  # (H, W): the classes each pixel may be of
    cutout: npt.NDArray[np.uint8] | None = None  # (H, W): 255 on people, 0 on what may be replaced; None: unknown
    shown: Shown | None = None  # None: unknown


@dataclass(slots=True)
class BadRows:
    """Counts of rows left out, by kind."""

    strict: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, where: str, kind: str) -> None:
        """Count a bad row. Raises SourceError instead when strict."""
        if self.strict:
            raise SourceError(f"{where}: {kind}.", hint="Leave --strict out to skip such rows.")
        self.counts[kind] += 1

    def report(self, name: str) -> None:
        """Log what was left out, if anything was."""
        if self.counts:
            kinds = ", ".join(f"{n} × {kind}" for kind, n in sorted(self.counts.items()))
            log.warning("%s: left out %d rows (%s).", name, self.counts.total(), kinds)


@dataclass(frozen=True, slots=True)
class Row:
    """A picture and its mask as they are stored."""

    name: str
    image: bytes
    mask: bytes


def _decoded(data: bytes, flag: int, what: str) -> npt.NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    if image is None:
        raise BadRow(f"{what} cannot be decoded")
    return image.astype(np.uint8, copy=False)


def decode_image(row: Row) -> npt.NDArray[np.uint8]:
    """(H, W, 3) RGB. Raises BadRow."""
    return np.asarray(cv2.cvtColor(_decoded(row.image, cv2.IMREAD_COLOR, "picture"), cv2.COLOR_BGR2RGB), np.uint8)


def decode_mask(row: Row) -> npt.NDArray[np.uint8]:
    """(H, W) label ids; hub data sets store them three times. Raises BadRow."""
    labels = _decoded(row.mask, cv2.IMREAD_UNCHANGED, "mask")
    return np.ascontiguousarray(labels[..., 0]) if labels.ndim == 3 else labels


def decode(row: Row, described: SetDescription) -> Picture:
    """The picture of a row with its labels as sets of classes. Raises BadRow."""
    pixels, labels = decode_image(row), decode_mask(row)
    if labels.shape != pixels.shape[:2]:
        raise BadRow("picture and mask differ in size")
    members = described.table()[labels]
    if not members.all():
        raise BadRow("mask has an unknown label id")
    return _with_cutout(row.name, pixels, labels, members, described)


def _with_cutout(
    name: str, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], members: Members, described: SetDescription
) -> Picture:
    cutout = None
    if described.cutout == "label":
        cutout = np.where(labels == 0, 0, 255).astype(np.uint8)
    elif described.cutout:
        around = flooded(pixels, labels == 0, described.cutout)
        cutout = np.where(around, 0, 255).astype(np.uint8)
        members = np.where(around, np.uint8(BACKGROUND), members)
    if described.unknown_holes:
        members = np.where(islands(labels == 0), np.uint8(ANY), members)
    return Picture(name, pixels, members, cutout)


def _parquet_rows(path: Path) -> Iterator[Row]:
    for row in read_parquet(path, ("image", "mask")):
        yield Row(row["name"], bytes_of(row["image"]), bytes_of(row["mask"]))


def _hub_rows(name: str, split: str = "train") -> Iterator[Row]:
    import datasets

    try:
        stream = datasets.load_dataset(name, split=split, streaming=True)
        for column in ("image", "mask"):
            stream = stream.cast_column(column, datasets.Image(decode=False))
        for i, row in enumerate(stream):
            yield Row(str(row.get("name") or f"{name}#{i}"), bytes_of(row["image"]), bytes_of(row["mask"]))
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"The data set {name} cannot be read: {error}.") from error


def read_rows(described: SetDescription, data: Path) -> Iterator[Row]:
    """All rows of a set, in stored order. Raises SourceNotFoundError or SourceError."""
    if described.hub:
        return _hub_rows(str(data / described.hub) if (data / described.hub).is_dir() else described.hub)
    path = data / described.file
    if not path.is_file():
        raise SourceNotFoundError(
            f"The data set {described.name} has no file {path}.", hint="Set data.folder to where the parquet files are."
        )
    return _parquet_rows(path)


class LabelledSet:
    """The training or the validation side of a set, decoded on first use and then kept.

    Keeping the built-in sets decoded takes about 6 GB; `keep=False` decodes at each use instead.
    """

    composed = False

    def __init__(
        self,
        described: SetDescription,
        data: Path,
        *,
        validation: bool,
        strict: bool = False,
        keep: bool = True,
        limit: int | None = None,
    ) -> None:
        self.described = described
        self.bad = BadRows(strict)
        self._keep = keep
        self._pictures: dict[int, Picture] = {}
        self._rows: list[Row] = []
        for row in read_rows(described, data):
            if limit is not None and len(self._rows) >= limit:
                break
            if described.validates(row.name) == validation:
                self._rows.append(row)

    def decode_all(self, threads: int) -> None:
        """Decode every picture that is to be kept, on several threads: processes forked later then share them."""
        if self._keep:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(self.picture, range(len(self))))

    def __len__(self) -> int:
        return len(self._rows)

    def names(self) -> list[str]:
        """Names of the pictures on this side."""
        return [row.name for row in self._rows]

    def picture(self, index: int) -> Picture | None:
        """The picture at `index`, or None where the row is bad (it is counted)."""
        if index in self._pictures:
            return self._pictures[index]
        row = self._rows[index]
        try:
            picture = decode(row, self.described)
        except BadRow as error:
            self.bad.add(f"{self.described.name} {row.name}", str(error))
            return None
        if self._keep:
            self._pictures[index] = picture
        return picture


def gathered(
    labelled: LabelledSet, order: Sequence[int], of: Callable[[Picture], list[T]], limit: int, threads: int
) -> list[T]:
    """Up to `limit` things that `of` finds in the pictures of a set, looked through in `order` by `threads` threads."""

    def find(index: int) -> list[T]:
        picture = labelled.picture(int(index))
        return of(picture) if picture is not None else []

    found: list[T] = []
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(order), 4 * threads):
            if len(found) >= limit:
                break
            found += [thing for things in pool.map(find, order[first : first + 4 * threads]) for thing in things]
    return found[:limit]


def open_sets(
    described: list[SetDescription],
    data: Path,
    *,
    validation: bool,
    strict: bool = False,
    keep: bool = True,
    limit: int | None = None,
) -> list[LabelledSet]:
    """One side of several sets; sets without a picture on that side are left out. Raises InputError if none is left."""
    sets = [LabelledSet(d, data, validation=validation, strict=strict, keep=keep, limit=limit) for d in described]
    sets = [s for s in sets if len(s)]
    if not sets:
        raise InputError("None of the data sets has a picture on the side of the split that is wanted.")
    return sets
