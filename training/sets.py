"""A data set, described by a TOML file: where its rows are, what its labels may mean, how its pictures are framed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livestyle.errors import InputError, SourceNotFoundError
from livestyle.training.classes import CLASSES, member_bits
from livestyle.training.split import is_validation, person_of

BUILTIN = Path(__file__).parent / "sets"
CUTOUTS = ("", "label", "black", "white")


@dataclass(frozen=True, slots=True)
class SetDescription:
    """One data set. `file` (relative to the data folder) or `hub` (a name for `datasets`) says where its rows are."""

    name: str
    labels: Mapping[int, int]  # source label id -> byte of the classes it may mean (classes.member_bits)
    about: str = ""  # a few words for tables
    file: str = ""
    hub: str = ""
    weight: float = 1.0  # share of the training samples, relative to the other sets' weights
    zoom: tuple[float, float] = (0.5, 1.8)  # range of a training crop's side in units of the picture's short side
    person: str | None = None  # regular expression whose groups name the person on a picture, see split.py
    validate: bool = True  # False: every picture trains (labels too poor to measure by)
    held: tuple[str, ...] = ()  # people (groups of `person`, joined by "|") that validate whatever their hash says
    cutout: str = ""  # what separates people from their background: "label" id 0, "black" or "white" surroundings
    unknown_holes: bool = False  # label-0 islands inside other labels (eyes, lips) say nothing
    hands: bool = False  # labels show hands and what surely surrounds them: recall and spill of hands can be counted
    backdrops: bool = False  # label 0 is truly empty of people, so parts of it serve as other people's background

    def validates(self, name: str) -> bool:
        """Whether the picture of that name is on the validation side."""
        held = person_of(name, self.person) in self.held
        return held or (self.validate and is_validation(name, self.person))

    def table(self) -> npt.NDArray[np.uint8]:
        """(256,) uint8: the byte of classes for every label id; 0 marks an id the set does not have."""
        table = np.zeros(256, np.uint8)
        for label, bits in self.labels.items():
            table[label] = bits
        return table


def _label_ids(text: str) -> list[int]:
    """The ids in "0", "4,7" or "4-8,10"."""
    ids: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        ids.extend(range(int(first), int(last or first) + 1))
    return ids


def _labels(table: Mapping[str, list[str]], origin: str) -> dict[int, int]:
    labels: dict[int, int] = {}
    for text, names in table.items():
        try:
            bits, ids = member_bits(names), _label_ids(text)
        except KeyError as error:
            raise InputError(
                f"{origin}: label {text} names a class {error} there is not.",
                hint=f"The classes are {', '.join(CLASSES)}.",
            ) from error
        except ValueError as error:
            raise InputError(
                f'{origin}: "{text}" is not a label id.', hint='Write ids like "0", "4,7" or "4-8,10".'
            ) from error
        for label in ids:
            if label in labels or not 0 <= label <= 255:
                raise InputError(f"{origin}: label {label} stands there twice or is not in 0..255.")
            labels[label] = bits
    return labels


def _checked(values: dict[str, Any], origin: str) -> SetDescription:
    known = set(SetDescription.__dataclass_fields__)
    if unknown := sorted(set(values) - known):
        raise InputError(f"{origin}: unknown setting {unknown[0]}.", hint=f"A set has {', '.join(sorted(known))}.")
    if bool(values.get("file")) == bool(values.get("hub")):
        raise InputError(f"{origin}: give either file (a parquet file) or hub (a name for datasets).")
    if values.get("cutout", "") not in CUTOUTS:
        raise InputError(f"{origin}: cutout is one of {', '.join(CUTOUTS[1:])}.")
    zoom = tuple(values.get("zoom", (0.5, 1.8)))
    if len(zoom) != 2 or not 0 < zoom[0] <= zoom[1]:
        raise InputError(f"{origin}: zoom is [smallest, largest] with 0 < smallest <= largest.")
    try:
        re.compile(values.get("person") or "")
    except re.error as error:
        raise InputError(f"{origin}: person is not a regular expression: {error}.") from error
    return SetDescription(**{**values, "zoom": zoom, "held": tuple(values.get("held", ()))})


def parse_set(text: str, origin: str) -> SetDescription:
    """The set that a TOML text describes. Raises InputError, naming `origin`, for anything that is not right."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin}: {error}.") from error
    if not values.get("name") or not isinstance(values.get("labels"), dict):
        raise InputError(f"{origin}: a set needs a name and a table [labels].")
    return _checked({**values, "labels": _labels(values["labels"], origin)}, origin)


def set_path(name_or_path: str) -> Path:
    """Where the description of a set is: a TOML file, or a built-in set by its name. Raises SourceNotFoundError."""
    path = Path(name_or_path) if name_or_path.endswith(".toml") else BUILTIN / f"{name_or_path}.toml"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in BUILTIN.glob("*.toml")))
        raise SourceNotFoundError(
            f"There is no data set {name_or_path}.", hint=f"Built in are {names}; or give a .toml file."
        )
    return path


def find_set(name_or_path: str) -> SetDescription:
    """A built-in set by name, or one described by a TOML file."""
    path = set_path(name_or_path)
    return parse_set(path.read_text(encoding="utf-8"), str(path))
