"""The campaign's figures: counted by subject, told as a table and as JSON."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign.judge import Failure

EXAMPLES = 3  # of each distinct failure


@dataclass
class Tally:
    """What was tried of one subject, such as a format."""

    inputs: int = 0
    clean: int = 0
    kinds: Counter[str] = field(default_factory=Counter)  # kind of failure -> inputs
    refused: int = 0  # ended with a sentence rather than an output
    notes: list[str] = field(default_factory=list)  # what was skipped, and figures


@dataclass
class Distinct:
    """Failures of one kind from one place."""

    kind: str
    place: str
    subjects: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)  # how to repeat it, and what was said

    @property
    def count(self) -> int:
        """How many inputs or trials failed like this."""
        return sum(self.subjects.values())


class Results:
    """Everything that was found; filled from several threads."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}
        self.distinct: dict[tuple[str, str], Distinct] = {}
        self._lock = threading.Lock()

    def add(self, subject: str, failures: list[Failure], repeat: str, *, refused: bool = False) -> None:
        """Count one input or trial. `repeat`: how to do it again."""
        with self._lock:
            tally = self.tallies.setdefault(subject, Tally())
            tally.inputs += 1
            tally.clean += not failures
            tally.refused += refused and not failures
            tally.kinds.update({failure.kind for failure in failures})
            for failure in failures:
                self._keep(subject, failure, repeat)

    def note(self, subject: str, text: str) -> None:
        """A sentence for the table's foot."""
        with self._lock:
            self.tallies.setdefault(subject, Tally()).notes.append(text)

    @property
    def failed(self) -> bool:
        """Whether there was any failure."""
        return bool(self.distinct)

    def markdown(self) -> str:
        """The table, then each distinct failure with examples."""
        rows = ["| what | inputs | clean | of these refused | failures by kind |", "|---|---:|---:|---:|---|"]
        rows += [_row(subject, tally) for subject, tally in self.tallies.items() if tally.inputs]
        rows.append(_row("**all**", self._sum()))
        notes = [f"- {subject}: {note}" for subject, tally in self.tallies.items() for note in tally.notes]
        return "\n".join([*rows, "", *notes, *(["", *self._told()] if self.distinct else [])]) + "\n"

    def save(self, folder: Path, **more: Any) -> None:
        """`results.json` and `table.md` in `folder`."""
        values = {
            **more,
            "subjects": {subject: _plain(tally) for subject, tally in self.tallies.items()},
            "failures": [_plain(distinct) for distinct in self._sorted()],
        }
        text = json.dumps(values, indent=2)  # ASCII: names in it may be no text
        (folder / "results.json").write_text(text + "\n", encoding="utf-8")
        (folder / "table.md").write_text(self.markdown(), encoding="utf-8", errors="backslashreplace")

    def _keep(self, subject: str, failure: Failure, repeat: str) -> None:
        distinct = self.distinct.setdefault((failure.kind, failure.place), Distinct(failure.kind, failure.place))
        distinct.subjects[subject] += 1
        if len(distinct.examples) < EXAMPLES:
            distinct.examples.append(f"{repeat}: {' '.join(failure.detail.split())}")

    def _sum(self) -> Tally:
        total = Tally()
        for tally in self.tallies.values():
            total.inputs += tally.inputs
            total.clean += tally.clean
            total.refused += tally.refused
            total.kinds.update(tally.kinds)
        return total

    def _sorted(self) -> list[Distinct]:
        return sorted(self.distinct.values(), key=lambda one: -one.count)

    def _told(self) -> list[str]:
        rows = ["Distinct failures:", ""]
        for one in self._sorted():
            where = ", ".join(f"{name} {count}" for name, count in one.subjects.most_common(8))
            rows.append(f"- **{one.kind}** {one.place or ''} ({where})")
            rows += [f"  - {example}" for example in one.examples]
        return rows


def _plain(values: Tally | Distinct) -> dict[str, Any]:
    """Not `asdict`, which makes counters of counters."""
    return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(values).items()}


def _row(subject: str, tally: Tally) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in tally.kinds.most_common()) or "0"
    return f"| {subject} | {tally.inputs} | {tally.clean} | {tally.refused} | {kinds} |"
