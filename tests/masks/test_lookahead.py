"""Masks that know the future, on a made-up scene: a textured disc, hair to the segmenter, over a textured ground."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import cv2
import numpy as np
import pytest

from livestyle.errors import DecodeError
from livestyle.frame import REGIONS, Frame, PlaneWeights, Probabilities, StreamInfo, read_only
from livestyle.masks.lookahead import AHEAD, AT_ONCE, LookaheadMasks
from livestyle.masks.tracker import MaskTracker
from livestyle.protocols import Segmenter

ROWS, COLUMNS, RATE = 120, 200, 30


def texture(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    mix = sum(cv2.GaussianBlur(random.normal(0, 1, (ROWS, COLUMNS)), (0, 0), s) * s for s in (2, 6))
    return np.clip(128 + 40 * mix / mix.std(), 0, 255)


GROUNDS, BODY = [texture(0), texture(5)], texture(1)


def truth(x: float) -> np.ndarray:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    return np.clip(30.5 - np.hypot(columns - x, rows - 60), 0, 1).astype(np.float32)


def picture(x: int, ground: int = 0) -> np.ndarray:
    inside = truth(x)
    luma = inside * np.roll(BODY, x, axis=1) + (1 - inside) * GROUNDS[ground]
    return read_only(np.repeat(np.clip(luma, 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2))


class Film:
    """Frames of a disc at the columns `xs`; after `cut` frames the ground is another one; may break off."""

    def __init__(self, xs: list[int], *, cut: int = 10_000, breaks: bool = False, tick: Fraction | None = None) -> None:
        self.info = StreamInfo("film", (COLUMNS, ROWS), tick or Fraction(1, 3 * RATE))  # three ticks to a frame
        self.xs, self.given, self.closed = xs, 0, 0
        self._cut, self._breaks = cut, breaks

    def __iter__(self) -> Iterator[Frame]:
        for index, x in enumerate(self.xs):
            self.given += 1
            yield Frame(picture(x, int(index >= self._cut)), 3 * index, captured=index / 7)
        if self._breaks:
            raise DecodeError("broken off")

    def close(self) -> None:
        self.closed += 1


class Network:
    """What every segmenter says about itself. The disc is too large for a crop of its own: each mask is one call."""

    classes = REGIONS
    regions: Mapping[str, str] = {region: region for region in REGIONS}
    input_size = (COLUMNS, ROWS)
    device = "cpu"


class Masks(Network):
    """The disc's masks in the order of the frames, as coarse as a network's, with noise."""

    def __init__(self, xs: list[int], noise: float = 0.0) -> None:
        self.given = [self._mask(x, np.random.default_rng(index), noise) for index, x in enumerate(xs)]
        self._next = iter(self.given)

    def _mask(self, x: int, random: np.random.Generator, noise: float) -> Probabilities:
        hair = cv2.resize(truth(x), (COLUMNS // 8, ROWS // 8), interpolation=cv2.INTER_AREA)
        hair = np.clip(hair + random.normal(0, noise, hair.shape), 0, 1).astype(np.float32)
        return np.stack([1 - hair, hair, 0 * hair, 0 * hair])

    def __call__(self, picture: np.ndarray, /) -> Probabilities:
        return next(self._next)


def unrefined(planes: np.ndarray, guide: np.ndarray) -> PlaneWeights:
    enlarged = cv2.resize(planes, guide.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(enlarged.transpose(2, 0, 1))


def ahead(film: Film, masks: Segmenter, interval: float = 0.0) -> LookaheadMasks:
    return LookaheadMasks(film, masks, interval=interval, refine=unrefined)


def hairs(xs: list[int], masks: Masks, cut: int = 10_000) -> list[np.ndarray]:
    return [frame.masks.weights[1] for frame in ahead(Film(xs, cut=cut), masks) if frame.masks is not None]


def causal(xs: list[int], masks: Masks, cut: int = 10_000) -> list[np.ndarray]:
    tracker, found = MaskTracker(), []
    for index, x in enumerate(xs):
        tracker.advance(picture(x, int(index >= cut))[..., 0], index / RATE)
        tracker.correct(masks.given[index], index / RATE)
        assert tracker.planes is not None
        found.append(unrefined(tracker.planes, picture(x))[1])
    return found


@pytest.mark.parametrize("count", [0, 1, 3, AHEAD + AT_ONCE, AHEAD + AT_ONCE + 1, 21])
def test_every_frame_comes_once_in_order_and_as_it_was(count: int) -> None:
    """Times and pixels are the source's; every frame has masks, however short the file."""
    xs = [60 + index for index in range(count)]
    film, frames = Film(xs), list(ahead(Film(xs), Masks(xs)))
    for frame, given in zip(frames, film, strict=True):
        assert (frame.pts, frame.captured) == (given.pts, given.captured)
        np.testing.assert_array_equal(frame.pixels, given.pixels)
        assert frame.masks is not None
        assert frame.masks.weights.shape == (4, ROWS, COLUMNS)


def test_an_error_comes_after_the_frames_before_it() -> None:
    """A source that breaks off loses none of the frames that it gave."""
    xs = [60] * 11
    frames: list[Frame] = []
    with pytest.raises(DecodeError):
        frames.extend(ahead(Film(xs, breaks=True), Masks(xs)))
    assert len(frames) == 11


def test_a_failing_model_costs_no_frame_that_was_segmented() -> None:
    """The frames before the failure come, then the error."""
    xs = [60] * 10
    frames: list[Frame] = []
    with pytest.raises(RuntimeError):  # what StopIteration becomes inside a generator; any error will do
        frames.extend(ahead(Film(xs), Masks(xs[:9])))
    assert len(frames) == 9


def test_only_a_few_frames_are_held() -> None:
    """Memory is bounded: never more than AHEAD + AT_ONCE frames."""
    xs = [60] * 30
    film = Film(xs)
    held = [film.given - index for index, _ in enumerate(ahead(film, Masks(xs)))]
    assert max(held) == AHEAD + AT_ONCE


def test_closing_closes_the_source() -> None:
    """It is a stage in front of the source, and says what the source says about itself."""
    film = Film([60])
    ahead(film, Masks([60])).close()
    assert film.closed == 1
    assert ahead(film, Masks([60])).info is film.info


def test_the_first_mask_of_a_scene_is_as_good_as_the_others() -> None:
    """It has no past, but the future says what it got wrong."""
    xs = [90] * 12
    masks = Masks(xs, noise=0.1)
    errors = [
        [float(hair[40:80, 4:44].std()) for hair in found]  # on the ground beside the disc, where it should be 0
        for found in (hairs(xs, masks), causal(xs, masks))
    ]
    assert errors[0][0] < 0.6 * errors[1][0]  # a mean of some five masks
    assert errors[0][0] < 1.5 * errors[0][6]


def test_a_still_scene_flickers_less_than_without_the_future() -> None:
    """A mean over both sides is over more masks than one over the past."""
    xs = [90] * 24
    masks = Masks(xs, noise=0.1)
    flicker = [
        float(np.abs(np.diff(np.stack(found[8:20]), axis=0)).mean()) for found in (hairs(xs, masks), causal(xs, masks))
    ]
    assert flicker[0] < 0.85 * flicker[1]


@pytest.mark.parametrize("speed", [2, 5])
def test_a_moving_thing_is_neither_trailed_nor_run_ahead_of(speed: int) -> None:
    """The mask's centre is the object's, to half a pixel."""
    xs = [50 + speed * index for index in range(16)]
    for found, x in zip(hairs(xs, Masks(xs)), xs, strict=True):
        columns = np.arange(COLUMNS) * (found > 0.5)
        centre = columns.sum() / (found > 0.5).sum()
        assert abs(centre - x) < 0.5  # of a pixel; the mask's cells are 8 wide


def test_nothing_is_foretold_across_a_cut() -> None:
    """The disc jumps with the ground: before the cut nothing of the new place is there, after it nothing of the old."""
    xs = [50] * 6 + [150] * 6
    for index, found in enumerate(hairs(xs, Masks(xs), cut=6)):
        there, elsewhere = (50, 150) if index < 6 else (150, 50)
        assert found[truth(there) == 1].mean() > 0.9
        assert found[truth(elsewhere) == 1].mean() < 0.05


class Seen(Network):
    """Masks of the disc where it is in the frame at hand, and which frames were asked about."""

    def __init__(self, film: Film, noise: float = 0.0) -> None:
        self.film, self.asked = film, list[int]()
        self._masks = Masks(film.xs, noise)

    def __call__(self, picture: np.ndarray, /) -> Probabilities:
        self.asked.append(self.film.given - 1)
        return self._masks.given[self.asked[-1]]


@pytest.mark.parametrize(("interval", "asked"), [(0.0, 1), (0.05, 1), (0.07, 2), (0.1, 3), (9.0, AHEAD)])
def test_masks_are_as_far_apart_as_asked_for_but_within_sight_of_each_other(interval: float, asked: int) -> None:
    """`interval` counts, but at least every AHEAD frames one is segmented."""
    film = Film([60] * 16)
    seen = Seen(film)
    assert len(list(ahead(film, seen, interval))) == 16
    assert seen.asked == list(range(0, 16, asked))


@pytest.mark.parametrize(
    ("rate", "asked"), [(15, 1), (24, 2), (25, 2), (30, 3), (Fraction(30000, 1001), 3), (60, AHEAD)]
)
def test_a_mask_is_made_about_every_tenth_of_a_second(rate: Fraction | int, asked: int) -> None:
    """Whatever the frame rate, also one that is not a whole number."""
    film = Film([60] * 13, tick=1 / (3 * Fraction(rate)))
    seen = Seen(film)
    list(ahead(film, seen, 0.1))
    assert seen.asked == list(range(0, 13, asked))


def test_the_first_frame_of_a_scene_has_a_mask_of_its_own() -> None:
    """Whether or not one is due: nothing of the old scene applies to it."""
    film = Film([50] * 7 + [150] * 7, cut=7)
    seen = Seen(film)
    for index, frame in enumerate(ahead(film, seen, 0.1)):
        assert frame.masks is not None
        there, elsewhere = (50, 150) if index < 7 else (150, 50)
        assert frame.masks.weights[1][truth(there) == 1].mean() > 0.9
        assert frame.masks.weights[1][truth(elsewhere) == 1].mean() < 0.05
    assert seen.asked == [0, 3, 6, 7, 10, 13]


@pytest.mark.parametrize("speed", [2, 5])
def test_frames_between_two_masks_are_where_the_thing_is(speed: int) -> None:
    """Also the last ones, which know no later mask."""
    film = Film([50 + speed * index for index in range(15)])
    for frame, x in zip(ahead(film, Seen(film), 0.1), film.xs, strict=True):
        assert frame.masks is not None
        found = frame.masks.weights[1] > 0.5
        assert abs((np.arange(COLUMNS) * found).sum() / found.sum() - x) < 1  # pixel; the mask's cells are 8 wide
        assert np.allclose(frame.masks.weights.sum(axis=0), 1, atol=1e-3)


def test_what_comes_from_behind_between_two_masks_is_known_by_the_later_one() -> None:
    """A second disc is uncovered at once: the frame's past cannot know what it is, the future does."""
    film = Film([60] * 4 + [140] * 8)  # the disc jumps: at frame 4, between two masks, nothing moves there by flow
    seen = Seen(film)
    frames = list(ahead(film, seen, 0.1))
    assert seen.asked == [0, 3, 6, 9]
    weights = frames[4].masks.weights if frames[4].masks is not None else None
    assert weights is not None
    assert weights[1][truth(140) == 1].mean() > 0.8
