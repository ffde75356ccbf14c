"""Recordings survive the end of their process, whatever ends it; temporary files do not outlive their runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from livestyle.errors import EncodeError, OutputExistsError
from livestyle.media.pyav import av
from livestyle.sinks.files import replacing, rescue, unfinished
from livestyle.sinks.files.output import Pending
from livestyle.sinks.files.rescue import Rescued, tidied, tidy
from livestyle.sinks.files.unfinished import Claim, leftovers, temporary_path
from livestyle.system.stop import settle_all

RATE = 20
FRAMES = 80
LOST_S = 1.0  # the most that a cut may cost

# Writes FRAMES frames, each brighter than the one before, and waits to be killed.
RECORD = f"""
import sys, time
from fractions import Fraction
import numpy as np
from livestyle.frame import Frame, StreamInfo, read_only
from livestyle.sinks.files.video import VideoSink
info = StreamInfo("camera", (96, 64), Fraction(1, 1_000_000), is_live=sys.argv[2] == "live")
sink = VideoSink(sys.argv[1], info, codec=sys.argv[3] or None)
for index in range({FRAMES}):
    picture = np.full((64, 96, 3), 3 * index, np.uint8)
    sink.write(Frame(read_only(picture), index * 1_000_000 // {RATE}, 0.0))
print("written", flush=True)
time.sleep(600)
"""


def killed(path: Path, kind: str = "live", codec: str = "") -> Path:
    """Record to `path` in a process that is killed before it can finish; its temporary file."""
    command = [sys.executable, "-c", RECORD, str(path), kind, codec]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        assert leftovers(path.parent) == []  # its run is there
        process.kill()
    (left,) = [entry for entry in path.parent.iterdir() if entry.name.startswith(f".{path.name}.")]
    return left


def moments(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds; decoding fails for a file that does not play."""
    with av.open(str(path)) as container:
        base = Fraction(container.streams.video[0].time_base)
        return [frame.pts * base for frame in container.decode(video=0)]


FORMATS = [("a.mp4", ""), ("a.mov", ""), ("a.mkv", ""), ("a.webm", ""), ("a.ts", ""), ("a.avi", ""), ("a.gif", ""),
           ("b.mp4", "h265"), ("b.mkv", "av1"), ("b.mov", "prores")]  # fmt: skip


@pytest.mark.parametrize(("name", "codec"), FORMATS)
def test_a_recording_whose_process_was_killed_is_rescued(tmp_path: Path, name: str, codec: str) -> None:
    """Before the rescue already it plays up to the last second; afterwards it is an ordinary file, alone in place."""
    left = killed(tmp_path / name, codec=codec)
    before = moments(left)
    assert before[-1] - before[0] > Fraction(FRAMES, RATE) - LOST_S - Fraction(1, RATE)
    (rescued,) = tidy(tmp_path)
    assert rescued.path == tmp_path / name
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    after = moments(rescued.path)
    assert len(after) == len(before)
    assert [moment - after[0] for moment in after] == pytest.approx([moment - before[0] for moment in before], abs=2e-3)
    assert rescued.seconds == pytest.approx(float(before[-1] - before[0]), abs=2 / RATE)


def test_a_rescued_mp4_says_how_long_it_is(tmp_path: Path) -> None:
    """Its index counts every frame, which that of a file written in fragments does not."""
    killed(tmp_path / "a.mp4")
    tidy(tmp_path)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == len(moments(tmp_path / "a.mp4"))


def test_a_rescue_replaces_nothing(tmp_path: Path) -> None:
    """A file that has the name by now stays, and the recording gets a name beside it."""
    killed(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_text("another")
    (rescued,) = tidy(tmp_path)
    assert rescued.path == tmp_path / "a-rescued.mp4"
    assert (tmp_path / "a.mp4").read_text() == "another"


def test_a_file_job_that_was_killed_leaves_nothing_for_long(tmp_path: Path) -> None:
    """What can be made again is removed."""
    killed(tmp_path / "a.mp4", "file")
    assert tidy(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_recording_without_a_picture_is_kept_where_nobody_takes_it_for_one(tmp_path: Path) -> None:
    """It is told of once, and not tried again at every start."""
    left = temporary_path(tmp_path / "a.mp4", "recording")
    left.write_bytes(os.urandom(5000))
    (rescued,) = tidy(tmp_path)
    assert (rescued.seconds, rescued.path) == (None, tmp_path / "a.mp4.damaged")
    assert rescued.path.stat().st_size == 5000
    assert tidy(tmp_path) == []


def test_a_recording_that_never_began_is_removed(tmp_path: Path) -> None:
    """Killed before its first picture: there is nothing to tell of."""
    temporary_path(tmp_path / "a.mkv", "recording").write_bytes(b"\x1aE\xdf\xa3 the beginning of a header")
    assert tidy(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_recording_is_removed_once_it_is_old(tmp_path: Path) -> None:
    """A young one may belong to a run that is just about to lock it."""
    left = temporary_path(tmp_path / "a.mp4", "recording")
    left.touch()
    assert tidy(tmp_path) == []
    assert left.exists()
    os.utime(left, (time.time() - 3600,) * 2)
    assert tidy(tmp_path) == []
    assert not left.exists()


def test_a_full_disk_leaves_a_recording_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy that found no room is removed, and the next try finds the recording again."""

    def full(*_: object) -> float:
        raise OSError(28, "No space left on device")

    left = killed(tmp_path / "a.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(rescue, "_copied", full)
        (error,) = tidy(tmp_path)
    assert isinstance(error, EncodeError)
    assert "is full" in error.message
    assert list(tmp_path.iterdir()) == [left]
    assert [rescued.path.name for rescued in tidy(tmp_path)] == ["a.mp4"]


def test_one_recording_that_cannot_be_rescued_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its rescue, and not its place in the answer."""
    recorded = killed(tmp_path / "a.mp4").read_bytes()
    for name in ("b.mp4", "c.mp4"):
        temporary_path(tmp_path / name, "recording").write_bytes(recorded)
    copied = rescue._copied

    def full_once(broken: Path, whole: Path, stop: Callable[[], bool]) -> float | None:
        if broken.name.startswith(".b"):
            raise OSError(28, "No space left on device")
        return copied(broken, whole, stop)

    monkeypatch.setattr(rescue, "_copied", full_once)
    first, error, last = tidy(tmp_path)
    assert isinstance(error, EncodeError)
    assert [entry.path.name for entry in (first, last) if isinstance(entry, Rescued)] == ["a.mp4", "c.mp4"]


def test_a_rescue_beside_a_run_leaves_it_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run may be recording to the same disk, which the copy must not fill; --rescue may take all."""
    left = killed(tmp_path / "a.mp4")
    free = 3 * left.stat().st_size // 2
    monkeypatch.setattr(rescue.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with tidied([tmp_path]):
        pass
    assert list(tmp_path.iterdir()) == [left]
    (error,) = tidy(tmp_path, share=0.5)
    assert isinstance(error, EncodeError)
    (rescued,) = tidy(tmp_path)
    assert rescued.path == tmp_path / "a.mp4"


@pytest.mark.parametrize("error", [ValueError("no codec context"), IndexError("list index"), RuntimeError("what")])
def test_what_a_library_raises_for_a_damaged_recording_keeps_it(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which exceptions those are is not specified; nothing is lost, and it is not tried at every start."""

    def broken(*_: object) -> float:
        raise error

    temporary_path(tmp_path / "a.mp4", "recording").write_bytes(os.urandom(5000))
    monkeypatch.setattr(rescue, "_copied", broken)
    (rescued,) = tidy(tmp_path)
    assert rescued == Rescued(tmp_path / "a.mp4.damaged", None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4.damaged"]


def test_packets_that_the_muxer_refuses_cost_only_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with times that damage made run backwards."""
    left = killed(tmp_path / "a.mkv")
    frames = len(moments(left))
    readable = rescue._readable

    def with_one_refused(*arguments: object) -> Iterator[object]:
        for index, (packet, pts) in enumerate(readable(*arguments)):
            if index == 5:
                packet.dts = pts + 1000  # shown before it can be decoded
            yield packet, pts

    monkeypatch.setattr(rescue, "_readable", with_one_refused)
    (rescued,) = tidy(tmp_path)
    assert rescued.path == tmp_path / "a.mkv"
    assert len(moments(rescued.path)) == frames - 1


def test_a_recording_killed_while_it_got_its_name_is_there_once(tmp_path: Path) -> None:
    """It had two names at that moment."""
    left = killed(tmp_path / "a.mp4")
    os.link(left, tmp_path / "a.mp4")
    assert tidy(tmp_path) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("kind", ["live", "file"])
def test_windows_removes_no_file_that_is_open(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leftovers are let go before they are removed there, or they would be rescued at every start."""
    left = killed(tmp_path / "a.mp4", kind)
    monkeypatch.setattr(unfinished, "_MOVES_OPEN_FILES", False)
    unlink, free = Path.unlink, []

    def looked(path: Path, *, missing_ok: bool = False) -> None:
        if path == left and (claim := Claim.of_leftover(path)) is not None:
            free.append(path)
            claim.release()
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", looked)
    tidy(tmp_path)
    assert free == [left]


def test_a_rescue_that_is_stopped_leaves_a_recording_as_it_was(tmp_path: Path) -> None:
    """Ctrl-C while a long one is copied."""
    left = killed(tmp_path / "a.mp4")
    answers = iter([False, False, True, True, True])
    assert tidy(tmp_path, lambda: next(answers)) == []
    assert list(tmp_path.iterdir()) == [left]


def test_a_run_rescues_what_lies_in_its_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Beside the run, and it says so."""
    killed(tmp_path / "a.mp4")
    caplog.set_level("INFO")
    with tidied([tmp_path, tmp_path, tmp_path / "gone"]):
        end = time.monotonic() + 60
        while not (tmp_path / "a.mp4").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
    assert caplog.text.count("is rescued") == 1


def test_outputs_that_are_being_written_are_let_be(tmp_path: Path) -> None:
    """Those of this process and of others: only a lock that nobody holds means that a run is gone."""
    ours = Pending(tmp_path / "a.png", overwrite=False)
    ours.temporary.write_bytes(b"half a picture")
    assert tidy(tmp_path) == []
    assert ours.temporary.exists()
    ours.discard()


def test_other_hidden_files_are_let_be(tmp_path: Path) -> None:
    """Names that only resemble those of temporary files belong to somebody else."""
    names = [
        ".a.mp4.part",
        ".a.mp4.part-12345.mp4",
        "a.mp4.part-01234567.mp4",
        ".part-01234567.mp4",
        ".a.part-0123456g",
    ]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".a.mp4.part-01234567.mp4").mkdir()
    tidy(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(names) + 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with hard limits on names as POSIX has them")
@pytest.mark.parametrize("stem", ["a" * 251, "ü" * 125, "x" * 200])
def test_the_longest_names_have_temporary_ones_too(tmp_path: Path, stem: str) -> None:
    """A name that the file system takes for the output must not fail for a longer temporary one."""
    pending = Pending(tmp_path / f"{stem}.mp4", overwrite=False)
    pending.temporary.write_bytes(b"x")
    assert pending.temporary.suffix == ".mp4"
    pending.commit()
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{stem}.mp4"]


def test_a_process_that_must_end_keeps_recordings_and_removes_the_rest(tmp_path: Path) -> None:
    """`settle_all`, for a main thread that no longer reacts."""
    recording = Pending(tmp_path / "a.mp4", overwrite=False, recording=True)
    recording.temporary.write_bytes(b"what there is")
    part = Pending(tmp_path / "b.mp4", overwrite=False)
    part.temporary.write_bytes(b"what there is")
    settle_all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_a_finished_file_that_found_its_name_taken_is_no_leftover(tmp_path: Path) -> None:
    """The next run in the folder removes leftovers, but never what the user was told is kept."""
    pending = Pending(tmp_path / "a.png", overwrite=False)
    pending.temporary.write_bytes(b"finished")
    (tmp_path / "a.png").write_bytes(b"another")
    with pytest.raises(OutputExistsError) as raised:
        pending.commit()
    assert raised.value.hint == f"the finished file is kept as {tmp_path / 'a-2.png'}"
    tidy(tmp_path)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {
        "a.png": b"another",
        "a-2.png": b"finished",
    }


def test_a_finished_file_whose_place_is_a_folder_is_no_leftover(tmp_path: Path) -> None:
    """Likewise where replacing fails for another reason."""
    pending = Pending(tmp_path / "a.png", overwrite=True)
    pending.temporary.write_bytes(b"finished")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(EncodeError) as raised:
        pending.commit()
    assert raised.value.hint == f"the finished file is kept as {tmp_path / 'a-2.png'}"
    tidy(tmp_path)
    assert (tmp_path / "a-2.png").read_bytes() == b"finished"


@pytest.mark.parametrize("links", [True, False])
def test_a_recording_takes_a_free_name_and_says_which(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also on a file system without hard links."""

    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(replacing.os, "link", no_links)
    pending = Pending(tmp_path / "a.mp4", overwrite=False, recording=True)
    pending.temporary.write_bytes(b"recorded")
    (tmp_path / "a.mp4").write_bytes(b"another")
    pending.commit()
    assert pending.path == tmp_path / "a-2.mp4"
    assert str(pending.path) in caplog.text
    assert sorted(entry.read_bytes() for entry in tmp_path.iterdir()) == [b"another", b"recorded"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows moves files without replacing any")
def test_two_recordings_of_one_name_that_end_together_are_both_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a terminal with two runs is closed: neither may replace the other between a look and the move."""
    first, second = (Pending(tmp_path / "a.mp4", overwrite=False, recording=True) for _ in range(2))
    first.temporary.write_bytes(b"first")
    second.temporary.write_bytes(b"second")
    others = [second]

    def in_between(function: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            if others:
                others.pop().commit()
            function(*arguments)

        return call

    for name in ("replace", "link"):
        monkeypatch.setattr(os, name, in_between(getattr(os, name)))
    first.commit()
    assert sorted(entry.read_bytes() for entry in tmp_path.iterdir()) == [b"first", b"second"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows moves no file that is open")
@pytest.mark.parametrize("end", [Pending.commit, Pending.discard])
def test_a_file_is_locked_until_it_has_its_name(
    tmp_path: Path, end: Callable[[Pending], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run that looks for leftovers at this very moment finds none."""
    pending = Pending(tmp_path / "a.png", overwrite=False)
    pending.temporary.write_bytes(b"finished")
    found = []

    def looked(function: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object, **options: object) -> None:
            found.append(leftovers(tmp_path))
            function(*arguments, **options)

        return call

    for name in ("replace", "link", "unlink"):
        monkeypatch.setattr(os, name, looked(getattr(os, name)))
    end(pending)
    assert found
    assert not any(found)


def test_windows_moves_no_file_that_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the lock is given up before."""
    monkeypatch.setattr(unfinished, "_MOVES_OPEN_FILES", False)
    claim = Claim.of_new(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"x")
    taken = []
    claim.release_with(lambda: taken.append(Claim.of_leftover(tmp_path / "a")))
    assert taken[0] is not None
    taken[0].release()


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """A leftover can be claimed once, and again after that."""
    path = tmp_path / "a"
    first = Claim.of_new(path)
    path.write_bytes(b"x")
    assert Claim.of_leftover(path) is None
    first.release()
    second = Claim.of_leftover(path)
    assert second is not None
    second.release()
    second.release()
