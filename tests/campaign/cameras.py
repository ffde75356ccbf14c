"""Cameras that are pulled, stall, come back changed or send rubbish, while a virtual camera and a recording run."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from campaign.camera_server import RUBBISH, SIZE, CameraServer
from campaign.judge import Failure
from campaign.kills import MODEL, Trial, judge_end
from campaign.mutate import rng_of
from campaign.pool import scratch_folder
from campaign.programs import LIMIT_S, Program, start, wait_for
from campaign.recordings import unwanted, watch
from campaign.results import Results
from campaign.watched_camera import SIGNATURE, STYLED

PROGRAM = (sys.executable, "-m", "campaign.watched_camera")
SETTLE_S = 8.0  # the longest pause between two tries to reach a camera, with room
SIZES = ((320, 240), (160, 240), (640, 360), (241, 123))

Trouble = Callable[[CameraServer, random.Random], None]


def pulled(camera: CameraServer, rng: random.Random) -> None:
    """The camera is unplugged, and back after a while."""
    camera.stop()
    time.sleep(rng.uniform(0.2, 4))
    camera.start()


def stalls(camera: CameraServer, rng: random.Random) -> None:
    """The connection stays open and nothing comes."""
    camera.silent = True
    time.sleep(rng.uniform(0.5, 5))
    camera.silent = False


def other_size(camera: CameraServer, rng: random.Random) -> None:
    """It is back with another size."""
    camera.stop()
    camera.size = rng.choice(SIZES)
    time.sleep(rng.uniform(0, 1))
    camera.start()


def size_in_mid_stream(camera: CameraServer, rng: random.Random) -> None:
    """The size changes from one picture to the next."""
    camera.size = rng.choice(SIZES)
    time.sleep(rng.uniform(0.2, 2))
    camera.size = SIZE


def rubbish(camera: CameraServer, rng: random.Random) -> None:
    """Broken pictures, wrong lengths, foreign parts."""
    camera.rubbish = rng.choice(RUBBISH)(rng)
    time.sleep(rng.uniform(0.5, 3))
    camera.rubbish = None


def says_no(camera: CameraServer, rng: random.Random) -> None:
    """It answers with a page or an error for a while."""
    camera.answer = rng.choice(((503, "text/html", b"<html>busy</html>"), (404, "text/plain", b"no"),
                                (200, "text/html", b"<html>log in</html>"), (401, "text/plain", b"")))  # fmt: skip
    camera.cut()
    time.sleep(rng.uniform(0.5, 3))
    camera.answer = None


def cut_off(camera: CameraServer, _: random.Random) -> None:
    """The connection breaks in the middle of a picture."""
    camera.cut()


def other_rate(camera: CameraServer, rng: random.Random) -> None:
    """Frames come rarely, then fast."""
    camera.rate = rng.choice((1.5, 5, 60))
    time.sleep(rng.uniform(1, 3))
    camera.rate = 15.0


TROUBLES: tuple[Trouble, ...] = (
    *(pulled, stalls, other_size, size_in_mid_stream, rubbish, says_no, cut_off, other_rate),
)
FAULTS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"CAMPAIGN_FAIL": "0.2"},
    {"CAMPAIGN_SEND_FAILS": "4,7"},
    {"CAMPAIGN_SEND_S": "0.3"},
)
"""What goes wrong on our own side meanwhile: the environment of `watched_camera`."""


def run_cameras(count: int, seed: int, workers: int, results: Results) -> None:
    """`count` live runs with troubles of the camera, one after the other in random order."""
    with scratch_folder() as scratch, ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(_trial, number, seed, scratch, results) for number in range(count)]:
            done.result()


def _trial(number: int, seed: int, scratch: Path, results: Results) -> None:
    rng = rng_of(seed, "cameras", number)
    troubles = [TROUBLES[number % len(TROUBLES)], *rng.choices(TROUBLES, k=2)]
    fault = FAULTS[number % len(FAULTS)]
    folder = scratch / f"camera-{number}"
    folder.mkdir()
    trial = Trial("cameras", number, rng, folder, "terminate")
    names = ", ".join(trouble.__name__ for trouble in troubles)
    what = f"trial {number}, {names}{', ' if fault else ''}{', '.join(f'{k}={v}' for k, v in fault.items())}"
    results.add("cameras", _try(trial, troubles, fault), what)
    shutil.rmtree(folder, ignore_errors=True)


def _try(trial: Trial, troubles: list[Trouble], fault: dict[str, str]) -> list[Failure]:
    log = trial.folder.with_name(f"log-{trial.number}.jsonl")
    recording = trial.folder / "call.mp4"
    style = trial.folder.with_name(f"style-{trial.number}.cube")
    style.write_text(SIGNATURE)
    with CameraServer() as camera:
        program = start_watched(camera, log, style, recording, trial.folder, fault)
        if not wait_for(lambda: len(lines_of(log)) > 5, program):
            return [Failure("hang", f"nothing is sent: {program.outcome(1).stderr[-300:]!r}", "begin")]
        for trouble in troubles:
            time.sleep(trial.rng.uniform(0.3, 1.5))
            trouble(camera, trial.rng)
        time.sleep(1.5)  # what was sent before is no longer sent again by now
        back = wait_for(lambda: _is_back(log), program, SETTLE_S + LIMIT_S)
        running = program.running
        program.signal(signal.SIGTERM)
        outcome = program.outcome()
    failures = judge_end(outcome, trial)
    if not running:
        failures.append(
            Failure("lost recording", f"the run ended by itself: {outcome.stderr[-300:]!r}", "ended by itself")
        )
    elif not back and not fault:
        failures.append(
            Failure("hang", f"no styled picture after the camera was back: {outcome.stderr[-300:]!r}", "back")
        )
    sent = lines_of(log)
    slow = "CAMPAIGN_SEND_S" in fault
    judged = _judge_recording(recording, more_than=2 * len(sent) if slow else 0)
    return [*failures, *judge_sent(sent), *judged, *unwanted(trial.folder, {recording})]


def start_watched(
    camera: CameraServer, log: Path, style: Path, recording: Path, folder: Path, faults: Mapping[str, str] | None = None
) -> Program:
    """livestyle from `camera` to a watched virtual camera, and to a recording."""
    looks = ["--skin", "1", "--hair", "1", "--clothes", "1"]
    outputs = ["--virtual-camera", "-o", str(recording), "--no-window"]
    arguments = ["--camera", camera.address, *outputs, *MODEL, "-s", str(style), *looks]
    tests = str(Path(__file__).resolve().parents[1])
    environment = {"PYTHONPATH": tests, "CAMPAIGN_LOG": str(log), **(faults or {})}
    return start(arguments, folder, program=PROGRAM, environment=environment)


def lines_of(log: Path) -> list[dict[str, Any]]:
    """What was sent so far; a line that is being written is left out."""
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]]


def judge_sent(lines: list[dict[str, Any]]) -> list[Failure]:
    """No pixel of what the camera saw is ever sent unstyled."""
    raw = [line for line in lines if line.get("raw", 0) > 0]
    if raw:
        return [
            Failure("raw frame", f"{len(raw)} of {len(lines)}, up to {max(line['raw'] for line in raw):.1%} of a frame")
        ]
    return []


def _is_back(log: Path) -> bool:
    """Whether the newest frames are styled ones of this moment."""
    newest = lines_of(log)[-3:]
    return len(newest) == 3 and all(line.get("styled", 0) > STYLED and time.time() - line["at"] < 2 for line in newest)


def _judge_recording(path: Path, *, more_than: int) -> list[Failure]:
    """It plays, and has more frames than a slow virtual camera took."""
    if not path.exists():
        return [Failure("lost recording", "there is none", "cameras")]
    watched = watch(path)
    if watched.trouble or not watched.frames:
        return [Failure("lost recording", watched.trouble or "no picture", "cameras")]
    if watched.frames < more_than:
        detail = f"{watched.frames} frames, although the camera sent far more than the slow output took"
        return [Failure("lost recording", detail, "slow output")]
    return []
