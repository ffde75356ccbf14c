"""The version comes from git's tags, wherever livestyle is built: one test for each way that the source can arrive."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Run = Callable[..., str]


def _builders() -> str:
    """What is missing to build livestyle in this environment, or nothing."""
    try:
        if int(version("setuptools").split(".")[0]) < 77:
            return "setuptools 77 or newer"
        version("setuptools-scm")
    except PackageNotFoundError as missing:
        return str(missing.name)
    return ""


pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="git is not installed"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: the tracked files are not known"),
    pytest.mark.skipif(bool(_builders()), reason=f"{_builders()} is not installed (extra `test`)"),
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command without the git settings of whoever runs the tests; gives back what it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SETUPTOOLS_SCM"))}
    person = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = inherited | person | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def command(*words: str | Path, cwd: Path = tmp_path) -> str:
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    return command


@pytest.fixture
def clone(tmp_path: Path, run: Run) -> Path:
    """A repository of one commit: the tracked files as they are now, without what need not be built."""
    folder = tmp_path / "clone"
    listed = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        heavy = name.startswith(("tests/", "training/checkpoints/", "models/weights/")) and not name.endswith(".txt")
        if not heavy and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "--quiet", "--message", "x", cwd=folder)
    return folder


def built(run: Run, tree: Path, hook: str) -> Path:
    """What one hook of the build backend (PEP 517) makes of a tree: a wheel, a source distribution, or metadata."""
    out = tree.parent / f"{tree.name}-{hook}"
    out.mkdir()
    script = f"from setuptools import build_meta; print(build_meta.{hook}({str(out)!r}))"
    return out / run(sys.executable, "-c", script, cwd=tree).splitlines()[-1]


def version_of(run: Run, tree: Path) -> str:
    metadata = built(run, tree, "prepare_metadata_for_build_wheel") / "METADATA"
    return HeaderParser().parsestr(metadata.read_text("utf-8"))["Version"]


def test_a_wheel_built_at_a_tag_has_the_tags_version(clone: Path, run: Run) -> None:
    """In the wheel's name, which pip goes by, and in its metadata, from which `livestyle.__version__` is read."""
    run("git", "tag", "v3.14.1", cwd=clone)
    wheel = built(run, clone, "build_wheel")
    assert wheel.name.startswith("livestyle-3.14.1-")
    with zipfile.ZipFile(wheel) as file:
        metadata = file.read("livestyle-3.14.1.dist-info/METADATA").decode()
        names = file.namelist()
    assert HeaderParser().parsestr(metadata)["Version"] == "3.14.1"
    assert "livestyle/shaders/builtin/13-warm.toml" in names
    assert not [name for name in names if name.endswith((".c", ".sbatch", ".pt"))]  # these need not be installed


def test_a_commit_after_a_tag_is_a_development_version_of_the_next_one(clone: Path, run: Run) -> None:
    """It sorts after the release and before the next, and names its commit."""
    run("git", "tag", "v3.14.1", cwd=clone)
    run("git", "commit", "--quiet", "--allow-empty", "--message", "y", cwd=clone)
    commit = run("git", "rev-parse", "HEAD", cwd=clone).strip()
    found = re.fullmatch(r"3\.14\.2\.dev1\+g([0-9a-f]{7,40})", version_of(run, clone))
    assert found
    assert commit.startswith(found[1])


def test_a_tag_that_is_no_version_is_ignored(clone: Path, run: Run) -> None:
    """Models and data sets may have tags too; an annotated tag counts as much as a plain one."""
    run("git", "tag", "--annotate", "--message", "x", "v3.14.1", cwd=clone)
    run("git", "tag", "model-9", cwd=clone)
    run("git", "tag", "vivid-2", cwd=clone)
    assert version_of(run, clone) == "3.14.1"


def test_a_clone_without_tags_builds_a_development_version(clone: Path, run: Run) -> None:
    """A shallow clone, or a fork that was pushed without tags: it builds, and sorts before every release."""
    assert re.fullmatch(r"0\.[01](\.[01])?\.dev\d+\+g[0-9a-f]{7,40}", version_of(run, clone))


def test_a_copy_without_git_builds_as_version_0(clone: Path, run: Run) -> None:
    """A copied folder knows nothing of tags, but can still be installed."""
    run("git", "tag", "v3.14.1", cwd=clone)
    copy = shutil.copytree(clone, clone.parent / "copy", ignore=shutil.ignore_patterns(".git"))
    assert version_of(run, copy) == "0.0.0"


def test_an_archive_of_a_tag_has_the_tags_version(clone: Path, run: Run) -> None:
    """What a hosting site offers as "download ZIP" is made by `git archive`, which writes the tag into a file."""
    run("git", "tag", "v3.14.1", cwd=clone)
    run("git", "archive", "--output", "../archive.zip", "HEAD", cwd=clone)
    with zipfile.ZipFile(clone.parent / "archive.zip") as file:
        file.extractall(clone.parent / "archive")
    assert version_of(run, clone.parent / "archive") == "3.14.1"


def test_a_source_distribution_keeps_its_version_and_holds_what_is_built(clone: Path, run: Run) -> None:
    """It has no git, and is what a wheel is built from where none is offered: C sources and data have to be in it."""
    run("git", "tag", "v3.14.1", cwd=clone)
    with tarfile.open(built(run, clone, "build_sdist")) as file:
        file.extractall(clone.parent, filter="data")
    tree = clone.parent / "livestyle-3.14.1"
    assert version_of(run, tree) == "3.14.1"
    kinds = (".c", ".py", ".toml", ".ipynb")
    needed = {name for name in run("git", "ls-files", cwd=clone).split() if name.endswith(kinds)}
    packed = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert {name for name in needed if not name.startswith(".")} <= packed
    assert not {name for name in packed if name.startswith((".ci/", ".github/workflows", "training/checkpoints/"))}
