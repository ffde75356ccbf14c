"""A long live run: memory, open files, threads and latency by the minute, and whether they grow."""

from __future__ import annotations

import signal
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaign.camera_server import MILLISECONDS, CameraServer
from campaign.cameras import judge_sent, lines_of, start_watched
from campaign.judge import Failure
from campaign.pool import scratch_folder
from campaign.programs import Program, wait_for
from campaign.recordings import unwanted, watch
from campaign.results import Results
from campaign.watched_camera import SIGNATURE

MOST_MEGABYTES_MORE = 40.0  # between the second and the last minute, beyond
MOST_MEGABYTES_A_MINUTE = 4.0  # so much for each
MOST_MORE = 3  # open files or threads

SUBJECT = "long live run"


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment."""

    at: float  # time.time() seconds
    megabytes: float  # resident
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Minute:
    """A minute, or what there was of it."""

    megabytes: float
    descriptors: int
    threads: int
    frames: int
    p50_ms: float  # from the clock in the picture to the virtual camera
    p95_ms: float


def run_steady(minutes: float, results: Results) -> None:
    """One run of `minutes`, to a virtual camera and a recording; its minutes become notes of the table."""
    with scratch_folder() as scratch, CameraServer() as camera:
        folder, log, style = scratch / "run", scratch / "log.jsonl", scratch / "style.cube"
        folder.mkdir()
        style.write_text(SIGNATURE)
        program = start_watched(camera, log, style, folder / "call.mp4", folder)
        if not wait_for(lambda: len(lines_of(log)) > 5, program):
            results.add(SUBJECT, [Failure("hang", program.outcome(1).stderr[-300:])], "steady")
            return
        samples = _watch(program, minutes)
        program.signal(signal.SIGTERM)
        outcome = program.outcome()
        sent = lines_of(log)
        table = by_minute(samples, sent)
        failures = [*growth(table), *judge_sent(sent), *unwanted(folder, {folder / "call.mp4"})]
        if outcome.code != 130 or watch(folder / "call.mp4").trouble:
            failures.append(Failure("lost recording", f"{outcome.code}: {outcome.stderr[-300:]!r}"))
    results.add(SUBJECT, failures, f"{minutes:g} minutes")
    for number, minute in enumerate(table, 1):
        results.note(SUBJECT, f"minute {number}: {_told(minute)}")


def _watch(program: Program, minutes: float) -> list[Sample]:
    samples = []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end and program.running:
        samples.append(sample(program.process.pid))
        time.sleep(min(2.0, max(0.0, end - time.monotonic())))
    return samples


def sample(process: int) -> Sample:
    """Memory, open files and threads of a process."""
    here = Path(f"/proc/{process}")
    fields = dict(line.split(":", 1) for line in (here / "status").read_text().splitlines())
    megabytes, threads = int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"])
    return Sample(time.time(), megabytes, len(list((here / "fd").iterdir())), threads)


def by_minute(samples: list[Sample], sent: list[dict[str, Any]]) -> list[Minute]:
    """The figures of each minute; latencies are those of frames with a readable clock."""
    table = []
    begin = samples[0].at if samples else 0.0
    timed = [line for line in sent if line.get("clock") is not None]
    for number in range(int((samples[-1].at - begin) // 60) + 1 if samples else 0):
        inside = [one for one in samples if number <= (one.at - begin) / 60 < number + 1]
        frames = [line for line in timed if number <= (line["at"] - begin) / 60 < number + 1]
        delays = sorted((int(line["at"] * 1000) - line["clock"]) % MILLISECONDS for line in frames) or [0]
        table.append(
            Minute(
                statistics.median(one.megabytes for one in inside),
                max(one.descriptors for one in inside),
                max(one.threads for one in inside),
                len(frames),
                delays[len(delays) // 2],
                delays[min(len(delays) - 1, len(delays) * 95 // 100)],
            )
        )
    return table


def growth(table: list[Minute]) -> list[Failure]:
    """What grows from the second minute, after which everything is loaded, to the last."""
    if len(table) < 3:
        return []
    first, last = table[1], table[-1]
    failures = []
    allowed = MOST_MEGABYTES_MORE + MOST_MEGABYTES_A_MINUTE * (len(table) - 2)
    if last.megabytes - first.megabytes > allowed:
        failures.append(Failure("growth", f"memory from {first.megabytes:.0f} to {last.megabytes:.0f} MB", "memory"))
    for what in ("descriptors", "threads"):
        before, after = getattr(first, what), getattr(last, what)
        if after - before > MOST_MORE:
            failures.append(Failure("growth", f"{what} from {before} to {after}", what))
    return failures


def _told(minute: Minute) -> str:
    return (
        f"{minute.megabytes:.0f} MB, {minute.descriptors} open files, {minute.threads} threads, "
        f"{minute.frames} frames, latency p50 {minute.p50_ms:.0f} p95 {minute.p95_ms:.0f} ms"
    )
