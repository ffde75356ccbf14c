"""The program ended at random moments: while it converts, and while it records from a camera."""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from campaign.camera_server import CameraServer, now_ms
from campaign.clock import Pixels, burn
from campaign.judge import BROKE_OFF, Failure, place_of
from campaign.mutate import rng_of
from campaign.pool import Outcome, scratch_folder
from campaign.programs import LIMIT_S, Program, start, wait_for
from campaign.recordings import hidden, missing_s, unwanted, watch
from campaign.results import Results
from campaign.seeds_photos import tiny_photo
from campaign.seeds_videos import moving_clip

ENDINGS = ("kill", "kill", "terminate", "interrupt", "interrupt twice", "hang up", "close terminal")
LOST_S = 1.0  # a recording may lack so much when the program had no chance to end
LATENCY_S = 1.0  # and what is under way from the camera to the file, on a machine that is busy
LIVE_SUFFIXES = (".mp4", ".mp4", ".mkv", ".mov", ".webm")
FILE_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".ts", ".avi", ".gif")
CLIP_FRAMES = 250
NEXT_RUNS = 3
MODEL = ("--model", "xxsmall")
QUICK = (*MODEL, "-s", "natural")


@dataclass(frozen=True, slots=True)
class Trial:
    """One run that is ended."""

    subject: str  # for the table
    number: int
    rng: random.Random
    folder: Path  # an empty one; the output goes here
    ending: str  # of ENDINGS

    @property
    def ends_itself(self) -> bool:
        """Whether the program is asked to end and can finish."""
        return self.ending != "kill"


def run_kills(count: int, seed: int, workers: int, results: Results) -> None:
    """`count` trials, a little more than half of them live."""
    with scratch_folder() as scratch, CameraServer() as camera, ThreadPoolExecutor(workers) as pool:
        clip = moving_clip(scratch / "clip.mp4", _numbered, CLIP_FRAMES, 25)
        losses: list[float] = []
        live = _Live(camera, losses)
        converting = _Converting(clip)
        trials = [_trial(number, seed, scratch) for number in range(count)]
        for done in [pool.submit(_try, trial, live if _is_live(trial) else converting, results) for trial in trials]:
            done.result()
        if losses:
            lost = f"{statistics.median(losses):.2f} s (median), {max(losses):.2f} s at most"
            results.note("kills, live", f"missing at the end after a kill: {lost}")


def _is_live(trial: Trial) -> bool:
    return trial.subject == "kills, live"


def _trial(number: int, seed: int, scratch: Path) -> Trial:
    rng = rng_of(seed, "kills", number)
    subject = "kills, converting" if number % 9 in (1, 3, 5, 7) else "kills, live"
    folder = scratch / f"trial-{number}"
    folder.mkdir()
    return Trial(subject, number, rng, folder, ENDINGS[number % len(ENDINGS)])


def _try(trial: Trial, way: Callable[[Trial], list[Failure]], results: Results) -> None:
    failures = way(trial)
    results.add(trial.subject, failures, f"trial {trial.number}, {trial.ending}")
    shutil.rmtree(trial.folder, ignore_errors=True)


def _numbered(number: int) -> Pixels:
    """A picture of the clip with its number in it."""
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[..., 0] = np.linspace(40, 200, 320).astype(np.uint8)
    picture[100:140, number % 280 : number % 280 + 40] = 230
    return burn(picture, number)


# ---- ending a program ------------------------------------------------------------------------------------------------


def end(program: Program, ending: str, rng: random.Random) -> int:
    """End the program as the name says; the clock at that moment, milliseconds."""
    moment = now_ms()
    if ending == "close terminal":
        program.hang_up()
    elif ending == "interrupt twice":
        program.signal(signal.SIGINT)
        time.sleep(rng.uniform(0.01, 0.4))
        program.signal(signal.SIGINT)
    else:
        program.signal({"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "interrupt": signal.SIGINT,
                        "hang up": signal.SIGHUP}[ending])  # fmt: skip
    return moment


def judge_end(outcome: Outcome, trial: Trial) -> list[Failure]:
    """How the program ended: asked to, it does so soon and in an orderly way."""
    if outcome.hung:
        return [Failure("hang", f"{trial.ending}: no end within {LIMIT_S:.0f} s")]
    failures = []
    if "Traceback" in outcome.stderr or "terminate called" in outcome.stderr or "Fatal Python" in outcome.stderr:
        failures.append(
            Failure("traceback", f"{trial.ending}: {outcome.stderr.strip()[-150:]!r}", place_of(outcome.stderr))
        )
    if "internal error" in outcome.stderr:
        failures.append(Failure("internal error", outcome.stderr.strip()[-300:]))
    if trial.ends_itself and outcome.signal is not None:
        kind = "crash" if outcome.signal in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS) else "exit code"
        failures.append(Failure(kind, f"{trial.ending}: ended by signal {outcome.signal}", trial.ending))
    elif trial.ends_itself and outcome.code not in (0, 130, 129, 143):
        failures.append(
            Failure("exit code", f"{trial.ending}: {outcome.code}: {outcome.stderr.strip()[-200:]!r}", trial.ending)
        )
    return failures


# ---- converting ------------------------------------------------------------------------------------------------------


class _Converting:
    """A video file that is being converted."""

    def __init__(self, clip: Path) -> None:
        self._clip = clip

    def __call__(self, trial: Trial) -> list[Failure]:
        output = trial.folder / f"out{trial.rng.choice(FILE_SUFFIXES)}"
        program = start([self._clip, "-o", output, *QUICK], trial.folder, terminal=trial.ending == "close terminal")
        wait_for(lambda: hidden(trial.folder) or output.exists(), program)
        time.sleep(trial.rng.uniform(0, 3))
        end(program, trial.ending, trial.rng)
        failures = judge_end(program.outcome(), trial)
        if not trial.ends_itself and not output.exists():
            return [*failures, *_after_kill(trial)]
        return [*failures, *_judge_converted(output, trial), *unwanted(trial.folder, {output})]


def _judge_converted(output: Path, trial: Trial) -> list[Failure]:
    """What has its final name plays and holds the first frames of the clip without a gap."""
    if not output.exists():
        return []  # ended before there was a frame, or given up on request
    watched = watch(output)
    expected = list(range(len(watched.numbers)))
    if watched.trouble or not watched.frames:
        return [Failure("half-written", f"{trial.ending}, {output.suffix}: {watched.trouble or 'no picture'}")]
    if output.suffix not in (".gif", ".avi") and watched.numbers != expected:
        return [Failure("half-written", f"{trial.ending}, {output.suffix}: frames are missing in the middle")]
    return []


def _after_kill(trial: Trial) -> list[Failure]:
    """The next run into the folder removes what the killed one left."""
    return [*_next_runs(trial), *unwanted(trial.folder, {trial.folder / "next.png"})]


def _next_runs(trial: Trial) -> list[Failure]:
    """Other runs that write into the folder: one may be too short to finish what it finds, of a few one is not."""
    photo = trial.folder.with_name(f"photo-{trial.number}.png")
    photo.write_bytes(tiny_photo())
    _age_empty_files(trial.folder)
    for _ in range(NEXT_RUNS):
        outcome = start([photo, "-o", trial.folder / "next.png", "-y", *QUICK], trial.folder).outcome()
        if outcome.code != 0:
            return [Failure("exit code", f"the next run: {outcome.code}: {outcome.stderr[-200:]!r}", "next run")]
        if not hidden(trial.folder):
            break
    return []


def _age_empty_files(folder: Path) -> None:
    """Leftovers without content are kept for some seconds, because their run may just be starting: make them old."""
    for path in hidden(folder):
        if not path.stat().st_size:
            long_ago = time.time() - 3600
            os.utime(path, (long_ago, long_ago))


# ---- live ------------------------------------------------------------------------------------------------------------


class _Live:
    """A recording from a camera."""

    def __init__(self, camera: CameraServer, losses: list[float]) -> None:
        self._camera, self._losses = camera, losses

    def __call__(self, trial: Trial) -> list[Failure]:
        output = trial.folder / f"call{trial.rng.choice(LIVE_SUFFIXES)}"
        arguments = ["--camera", self._camera.address, "-o", str(output), "--no-window", *QUICK]
        program = start(arguments, trial.folder, terminal=trial.ending == "close terminal")
        if trial.rng.random() < 0.15:  # while it starts: nothing to save yet, nothing may be left
            time.sleep(trial.rng.uniform(0, 2.5))
        elif not wait_for(lambda: hidden(trial.folder), program):
            return [Failure("lost recording", f"none was begun: {program.outcome(1).stderr[-200:]!r}", "begin")]
        began = now_ms()
        time.sleep(trial.rng.uniform(0.3, 6))
        moment = end(program, trial.ending, trial.rng)
        failures = judge_end(program.outcome(), trial)
        recorded = (moment - began) / 1000
        if trial.ends_itself:
            return [*failures, *self._finished(output, trial, moment), *unwanted(trial.folder, {output})]
        return [*failures, *self._rescued(trial, moment, recorded)]

    def _finished(self, output: Path, trial: Trial, moment: int) -> list[Failure]:
        """Asked to end, the program finishes the file."""
        if not output.exists():
            left = [path.name for path in hidden(trial.folder)]
            return [Failure("lost recording", f"{trial.ending}: no file, left: {left}", trial.ending)] if left else []
        return self._judge(output, trial, moment, LATENCY_S)

    def _rescued(self, trial: Trial, moment: int, recorded: float) -> list[Failure]:
        """After a kill what was recorded plays as it lies there, and becomes an ordinary file."""
        left = hidden(trial.folder)
        playable = [path for path in left if not (seen := watch(path)).trouble and seen.frames]
        if recorded > LOST_S + LATENCY_S + 0.5 and not playable:
            return [Failure("lost recording", f"{recorded:.1f} s: nothing plays of {[p.suffix for p in left]}", "kill")]
        failures = [
            failure for path in playable[:1] for failure in self._judge(path, trial, moment, LOST_S + LATENCY_S)
        ]
        return [*failures, *self._rescue(trial, moment, bool(playable))]

    def _rescue(self, trial: Trial, moment: int, expected: bool) -> list[Failure]:
        """By the option for it, or by the next run into the folder."""
        _age_empty_files(trial.folder)
        failures = self._by_option(trial, expected) if trial.number % 2 else _next_runs(trial)
        made = set() if trial.number % 2 else {trial.folder / "next.png"}
        found = {path for path in trial.folder.iterdir() if path.name.startswith("call")}
        damaged = {path for path in found if path.suffix == ".damaged"}
        for path in found - damaged:
            failures += self._judge(path, trial, moment, LOST_S + LATENCY_S)
        if expected and not found - damaged:
            failures.append(Failure("lost recording", "not rescued", "rescue"))
        return [*failures, *unwanted(trial.folder, found | made)]

    def _by_option(self, trial: Trial, expected: bool) -> list[Failure]:
        """--rescue. One that was killed before its first picture is kept under another name, with exit code 4."""
        outcome = start(["--rescue", trial.folder], trial.folder).outcome()
        failures = judge_end(outcome, trial)
        if outcome.code != 0 and (expected or outcome.code != BROKE_OFF):
            failures.append(Failure("exit code", f"{outcome.code}: {outcome.stderr[-200:]!r}", "--rescue"))
        return failures

    def _judge(self, path: Path, trial: Trial, moment: int, allowed: float) -> list[Failure]:
        watched = watch(path)
        where = f"{trial.ending}, {path.suffix}"
        if watched.trouble or not watched.frames:
            return [Failure("lost recording", f"{where}: {watched.trouble or 'no picture'}", trial.ending)]
        missing = missing_s(watched, moment)
        if not trial.ends_itself:
            self._losses.append(missing)
        if missing > allowed:
            return [Failure("lost recording", f"{where}: the last {missing:.1f} s are missing", f"{trial.ending}, end")]
        return []
