"""Methods side by side on one film."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from livestyle.bench.masks.cached_model import CachedModel, cached
from livestyle.bench.masks.ground_truth import GroundTruth
from livestyle.bench.masks.methods import Method, own, raw_masks
from livestyle.bench.masks.scoring import Scorer
from livestyle.bench.sequences import Film
from livestyle.bench.stopwatch import Stopwatch
from livestyle.frame import PlaneWeights
from livestyle.protocols import Grade, Segmenter

Watcher = Callable[[str, int, PlaneWeights], None]
"""Is told every method's name, frame number and weights, for pictures."""


@dataclass(frozen=True, slots=True)
class Score:
    """One method on one film."""

    film: str
    kind: str
    method: str
    figures: dict[str, float]  # keys of scoring.FIGURES
    regions: dict[str, dict[str, float]]  # region -> iou, biou
    cost: dict[str, float] = field(
        default_factory=dict
    )  # stage -> milliseconds of processor time a frame, and "wall time"; inference is not in it
    over_time: dict[str, list[float]] = field(default_factory=dict)  # figures of every frame, NaN where it has none


def compare(
    film: Film, methods: Sequence[Method], segmenter: Segmenter, grade: Grade, watcher: Watcher | None = None
) -> list[Score]:
    """Every method's score on `film`, in order. Inference runs once for each picture that any of them asks about.

    Methods that need the truth are left out where there is none.
    """
    model = cached(segmenter)
    known = film.moments[0].truth is not None
    exact = () if known else own()(film, model, Stopwatch())
    ground_truth = GroundTruth(film, list(raw_masks(film, model, Stopwatch())), exact)
    wanted = [method for method in methods if known or not method.needs_truth]
    scores = [_score(method, ground_truth, model, grade, watcher) for method in wanted]
    if model.seconds:
        inference = 1e3 * float(np.median(model.seconds))
        for score in scores:
            score.cost["one inference"] = inference
    return scores


def _score(
    method: Method, ground_truth: GroundTruth, segmenter: CachedModel, grade: Grade, watcher: Watcher | None
) -> Score:
    film, scorer, watch = ground_truth.film, Scorer(ground_truth, grade), Stopwatch()
    segmenter.watch = watch
    masks = method.way(film, segmenter, watch)
    spent, elapsed, index = 0.0, 0.0, 0
    while True:
        start, began = time.process_time(), time.perf_counter()
        weights = next(masks, None)
        spent += time.process_time() - start
        elapsed += time.perf_counter() - began
        if weights is None:
            break
        scorer.add(index, weights)
        if watcher is not None:
            watcher(method.name, index, weights)
        index += 1
    if index != len(film.moments):
        raise RuntimeError(f"{method.name} gave {index} masks for {len(film.moments)} frames")
    kind = "clip" if film.kind is None else film.kind.name
    cost = _cost(watch, spent, elapsed, index)
    return Score(film.name, kind, method.name, scorer.figures(), scorer.by_region(), cost, scorer.over_time())


def _cost(watch: Stopwatch, spent: float, elapsed: float, frames: int) -> dict[str, float]:
    elapsed -= watch.elapsed["inference"]
    stages = {name: 1e3 * seconds / frames for name, seconds in watch.seconds.items()}
    inference = stages.pop("inference", 0.0)
    total = 1e3 * spent / frames - inference
    return {"all": total, "wall time": 1e3 * elapsed / frames, **stages, "rest": total - sum(stages.values())}
