"""Hands on sleeves, blurred as they move, and people far away: where the film says they are, they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livestyle.bench.canvas import Canvas
from livestyle.bench.drawn_people import DrawnPeople
from livestyle.bench.hands import HAND, Hand, _upright, raised
from livestyle.bench.layers import Layer, flat
from livestyle.bench.motions import KINDS, Pose
from livestyle.bench.sequences import make_film
from livestyle.bench.warps import Stand
from livestyle.frame import REGIONS

SIZE = (320, 180)
HAIR, SKIN, CLOTHES = (REGIONS.index(name) for name in ("hair", "skin", "clothes"))
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def _white(side: int) -> Layer:
    """A white square that is all skin."""
    return flat(np.full((side, side, 3), 255, np.uint8), SKIN)


def _canvas(marks: int = 0) -> Canvas:
    """A black frame of 100 x 100 pixels."""
    grid = np.dstack(np.meshgrid(np.arange(100, dtype=np.float32), np.arange(100, dtype=np.float32)))
    return Canvas(flat(np.zeros((100, 100, 3), np.uint8)), grid, marks)


def test_a_moving_layer_is_the_mean_of_where_it_has_been() -> None:
    """A square of 20 pixels at two places 10 apart: full where both are, half where one is, in colours, truth and mark
    alike."""
    layer = _white(20)
    stands = [Stand(layer, Pose(x=x, y=-0.4), (100, 100)) for x in (-0.05, 0.05)]
    canvas = _canvas(1)
    canvas.lay(stands, np.ones((20, 20, 1), np.float32))
    row = canvas.colors[50, :, 0] / 255
    assert [int((np.abs(row - share) < 1e-3).sum()) for share in (1, 0.5)] == [10, 20]
    np.testing.assert_allclose(canvas.least[50, :, SKIN], row, atol=1e-5)
    np.testing.assert_allclose(canvas.marks[50, :, 0], row, atol=1e-5)
    np.testing.assert_allclose(canvas.least.sum(axis=2), 1, atol=1e-5)


def test_what_is_laid_over_a_mark_hides_it() -> None:
    """Of a marked square half covered by another one, half is left."""
    canvas = _canvas(1)
    canvas.lay([Stand(_white(20), Pose(y=-0.4), (100, 100))], np.ones((20, 20, 1), np.float32))
    canvas.lay([Stand(_white(20), Pose(x=0.1, y=-0.4), (100, 100))], np.zeros((20, 20, 1), np.float32))
    assert canvas.marks.sum() == pytest.approx(200, abs=1)


def test_hands_are_blurred_and_slow_people_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shutter open for 1/60 s a hand's outline is soft over many pixels; with a short one it is as sharp as a
    portrait's. Where the hands are on the frame does not change."""
    blurred = make_film("hands", DrawnPeople(), size=(640, 360), seconds=0.6).moments[-7]
    monkeypatch.setitem(KINDS, "hands", replace(KINDS["hands"], shutter=0.0))  # type: ignore[arg-type]
    sharp = make_film("hands", DrawnPeople(), size=(640, 360), seconds=0.6).moments[-7]
    assert blurred.hands is not None and sharp.hands is not None  # noqa: PT018 (for the type checker)
    soft, left, right = [], *np.flatnonzero(sharp.hands.any(axis=0))[[0, -1]]
    for moment in (blurred, sharp):
        assert moment.truth is not None
        weights = moment.truth.weights[..., left:right, 0]
        soft.append(int(((weights > 0.1) & (weights < 0.9)).sum()))
    assert soft[0] > 1.5 * soft[1]
    assert (blurred.hands & sharp.hands).sum() > 0.7 * sharp.hands.sum()


def test_hands_are_skin_and_nobody_elses() -> None:
    """Where the film says that a hand is, the truth is skin, in the tone of the person; a film without hands says
    None."""
    moment = make_film("hands", DrawnPeople(), size=SIZE, seconds=1.2).moments[-1]
    assert moment.hands is not None and moment.truth is not None  # noqa: PT018 (for the type checker)
    assert moment.hands.sum() > 0.01 * moment.hands.size
    assert (moment.truth.weights[..., SKIN][moment.hands] > 0.45).all()
    assert (moment.truth.weights[..., SKIN] > 0.5).sum() > 1.5 * moment.hands.sum(), "the face is skin too"
    pixels, mask = moment.pixels[::2, ::2][:90, :160].astype(int), moment.hands
    face = (moment.truth.weights[..., SKIN] > 0.95) & ~mask
    assert np.abs(np.median(pixels[mask], axis=0) - np.median(pixels[face], axis=0)).max() < 20
    other = make_film("sway", DrawnPeople(), size=SIZE, seconds=0.1).moments[0]
    assert other.hands is None
    assert other.small is None


def test_hands_are_faster_than_any_head() -> None:
    """Over 30 pixels a frame at 720p and 30 frames/s at some time, which are 15 of the truth at half the size."""
    centres = []
    for moment in make_film("hands", DrawnPeople(), size=(640, 360), seconds=0.55).moments[8:]:
        assert moment.hands is not None
        rows = np.argwhere(moment.hands)[:, 0]
        centres.append(rows.min())
    assert np.abs(np.diff(centres)).max() * 4 > 30


@pytest.mark.parametrize(("kind", "others"), [("group", True), ("far", False)])
def test_people_far_away_are_told_apart_from_those_in_front(kind: str, others: bool) -> None:
    """Hair and skin of people less than half as high as the frame, and of nobody else."""
    moment = make_film(kind, DrawnPeople(), size=(640, 360), seconds=0.1).moments[0]
    assert moment.small is not None and moment.truth is not None  # noqa: PT018 (for the type checker)
    kept = moment.truth.weights[..., HAIR] + moment.truth.weights[..., SKIN]
    assert (kept[moment.small] > 0.45).all()
    assert moment.small.sum() > 40
    assert ((kept > 0.5) & ~moment.small).sum() > (1000 if others else -1)
    assert others or ((kept > 0.6) & ~moment.small).sum() == 0


def test_small_people_cross() -> None:
    """Two of a group walk past each other: who is on the left at first is on the right in the end."""
    stands = [moment.stands for moment in make_film("group", DrawnPeople(), size=SIZE, rate=5).moments]
    first, last = ([stand.pose.x for stand in stands[at]] for at in (0, -1))
    assert first[0] < first[1]
    assert last[0] > last[1]
    assert len(first) == 5


def test_a_hand_is_raised_on_a_sleeve_of_its_owners_cloth() -> None:
    """The upper part is skin where that is certain and anything where it is not; the lower part surely is clothes."""
    inside = np.zeros((100, 60), bool)
    inside[10:, 20:40] = True
    sure = inside.copy()
    sure[70:] = False
    hand = Hand(np.full((100, 60, 3), (200, 150, 120), np.uint8), inside, sure)
    owner = DrawnPeople().portrait(0, 300)
    layer = raised(hand, 400, owner)
    assert layer.size[1] == 400
    middle = layer.size[0] // 2
    palm, wrist, sleeve = (round(400 * at) for at in (0.2, HAND * 0.75, 0.8))
    assert layer.least[palm, middle, SKIN] > 0.95
    assert layer.least[wrist, middle].max() < 0.05
    assert layer.most[wrist, middle].min() > 0.95
    assert layer.least[sleeve, middle, CLOTHES] > 0.95
    for row, region in ((palm, SKIN), (sleeve, CLOTHES)):
        wanted = np.median(owner.pixels[(owner.least[..., region] > 0.95) & (owner.cover > 0.95)], axis=0)
        np.testing.assert_allclose(layer.pixels[row, middle], wanted, atol=6)


@pytest.mark.parametrize("along", [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-0.6, 0.8)])
def test_a_hand_is_turned_upright(along: tuple[float, float]) -> None:
    """Fingers, bright here, come to lie above the wrist from whatever direction."""
    rows, columns = np.mgrid[:200, :200] - 100.0
    inside = (np.abs(along[1] * columns - along[0] * rows) < 20) & (np.abs(along[0] * columns + along[1] * rows) < 70)
    far = along[0] * columns + along[1] * rows < 0
    pixels = np.where(far[..., None], 250, 60).repeat(3, axis=2).astype(np.uint8)
    hand = _upright(pixels, inside, inside & far, np.array(along))
    tall, wide = hand.inside.shape
    assert (tall, wide) == (pytest.approx(140, abs=4), pytest.approx(40, abs=4))
    assert hand.pixels[: tall // 2 - 5, wide // 2].min() > 200
    assert hand.pixels[tall // 2 + 5 :, wide // 2].max() < 110
    assert not hand.sure[tall // 2 + 5 :].any()


@pytest.mark.skipif(not (DATA / "hands.parquet").exists(), reason="the labelled sets are not beside the project")
def test_real_hands_stand_before_real_people() -> None:
    """A film of labelled people has hands of labelled people, known to be skin where labels say so."""
    pytest.importorskip("pyarrow", reason="the labelled sets need the extra train")
    from livestyle.bench.people import Labelled

    moment = make_film("hands", Labelled(DATA), size=SIZE, seconds=1.0).moments[-1]
    assert moment.hands is not None and moment.truth is not None  # noqa: PT018 (for the type checker)
    assert moment.hands.mean() > 0.01
    assert (moment.truth.least[..., SKIN][moment.hands] > 120).all()
    assert (moment.truth.most.astype(int) - moment.truth.least > 200).any(), "where labels leave it open, nobody knows"
