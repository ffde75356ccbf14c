"""The known warps lead back to where they come from, and masks averaged along them are as steady as the truth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livestyle.bench.drawn_people import DrawnPeople, Flaws, Oracle
from livestyle.bench.masks.compare import compare
from livestyle.bench.masks.methods import methods_named
from livestyle.bench.motions import Pose
from livestyle.bench.sequences import make_film
from livestyle.bench.warps import Stand, taken
from livestyle.frame import Pixels, PlaneWeights

FRAME = (320, 180)
BENT = Pose(0.1, 0.05, angle=12, scale=0.8, lean=0.06, nod=0.03, jaw=0.02)


class Unchanged:
    """A style that changes nothing: only masks are compared."""

    is_identity = False

    def __call__(self, pixels: Pixels, weights: PlaneWeights, /) -> Pixels:
        """The pixels as they are."""
        return pixels


@pytest.mark.parametrize("pose", [Pose(), Pose(-0.2, 0.1, scale=1.3), BENT])
def test_a_layer_s_place_in_the_frame_looks_back_at_it(pose: Pose) -> None:
    """0.1 pixels: cv2 reads what lies between the frame's pixels at steps of 1/32."""
    stand = Stand(DrawnPeople().portrait(0, 150), pose, FRAME)
    there, back = stand.to_frame(), stand.from_frame((0, 0, *FRAME))
    right, down = np.moveaxis(there, 2, 0)
    inside = (right > 0) & (down > 0) & (right < FRAME[0] - 1) & (down < FRAME[1] - 1)
    assert inside.mean() > 0.3
    found = taken(back, there, cv2.BORDER_REPLICATE)
    rows, columns = np.indices(inside.shape)
    np.testing.assert_allclose(found[inside], np.dstack([columns, rows])[inside], atol=0.1)


def test_all_that_a_layer_covers_is_within_its_reach() -> None:
    """No pixel that a layer covers lies outside the rectangle that `reach` gives, so that computing inside it is
    enough."""
    stand = Stand(DrawnPeople().portrait(0, 150), BENT, FRAME)
    left, top, right, bottom = stand.reach()
    seen = stand.from_frame((0, 0, *FRAME))
    wide, tall = stand.layer.size
    inside = (seen[..., 0] >= 0) & (seen[..., 1] >= 0) & (seen[..., 0] < wide) & (seen[..., 1] < tall)
    assert inside.any()
    inside[top:bottom, left:right] = False
    assert not inside.any()


@pytest.mark.parametrize("kind", ["sway", "walk", "two"])
def test_perfect_tracking_takes_the_noise_of_a_model_away(kind: str) -> None:
    """A model whose masks are right on average: what is left of its flicker is under two thirds, mostly softness."""
    one = make_film(kind, DrawnPeople(), size=FRAME, seconds=0.8)
    noisy = Oracle(Flaws(noise=0.1, jitter=0.5))
    found = {s.method: s.figures for s in compare(one, methods_named(["raw", "perfect"]), noisy, Unchanged())}
    assert found["perfect"]["nsteady"] < 0.66 * found["raw"]["nsteady"]
    assert found["perfect"]["iou"] > found["raw"]["iou"] - 0.02


@pytest.mark.parametrize("kind", ["sway", "walk", "leave", "two"])
def test_a_late_mask_moved_by_the_true_motion_lacks_only_what_nobody_had_seen(kind: str) -> None:
    """As good as exact masks while nobody comes; a person who comes in is missed for as long as a mask takes."""
    film = make_film(kind, DrawnPeople(), size=FRAME, seconds=None if kind == "leave" else 0.8)
    found = {s.method: s.figures for s in compare(film, methods_named(["ours", "perfect-live"]), Oracle(), Unchanged())}
    lost = found["ours"]["iou"] - found["perfect-live"]["iou"]
    assert 0.01 < lost < 0.15 if kind == "leave" else lost < 0.02
    assert found["perfect-live"]["ghosts"] <= 1
