"""Which file becomes which: everything that can be refused is refused before the first frame is read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from livestyle.errors import InputError, UsageError
from livestyle.sinks.containers import CONTAINERS
from livestyle.sinks.output import check_output
from livestyle.sinks.photo import FORMATS
from livestyle.sources.opening import PHOTO_SUFFIXES, list_folder

Overwrite = Literal["yes", "no"] | None

log = logging.getLogger("livestyle")


def expand_inputs(inputs: Sequence[Path]) -> list[Path]:
    """The files meant by `inputs`: a folder gives the photos and videos directly inside it, in natural order.

    Raises InputError for a folder without any.
    """
    files: list[Path] = []
    for path in inputs:
        if not path.is_dir():
            files.append(path)
            continue
        inside = list_folder(path)
        if any(entry.is_dir() and not entry.name.startswith(".") for entry in path.iterdir()):
            log.info("the folders inside %s are not looked into: name them too", path)
        if not inside:
            raise InputError(f"{path} holds no photo or video", hint="name a folder that does, or single files")
        files.extend(inside)
    return files


def plan_outputs(
    files: Sequence[Path], named: Sequence[Path], output: Path | None, overwrite: Overwrite
) -> list[tuple[Path, Path | None]]:
    """(input, output) pairs for `files`, which `named` on the command line stood for; output None means a window.

    Raises UsageError (OutputExistsError) for what cannot be done as asked.
    """
    if output is None:
        if len(files) > 1:
            raise UsageError("several inputs need -o FOLDER", hint="or play them one at a time")
        return [(files[0], None)]
    into_folder = is_folder_for(files, named, output)
    outputs = [output / name_in_folder(path) if into_folder else output for path in files]
    twice = next((path for at, path in enumerate(outputs) if path in outputs[:at]), None)
    if twice is not None:
        raise UsageError(f"two inputs would both become {twice}", hint="rename one, or style them in two runs")
    return [(path, target) for path, target in zip(files, outputs, strict=True) if wanted(target, path, overwrite)]


def wanted(output: Path, source: Path | None, overwrite: Overwrite) -> bool:
    """Whether to write `output`. Raises UsageError, or OutputExistsError when neither -y nor -n was given."""
    if overwrite == "no" and output.exists():
        log.info("%s exists and is left as it is (-n)", output)
        return False
    check_output(output, source, overwrite=overwrite == "yes")
    return True


def name_in_folder(path: Path) -> str:
    """The name of the styled `path`: its own, with another ending where that format is only read."""
    suffix = path.suffix.lower()
    if suffix in CONTAINERS or suffix in FORMATS:
        return path.name
    return f"{path.stem}{'.png' if suffix in PHOTO_SUFFIXES else '.mp4'}"


def is_folder_for(files: Sequence[Path], named: Sequence[Path], output: Path) -> bool:
    """Whether `output` means a folder for the styled `files`, which `named` on the command line stood for.

    Raises UsageError when it must be one but looks like a file.
    """
    if output.is_dir():
        return True
    several = len(files) > 1 or named[0].is_dir()
    if several and output.suffix:
        raise UsageError(f"{output} looks like one file, but there are several inputs", hint=f"write -o {output}/")
    return several


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """`folder` is there inside the `with`, and gone again after it if it was made here and nothing was put in."""
    made = not folder.exists()
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
