"""What counts as clean, and the kinds of failure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from campaign.playing import plays, shows
from campaign.pool import Outcome

KINDS = (
    "hang",  # no end within the limit
    "crash",  # the process died
    "traceback",  # Python's stack was shown
    "internal error",  # an exception that the product did not expect
    "exit code",  # none of those that are promised
    "sentence",  # the error is not one sentence on one line, or there is none
    "control characters",  # reach the terminal
    "invalid JSON",
    "stray output",  # a library printed past the product
    "half-written",  # the output has its final name and does not play, or is there although the run failed
    "file left",  # under a temporary name
    "memory",  # far more than the input can need
    "descriptors left",
    "threads left",
    "lost recording",  # nothing that plays, or more than the last moment is missing
    "raw frame",  # unstyled pictures on a live output
    "growth",  # of memory, open files or threads over time
    "undetected",  # the campaign itself: a deliberately broken product was called clean
)

ALLOWED_CODES = {0, 2, 3, 4, 5, 130}
BROKE_OFF = 4  # the exit code with which the output holds everything up to the fault
MOST_MEGABYTES = 2048  # for one small input, the model and all libraries included
LONGEST_SENTENCE = 700

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE = re.compile(r"(livestyle: |  |Usage: |Error: |Try ')|.* \[.+\]$|.*frames/s")
_PLACE = re.compile(r'File "[^"]*?/((?:live|shaders|models|livestyle)/[^"]+)", line (\d+), in (\w+)')


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is wrong with one run."""

    kind: str  # of KINDS
    detail: str  # one line
    place: str = ""  # file:line of the product where it came from, where that is known


def place_of(text: str) -> str:
    """The innermost function of the product in a traceback, and the exception: what tells two failures apart."""
    places = _PLACE.findall(text)
    errors = re.findall(r"^([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Bomb\w*|Warning)\b.*)", text, re.MULTILINE)
    where = "{}:{} {}".format(*places[-1]) if places else ""
    return f"{where} {errors[-1][:160] if errors else ''}".strip()


def judge(outcome: Outcome, output: Path, left: Collection[str], names: Collection[str] = ()) -> list[Failure]:
    """Everything that is wrong with a run.

    `left`: the files it left that are not `output`; `names`: of its inputs, which JSON may quote as they are.
    """
    if outcome.hung:
        return [Failure("hang", f"no end after {outcome.seconds:.0f} s", place_of(_main_thread(outcome.stderr)))]
    if outcome.signal is not None:
        return [Failure("crash", f"signal {outcome.signal}", place_of(_main_thread(outcome.stderr)))]
    return [
        *judge_text(outcome, names),
        *_judge_code(outcome),
        *_judge_output(outcome, output),
        *(Failure("file left", name) for name in left),
        *_judge_resources(outcome),
    ]


def judge_text(outcome: Outcome, names: Collection[str] = ()) -> Iterator[Failure]:
    """What a run printed: sentences, and nothing that is not for people."""
    text = outcome.stderr
    if outcome.exception or "Traceback (most recent call last)" in text or "Exception ignored" in text:
        yield Failure("traceback", _last_line(outcome.exception or text), place_of(outcome.exception or text))
        return
    if "internal error" in text or outcome.code == 1:
        yield Failure("internal error", next((row for row in text.splitlines() if "internal error" in row), text)[:300])
        return
    if found := _CONTROL.search(text) or _CONTROL.search(outcome.stdout):
        yield Failure("control characters", f"{found.group()!r} in {_around(found)!r}")
    if stray := next((row for row in text.split("\n") if row and not _LINE.match(row)), None):
        yield Failure("stray output", repr(stray[:200]))
    yield from _judge_sentence(outcome)
    yield from _judge_json(outcome, names)


def _judge_sentence(outcome: Outcome) -> Iterator[Failure]:
    sentences = [row for row in outcome.stderr.split("\n") if row.startswith("livestyle: ")]
    if outcome.code not in (0, 130, None) and not sentences and "Usage: " not in outcome.stderr:
        yield Failure("sentence", f"exit code {outcome.code} and no sentence")
    if sentences and len(sentences[-1]) > LONGEST_SENTENCE:
        yield Failure("sentence", f"{len(sentences[-1])} characters: {sentences[-1][:100]!r}")


def _judge_json(outcome: Outcome, names: Collection[str]) -> Iterator[Failure]:
    for row in outcome.stdout.splitlines():
        try:
            values = json.loads(row)
        except ValueError:
            yield Failure("invalid JSON", repr(row[:200]))
            return
        error = str(values.get("error") or "") if isinstance(values, dict) else ""
        for name in names:
            error = error.replace(name, "…")
        if "\n" in error:
            yield Failure("sentence", f"more than one line: {error[:200]!r}")


def _judge_code(outcome: Outcome) -> Iterator[Failure]:
    if not outcome.exception and outcome.code not in ALLOWED_CODES and outcome.code != 1:
        yield Failure("exit code", f"{outcome.code}")


def _judge_output(outcome: Outcome, output: Path) -> Iterator[Failure]:
    there = output.exists()
    if outcome.code == 0 and not there:
        yield Failure("half-written", "exit code 0 and no output")
    elif outcome.code not in (0, BROKE_OFF, 130) and there:
        yield Failure("half-written", f"an output after exit code {outcome.code}")
    elif there and (trouble := _trouble(output)):
        yield Failure("half-written", f"exit code {outcome.code}: {trouble}")


def _trouble(output: Path) -> str:
    """Why the output cannot be shown; nothing where it can."""
    return shows(output) if output.suffix in (".png", ".jpg") else plays(output)


def _judge_resources(outcome: Outcome) -> Iterator[Failure]:
    if outcome.megabytes > MOST_MEGABYTES:
        yield Failure("memory", f"{outcome.megabytes} MB")
    if outcome.descriptors:
        yield Failure("descriptors left", ", ".join(outcome.descriptors))
    if outcome.threads:
        yield Failure("threads left", ", ".join(outcome.threads))


def _main_thread(text: str) -> str:
    """faulthandler prints the innermost call first, traceback last: the lines of the current thread, reversed."""
    _, _, current = text.rpartition("Current thread")
    return "\n".join(reversed((current or text).splitlines()))


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:300]


def _around(found: re.Match[str]) -> str:
    return found.string[max(0, found.start() - 40) : found.end() + 20]
