"""What colours decide where no mask has been yet: on drawn people in colours that are known."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pytest

from livestyle.frame import REGIONS, Frame, Picture, PixelWeights, PlaneWeights, read_only
from livestyle.masks.exact import ExactMasks
from livestyle.masks.live import LiveMasks
from livestyle.masks.palette import FORGETS, Palette, colors_of
from livestyle.masks.tracker import MaskTracker

SIZE = (160, 288)  # rows, columns
HALF = (SIZE[1] // 2, SIZE[0] // 2)  # width, height of the weights
BACKGROUND, HAIR, SKIN, CLOTHES = range(len(REGIONS))

LIGHT, MEDIUM, DARK = (232, 190, 172), (180, 125, 95), (88, 56, 44)
WALL, SHIRT = (150, 175, 190), (40, 60, 110)
HERE, THERE, FACE, RADIUS = (
    (110, 80),
    (210, 60),
    (160, 36),
    14,
)  # column and row of the hand, before and after; the face


class Scene(NamedTuple):
    """A picture and the regions of its pixels."""

    picture: Picture
    labels: np.ndarray  # (H, W)

    @property
    def luma(self) -> np.ndarray:
        return cv2.cvtColor(self.picture, cv2.COLOR_RGB2GRAY)

    @property
    def mask(self) -> PlaneWeights:
        """(R, h, w), a quarter of the size, as certain as a network is."""
        planes = [(self.labels == region).astype(np.float32) for region in range(len(REGIONS))]
        size = max(1, self.labels.shape[1] // 4), max(1, self.labels.shape[0] // 4)
        small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
        return PlaneWeights(np.stack(small) * 0.96 + 0.01)


def disc(at: tuple[int, int], radius: float = RADIUS) -> np.ndarray:
    """(H, W) bool."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.hypot(columns - at[0], rows - at[1]) <= radius


def scene(hand: tuple[int, int], skin: tuple[int, int, int], *, wall: tuple[int, int, int] = WALL) -> Scene:
    """A person in a shirt: face and one hand, before a wall. Everything has a texture that stays where it is."""
    labels = np.zeros(SIZE, np.uint8)
    labels[60:, 90:230] = CLOTHES
    labels[disc(FACE, 20) | disc(hand)] = SKIN
    colors = np.array([wall, (30, 25, 20), skin, SHIRT], np.float32)[labels]
    grain = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, SIZE), (0, 0), 2)
    return Scene(np.clip(colors + 8 * (grain / grain.std())[..., np.newaxis], 0, 255).astype(np.uint8), labels)


def in_grey(one: Scene, tint: tuple[float, float, float] = (1, 1, 1)) -> Scene:
    grey = one.luma[..., np.newaxis] * np.array(tint)
    return Scene(np.asarray(grey, np.uint8), one.labels)


def after_a_jump(before: Scene, after: Scene, palette: Palette | None) -> np.ndarray:
    """(h, w): how much of a pixel is kept after masks of `before` and three frames of `after` without a mask."""
    tracker = MaskTracker(palette=palette)
    for index in range(7):
        now = before if index < 4 else after
        tracker.advance(now.luma, index / 30, now.picture)
        if index < 4:
            tracker.correct(now.mask, index / 30)
        tracker.decide_by_color()
    assert tracker.planes is not None
    return np.asarray(tracker.planes[..., HAIR] + tracker.planes[..., SKIN])


def within(at: tuple[int, int]) -> np.ndarray:
    """(h, w) bool: the hand that is there, without its edge."""
    return cv2.resize(disc(at, RADIUS - 4).astype(np.uint8), HALF, interpolation=cv2.INTER_AREA) == 1


@pytest.mark.parametrize("skin", [LIGHT, MEDIUM, DARK])
def test_a_hand_that_jumps_between_two_masks_is_kept_whatever_its_tone(skin: tuple[int, int, int]) -> None:
    """No mask has seen it where it is, and flow cannot follow: its colour is that of the face."""
    before, after = scene(HERE, skin), scene(THERE, skin)
    kept, lost = (after_a_jump(before, after, palette) for palette in (Palette(), None))
    assert kept[within(THERE)].mean() > 0.7  # 0.93 of it, as refine() sharpens it
    assert lost[within(THERE)].mean() < 0.3


@pytest.mark.parametrize("skin", [LIGHT, MEDIUM, DARK])
def test_where_the_hand_was_nothing_is_kept(skin: tuple[int, int, int]) -> None:
    """What it has uncovered has the shirt's and the wall's colours."""
    before, after = scene(HERE, skin), scene(THERE, skin)
    assert after_a_jump(before, after, Palette())[within(HERE)].mean() < 0.1


def test_before_a_wall_of_the_same_colour_nothing_is_decided() -> None:
    """The ratio says nothing then: weights stay close to what they are without colours."""
    before, after = (scene(at, MEDIUM, wall=MEDIUM) for at in (HERE, THERE))
    wall = cv2.resize((after.labels == BACKGROUND).astype(np.uint8), HALF, interpolation=cv2.INTER_NEAREST) == 1
    kept, plain = (after_a_jump(before, after, palette) for palette in (Palette(), None))
    assert np.abs(kept - plain)[wall].mean() < 0.01
    assert (kept[wall] > 0.5).mean() <= (plain[wall] > 0.5).mean()


@pytest.mark.parametrize("tint", [(1, 1, 1), (1, 0.9, 0.75)])
def test_a_stream_without_colours_is_as_without_a_palette(tint: tuple[float, float, float]) -> None:
    """Grey or sepia: luma alone does not tell skin from a grey wall. Bit for bit."""
    dark = (20, 20, 20)
    before, after = (in_grey(scene(at, dark), tint) for at in (HERE, THERE))
    with_palette, plain = (after_a_jump(before, after, palette) for palette in (Palette(), None))
    np.testing.assert_array_equal(with_palette, plain)


def test_on_a_still_scene_colours_change_nothing() -> None:
    """Everything is supported by masks: bit for bit the weights of a tracker without colours, in every frame."""
    one = scene(HERE, MEDIUM)
    trackers = MaskTracker(palette=Palette()), MaskTracker()
    for index in range(12):
        noise = np.random.default_rng(index).normal(0, 2, one.picture.shape)
        noisy = Scene(np.clip(one.picture + noise, 0, 255).astype(np.uint8), one.labels)
        for tracker in trackers:
            tracker.advance(noisy.luma, index / 30, noisy.picture)
            if index % 4 == 0:
                tracker.correct(noisy.mask, index / 30)
            tracker.decide_by_color()
        np.testing.assert_array_equal(trackers[0].planes, trackers[1].planes)


def unsupported(weights: tuple[float, ...], colors: Picture, palette: Palette) -> PixelWeights:
    """What the palette decides for pixels of these weights, all unsupported."""
    planes = PixelWeights(np.broadcast_to(np.float32(weights), (*colors.shape[:2], 4)).copy())
    return palette.decide(planes, np.zeros(colors.shape[:2], np.float32), colors_of(colors, colors.shape[1::-1]))


def plain(color: tuple[int, int, int]) -> Picture:
    return np.full((20, 40, 3), color, np.uint8)


def taught(*regions: tuple[int, tuple[int, int, int]], palette: Palette | None = None, at: float = 0.0) -> Palette:
    """A palette that has seen 800 pixels of each region's colour."""
    palette = palette or Palette()
    picture = np.hstack([plain(color) for _, color in regions])
    planes = np.zeros((*picture.shape[:2], 4), np.float32)
    for number, (region, _) in enumerate(regions):
        planes[:, 40 * number : 40 * (number + 1), region] = 1
    palette.learn(colors_of(picture, picture.shape[1::-1]), PixelWeights(planes), at)
    return palette


BELIEVED = (0.2, 0.0, 0.0, 0.8)  # a person's clothes


def test_a_colour_that_only_skin_has_becomes_skin() -> None:
    """And one that only clothes have stays clothes; weights keep summing to 1."""
    palette = taught((BACKGROUND, WALL), (SKIN, MEDIUM), (CLOTHES, SHIRT))
    skin, shirt = (unsupported(BELIEVED, plain(color), palette) for color in (MEDIUM, SHIRT))
    assert skin[..., SKIN].min() > 0.95
    assert shirt[..., CLOTHES].min() > 0.75
    np.testing.assert_allclose(skin.sum(axis=2), 1, atol=1e-5)


def test_a_colour_that_was_never_seen_changes_nothing() -> None:
    """Green was neither skin nor anything else."""
    palette = taught((BACKGROUND, WALL), (SKIN, MEDIUM))
    np.testing.assert_array_equal(unsupported(BELIEVED, plain((0, 200, 0)), palette)[..., CLOTHES], np.float32(0.8))


def test_a_colour_of_two_regions_changes_nothing() -> None:
    """A beige shirt: as often clothes as skin, so what is believed stays."""
    palette = taught((BACKGROUND, WALL), (SKIN, MEDIUM), (CLOTHES, MEDIUM))
    assert unsupported(BELIEVED, plain(MEDIUM), palette)[..., SKIN].max() < 0.05


def test_where_nobody_is_near_nothing_becomes_skin() -> None:
    """A beige wall that comes into view beside nobody is a wall."""
    palette = taught((BACKGROUND, WALL), (SKIN, MEDIUM))
    found = unsupported((1.0, 0.0, 0.0, 0.0), plain(MEDIUM), palette)
    np.testing.assert_array_equal(found[..., SKIN], 0)


def test_hair_and_skin_of_one_colour_stay_as_they_are_believed() -> None:
    """Kept is kept: colour moves nothing between the two where it cannot tell them apart."""
    palette = taught((BACKGROUND, WALL), (SKIN, DARK), (HAIR, DARK))
    found = unsupported((0.0, 0.9, 0.1, 0.0), plain(DARK), palette)
    assert found[..., HAIR].min() > 0.8


def test_colours_are_forgotten() -> None:
    """What was skin long ago and is wall in every mask since is wall: light changes."""
    palette = taught((SKIN, MEDIUM), (BACKGROUND, WALL), (CLOTHES, SHIRT))
    for index in range(5):
        taught((BACKGROUND, MEDIUM), (SKIN, LIGHT), (CLOTHES, SHIRT), palette=palette, at=3 * FORGETS + index)
    assert unsupported(BELIEVED, plain(MEDIUM), palette)[..., SKIN].max() < 0.05
    assert unsupported(BELIEVED, plain(LIGHT), palette)[..., SKIN].min() > 0.95


def test_another_scene_begins_without_colours() -> None:
    """A cut resets the palette with the tracker."""
    palette = taught((BACKGROUND, WALL), (SKIN, MEDIUM))
    MaskTracker(palette=palette).reset()
    np.testing.assert_array_equal(unsupported(BELIEVED, plain(MEDIUM), palette)[..., SKIN], 0)


class Painter:
    """A segmenter that knows where in which scene a picture was taken."""

    classes, input_size, device = REGIONS, (SIZE[1], SIZE[0]), "cpu"
    regions = {name: name for name in REGIONS}  # noqa: RUF012

    def __init__(self, *scenes: Scene) -> None:
        self.scenes = scenes

    def __call__(self, picture: Picture, /) -> PlaneWeights:
        fits = [cv2.minMaxLoc(cv2.matchTemplate(one.picture, picture, cv2.TM_SQDIFF)) for one in self.scenes]
        (_, _, (left, top), _), one = min(zip(fits, self.scenes, strict=True), key=lambda pair: pair[0][0])
        height, width = picture.shape[:2]
        return Scene(picture, one.labels[top : top + height, left : left + width]).mask


class Late:
    """Inference of which only the first mask ever comes."""

    def __init__(self, segment: object) -> None:
        self.segment, self.first = segment, None

    def offer(self, picture: object, seconds: float) -> None:
        self.first = self.first or (picture, seconds)

    def result(self) -> None:
        return None

    def wait(self, patience: float) -> object:
        from livestyle.masks.inference import Result

        picture, seconds = self.first
        return Result(self.segment(picture), seconds, 0.0)

    def close(self) -> None:
        """Nothing runs."""


def test_live_masks_keep_the_hand_that_jumped_and_exact_ones_need_no_colours() -> None:
    """Whoever makes live masks decides by colour; every frame's own mask is left as it is."""
    scenes = scene(HERE, MEDIUM), scene(THERE, MEDIUM)
    frames = [Frame(read_only(one.picture), index, 0.0) for index, one in enumerate(scenes)]
    live = LiveMasks(Painter(*scenes), time_base=1 / 30, inference=Late)
    exact = ExactMasks(Painter(*scenes), time_base=1 / 30)
    for made in ([masks.weights(frame) for frame in frames][-1] for masks in (live, exact)):
        kept = cv2.resize(made[SKIN], HALF, interpolation=cv2.INTER_AREA)
        assert kept[within(THERE)].mean() > 0.9
        assert kept[within(HERE)].mean() < 0.2
