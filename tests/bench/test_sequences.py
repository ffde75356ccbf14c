"""Films: the same every time, the truth where the picture is, the same motion at every rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from livestyle.bench.drawn_people import DrawnPeople, Flaws, Oracle
from livestyle.bench.layers import cut_out
from livestyle.bench.motions import KINDS
from livestyle.bench.sequences import Film, Moment, make_film
from livestyle.errors import InputError
from livestyle.frame import REGIONS
from livestyle.masks.flow import shrink

SIZE = (320, 180)
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def film(kind: str, **options: object) -> Film:
    """A film of drawn people at SIZE, of 0.2 s unless the options say otherwise."""
    return make_film(kind, DrawnPeople(), **{"size": SIZE, "seconds": 0.2, **options})  # type: ignore[arg-type]


def middle(moment: Moment) -> tuple[float, float]:
    """Centre of gravity of what is not background, in pixels of the truth."""
    assert moment.truth is not None
    weight = 1 - moment.truth.weights[..., 0]
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return float((columns * weight).sum() / weight.sum()), float((rows * weight).sum() / weight.sum())


def test_the_same_film_twice_is_the_same_to_the_bit() -> None:
    """Pixels and truth depend on the arguments alone, so that figures of two runs may be compared."""
    for one, other in zip(film("shake").moments, film("shake").moments, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.truth is not None and other.truth is not None  # noqa: PT018 (for the type checker)
        np.testing.assert_array_equal(one.truth.least, other.truth.least)


def test_another_seed_is_another_film() -> None:
    """A seed gives another film of the same kind, so that a figure can be an average over several."""
    assert not np.array_equal(film("sway").moments[0].pixels, film("sway", seed=1).moments[0].pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_knows_all_of_a_cartoon(kind: str) -> None:
    """For drawn people the truth of every kind of film is known at each pixel, sums to 1 and shows every region.

    Frames have the size asked for and are read-only, like those of a source.
    """
    for moment in film(kind).moments:
        assert moment.pixels.shape == (180, 320, 3)
        assert not moment.pixels.flags.writeable
        assert moment.truth is not None
        assert moment.truth.known.all()
        # Shares are rounded to 1/255, and interpolated where three regions meet, which is all over a tiny head.
        off = np.abs(moment.truth.weights.sum(axis=2) - 1)
        assert off.max() < 0.1
        assert (off > 0.02).mean() < 0.001
        assert all(moment.truth.inside(r).any() for r in range(len(REGIONS)))


def test_a_moment_comes_at_the_same_place_at_every_rate() -> None:
    """Motion depends on time and not on the frame's number: at 15 frames/s a film has every fourth moment of the one at
    60, so that figures at several rates are about the same motion."""
    slow, fast = film("fast", rate=15).moments, film("fast", rate=60).moments
    assert [m.pts for m in slow] == [m.pts for m in fast[::4]]
    assert slow[1].pts == 90_000 // 15
    for one, other in zip(slow, fast[::4], strict=True):
        assert middle(one) == pytest.approx(middle(other), abs=1e-6)


def test_the_truth_is_where_the_picture_is() -> None:
    """Every region is drawn in a colour of its own, so inside its truth there is that and a little texture."""
    moment = film("sway").moments[3]
    assert moment.truth is not None
    for region in range(1, len(REGIONS)):
        inside = cv2.erode(moment.truth.inside(region).astype(np.uint8), np.ones((3, 3))) > 0
        spread = moment.pixels[inside].std(axis=0).max()
        assert spread < 22  # texture 12, noise 2; hair beside skin alone would give 40 and more


def test_what_is_still_is_still_and_what_moves_moves() -> None:
    """A kind is still exactly if it says so: flicker is measured on the ones that are, lag on the others."""
    for kind in KINDS.values():
        places = [middle(moment) for moment in film(kind.name, seconds=0.4).moments]
        moved = np.ptp(np.array(places), axis=0).max()
        assert (moved < 1e-9) == kind.still, kind.name


@pytest.mark.parametrize("kind", ["fast", "walk"])
def test_fast_is_fast(kind: str) -> None:
    """Eight pixels a frame at 720p and 30 frames/s are 4 of a truth at 360p."""
    heads = []
    for moment in make_film(kind, DrawnPeople(), size=(1280, 720), seconds=0.4).moments:
        assert moment.truth is not None
        hair = moment.truth.weights[..., REGIONS.index("hair")]
        heads.append(float((hair.sum(axis=0) * np.arange(hair.shape[1])).sum() / hair.sum()))
    assert np.abs(np.diff(heads)).max() > 4


def test_a_cut_is_another_scene_and_nobody_is_there_while_away() -> None:
    """Scenes are numbered, so that no figure is taken across a cut; while a person is away all is background, against
    which ghosts are found."""
    scenes = [moment.scene for moment in film("cut", rate=10, seconds=2).moments]
    assert scenes == [0] * 10 + [1] * 10
    away = film("leave", rate=10, seconds=2).moments[15]
    assert away.truth is not None
    assert away.truth.inside(0).all()


def test_what_labels_do_not_say_is_not_known() -> None:
    """A person whose regions are not labelled, in front of a background that is certain."""
    person = np.zeros((64, 64), bool)
    person[8:, 16:48] = True
    sure, maybe = np.zeros((64, 64, 4), np.float32), np.ones((64, 64, 4), np.float32)
    maybe[..., 0] = 0
    layer = cut_out(np.full((64, 64, 3), 90, np.uint8), person, sure, maybe, 128)

    class Unlabelled(DrawnPeople):
        def portrait(self, number: int, height: int) -> object:  # type: ignore[override]
            return layer

    truth = make_film("still", Unlabelled(), size=SIZE, seconds=0.1).moments[0].truth  # type: ignore[arg-type]
    assert truth is not None
    assert truth.inside(0).mean() > 0.5
    assert truth.outside(0).mean() > 0.1
    assert not truth.inside(1).any()
    np.testing.assert_array_equal(truth.outside(1), truth.inside(0))
    assert not truth.known[..., 1].all()
    assert truth.known[truth.weights[..., 0] > 0.99].all()


def test_under_the_outline_the_old_surroundings_do_not_show() -> None:
    """A grey person before bright green, labelled three pixels too wide: no green comes along."""
    person, label = np.zeros((300, 300), bool), np.zeros((300, 300), bool)
    person[40:, 60:240] = True
    label[37:, 57:243] = True
    pixels = np.where(person[..., None], (90, 90, 90), (0, 255, 0))
    planes = np.dstack([~label, label, 0 * label, 0 * label]).astype(np.float32)
    layer = cut_out(pixels.astype(np.uint8), label, planes, planes, 526)
    assert layer.size == (372, 526)
    seen = layer.pixels[layer.cover > 0].astype(int)
    assert (seen[:, 1] - seen[:, 0]).max() <= 2  # interpolation rounds
    assert layer.cover.sum() == pytest.approx(4 * person.sum(), rel=0.03)  # a pixel of 180 at either side


class TestOracle:
    def test_it_answers_for_what_it_was_shown_and_the_same_each_time(self) -> None:
        """A frame that the oracle has seen gets probabilities that sum to 1, the same each time, with errors of its
        own: every method meets the same flaws."""
        moments = film("sway").moments
        oracle = Oracle()
        for moment in moments:
            oracle.see(moment)
        first = oracle(moments[0].pixels)
        assert first.shape[0] == len(REGIONS)
        np.testing.assert_allclose(first.sum(axis=0), 1, atol=1e-5)
        np.testing.assert_array_equal(first, oracle(moments[0].pixels))
        assert not np.array_equal(first, oracle(moments[1].pixels))

    def test_without_flaws_it_says_the_truth(self) -> None:
        """With its flaws off only the coarse cells keep the oracle from the truth; what is measured with them on is
        therefore their effect."""
        moment = film("sway").moments[0]
        oracle = Oracle(Flaws(stride=4, blur=0, noise=0, jitter=0))
        oracle.see(moment)
        assert moment.truth is not None
        said = cv2.resize(oracle(moment.pixels).transpose(1, 2, 0), (160, 90), interpolation=cv2.INTER_LINEAR)
        # Only the cells (3 pixels wide) that an edge runs through are rounded off.
        assert np.abs(said - moment.truth.weights).mean() < 0.02

    def test_it_finds_parts_and_halvings(self) -> None:
        """Methods segment enlarged crops too: the oracle knows which part of a halved frame it is given and answers for
        that part."""
        moment = film("still").moments[0]
        oracle = Oracle(Flaws(stride=4, blur=0, noise=0, jitter=0))
        oracle.see(moment)
        assert moment.truth is not None
        half = shrink(moment.pixels, 320)
        part = oracle(half[20:84, 40:130])
        true = moment.truth.weights[20:84, 40:130].mean(axis=(0, 1))
        np.testing.assert_allclose(part.mean(axis=(1, 2)), true, atol=0.01)

    def test_what_it_was_not_shown_is_refused(self) -> None:
        """A frame that it has not seen, or one without truth, is an InputError: the oracle makes nothing up."""
        oracle = Oracle()
        oracle.see(film("still").moments[0])
        with pytest.raises(InputError, match="not shown"):
            oracle(film("sway").moments[0].pixels)
        with pytest.raises(InputError, match="truth"):
            oracle.see(Moment(film("still").moments[0].pixels, 0))


@pytest.mark.skipif(not (DATA / "ccp.parquet").exists(), reason="the labelled sets are not beside the project")
def test_people_of_the_data_sets_stand_before_places_of_the_data_sets() -> None:
    """A film of labelled people knows what their labels say: everything for the first set, and for the second only
    where a person is."""
    pytest.importorskip("pyarrow", reason="the labelled sets need the extra train")
    from livestyle.bench.people import Labelled

    people = Labelled(DATA)
    known, unknown = (make_film("still", people, size=SIZE, seed=seed, seconds=0.1) for seed in (0, 1))
    assert known.rate == Fraction(30)
    for one, every in ((known, True), (unknown, False)):
        truth = one.moments[0].truth
        assert truth is not None
        assert truth.inside(0).mean() > 0.3
        assert truth.outside(0).mean() > 0.1
        assert bool(truth.known.mean() > 0.99) == every  # portraits of the second set are labelled as persons only
