"""Which input is written to which output: everything that can be refused is refused before the first frame is read."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livestyle.errors import InputError, LivestyleError, SourceError, UsageError
from livestyle.plugins import Output
from livestyle.sinks.files.containers import CONTAINERS, PHOTO_FORMATS
from livestyle.sinks.files.output import check_output
from livestyle.sources.files.file_type import PHOTO_SUFFIXES, LeftOut, kind_of, search_folder
from livestyle.system.paths import kind_of_path, shell_word, unreachable

Overwrite = Literal["yes", "no"] | None

log = logging.getLogger("livestyle")


@dataclass(frozen=True, slots=True)
class Found:
    """What inputs stand for."""

    files: list[Path]
    left_out: list[LeftOut]  # in the folders among the inputs


def expand_inputs(inputs: Sequence[Path]) -> Found:
    """The files meant by `inputs`: a folder gives the photos and videos directly inside it, in natural order.

    What else is in a folder is in the result, too, and is logged. Raises InputError for a folder without any.
    """
    found = Found([], [])
    for path in inputs:
        if kind_of_path(path, SourceError) == "folder":
            _add_inside(found, path)
        else:
            found.files.append(path)
    return found


def _add_inside(found: Found, folder: Path) -> None:
    try:
        inside, left_out = search_folder(folder)
        with os.scandir(folder) as entries:
            deeper = sum(_is_folder(entry) and not entry.name.startswith(".") for entry in entries)
    except OSError as error:  # it may not be read, or was removed meanwhile
        raise unreachable(folder, error, SourceError) from error
    if deeper:
        log.info("%d %s inside %s: not searched, name them too", deeper, "folder" if deeper == 1 else "folders", folder)
    if left_out:
        is_wanted = any(one.is_picture for one in left_out)
        log.log(logging.WARNING if is_wanted else logging.INFO, "%s", _left_out_line(folder, left_out))
    if not inside:
        raise InputError(f"{folder} holds no photo or video", hint="name a folder that does, or single files")
    found.files.extend(inside)
    found.left_out.extend(left_out)


_NAMED = 3  # files of a kind that a message names


def _left_out_line(folder: Path, left_out: Sequence[LeftOut]) -> str:
    """How many of what kind, and the first names of each."""
    by_reason: dict[str, list[str]] = {}
    for one in left_out:
        by_reason.setdefault(one.reason, []).append(one.path.name)
    parts = []
    for reason, names in by_reason.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        parts.append(f"{reason}: {', '.join(names[:_NAMED])}{more}")
    return f"{len(left_out)} of the files in {folder} left out ({'; '.join(parts)})"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or that may not be read
        return False


def plan_outputs(
    files: Sequence[Path], named: Sequence[Path], output: Output | None, overwrite: Overwrite
) -> list[tuple[Path, Output | None]]:
    """(input, output) pairs for `files`, which `named` on the command line stood for; output None means a window.

    What a plugin opens takes a single input.

    Raises UsageError (OutputExistsError) for what cannot be done as asked.
    """
    if output is None:
        if len(files) > 1:
            raise UsageError("several inputs need -o FOLDER", hint="or play them one at a time")
        return [(files[0], None)]
    if not isinstance(output, Path):
        if len(files) > 1:
            raise UsageError(f"{output} takes a single input", hint="style them one at a time")
        return [(files[0], output)]
    into_folder = is_folder_for(files, named, output)
    outputs = [output / name for name in names_in_folder(files)] if into_folder else [output] * len(files)
    _refuse_twice(outputs)
    return [(path, target) for path, target in zip(files, outputs, strict=True) if wanted(target, path, overwrite)]


def _refuse_twice(outputs: Sequence[Path]) -> None:
    twice = _repeated(outputs, outputs)
    if twice is None and (alike := _repeated(outputs, [_folded(path) for path in outputs])) is not None:
        twice = alike if ignores_case(alike.parent) else None
    if twice is not None:
        raise UsageError(f"two inputs would both become {twice}", hint="rename one, or style them in two runs")


def _repeated(outputs: Sequence[Path], keys: Sequence[object]) -> Path | None:
    """The first output whose key an earlier one has."""
    seen: set[object] = set()
    for path, key in zip(outputs, keys, strict=True):
        if key in seen:
            return path
        seen.add(key)
    return None


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFC", path.name).casefold()


def ignores_case(folder: Path) -> bool:
    """Whether names in `folder` that differ only in case are one file, told by the name of the folder itself."""
    here = folder.absolute()
    return any(_is_same(path, path.with_name(path.name.swapcase())) for path in (here, *here.parents[:-1]))


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path != other and os.path.samefile(path, other)
    except OSError:
        return False


def wanted(output: Path, source: Path | None, overwrite: Overwrite) -> bool:
    """Whether to write `output`. Raises UsageError, or OutputExistsError when neither -y nor -n was given."""
    if overwrite == "no" and kind_of_path(output, UsageError) is not None:
        log.info("%s exists and is left as it is (-n)", output)
        return False
    check_output(output, source, overwrite=overwrite == "yes")
    return True


def names_in_folder(files: Sequence[Path]) -> list[str]:
    """As `name_in_folder`; a name that changes, and would be that of another file, keeps the old ending inside."""
    names = [name_in_folder(path) for path in files]
    taken = Counter(_folded(Path(name)) for name in names)
    return [
        f"{path.name}{Path(name).suffix}" if name != path.name and taken[_folded(Path(name))] > 1 else name
        for path, name in zip(files, names, strict=True)
    ]


def name_in_folder(path: Path) -> str:
    """The name of the styled `path`: its own, with another ending where that format is not written here.

    AVIF is encoded too slowly for a whole folder, and becomes PNG.
    """
    is_photo = _is_photo(path)
    suffix = path.suffix.lower()
    if suffix in (PHOTO_FORMATS if is_photo else CONTAINERS) and suffix != ".avif":
        return path.name
    return f"{path.stem}{'.png' if is_photo else '.mp4'}"


def _is_photo(path: Path) -> bool:
    """By its content, as a moving PNG is a video; by its name where it cannot be read, which opening it will say."""
    try:
        return kind_of(path) == "photo"
    except LivestyleError:
        return path.suffix.lower() in PHOTO_SUFFIXES


def is_folder_for(files: Sequence[Path], named: Sequence[Path], output: Output) -> bool:
    """Whether `output` means a folder for the styled `files`, which `named` on the command line stood for.

    Raises UsageError when it must be one but looks like a file.
    """
    if not isinstance(output, Path):
        return False
    if kind_of_path(output, UsageError) == "folder":
        return True
    several = len(files) > 1 or kind_of_path(named[0], SourceError) == "folder"
    if several and output.suffix:
        hint = f"write -o {shell_word(output)}/"
        raise UsageError(f"{output} looks like one file, but there are several inputs", hint=hint)
    return several


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """`folder` is there inside the `with`, and gone again after it if it was made here and nothing was put in."""
    made = kind_of_path(folder, UsageError) is None
    make_folder(folder)
    try:
        yield
    finally:
        if made:
            with suppress(OSError):  # it is not empty: it stays
                folder.rmdir()


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents unless they are there. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}") from error
    except ValueError as error:  # a NUL in its name
        raise UsageError(f"the folder {folder} cannot be made: {error}") from error
