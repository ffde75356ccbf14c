"""Damaged files of every format, run through the command line by workers."""

from __future__ import annotations

import shlex
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from campaign.formats import Format, Input, damaged, has_seeds, undamaged
from campaign.judge import Failure, judge, place_of
from campaign.pool import PRODUCT, Outcome, Worker, scratch_folder
from campaign.results import Results

LIMIT_S = 30.0  # a run that takes longer counts as hanging …
SURE_LIMIT_S = 60.0  # … if it does so again, for the machine may have been busy with something else
KNOWN_LIMIT_S = 8.0  # once a format has hung this often …
SURE_HANGS = 3
MOST_HANGS = 12  # … and after so many the format is given up: each costs as much as a thousand others
SAVED = 5  # failing inputs of a format and kind that are kept


@dataclass
class Plan:
    """What to run: `counts` inputs of each format, until `deadline` (time.monotonic seconds)."""

    counts: dict[str, int]
    formats: Sequence[Format]
    seed: int
    deadline: float
    folder: Path  # results and failing inputs go here
    workers: int = 2
    entry: str = PRODUCT
    hangs: dict[str, int] = field(default_factory=dict)


def run_inputs(plan: Plan, results: Results) -> None:
    """Run the plan's inputs; every format is at about the same number when time is up."""
    formats = [form for form in plan.formats if _available(form, results)]
    tasks = _Tasks(formats, plan)
    with ThreadPoolExecutor(plan.workers) as pool:
        for done in [pool.submit(_work, tasks, plan, results) for _ in range(plan.workers)]:
            done.result()
    if tasks.late:
        results.note("inputs", "time was up before every format had all its inputs")
    for name, hangs in plan.hangs.items():
        if hangs >= MOST_HANGS:
            results.note(name, f"given up after {hangs} hangs")


def _available(form: Format, results: Results) -> bool:
    if not has_seeds(form):
        results.note(form.name, "skipped: no valid file can be made here")
        return False
    return True


class _Tasks:
    """(format, number) of the inputs, one format after the other for each number; for several threads."""

    def __init__(self, formats: Sequence[Format], plan: Plan) -> None:
        self.late = False
        self._plan, self._lock = plan, threading.Lock()
        self._all = self._numbered(formats)

    def next(self) -> tuple[Format, int] | None:
        """The next one; None when there are no more or time is up."""
        with self._lock:
            task = next(self._all, None)
            if task is not None and time.monotonic() > self._plan.deadline:
                self.late, task = True, None
            return task

    def _numbered(self, formats: Sequence[Format]) -> Iterator[tuple[Format, int]]:
        counts = self._plan.counts
        for number in range(max(counts.values(), default=0)):
            for form in formats:
                if number < counts[form.name] and self._plan.hangs.get(form.name, 0) < MOST_HANGS:
                    yield form, number


def _work(tasks: _Tasks, plan: Plan, results: Results) -> None:
    with scratch_folder() as scratch, Worker(scratch, entry=plan.entry) as worker:
        while (task := tasks.next()) is not None:
            case = damaged(task[0], plan.seed, task[1])
            outcome, failures = try_input(worker, case, scratch / "run", _limit(plan, case))
            if failures and failures[0].kind == "hang":
                outcome, failures = _sure_of_hang(worker, case, scratch / "run", plan, outcome, failures)
            repeat = f"--repeat {case.format.name}:{case.index}"
            results.add(case.format.name, failures, repeat, refused=outcome.code not in (0, None))
            if failures:
                save_input(case, failures, outcome, plan)


def _limit(plan: Plan, case: Input) -> float:
    return LIMIT_S if plan.hangs.get(case.format.name, 0) < SURE_HANGS else KNOWN_LIMIT_S


def _sure_of_hang(
    worker: Worker, case: Input, folder: Path, plan: Plan, outcome: Outcome, failures: list[Failure]
) -> tuple[Outcome, list[Failure]]:
    """The same input again with more time, unless hangs of its format are known by now."""
    if plan.hangs.get(case.format.name, 0) < SURE_HANGS:
        outcome, failures = try_input(worker, case, folder, SURE_LIMIT_S)
    if failures and failures[0].kind == "hang":
        plan.hangs[case.format.name] = plan.hangs.get(case.format.name, 0) + 1
    return outcome, failures


def try_input(worker: Worker, case: Input, folder: Path, limit: float) -> tuple[Outcome, list[Failure]]:
    """Run one input in the empty `folder`; what it did and what is wrong with that."""
    write_input(case, folder)
    outcome = worker.run(folder, case.arguments, limit)
    left = files_left(folder, {*case.files, case.output}) + files_left(worker.temporary, set())
    failures = judge(outcome, folder / case.output, left, case.files)
    if any(failure.kind == "internal error" for failure in failures):
        failures = [_placed(failure, worker, case, folder, limit) for failure in failures]
    shutil.rmtree(worker.temporary, ignore_errors=True)
    worker.temporary.mkdir(exist_ok=True)
    return outcome, failures


def _placed(failure: Failure, worker: Worker, case: Input, folder: Path, limit: float) -> Failure:
    """An internal error with its place, which --debug shows."""
    if failure.kind != "internal error":
        return failure
    write_input(case, folder)
    again = worker.run(folder, [*case.arguments, "--debug"], limit)
    return replace(failure, place=place_of(again.stderr))


def write_input(case: Input, folder: Path) -> None:
    """The input's files, and nothing else, in `folder`, with a folder for its output."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / Path(case.output).parent).mkdir(parents=True)
    for name, content in case.files.items():
        (folder / name).write_bytes(content)


def files_left(folder: Path, expected: set[str]) -> list[str]:
    """Files below `folder` that nobody expects, as their paths in it."""
    return [
        name for path in folder.rglob("*") if path.is_file() and (name := str(path.relative_to(folder))) not in expected
    ]


def save_input(case: Input, failures: list[Failure], outcome: Outcome, plan: Plan) -> None:
    """Keep a failing input with its command line and what was printed."""
    parent = plan.folder / "failures" / case.format.name / failures[0].kind.replace(" ", "-")
    if parent.is_dir() and len(list(parent.iterdir())) >= SAVED:
        return
    folder = parent / str(case.index)
    write_input(case, folder)
    lines = [
        f"python tests/campaign/run.py --seed {plan.seed} --repeat {case.format.name}:{case.index}",
        f"cd HERE && livestyle {shlex.join(case.arguments)}",
        f"# {case.history}",
        *(f"# {failure.kind}: {failure.detail} {failure.place}" for failure in failures),
    ]
    text = "\n".join(lines) + "\n\n" + outcome.exception + outcome.stderr[-5000:]
    (folder / "command.txt").write_text(text, encoding="utf-8", errors="backslashreplace")


def run_valid(plan: Plan, results: Results) -> None:
    """Every valid file once, undamaged and under a plain name: what fails here fails without any damage."""
    with scratch_folder() as scratch, Worker(scratch, entry=plan.entry) as worker:
        for form in plan.formats:
            for at in range(len(form.seeds())):
                case = undamaged(form, at)
                _, failures = try_input(worker, case, scratch / "run", SURE_LIMIT_S)
                results.add("valid files", failures, f"{form.name}, file {at}")


def repeat_input(form: Format, index: int, seed: int, entry: str = PRODUCT) -> tuple[Input, Outcome, list[Failure]]:
    """One input of a campaign again."""
    case = damaged(form, seed, index)
    with scratch_folder() as scratch, Worker(scratch, entry=entry) as worker:
        return case, *try_input(worker, case, scratch / "run", SURE_LIMIT_S)
