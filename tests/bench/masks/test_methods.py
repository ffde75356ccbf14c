"""Methods side by side: each gives a mask for every frame from the same outputs of the model; all are scored alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from livestyle.bench.drawn_people import DrawnPeople, Oracle
from livestyle.bench.masks.cached_model import CachedModel, SimulatedInference, cached
from livestyle.bench.masks.compare import Score, compare
from livestyle.bench.masks.methods import METHODS, Method, methods_named, raw_masks
from livestyle.bench.masks.strips import outlined
from livestyle.bench.masks.table import as_json, overall, text
from livestyle.bench.masks.targets import Target, targets
from livestyle.bench.sequences import Film, Moment, make_film
from livestyle.bench.stopwatch import Stopwatch
from livestyle.errors import UsageError
from livestyle.frame import REGIONS, Pixels, PlaneWeights
from livestyle.masks.roi import Mask
from livestyle.models.segmenter import load_segmenter
from livestyle.protocols import ResizableSegmenter

SIZE = (320, 180)


class Inverted:
    """A style whose every change can be computed by hand: what is background becomes its negative."""

    is_identity = False

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        """(H, W, 3) uint8: every pixel as far inverted as it is background."""
        from livestyle.bench.masks.metrics import enlarged

        background = enlarged(weights, (pixels.shape[1], pixels.shape[0]))[..., :1]
        return np.asarray(pixels + background * (255.0 - 2.0 * pixels), np.uint8)


def film(kind: str, seconds: float = 0.7, rate: int = 30) -> Film:
    """A short film of drawn people at SIZE."""
    return make_film(kind, DrawnPeople(), rate=rate, size=SIZE, seconds=seconds)


def scores(one: Film, *names: str) -> dict[str, Score]:
    """Method -> its score on `one`, where the oracle stands in for a model; without names, every method."""
    return {score.method: score for score in compare(one, methods_named(list(names)), Oracle(), Inverted())}


def delayed(frames: int) -> Method:
    """A method that gives the truth of so many frames before."""

    def way(one: Film, segmenter: object, watch: Stopwatch) -> Iterator[PlaneWeights]:
        for index in range(len(one.moments)):
            truth = one.moments[max(0, index - frames)].truth
            assert truth is not None
            yield np.ascontiguousarray(truth.weights.transpose(2, 0, 1))

    return Method(f"late {frames}", "the truth, late", way, needs_truth=True)


def test_every_method_gives_a_mask_for_every_frame_and_is_scored() -> None:
    """All methods of the bench run on a film with truth, in the order of METHODS, and each has a cost and figures; none
    is left out silently."""
    one = film("sway", seconds=0.3)
    found = scores(one)
    assert list(found) == list(METHODS)
    for score in found.values():
        assert score.cost["all"] >= 0
        assert score.figures["iou"] >= 0


def test_the_truth_scores_best_and_no_masks_at_all_score_as_defined() -> None:
    """Both ends of each figure are known.

    True masks have next to no error, no wrong steps, no lag and no ghosts; one style for the whole frame has those of a
    mask that stands still and calls everything background. A model lies between.
    """
    found = scores(film("sway"), "truth", "global", "raw")
    truth, nothing, raw = (found[name].figures for name in ("truth", "global", "raw"))
    assert truth["iou"] > 0.97  # at half the size: the outline's pixels are rounded
    assert truth["biou"] > 0.9
    assert truth["dtssd"] == 0
    assert abs(truth["lag"]) < 0.1
    assert truth["ghosts"] == 0
    assert truth["iou"] > raw["iou"] > nothing["iou"]
    # Without masks everything is called background: that region's IoU is its share, the others' is 0.
    assert nothing["iou"] == pytest.approx(found["global"].regions["background"]["iou"] / 4)
    assert nothing["ndtssd"] == pytest.approx(1)  # it stands still
    assert math.isnan(nothing["lag"])
    assert nothing["back_in"] == 0
    assert nothing["skin_in"] > 20  # skin's negative
    assert truth["skin_in"] < 0.5


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_mask_that_is_late_is_found_to_be_so_late(late: int) -> None:
    """Masks that are the truth of n frames before have a lag of n: the figure means delay and no other error."""
    (score,) = compare(film("fast"), [delayed(late)], Oracle(), Inverted())
    assert score.figures["lag"] == pytest.approx(late, abs=0.15)  # the error is only approximately a parabola


def test_what_stands_still_flickers_by_what_the_method_leaves_of_the_noise() -> None:
    """Where nothing moves, a filter over time leaves less than half of the flicker of raw masks.

    Figures that need motion are NaN there, not 0, and so do not count.
    """
    found = scores(film("still"), "raw", "ema")
    assert found["ema"].figures["flicker"] < 0.5 * found["raw"].figures["flicker"]
    assert math.isnan(found["raw"].figures["ndtssd"])
    assert math.isnan(found["raw"].figures["lag"])


def test_a_mask_held_while_somebody_leaves_is_a_ghost_and_the_models_own_is_none() -> None:
    """Masks that are held for some frames show somebody who has left, and the run of such frames is counted; a false
    region that the model itself reports is not blamed on the method."""
    found = scores(film("leave", seconds=1.4), "raw", "held")
    assert found["raw"].figures["ghosts"] == 0
    assert found["held"].figures["ghost_run"] >= 2  # a mask takes two and a half frames


def test_a_model_at_another_size_is_run_once_too() -> None:
    """Exact masks look at the whole at twice the size; a segmenter of one size stays one."""
    model = cached(load_segmenter("xxsmall", "cpu", threads=1))
    assert isinstance(model, ResizableSegmenter)
    assert not isinstance(cached(Oracle()), ResizableSegmenter)
    picture, watch = np.zeros((64, 64, 3), np.uint8), model.watch
    larger = model.resized(1.5)
    assert larger(picture).shape[1] == 1.5 * model(picture).shape[1]
    spent = watch.seconds["inference"]
    assert model.resized(1.5)(picture) is larger(picture)
    assert watch.seconds["inference"] > spent


def test_what_is_lost_and_what_is_spilled_of_skin_are_counted_by_the_truth() -> None:
    """Both ends are known: the truth keeps all skin and spills none, no masks keep none, and everything called skin
    spills what is neither skin nor hair."""
    one = film("sway")
    everything = PlaneWeights(np.zeros((4, 1, 1), np.float32))
    everything[REGIONS.index("skin")] = 1
    all_skin = Method("all skin", "everything is skin", lambda one, *_: iter([everything] * len(one.moments)))
    methods = [*methods_named(["truth", "global"]), all_skin]
    truth, nothing, spilt = (score.figures for score in compare(one, methods, Oracle(), Inverted()))
    assert (truth["grey"], truth["spill"]) == (0, 0)
    assert (nothing["grey"], nothing["spill"]) == (100, 0)
    assert spilt["grey"] == 0
    counted = [moment.truth for moment in one.moments[10:]]  # a third of a second later
    skin = np.mean([(moment.weights[..., 2] > 0.5).mean() for moment in counted if moment])
    other = np.mean([(moment.weights[..., 1:3].sum(axis=2) < 0.1).mean() for moment in counted if moment])
    assert spilt["spill"] == pytest.approx(100 * other / skin, rel=0.02)  # less where the truth is not known


def test_on_a_clip_of_ones_own_skin_is_what_exact_masks_call_so() -> None:
    """Nothing else is known there: exact masks lose and spill nothing by definition, and no masks lose all."""
    one = film("sway")
    clip = Film("clip.mp4", tuple(replace(moment, truth=None) for moment in one.moments), one.rate)

    class Taught(Oracle):
        """Knows the truth of the film that the clip was made of."""

        def see(self, moment: Moment) -> None:
            super().see(next(other for other in one.moments if other.pts == moment.pts))

    exact, nothing = (s.figures for s in compare(clip, methods_named(["ours", "global"]), Taught(), Inverted()))
    assert (exact["grey"], exact["spill"]) == (0, 0)
    assert (nothing["grey"], nothing["spill"]) == (100, 0)


def test_live_methods_with_and_without_colours_differ_in_nothing_else() -> None:
    """On a still film, where colours decide nothing, both give the same figures."""
    found = scores(film("still", seconds=0.5), "live", "live-colors")
    with_colors, without = (found[name].figures for name in ("live", "live-colors"))
    assert with_colors == pytest.approx(without, rel=1e-6, nan_ok=True)  # support differs by what noise does to chroma


def test_inference_runs_once_for_each_picture_whoever_asks() -> None:
    """All methods get the same outputs of the model, each computed and timed once; otherwise comparing them would
    compare the model with itself."""
    one = film("sway", seconds=0.3)
    cached = CachedModel(Oracle())
    first = list(raw_masks(one, cached, Stopwatch()))
    second = list(raw_masks(one, cached, Stopwatch()))
    assert len(cached.seconds) == len(one.moments)
    for mask, again in zip(first, second, strict=True):
        np.testing.assert_array_equal(mask, again)
    assert cached.watch.seconds["inference"] >= sum(cached.seconds)


class TestPacedInference:
    @staticmethod
    def paced(latency: float) -> SimulatedInference:
        """Inference of that latency whose masks hold the number of their picture."""
        return SimulatedInference(lambda picture: Mask(np.full((1, 1, 1), picture[0, 0, 0], np.float32)), latency)

    @staticmethod
    def offer(inference: SimulatedInference, number: int) -> float | None:
        """Offer picture `number` at number / 10 seconds; which picture's mask has come, if any."""
        inference.offer(np.full((1, 1, 3), number, np.uint8), number / 10)
        done = inference.result()
        return None if done is None else float(done.mask.weights[0, 0, 0])

    def test_a_mask_comes_after_its_latency_and_the_next_is_of_the_newest_picture(self) -> None:
        """A mask comes with the first frame after its latency, and the next run takes the newest picture by then, as
        the threaded inference of a live run does."""
        inference = self.paced(0.25)
        # Picture 0 is done at 0.25, then 2 is the newest, done at 0.5 with 5 not yet offered: 4 is next.
        assert [self.offer(inference, n) for n in range(9)] == [None, None, None, 0, None, 2, None, None, 4]

    def test_a_fast_model_gives_every_mask_one_frame_later(self) -> None:
        """With a latency below a frame's time no picture is skipped, and each mask comes with the next frame."""
        inference = self.paced(0.05)
        assert [self.offer(inference, n) for n in range(4)] == [None, 0, 1, 2]

    def test_waiting_gives_the_mask_that_is_under_way(self) -> None:
        """`wait` gives the next mask whatever its latency, with the time of the picture that it belongs to."""
        inference = self.paced(9)
        self.offer(inference, 3)
        done = inference.wait(0)
        assert (float(done.mask.weights[0, 0, 0]), done.seconds) == (3, 0.3)


def test_a_method_that_loses_a_frame_is_an_error() -> None:
    """Fewer masks than frames are an error with both numbers: later masks would be compared with the wrong frame."""
    lossy = Method("lossy", "", lambda one, segmenter, watch: iter(list(raw_masks(one, segmenter, watch))[1:]))
    with pytest.raises(RuntimeError, match="lossy gave 2 masks for 3 frames"):
        compare(film("sway", seconds=0.1), [lossy], Oracle(), Inverted())


def test_an_inner_stage_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a stage is taken off the one around it, so that stages add up to the whole.

    By a clock that moves on by 1, 10 and 100 seconds: the outer stage has what is left of 111.
    """
    ticks = iter((0.0, 1.0, 11.0, 111.0))
    monkeypatch.setattr("livestyle.bench.stopwatch.time.process_time", lambda: next(ticks))
    watch = Stopwatch()
    with watch.stage("outer"), watch.stage("inner"):
        pass
    assert watch.seconds == {"inner": 10, "outer": 101}


def test_unknown_methods_are_named() -> None:
    """A method that the bench does not have is a UsageError with its name, before anything is measured."""
    with pytest.raises(UsageError, match="nonsense"):
        methods_named(["raw", "nonsense"])


def score(method: str, film_: str = "a", kind: str = "sway", **figures: float) -> Score:
    """A score with these figures; all others are NaN."""
    from livestyle.bench.masks.scoring import FIGURES

    return Score(film_, kind, method, {name: figures.get(name, math.nan) for name in FIGURES}, {}, {"all": 2.0})


def test_films_are_averaged_and_a_lag_is_the_worst() -> None:
    """Over several films figures are means of those films that know them, ghosts are summed, and of lags the largest
    counts, early or late. The table leaves out columns of which nothing is known."""
    rows = overall([score("raw", iou=0.5, lag=-2.0, ghosts=1), score("raw", "b", iou=0.7, lag=1.0, ghosts=2),
                    score("raw", "c")])  # fmt: skip
    assert rows["raw"]["iou"] == pytest.approx(0.6)
    assert rows["raw"]["lag"] == -2
    assert rows["raw"]["ghosts"] == 3
    table = text(rows)
    assert "warp" not in table
    assert table.splitlines()[2].split() == ["|", "raw", "|", "0.600", "|", "-2.00", "|", "3", "|", "2.0", "|"]


def test_json_has_no_nan() -> None:
    """What a film cannot say is null: NaN is not JSON, and programs would fail to read it."""
    (row,) = as_json([score("raw", iou=0.5)])
    assert row["figures"]["iou"] == 0.5
    assert row["figures"]["lag"] is None


def test_bars_are_held_missed_or_unknown() -> None:
    """A target is met on the right side of its limit, and unknown for NaN.

    Targets are computed from the figures of the methods that were measured; those of a method that was not are not
    listed at all.
    """
    assert Target("x", 0.1, 0.15).held is True
    assert Target("x", 0.1, 0.15, at_least=True).held is False
    assert Target("x", math.nan, 0.15).held is None
    found = {target.what: target for target in targets([
        score("raw", flicker=10, iou=0.8), score("ours", flicker=1, iou=0.79), score("live", iou=0.75)])}  # fmt: skip
    assert found["ours: flicker where nothing moves, share of raw"].value == pytest.approx(0.1)
    assert found["ours: region IoU beyond raw"].held is False
    assert found["live: IoU lost, worst kind but the fast head and hands"].value == pytest.approx(0.04)
    assert found["ours: boundary IoU beyond raw"].held is None
    assert not any(what.startswith("ahead") for what in found), "it was not measured"


def test_hands_that_go_grey_live_are_beyond_those_that_the_model_does_not_see() -> None:
    """The target is about tracking: of hands, what the model's own mask of each frame loses is not held against it. A
    film of hands does not count among the slow kinds."""
    found = {target.what: target for target in targets([
        score("raw", "h", "hands", hand_grey=10, iou=0.8), score("ours", "h", "hands", iou=0.8),
        score("live", "h", "hands", hand_grey=40, iou=0.2)])}  # fmt: skip
    assert found["live: % of hands that goes grey, beyond raw"].value == pytest.approx(30)
    assert found["live: % of hands that goes grey, beyond raw"].held is False
    assert found["live: IoU lost, worst kind but the fast head and hands"].held is None


def test_fewer_late_masks_lose_more_of_a_fast_hand() -> None:
    """The rate that is asked for is the one that live methods get, and their descriptions say it."""
    one = film("hands", seconds=1.0)
    (fast,), (slow,) = (compare(one, methods_named(["held"], rate), Oracle(), Inverted()) for rate in (30, 4))
    assert slow.figures["hand_grey"] > fast.figures["hand_grey"] + 10
    assert "4 late masks" in methods_named(["live"], 4)[0].about
    assert "12 late masks" in methods_named(["live"])[0].about


def test_edges_are_drawn_in_the_color_of_what_they_enclose() -> None:
    """An outline has one colour and lies along the region's edge only, about the 36 pixels around a square of ten: what
    is inside and outside has to stay visible."""
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 10:20] = REGIONS.index("hair")
    grey = np.full((20, 30, 3), 50, np.uint8)
    drawn = outlined(grey, labels)
    assert (drawn[10, 15] == 50).all(), "not inside"
    assert (drawn[0, 0] == 50).all(), "not outside"
    changed = (drawn != 50).any(axis=2)
    assert 30 <= changed.sum() <= 60
    assert len(np.unique(drawn[changed], axis=0)) == 1
