"""The stylist: what it makes of a frame, a maker of masks and a grade."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from livestyle.errors import ModelError
from livestyle.frame import REGIONS, Frame, Masks, Pixels, PlaneWeights, read_only
from livestyle.stylist import Stylist


class Half:
    """A maker of masks: all clothes, half of it; can be made to fail."""

    def __init__(self) -> None:
        self.asked: list[Frame] = []
        self.failure: Exception | None = None
        self.made = np.zeros((len(REGIONS), 2, 2), np.float32)
        self.made[REGIONS.index("clothes")] = 0.5

    def weights(self, frame: Frame) -> PlaneWeights:
        self.asked.append(frame)
        if self.failure is not None:
            raise self.failure
        return PlaneWeights(self.made)

    def stats(self) -> Mapping[str, object]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


class Darker:
    """A grade that takes its share of 100 levels off."""

    is_identity = False
    backend = "test"

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        return np.asarray(pixels - np.uint8(100 * weights.max()), pixels.dtype)


class Identity(Darker):
    is_identity = True


def frame(pts: int = 3) -> Frame:
    return Frame(read_only(np.full((4, 6, 3), 200, np.uint8)), pts, captured=1.5)


def test_a_frame_is_styled_by_the_makers_weights_and_keeps_its_times() -> None:
    """New read-only pixels; the old ones and the weights that were used come with them."""
    masks, given = Half(), frame()
    result = Stylist(masks, Darker()).render(given)
    assert (result.pts, result.captured) == (3, 1.5)
    assert (result.pixels == 150).all()
    assert not result.pixels.flags.writeable
    assert result.before is given.pixels
    assert result.masks is not None
    assert result.masks.weights is masks.made
    assert masks.asked == [given]


def test_an_identity_gives_the_very_same_pixels_and_asks_for_no_masks() -> None:
    """Also where the frame came with masks: nothing was blended with them."""
    masks = Half()
    given = Frame(frame().pixels, 0, 0.0, masks=Masks(PlaneWeights(masks.made)))
    result = Stylist(masks, Identity()).render(given)
    assert result.pixels is result.before is given.pixels
    assert result.masks is None
    assert not masks.asked


def test_the_grade_may_change_between_frames() -> None:
    """The next frame is styled by the new one."""
    stylist = Stylist(Half(), Darker())
    first = stylist.render(frame(0))
    stylist.grade = Identity()
    assert (stylist.render(frame(1)).pixels == 200).all()
    stylist.grade = Darker()
    np.testing.assert_array_equal(stylist.render(frame(2)).pixels, first.pixels)


def test_an_error_of_the_maker_surfaces_in_render_and_costs_that_frame_only() -> None:
    """The stylist keeps nothing, so the next frame is styled again."""
    masks = Half()
    stylist = Stylist(masks, Darker())
    masks.failure = ModelError("broken")
    with pytest.raises(ModelError, match="broken"):
        stylist.render(frame(0))
    masks.failure = None
    assert (stylist.render(frame(1)).pixels == 150).all()
