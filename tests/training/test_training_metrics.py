"""How right a model is, against counts made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from livestyle.frame import REGIONS
from livestyle.training.classes import ANY, BACKGROUND, CLASSES, REGION_OF, member_bits, region_bits
from livestyle.training.metrics import (
    TONE_PICTURES,
    Overlap,
    Tally,
    enlarged,
    merged,
    region_planes,
    tone_of,
    typology_angle,
)

HAIR = member_bits(["hair"])
GREY = np.full((10, 10, 3), 128, np.uint8)


def _planes(regions: np.ndarray, confidence: float = 0.94) -> np.ndarray:
    """(R, H, W) probabilities for a map of region numbers."""
    rest = (1 - confidence) / (len(REGIONS) - 1)
    return np.where(np.arange(len(REGIONS))[:, None, None] == regions, confidence, rest).astype(np.float32)


def test_iou_counts_only_pixels_of_which_the_label_is_certain() -> None:
    """What labels leave open counts neither for nor against a region, also in the confusion.

    A region that no label shows has NaN, not 0.
    """
    members = np.full((10, 10), BACKGROUND, np.uint8)
    members[:4] = HAIR
    members[9] = ANY
    guess = np.zeros((10, 10), int)
    guess[1:5] = 1  # three rows right, one row of background taken for hair
    guess[9] = 1  # not known
    tally = Tally()
    tally.add(_planes(guess), GREY, members)
    assert tally.regions["hair"].iou == pytest.approx(3 / 5)
    assert tally.regions["hair"].recall == pytest.approx(3 / 4)
    assert tally.regions["background"].iou == pytest.approx(4 / 6)
    assert math.isnan(tally.regions["skin"].iou)
    assert tally.confusion[1].tolist() == [10, 30, 0, 0]
    assert tally.confusion[0].tolist() == [40, 10, 0, 0]


def test_a_label_that_may_be_two_regions_counts_for_neither_and_against_the_rest() -> None:
    """A pixel that is hair or face is no truth for either, but calling it clothes is surely wrong and counts."""
    members = np.full((10, 10), member_bits(["hair", "face"]), np.uint8)
    members[5:] = member_bits(["clothes"])
    tally = Tally()
    tally.add(_planes(np.full((10, 10), 3)), GREY, members)
    assert tally.regions["clothes"].iou == pytest.approx(0.5)
    assert tally.regions["hair"].truth == 0


def test_classes_of_one_region_are_the_same_region() -> None:
    """Probabilities of a region's classes add up before the regions are compared, as they do when a frame is styled:
    face and neck together win over hair."""
    planes = np.zeros((8, 1, 1), np.float32)
    planes[CLASSES.index("face")], planes[CLASSES.index("neck")], planes[CLASSES.index("hair")] = 0.3, 0.3, 0.4
    found = region_planes(planes, CLASSES, REGION_OF)[:, 0, 0]
    np.testing.assert_allclose(found, [0, 0.4, 0.6, 0], atol=1e-6)


def test_planes_are_enlarged_with_centres_aligned() -> None:
    """Planes are enlarged as masks are composited, with pixel centres aligned; otherwise edges would be measured where
    they are not drawn."""
    planes = np.array([[[0.0, 1.0]]], np.float32)
    np.testing.assert_allclose(enlarged(planes, 1, 4)[0, 0], [0, 0.25, 0.75, 1])


def test_boundary_iou_sees_what_iou_hardly_sees() -> None:
    """A shift by two pixels costs a square of 60 six points of IoU, but most of its band of 2.8 pixels."""
    members = np.full((100, 100), BACKGROUND, np.uint8)
    members[20:80, 20:80] = HAIR
    exact, shifted = np.zeros((100, 100), int), np.zeros((100, 100), int)
    exact[20:80, 20:80], shifted[20:80, 22:82] = 1, 1
    right, wrong = Tally(), Tally()
    picture = np.zeros((100, 100, 3), np.uint8)
    right.add(_planes(exact), picture, members)
    wrong.add(_planes(shifted), picture, members)
    assert right.boundaries["hair"].iou == 1
    assert wrong.regions["hair"].iou > 0.93
    assert 0.3 < wrong.boundaries["hair"].iou < 0.7


@pytest.mark.parametrize(
    ("rgb", "tone"), [((250, 228, 215), "very light"), ((198, 140, 104), "tan"), ((90, 56, 37), "dark")]
)
def test_skin_tones_by_typology_angle(rgb: tuple[int, int, int], tone: str) -> None:
    """Known skin colours fall into the bins of the literature (Chardon et al.

    1991, Del Bino 2006) by their typology angle.
    """
    pixels = np.full((4, 4, 3), rgb, np.uint8)
    assert tone_of(typology_angle(pixels, np.ones((4, 4), bool))) == tone


def test_the_typology_angle_follows_its_formula() -> None:
    """sRGB (198, 140, 104) is L* 62.8, b* 27.6 (CIE 1976, D65): 24.9 degrees. Tolerance: cv2's 32-bit conversion."""
    angle = typology_angle(np.full((1, 1, 3), (198, 140, 104), np.uint8), np.ones((1, 1), bool))
    assert angle == pytest.approx(24.9, abs=0.5)


def test_skin_is_counted_by_tone_over_sets() -> None:
    """Pictures are counted by the tone of their labelled skin, over all sets together: a set alone shows too few of
    some tones to see who is served worse."""
    members = np.full((10, 10), region_bits("skin"), np.uint8)
    light, dark = np.full((10, 10, 3), (250, 228, 215), np.uint8), np.full((10, 10, 3), (90, 56, 37), np.uint8)
    found, lost = np.full((10, 10), 2), np.full((10, 10), 0)
    one, other = Tally(), Tally()
    one.add(_planes(found), light, members)
    other.add(_planes(found), dark, members)
    other.add(_planes(lost), dark, members)
    total = merged([one, other])
    assert total.tones["very light"].recall == 1.0
    assert total.tones["dark"].recall == 0.5
    assert total.tone_pictures == {"very light": 1, "dark": 2}


def test_reliability_sets_confidence_against_correctness() -> None:
    """For each tenth of confidence there is its mean beside the share that was right: a model that says 0.85 and is
    right in 0.6 is overconfident."""
    members = np.full((10, 10), BACKGROUND, np.uint8)
    members[:4] = HAIR
    tally = Tally()
    tally.add(_planes(np.zeros((10, 10), int), confidence=0.85), GREY, members)
    assert tally.reliability() == [{"confidence": 0.85, "right": 0.6, "share": 1.0}]


def test_the_calibration_error_is_the_mean_distance_of_confidence_and_correctness() -> None:
    """40 % of the pixels are hair and called background: 0.85 against 0.6."""
    members = np.full((10, 10), BACKGROUND, np.uint8)
    members[:4] = HAIR
    tally = Tally()
    assert math.isnan(tally.calibration_error())
    tally.add(_planes(np.zeros((10, 10), int), confidence=0.85), GREY, members)
    assert tally.calibration_error() == pytest.approx(0.25)


def test_the_gap_lies_between_the_best_and_the_worst_tone_that_enough_pictures_show() -> None:
    """The gap is the best tone minus the worst, among those of at least TONE_PICTURES pictures: fewer say more of the
    pictures than of the tone. With one tone left there is no gap."""
    tally = Tally(
        tones={"light": Overlap(90, 100, 100), "tan": Overlap(80, 100, 80), "dark": Overlap(10, 100, 10)},
        tone_pictures={"light": TONE_PICTURES, "tan": TONE_PICTURES, "dark": TONE_PICTURES - 1},
    )
    assert tally.tone_gap()["recall"] == pytest.approx(0.9 - 0.8)
    assert tally.tone_gap()["iou"] == pytest.approx(90 / 110 - 0.8)
    del tally.tones["tan"]
    assert all(math.isnan(value) for value in tally.tone_gap().values())
