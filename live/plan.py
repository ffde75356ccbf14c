"""Which file becomes which: everything that can be refused is refused before the first frame is read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from livestyle.errors import InputError, OutputExistsError, UsageError

Overwrite = Literal["yes", "no"] | None

log = logging.getLogger("livestyle")


def expand_inputs(inputs: Sequence[Path]) -> list[Path]:
    """The files meant by `inputs`: a folder gives the photos and videos directly inside it, in natural order.

    Raises InputError for a folder without any.
    """
    from livestyle.sources.opening import list_folder

    files: list[Path] = []
    for path in inputs:
        if not path.is_dir():
            files.append(path)
            continue
        inside = list_folder(path)
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
    into_folder = len(files) > 1 or output.is_dir() or named[0].is_dir()
    if into_folder and output.suffix and not output.is_dir():
        raise UsageError(f"{output} looks like one file, but there are several inputs", hint=f"write -o {output}/")
    outputs = [output / path.name if into_folder else output for path in files]
    twice = next((path for at, path in enumerate(outputs) if path in outputs[:at]), None)
    if twice is not None:
        raise UsageError(f"two inputs would both become {twice}", hint="rename one, or style them in two runs")
    if into_folder:
        make_folder(output)
    return [(path, target) for path, target in zip(files, outputs, strict=True) if check_output(target, overwrite)]


def check_output(output: Path, overwrite: Overwrite) -> bool:
    """Whether to write `output`; raises OutputExistsError when it exists and neither -y nor -n was given."""
    if not output.exists() or overwrite == "yes":
        return True
    if overwrite == "no":
        log.info("%s exists and is left as it is (-n)", output)
        return False
    raise OutputExistsError(f"{output} exists already", hint="overwrite it with -y, skip it with -n, or name another")


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents unless they are there. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}") from error
