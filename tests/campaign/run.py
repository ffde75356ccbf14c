"""The campaign: python tests/campaign/run.py --help. See README.md beside this file."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the folder of the package `campaign` and of tests_media

from campaign.cameras import run_cameras
from campaign.disks import run_disks
from campaign.formats import GROUPS, Format, formats
from campaign.inputs import Plan, repeat_input, run_inputs, run_valid
from campaign.judge import Failure
from campaign.kills import run_kills
from campaign.results import Results
from campaign.steady import run_steady

FAULTS = ("kills", "disks", "cameras", "steady", "sanitize")
SANITIZE = Path(__file__).with_name("sanitize.sh")


def main() -> int:
    """Run what was asked for; 1 when anything failed."""
    options = _parser().parse_args()
    if options.repeat:
        return _repeat(options)
    folder: Path = options.out or Path(tempfile.mkdtemp(prefix="livestyle-campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    parts = options.only.split(",") if options.only else [*GROUPS, *FAULTS]
    results = Results()
    started = time.monotonic()
    for part in _parts(options, parts, folder, results):
        part()
        seconds = round(time.monotonic() - started)
        results.save(
            folder, seed=options.seed, seconds=seconds, parts=parts
        )  # a run that is cut short still has its figures
    print(results.markdown())
    print(f"{seconds} s; results and failing inputs: {folder}")
    return 1 if results.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Damages, kills, fills disks and pulls cameras; prints a table.")
    parser.add_argument("--only", metavar="PART,…", help=f"of {', '.join((*GROUPS, *FAULTS))}, or names of formats")
    parser.add_argument("--inputs", type=int, default=1000, help="damaged files of each format (default 1000)")
    parser.add_argument("--videos", type=int, default=60, help="damaged files of each video format (default 60)")
    parser.add_argument("--minutes", type=float, default=30, help="the damaged files end after this (default 30)")
    parser.add_argument("--kills", type=int, default=90, help="runs that are ended at random (default 90)")
    parser.add_argument("--cameras", type=int, default=16, help="live runs with troubles of the camera (default 16)")
    parser.add_argument("--live-minutes", type=float, default=3, help="the long live run; 10 for a release (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs (default 1)")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side (default 2)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for what is found (default: a new one)")
    parser.add_argument("--repeat", metavar="FORMAT:NUMBER", help="run one damaged file again and print what it does")
    return parser


def _parts(options: argparse.Namespace, parts: list[str], folder: Path, results: Results) -> list[Callable[[], None]]:
    chosen = [form for form in formats() if form.group in parts or form.name in parts]
    known: dict[str, Callable[[], None]] = {
        "kills": lambda: run_kills(options.kills, options.seed, options.workers, results),
        "disks": lambda: run_disks(results),
        "cameras": lambda: run_cameras(options.cameras, options.seed, options.workers, results),
        "steady": lambda: run_steady(options.live_minutes, results),
        "sanitize": lambda: _sanitize(results),
    }
    unknown = set(parts) - known.keys() - set(GROUPS) - {form.name for form in chosen}
    if unknown:
        raise SystemExit(f"there is no part or format called {', '.join(sorted(unknown))}")
    inputs = [lambda: _inputs(options, chosen, folder, results)] if chosen else []
    return [*inputs, *(run for name, run in known.items() if name in parts)]


def _inputs(options: argparse.Namespace, chosen: list[Format], folder: Path, results: Results) -> None:
    """Damaged files of `chosen`, until time is up; Ctrl-C means that it is."""
    counts = {form.name: options.videos if form.group == "videos" else options.inputs for form in chosen}
    deadline = time.monotonic() + options.minutes * 60
    plan = Plan(counts, chosen, options.seed, deadline, folder, options.workers)
    before = signal.signal(signal.SIGINT, lambda *_: setattr(plan, "deadline", 0.0))
    run_valid(plan, results)
    run_inputs(plan, results)
    signal.signal(signal.SIGINT, before)


def _sanitize(results: Results) -> None:
    """The C code built with address and undefined-behaviour sanitizers, under its tests."""
    if not SANITIZE.exists():
        results.note("sanitize", f"skipped: there is no {SANITIZE.name}")
        return
    done = subprocess.run(["bash", str(SANITIZE)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines() or [""]
    failures = [Failure("crash", " / ".join(lines[-3:])[:500], "sanitize")] if done.returncode else []
    results.add("sanitize", failures, f"bash {SANITIZE.name}")
    results.note("sanitize", lines[-1])


def _repeat(options: argparse.Namespace) -> int:
    name, _, number = options.repeat.partition(":")
    form = next(form for form in formats() if form.name == name)
    case, outcome, failures = repeat_input(form, int(number), options.seed)
    print(
        f"{case.arguments}\n{case.history}\nexit code {outcome.code}, {outcome.seconds:.1f} s, {outcome.megabytes} MB"
    )
    sys.stdout.flush()
    sys.stdout.buffer.write((outcome.exception + outcome.stdout + outcome.stderr).encode("utf-8", "backslashreplace"))
    for failure in failures:
        print(f"FAILED: {failure.kind}: {failure.detail} {failure.place}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
