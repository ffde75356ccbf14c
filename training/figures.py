"""Pictures of a run and of an evaluation, drawn with matplotlib (no display needed)."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livestyle.errors import InputError
from livestyle.frame import REGIONS
from livestyle.protocols import Segmenter
from livestyle.training.classes import Members, region_bits
from livestyle.training.composed import ValidationSet
from livestyle.training.evaluate import Evaluation, Score
from livestyle.training.log import LOSSES
from livestyle.training.metrics import Planes, enlarged, region_planes
from livestyle.training.reader import Picture

COLORS = np.array([[30, 30, 34], [226, 74, 51], [250, 193, 132], [69, 117, 180]], np.float64)
"""RGB of each of livestyle.frame.REGIONS in the figures."""


def _axes(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def truth_image(members: Members) -> npt.NDArray[np.uint8]:
    """(H, W, 3): the colour of the region; where several are possible, their mean."""
    possible = np.stack([(members & region_bits(region)) != 0 for region in REGIONS], -1).astype(np.float64)
    return np.asarray(possible @ COLORS / np.maximum(possible.sum(-1, keepdims=True), 1), np.uint8)


def guess_image(planes: Planes) -> npt.NDArray[np.uint8]:
    """(H, W, 3): the regions' colours mixed by probability, (R, H, W)."""
    return np.asarray(np.clip(np.tensordot(planes, COLORS, (0, 0)), 0, 255), np.uint8)


def _guess(model: Segmenter, picture: Picture) -> npt.NDArray[np.uint8]:
    planes = region_planes(model(picture.pixels), tuple(model.classes), model.regions)
    return guess_image(enlarged(planes, *picture.members.shape))


def comparison(path: Path, pictures: list[tuple[str, Picture]], models: list[tuple[str, Segmenter]]) -> None:
    """Rows of picture, truth and each model's guess, written as PNG."""
    titles = ["picture", "labels", *(name for name, _ in models)]
    figure, axes = _axes(len(pictures), len(titles), 1.9 * len(titles), 2.1 * len(pictures))
    for row, (caption, picture) in zip(axes, pictures, strict=True):
        images = [picture.pixels, truth_image(picture.members), *(_guess(model, picture) for _, model in models)]
        for axis, image, title in zip(row, images, titles, strict=True):
            axis.imshow(image)
            axis.set_axis_off()
            axis.set_title(caption if image is picture.pixels else title, fontsize=7)
    figure.savefig(path, dpi=110)


def spread(sets: Sequence[ValidationSet], each: int) -> list[tuple[str, Picture]]:
    """Pictures evenly spread over the sets, for the comparison figure."""
    chosen = []
    for labelled in sets:
        for index in np.linspace(0, len(labelled) - 1, min(each, len(labelled))).astype(int):
            picture = labelled.picture(int(index))
            if picture is not None:
                chosen.append((labelled.described.about, picture))
    return chosen


def worst(sets: Sequence[ValidationSet], scores: list[Score], count: int) -> list[tuple[str, Picture]]:
    """The pictures on which a model did worst."""
    by_name = {labelled.described.name: labelled for labelled in sets}
    chosen = []
    for score in sorted(scores, key=lambda s: s.value)[:count]:
        picture = by_name[score.set].picture(score.index)
        if picture is not None:
            chosen.append((f"{score.set} {score.value:.2f}", picture))
    return chosen


def reliability(path: Path, evaluations: list[Evaluation]) -> None:
    """How often a model is right against how sure it says it is."""
    figure, axes = _axes(1, 1, 4.5, 4)
    axes[0, 0].plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for evaluation in evaluations:
        rows = evaluation.report()["reliability"]
        axes[0, 0].plot([r["confidence"] for r in rows], [r["right"] for r in rows], marker=".", label=evaluation.name)
    axes[0, 0].set(xlabel="confidence", ylabel="share of pixels that are right", xlim=(0.2, 1), ylim=(0.2, 1))
    axes[0, 0].legend()
    figure.savefig(path, dpi=110)


def losses(log: Path, path: Path) -> None:
    """The learning curves in a run's log.csv, with the rate and the size of samples. Raises InputError."""
    try:
        with log.open(newline="", encoding="utf-8") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{log} is not the log of a run: {error}.") from error
    if not rows:
        raise InputError(f"{log} has no line yet.")
    figure, axes = _axes(1, 2, 9, 3.5)
    samples = [row["samples"] for row in rows]
    for name in LOSSES:
        values = [row.get(name, math.nan) for row in rows]
        if not all(map(math.isnan, values)):
            axes[0, 0].plot(samples, values, label=name)
    axes[0, 0].set(xlabel="samples", ylabel="loss")
    axes[0, 0].legend()
    axes[0, 1].plot(samples, [row["rate"] for row in rows], color="tab:green")
    axes[0, 1].set(xlabel="samples", ylabel="rate")
    size = axes[0, 1].twinx()
    size.step(samples, [row["size"] for row in rows], color="0.6")
    size.set_ylabel("sample size in pixels")
    figure.savefig(path, dpi=110)
