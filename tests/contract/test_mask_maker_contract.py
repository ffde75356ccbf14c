"""What `livestyle.protocols.MaskMaker` promises, over every implementation. Add yours to MAKERS.

Each is opened with a segmenter and the frames of a stream, and gives itself and the frames to ask it about: one that
looks ahead is itself the source that they come from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction

import numpy as np
import pytest
from tests_models import Halves

from livestyle.errors import ModelError
from livestyle.frame import REGIONS, Frame, PlaneWeights, StreamInfo, read_only
from livestyle.masks.exact import ExactMasks
from livestyle.masks.live import LiveMasks
from livestyle.masks.lookahead import LookaheadMasks
from livestyle.protocols import MaskMaker, Segmenter, Source

TIME_BASE = Fraction(1, 30)
SIZE = (128, 96)


class Film:
    """Frames in memory as a source."""

    def __init__(self, frames: list[Frame]) -> None:
        self.info = StreamInfo("film", SIZE, TIME_BASE, 1 / TIME_BASE)
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        """Nothing is open."""


Opened = tuple[MaskMaker, Iterable[Frame]]
Open = Callable[[Segmenter, list[Frame]], Opened]


def _ahead(interval: float) -> Open:
    def opened(segmenter: Segmenter, frames: list[Frame]) -> Opened:
        masks = LookaheadMasks(Film(frames), segmenter, interval=interval)
        return masks, masks

    return opened


MAKERS: dict[str, Open] = {
    "exact": lambda segmenter, frames: (ExactMasks(segmenter, time_base=TIME_BASE), frames),
    "live": lambda segmenter, frames: (LiveMasks(segmenter, time_base=TIME_BASE), frames),
    "ahead": _ahead(0.1),
    "ahead, every frame": _ahead(0),
}


@pytest.fixture(params=MAKERS)
def open_maker(request: pytest.FixtureRequest) -> Open:
    return MAKERS[request.param]


def frame(index: int, *, shift: int = 0, dtype: type = np.uint8, size: tuple[int, int] = SIZE) -> Frame:
    """Left dark, right light, with enough texture to have content."""
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 30, (height, width, 3)).astype(dtype)
    pixels[:, width // 2 :] += 220
    pixels = np.roll(pixels, shift, axis=1)
    return Frame(read_only(pixels * 257 if dtype is np.uint16 else pixels), index, captured=1.5)


def weights_of(maker: MaskMaker, frames: Iterable[Frame]) -> list[PlaneWeights]:
    return [maker.weights(one) for one in frames]


def test_it_is_a_maker_of_masks(open_maker: Open) -> None:
    """It has the protocol's members; one that looks ahead is a source too."""
    maker, frames = open_maker(Halves(), [])
    with closing(maker):
        assert isinstance(maker, MaskMaker)
        assert maker is not frames or isinstance(maker, Source)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [SIZE, (33, 47), (1300, 40)])
def test_weights_are_soft_sum_to_at_most_one_and_are_no_larger_than_the_frame(
    open_maker: Open, dtype: type, size: tuple[int, int]
) -> None:
    """(R, h, w) float32 in 0..1 for every frame, whatever the depth and size of its pixels."""
    maker, frames = open_maker(Halves(), [frame(index, shift=index, dtype=dtype, size=size) for index in range(11)])
    with closing(maker):
        made = weights_of(maker, frames)
    assert len(made) == 11
    for weights in made:
        assert weights.dtype == np.float32
        assert weights.shape[0] == len(REGIONS)
        assert weights.shape[1] <= size[1]
        assert weights.shape[2] <= size[0]
        assert weights.min() >= 0
        assert weights.max() <= 1
        assert weights.sum(axis=0).max() <= 1 + 1e-5  # float32 sums


def test_the_mask_lies_on_the_picture(open_maker: Open) -> None:
    """The light half is hair and the dark one is not, on the first frame as on the last."""
    maker, frames = open_maker(Halves(), [frame(index) for index in range(12)])
    with closing(maker):
        made = weights_of(maker, frames)
    for weights in made:
        hair, width = weights[REGIONS.index("hair")], weights.shape[2]
        assert hair[:, : width // 3].max() < 0.05
        assert hair[:, -width // 3 :].min() > 0.95


def test_a_new_scene_has_nothing_of_the_one_before(open_maker: Open) -> None:
    """A cut in the middle turns the picture round: its first frame has a mask of its own."""
    shots = [frame(index) for index in range(5)]
    shots += [Frame(read_only(np.ascontiguousarray(frame(0).pixels[:, ::-1])), index, 0.0) for index in range(5, 10)]
    maker, frames = open_maker(Halves(), shots)
    with closing(maker):
        hair = weights_of(maker, frames)[5][REGIONS.index("hair")]
    width = hair.shape[1]
    assert hair[:, : width // 3].min() > 0.95
    assert hair[:, -width // 3 :].max() < 0.05


def test_the_frames_pixels_are_not_changed(open_maker: Open) -> None:
    """They are read-only and belong to the source."""
    given = [frame(index) for index in range(6)]
    maker, frames = open_maker(Halves(), given)
    with closing(maker):
        weights_of(maker, frames)
    for index, one in enumerate(given):
        np.testing.assert_array_equal(one.pixels, frame(index).pixels)


def test_what_the_segmenter_raises_is_raised(open_maker: Open) -> None:
    """Whichever thread it ran on, the error is the same object's."""
    segmenter = Halves()
    segmenter.failure = ModelError("broken")
    maker, frames = open_maker(segmenter, [frame(0)])
    with closing(maker), pytest.raises(ModelError, match="broken"):
        weights_of(maker, frames)


def test_figures_before_the_first_frame_are_not_made_up(open_maker: Open) -> None:
    """All keys are there from the start; what cannot be known is None."""
    maker, _ = open_maker(Halves(), [])
    with closing(maker):
        stats = maker.stats()
    assert set(stats) == {"sync", "device", "masks", "masks_per_s", "age_p50_s", "age_p95_s", "people"}
    assert (stats["device"], stats["masks"]) == ("cpu", 0)
    assert stats["masks_per_s"] is stats["age_p50_s"] is stats["age_p95_s"] is None


def test_figures_count_the_masks_that_were_taken(open_maker: Open) -> None:
    """As many as the segmenter gave, or one less where a late one was still on its way."""
    segmenter = Halves()
    maker, frames = open_maker(segmenter, [frame(index) for index in range(9)])
    with closing(maker):
        weights_of(maker, frames)
        stats = maker.stats()
    masks = stats["masks"]
    assert isinstance(masks, int)
    assert 1 <= masks <= segmenter.calls
    if stats["sync"] == "exact":
        assert masks == segmenter.calls == 9
        assert stats["age_p95_s"] == 0
    if stats["sync"] == "ahead":
        assert masks == 3  # at 30 frames a second, one every 0.1 s
        assert stats["age_p95_s"] is None  # masks of both sides have no one age


def test_closing_twice_is_fine_and_leaves_no_thread(open_maker: Open) -> None:
    """With frames and without."""
    before = threading.active_count()
    for count in (0, 3):
        maker, frames = open_maker(Halves(), [frame(index) for index in range(count)])
        weights_of(maker, frames)
        maker.close()
        maker.close()
    assert threading.active_count() == before


def test_masks_that_look_ahead_know_only_their_own_frames() -> None:
    """A frame that did not come from the source has no weights to return."""
    with closing(LookaheadMasks(Film([]), Halves())) as masks, pytest.raises(ValueError, match="look ahead"):
        masks.weights(frame(0))
