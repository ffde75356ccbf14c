"""Which file becomes which, in folders of any size and on file systems of any kind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from livestyle.cli import outputs
from livestyle.cli.outputs import expand_inputs, ignores_case, plan_outputs
from livestyle.errors import SourceError, UsageError


class Counted(str):
    """Counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, str(other))

    __hash__ = str.__hash__


def test_outputs_are_not_compared_each_with_each():
    """Ten thousand outputs cost about as many comparisons, not fifty million."""
    keys = [Counted(f"clip{number}.mp4") for number in range(10_000)]
    paths = [Path(key) for key in keys]
    Counted.compared = 0
    assert outputs._repeated(paths, keys) is None
    assert Counted.compared < len(keys)
    assert outputs._repeated([*paths, paths[5]], [*keys, Counted("clip5.mp4")]) == paths[5]


@pytest.mark.parametrize(("insensitive", "refused"), [(True, True), (False, False)])
@pytest.mark.parametrize("names", [("a.png", "A.png"), ("é.png", "e\u0301.png")])
def test_names_that_the_file_system_takes_for_one_are_refused(tmp_path, monkeypatch, insensitive, refused, names):
    """Two inputs that differ in case, or in how an accent is composed, only where that makes no difference to files."""
    monkeypatch.setattr(outputs, "ignores_case", lambda folder: insensitive)
    files = [tmp_path / folder / name for folder, name in zip("xy", names, strict=True)]
    if not refused:
        assert len(plan_outputs(files, files, tmp_path, None)) == 2
        return
    with pytest.raises(UsageError, match="both become"):
        plan_outputs(files, files, tmp_path, None)


def test_whether_case_matters_is_asked_of_the_folder(tmp_path):
    """The oracle is the file system itself."""
    (tmp_path / "lower").write_bytes(b"")
    assert ignores_case(tmp_path) == (tmp_path / "LOWER").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")
def test_odd_entries_of_a_folder_are_passed_over(tmp_path):
    """Links in a circle or into nothing, pipes, and a folder that is called like a photo."""
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nowhere.png").symlink_to("missing")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "real.png").write_bytes(b"x")
    (tmp_path / "linked.png").symlink_to("real.png")
    assert [path.name for path in expand_inputs([tmp_path]).files] == ["linked.png", "real.png"]


def test_an_input_that_cannot_be_looked_at_is_named(tmp_path):
    """A name that is too long for the file system; one in a circle of links."""
    with pytest.raises(SourceError, match="cannot be reached"):
        expand_inputs([tmp_path / ("n" * 300)])
    with pytest.raises(SourceError, match="not a possible path"):
        expand_inputs([tmp_path / "a\0b"])


def test_names_that_change_never_meet_another_file(tmp_path):
    """An AVIF photo beside a PNG of the same name: each becomes a file of its own."""
    for name, kind in (("a.avif", "AVIF"), ("a.png", "PNG"), ("b.avif", "AVIF")):
        Image.new("RGB", (16, 16)).save(tmp_path / name, kind)
    files = [tmp_path / name for name in ("a.avif", "a.png", "b.avif")]
    out = tmp_path / "out"
    out.mkdir()
    planned = plan_outputs(files, [tmp_path], out, None)
    assert [target.name for _, target in planned] == ["a.avif.png", "a.png", "b.png"]
