"""An evaluation as `livestyle-evaluate` shows it: a bar while models are measured, then tables, JSON and figures."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from livestyle.protocols import Segmenter
from livestyle.training import figures
from livestyle.training.composed import ValidationSet
from livestyle.training.evaluate import Evaluation, Image, chosen, evaluate

Models = Sequence[tuple[str, Segmenter]]
"""Each with its name."""


def measured(
    models: Models, sets: Sequence[ValidationSet], empty: Mapping[str, list[Image]], every: int
) -> list[Evaluation]:
    """Each model's evaluation on the same pictures; rows of the sets that cannot be used are logged."""
    evaluations = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for name, model in models:
            task = bar.add_task(name, total=sum(len(chosen(one, every)) for one in sets))
            evaluations.append(evaluate(name, model, sets, empty, functools.partial(bar.advance, task), every))
    for one in sets:
        one.bad.report(one.described.name)
    return evaluations


def write(out: Path, text: str, evaluations: list[Evaluation], models: Models, sets: Sequence[ValidationSet]) -> None:
    """Write tables.md (`text`), evaluation.json and the figures into `out`, which is made."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "tables.md").write_text(text + "\n", encoding="utf-8")
    report = {evaluation.name: evaluation.report() for evaluation in evaluations}
    (out / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    figures.comparison(out / "comparison.png", figures.spread(sets, 2), list(models))
    figures.comparison(out / "worst.png", figures.worst(sets, evaluations[-1].scores, 20), list(models[-1:]))
    figures.reliability(out / "reliability.png", evaluations)
