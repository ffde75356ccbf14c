"""What replacing a file leaves as it was, and what is never replaced."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests_media import scene

from livestyle.errors import OutputExistsError, UsageError
from livestyle.frame import Frame, read_only
from livestyle.sinks.files.output import Pending, check_output
from livestyle.sinks.files.photo import PhotoSink

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, links and pipes")


def write(path: Path, *, overwrite: bool) -> None:
    with closing(PhotoSink(path, None, overwrite=overwrite)) as sink:
        sink.write(Frame(read_only(scene()), 0, 0.0))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_new_output_has_what_the_umask_leaves(tmp_path, umask):
    """0666 without the umask's bits, as every program makes files."""
    write(tmp_path / "a.png", overwrite=False)
    assert mode(tmp_path / "a.png") == 0o666 & ~umask


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o664, 0o755])
def test_a_replaced_output_keeps_its_permissions(tmp_path, umask, bits):
    """Neither wider than before, which would show a private picture, nor narrower."""
    (tmp_path / "a.png").write_bytes(b"old")
    (tmp_path / "a.png").chmod(bits)
    write(tmp_path / "a.png", overwrite=True)
    assert mode(tmp_path / "a.png") == bits
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_unfinished_file_is_as_private_as_the_one_it_replaces(tmp_path):
    """Nobody reads a private picture under its temporary name."""
    (tmp_path / "a.png").write_bytes(b"old")
    (tmp_path / "a.png").chmod(0o600)
    pending = Pending(tmp_path / "a.png", overwrite=True)
    assert mode(pending.temporary) == 0o600
    pending.discard()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files to others")
def test_a_replaced_output_keeps_its_owner(tmp_path):
    """Root that styles a user's file leaves it the user's."""
    (tmp_path / "a.png").write_bytes(b"old")
    os.chown(tmp_path / "a.png", 65534, 65533)
    (tmp_path / "a.png").chmod(0o640)
    write(tmp_path / "a.png", overwrite=True)
    state = (tmp_path / "a.png").stat()
    assert (state.st_uid, state.st_gid, mode(tmp_path / "a.png")) == (65534, 65533, 0o640)


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    """The temporary file lies beside the target, so that it may be on another disk."""
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "real.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    link.symlink_to(Path("far") / "real.png")
    pending = Pending(link, overwrite=True)
    assert pending.temporary.parent == target.parent
    pending.discard()
    write(link, overwrite=True)
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["far", "link.png", "real.png"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_link_to_another_file_system_is_followed(tmp_path):
    """A file cannot be moved from one file system to another."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        target = Path(folder) / "real.png"
        target.write_bytes(b"old")
        (tmp_path / "link.png").symlink_to(target)
        write(tmp_path / "link.png", overwrite=True)
        assert (tmp_path / "link.png").is_symlink()
        assert target.read_bytes().startswith(b"\x89PNG")


def test_a_link_into_nothing_is_written_through_only_when_overwriting_is_allowed(tmp_path):
    """Without -y neither the link nor its target is touched: somebody else may have put it there."""
    link = tmp_path / "link.png"
    link.symlink_to("missing.png")
    with pytest.raises(OutputExistsError, match=r"missing\.png"):
        write(link, overwrite=False)
    assert os.listdir(tmp_path) == ["link.png"]
    write(link, overwrite=True)
    assert link.is_symlink()
    assert (tmp_path / "missing.png").read_bytes().startswith(b"\x89PNG")


def test_a_link_into_a_missing_folder_names_that_folder(tmp_path):
    """Before anything is decoded."""
    (tmp_path / "link.png").symlink_to(tmp_path / "no folder" / "a.png")
    with pytest.raises(UsageError, match="no folder") as caught:
        check_output(tmp_path / "link.png", None, overwrite=True)
    assert caught.value.hint == f"mkdir -p '{tmp_path / 'no folder'}'"


def test_the_other_name_of_a_hard_link_keeps_its_content(tmp_path):
    """A new file takes the name of the output; nothing is written into the old one."""
    (tmp_path / "a.png").write_bytes(b"old")
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    write(tmp_path / "a.png", overwrite=True)
    assert (tmp_path / "b.png").read_bytes() == b"old"


def test_an_output_that_is_the_input_under_another_name_is_refused(tmp_path):
    """Through a hard or a symbolic link, -y or not."""
    (tmp_path / "in.png").write_bytes(b"x")
    os.link(tmp_path / "in.png", tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to("in.png")
    for name in ("hard.png", "soft.png", "in.png"):
        with pytest.raises(UsageError, match="input itself"):
            check_output(tmp_path / name, tmp_path / "in.png", overwrite=True)


def test_pipes_and_devices_are_never_replaced(tmp_path):
    """Moving a file over /dev/null would take it from everybody."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    for name in ("pipe.png", "null.png"):
        with pytest.raises(UsageError, match="pipe or a device"):
            write(tmp_path / name, overwrite=True)


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "é" * 125 + ".png", "日" * 83 + ".png"])
def test_the_longest_names_that_there_can_be_are_written(tmp_path, name):
    """The temporary name is no longer than the final one may be."""
    write(tmp_path / name, overwrite=False)
    write(tmp_path / name, overwrite=True)
    assert os.listdir(tmp_path) == [name]


def test_an_output_that_cannot_be_looked_at_is_refused_with_its_name(tmp_path):
    """A name that is too long, links in a circle, a NUL."""
    (tmp_path / "loop.png").symlink_to("loop.png")
    for name, says in (
        (("n" * 300) + ".png", "too long"),
        ("loop.png", "symbolic links"),
        ("a\0.png", "possible path"),
    ):
        with pytest.raises(UsageError, match=says):
            check_output(tmp_path / name, None, overwrite=True)


def test_the_hint_can_be_pasted_into_a_shell(tmp_path):
    """A folder with spaces is one folder; one that begins with a hyphen is no option."""
    with pytest.raises(UsageError) as caught:
        check_output(tmp_path / "a b" / "c.mp4", None, overwrite=False)
    assert caught.value.hint == f"mkdir -p '{tmp_path}/a b'"
    with pytest.raises(UsageError) as caught:
        check_output(Path("-x/c.mp4"), None, overwrite=False)
    assert caught.value.hint == "mkdir -p ./-x"
