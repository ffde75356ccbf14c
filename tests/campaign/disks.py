"""Full disks: every kind of output onto one that is too small, or that goes away."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from campaign.camera_server import CameraServer, noise
from campaign.judge import Failure, judge_text
from campaign.kills import MODEL, QUICK
from campaign.playing import plays, shows
from campaign.pool import Outcome, scratch_folder
from campaign.programs import Program, start, wait_for
from campaign.recordings import unwanted
from campaign.results import Results
from campaign.seeds_photos import tiny_photo
from campaign.seeds_videos import moving_clip
from campaign.watched_camera import SIGNATURE
from PIL import Image

from livestyle.frame import Frame, read_only

SUBJECT = "full disks"
SMALL, MEDIUM = 600, 3000  # KiB
STREAM_FAILED = 4  # the exit code of a full disk
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".ts", ".gif")
LIVE_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".ts")
SOURCE = (640, 480)

Way = Callable[[Path], list[Failure]]


class Full:
    """The trials: `photo`, `clip` and `camera` are noise, so that outputs are large; `scratch` has room."""

    def __init__(self, scratch: Path, camera: CameraServer) -> None:
        self._scratch, self._camera = scratch, camera
        self._photo, self._small = scratch / "photo.png", scratch / "small.png"
        Image.fromarray(noise((900, 700))).save(self._photo)
        self._small.write_bytes(tiny_photo())
        self._clip = moving_clip(scratch / "clip.mp4", lambda _: noise(SOURCE), 40, 25)

    def trials(self) -> dict[str, tuple[int, Way]]:
        """Name -> (KiB of the disk, what to do on it)."""
        ways: dict[str, tuple[int, Way]] = {
            "a photo": (SMALL, self.photo),
            "several photos": (MEDIUM, self.photos),
            "no room for one file more": (-1, self.photo),
            "a snapshot": (SMALL, _snapshot),
            "no room for temporary files": (SMALL, self.temporary_files),
        }
        ways |= {f"a video, {suffix}": (SMALL, self._video(suffix)) for suffix in VIDEO_SUFFIXES}
        ways |= {f"live, {suffix}": (MEDIUM, self._live(suffix)) for suffix in LIVE_SUFFIXES}
        return ways

    def limits(self) -> dict[str, Way]:
        """What needs no disk of its own: a limit on file sizes, a closed or full stdout, a folder that goes away."""
        return {
            "size limit, a photo": lambda folder: self.photo(folder, prepare=_limit_size),
            "size limit, a video": lambda folder: self._video(".mp4")(folder, prepare=_limit_size),
            "size limit, live": lambda folder: self._live(".mp4")(folder, prepare=_limit_size),
            "stdout is full": self.full_stdout,
            "stdout and stderr are closed": self.closed_outputs,
            "the folder goes away": self.folder_gone,
        }

    def photo(self, disk: Path, prepare: Callable[[], None] | None = None) -> list[Failure]:
        """One photo that does not fit."""
        outcome = start([self._photo, "-o", disk / "out.png", *QUICK], self._scratch, prepare=prepare).outcome()
        return [*_failed_well(outcome), *unwanted(disk, set())]

    def photos(self, disk: Path) -> list[Failure]:
        """Several into a folder: those that fit are there and whole."""
        many = self._scratch / "many"
        many.mkdir(exist_ok=True)
        for number in range(4):
            shutil.copy(self._photo, many / f"{number}.png")
        outcome = start([many, "-o", f"{disk}/out/", *QUICK], self._scratch).outcome()
        there = set((disk / "out").glob("[0-9].png"))
        broken = [Failure("half-written", shows(path)) for path in there if shows(path)]
        return [*_failed_well(outcome), *broken, *unwanted(disk, there)]

    def temporary_files(self, disk: Path) -> list[Failure]:
        """A LUT is read although TMPDIR is full, or the error says that it is."""
        style = self._scratch / "style.cube"
        style.write_text(SIGNATURE)
        with contextlib.suppress(OSError):
            (disk / "filler").write_bytes(bytes(SMALL << 11))
        arguments: list[str | Path] = [self._small, "-o", self._scratch / "styled.png", "-y", *MODEL, "-s", style]
        outcome = start(arguments, self._scratch, environment={"TMPDIR": str(disk)}).outcome()
        failures = list(judge_text(outcome))
        return failures if outcome.code == 0 else [*failures, *_failed_well(outcome, codes={3, STREAM_FAILED})]

    def _video(self, suffix: str) -> Callable[..., list[Failure]]:
        def video(disk: Path, prepare: Callable[[], None] | None = None) -> list[Failure]:
            arguments: list[str | Path] = [
                self._clip,
                "-o",
                disk / f"out{suffix}",
                *QUICK,
                "--codec",
                _large_codec(suffix),
            ]
            outcome = start(arguments, self._scratch, prepare=prepare).outcome()
            return [*_failed_well(outcome), *unwanted(disk, set())]

        return video

    def _live(self, suffix: str) -> Callable[..., list[Failure]]:
        def live(disk: Path, prepare: Callable[[], None] | None = None) -> list[Failure]:
            output = disk / f"call{suffix}"
            program = self._record(output, prepare)
            outcome = program.outcome(90)
            failures = [*_failed_well(outcome), *unwanted(disk, {output})]
            if trouble := plays(output) if output.exists() else "there is none":
                failures.append(Failure("lost recording", f"{suffix}: {trouble}", "full disk"))
            return failures

        return live

    def _record(self, output: Path, prepare: Callable[[], None] | None = None) -> Program:
        arguments: list[str | Path] = ["--camera", self._camera.address, "-o", output, "--no-window", *QUICK]
        return start(arguments, self._scratch, prepare=prepare)

    def full_stdout(self, folder: Path) -> list[Failure]:
        """--json onto /dev/full: one sentence, and the output is complete."""
        output = folder / "out.png"
        outcome = _shell('"$@" --json > /dev/full', [self._small, "-o", output, *QUICK], self._scratch)
        failures = [*judge_text(outcome), *unwanted(folder, {output})]
        return [*failures, *([Failure("half-written", shows(output))] if shows(output) else [])]

    def closed_outputs(self, folder: Path) -> list[Failure]:
        """Nothing can be printed: the work is done nevertheless."""
        output = folder / "out.png"
        outcome = _shell('"$@" --json >&- 2>&-', [self._small, "-o", output, *QUICK], self._scratch)
        told = [failure for failure in judge_text(outcome) if failure.kind != "sentence"]
        failures = [*told, *unwanted(folder, {output})]
        return [*failures, *([Failure("half-written", shows(output))] if shows(output) else [])]

    def folder_gone(self, folder: Path) -> list[Failure]:
        """The folder of a live recording is renamed meanwhile: what was recorded still exists, and plays."""
        inside, moved = folder / "inside", folder / "moved"
        inside.mkdir()
        program = self._record(inside / "call.mp4")
        wait_for(lambda: any(path.stat().st_size for path in inside.iterdir()), program)
        time.sleep(1)
        inside.rename(moved)
        time.sleep(1)
        program.signal(15)
        outcome = program.outcome()
        found = [path for path in folder.rglob("*.mp4") if not plays(path)]
        failures = list(judge_text(outcome))
        return failures if found else [*failures, Failure("lost recording", outcome.stderr[-200:], "folder gone")]


def run_disks(results: Results) -> None:
    """Every trial once."""
    with scratch_folder() as scratch, CameraServer(noise) as camera:
        camera.size = SOURCE
        full = Full(scratch, camera)
        for name, (kibibytes, way) in full.trials().items():
            try:
                with small_disk(kibibytes) as disk:
                    results.add(SUBJECT, way(disk), name)
            except PermissionError:
                results.note(SUBJECT, "skipped: only root may mount the small disks (tmpfs) that are filled")
                break
        for name, limited in full.limits().items():
            with scratch_folder() as folder:
                results.add(SUBJECT, limited(folder), name)


@contextlib.contextmanager
def small_disk(kibibytes: int) -> Iterator[Path]:
    """A disk of that size; -1: one without room for one more file. Raises PermissionError where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="livestyle-disk-"))
    options = f"size={kibibytes}k" if kibibytes > 0 else "size=4m,nr_inodes=1"
    try:
        command = ["mount", "-t", "tmpfs", "-o", options, "livestyle-campaign", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            raise PermissionError(folder)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=False)
    finally:
        folder.rmdir()


def _large_codec(suffix: str) -> str:
    return {".gif": "gif", ".avi": "mpeg4", ".webm": "vp9"}.get(suffix, "h264")


def _limit_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL << 10, SMALL << 10))


def _shell(line: str, arguments: list[str | Path], folder: Path) -> Outcome:
    """livestyle through a shell that redirects what it prints."""
    from campaign.programs import PROGRAM

    return start(["-c", line, "sh", *PROGRAM, *arguments], folder, program=("sh",)).outcome()


def _failed_well(outcome: Outcome, codes: frozenset[int] | set[int] = frozenset({STREAM_FAILED})) -> list[Failure]:
    """One sentence and the exit code of an output that could not be written."""
    if outcome.hung:
        return [Failure("hang", f"no end after {outcome.seconds:.0f} s", "full disk")]
    failures = list(judge_text(outcome))
    if outcome.code not in codes:
        failures.append(
            Failure("exit code", f"{outcome.code or outcome.signal}: {outcome.stderr[-200:]!r}", "full disk")
        )
    return failures


def _snapshot(disk: Path) -> list[Failure]:
    """A snapshot or a recording by key that fails is one sentence, and the session goes on."""
    from livestyle.sinks.files.photo import PhotoSink
    from livestyle.sinks.files.recording import SnapshotSink

    said: list[str] = []
    sink = SnapshotSink(disk, lambda path: PhotoSink(path, None), said.append)
    pixels = read_only(noise((900, 700)))
    logging.getLogger("livestyle").setLevel(logging.ERROR)
    for number in range(2):
        sink.take()
        sink.write(Frame(pixels, number, time.monotonic()))
    sink.close()
    told = len(said) == 2 and all("full" in sentence and "\n" not in sentence for sentence in said)
    return [*([] if told else [Failure("sentence", repr(said))]), *unwanted(disk, set())]
