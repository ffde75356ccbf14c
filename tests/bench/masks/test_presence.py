"""Hands, skin that has just come and people far away: shares of pixels, against counts made by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from livestyle.bench.drawn_people import DrawnPeople, Oracle
from livestyle.bench.masks.cached_model import CachedModel
from livestyle.bench.masks.compare import compare
from livestyle.bench.masks.ground_truth import GroundTruth
from livestyle.bench.masks.methods import methods_named
from livestyle.bench.masks.metrics import labelled
from livestyle.bench.masks.presence import Presence
from livestyle.bench.masks.table import as_json
from livestyle.bench.sequences import Film, Moment, Truth, make_film
from livestyle.frame import REGIONS, PlaneWeights

HAIR, SKIN = REGIONS.index("hair"), REGIONS.index("skin")
SHAPE = (20, 20)


def _planes(regions: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """(h, w, R): `weight` for the region of each pixel, the rest for background."""
    planes = (regions[..., np.newaxis] == np.arange(len(REGIONS))).astype(np.float32) * np.float32(weight)
    planes[..., 0] += 1 - planes.sum(axis=2)
    return planes


def _moment(
    regions: np.ndarray, number: int, hands: np.ndarray | None = None, small: np.ndarray | None = None
) -> Moment:
    """A moment whose truth is `regions` at half its size."""
    shares = np.rint(255 * _planes(regions)).astype(np.uint8)
    truth = Truth(np.kron(1 << regions, np.ones((2, 2), int)).astype(np.uint8), shares, shares)
    pixels = np.full((2 * SHAPE[0], 2 * SHAPE[1], 3), number, np.uint8)
    return Moment(pixels, 9000 * number, truth=truth, hands=hands, small=small)


def _film(moments: list[Moment]) -> Film:
    return Film("made", tuple(moments), Fraction(10))


def _presence(film: Film, masks: list[np.ndarray], raw: list[PlaneWeights] | None = None) -> Presence:
    truth, presence = GroundTruth(film, raw or []), Presence()
    for index, planes in enumerate(masks):
        presence.add(index, planes, labelled(planes), truth)
    return presence


def _hand(column: int) -> tuple[np.ndarray, np.ndarray]:
    """Regions with a hand of 10 x 5 pixels at a column, and where it is."""
    regions = np.zeros(SHAPE, int)
    regions[5:15, column : column + 5] = SKIN
    return regions, regions == SKIN


def test_hands_are_counted_over_all_frames() -> None:
    """A mask that stands still keeps the whole hand, then 2 of its 5 columns, then nothing: recall 7/15; most of it is
    lost on two frames in a row."""
    regions = [_hand(5), _hand(8), _hand(12)]
    film = _film([_moment(r, k, hands) for k, (r, hands) in enumerate(regions)])
    presence = _presence(film, [_planes(regions[0][0])] * 3)
    figures = presence.figures()
    assert figures["hand_recall"] == pytest.approx(7 / 15)
    assert figures["hand_grey"] == pytest.approx(100 * 8 / 15)
    assert figures["hand_lost"] == 2
    assert presence.recalls == pytest.approx([1, 0.4, 0])


def test_skin_that_is_less_than_half_is_grey_though_it_is_the_largest_share() -> None:
    """Skin of 0.45 beside 0.3 background and 0.25 clothes: called skin, and grey to look at. Called hair it is kept."""
    regions, hands = _hand(5)
    planes = np.broadcast_to(np.array([0.3, 0, 0.45, 0.25], np.float32), (*SHAPE, 4))
    figures = _presence(_film([_moment(regions, 0, hands)]), [planes]).figures()
    assert (figures["hand_recall"], figures["hand_grey"]) == (1, 100)
    kept = np.broadcast_to(np.array([0.2, 0.8, 0, 0], np.float32), (*SHAPE, 4))
    figures = _presence(_film([_moment(regions, 0, hands)]), [kept]).figures()
    assert (figures["hand_recall"], figures["hand_grey"]) == (0, 0)


def test_films_without_hands_or_small_people_do_not_say_any_share() -> None:
    """A figure of what is not shown is NaN, so that means over films leave it out."""
    regions, _ = _hand(5)
    presence = _presence(_film([_moment(regions, 0)] * 2), [_planes(regions)] * 2)
    assert all(math.isnan(value) for value in presence.figures().values())
    assert all(map(math.isnan, presence.recalls))


def test_a_film_with_hands_that_are_away_has_no_figure_for_those_frames() -> None:
    """Frames before the hand comes count neither for nor against."""
    regions, hands = _hand(5)
    nothing = np.zeros(SHAPE, int)
    film = _film([_moment(nothing, 0, nothing > 0), _moment(regions, 1, hands)])
    presence = _presence(film, [_planes(nothing), _planes(regions)])
    assert math.isnan(presence.recalls[0])
    assert presence.recalls[1] == 1
    assert presence.figures()["hand_lost"] == 0


def test_small_people_are_kept_where_hair_is_called_hair_and_skin_skin() -> None:
    """Of 50 pixels of hair and 50 of skin, all called skin: half."""
    regions = np.zeros(SHAPE, int)
    regions[:5, :10], regions[5:10, :10] = HAIR, SKIN
    film = _film([_moment(regions, 0, small=regions > 0)])
    guess = np.where(regions > 0, SKIN, 0)
    assert _presence(film, [_planes(guess)]).figures()["small_recall"] == 0.5
    assert _presence(film, [_planes(regions)]).figures()["small_recall"] == 1


@pytest.mark.parametrize("known", [True, False])
def test_skin_is_fresh_where_there_was_none_a_quarter_of_a_second_before(known: bool) -> None:
    """At 10 frames/s that are two frames. A hand of five columns that moves by three is fresh on three of them; a mask
    that is two frames late keeps none of these. A clip's own masks stand in for a truth that it does not have."""
    regions = [_hand(5)[0], _hand(5)[0], _hand(8)[0]]
    moments = [_moment(r, k) for k, r in enumerate(regions)]
    if not known:
        moments = [Moment(moment.pixels, moment.pts) for moment in moments]
    raw = [PlaneWeights(np.ascontiguousarray(_planes(r).transpose(2, 0, 1))) for r in regions]
    late = _presence(_film(moments), [_planes(regions[0])] * 3, raw)
    assert late.figures()["fresh_grey"] == 100
    right = _presence(_film(moments), [_planes(r) for r in regions], raw)
    assert right.figures()["fresh_grey"] == 0
    half = regions[2].copy()
    half[5:10] = 0
    assert _presence(_film(moments), [*[_planes(r) for r in regions[:2]], _planes(half)], raw).figures()[
        "fresh_grey"] == 50  # fmt: skip


def test_the_truth_keeps_every_hand_and_no_masks_keep_none() -> None:
    """Both ends on a film, and the recall of each frame in the JSON, None before the hands come."""
    film = make_film("hands", DrawnPeople(), size=(320, 180), seconds=0.6)
    best, nothing = compare(film, methods_named(["truth", "global"]), CachedModel(Oracle()), _Same())
    assert best.figures["hand_recall"] > 0.97
    assert best.figures["hand_grey"] < 3
    assert (nothing.figures["hand_recall"], nothing.figures["hand_grey"]) == (0, 100)
    assert nothing.figures["hand_lost"] == sum(not math.isnan(value) for value in nothing.over_time["hand_recall"])
    series = as_json([best])[0]["over_time"]["hand_recall"]
    assert len(series) == len(film.moments)
    assert series[0] is None
    assert series[-1] > 0.9


class _Same:
    """A style that changes nothing."""

    is_identity = True
    backend = "none"

    def __call__(self, pixels: np.ndarray, weights: PlaneWeights, /) -> np.ndarray:
        """The pixels themselves."""
        return pixels
