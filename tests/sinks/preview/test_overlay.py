"""What the preview draws, in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.frame import REGIONS, Masks
from livestyle.sinks.preview import overlay
from livestyle.sinks.preview.overlay import TINTS, Scene, View, compose

SIZE = (320, 180)


def flat(level: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, np.uint8)


def masks_of(region: str, size: tuple[int, int] = (32, 18)) -> Masks:
    weights = np.zeros((len(REGIONS), size[1], size[0]), np.float32)
    weights[REGIONS.index(region)] = 1
    return Masks(weights)


def test_plain_view_is_the_picture_itself() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    shown = compose(Scene(picture, None, None), View())
    assert np.array_equal(shown, picture)
    shown[:] = 0  # it is a copy
    assert picture.any()


def test_mirror_turns_the_picture_but_not_the_text() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    shown = compose(Scene(picture, None, None), View(mirror=True))
    assert np.array_equal(shown, picture[:, ::-1])
    dark = Scene(flat(0), None, None)
    assert np.array_equal(
        compose(dark, View(mirror=True), "30 frames/s"), compose(dark, View(mirror=False), "30 frames/s")
    )


@pytest.mark.parametrize("position", [0.0, 0.25, 0.5, 1.0])
def test_wipe_shows_before_on_the_left_of_the_line(position: float) -> None:
    canvas = flat(200)
    overlay.wipe(canvas, flat(50), position)
    x = round(position * SIZE[0])
    thick = 2  # at most, at this size
    assert np.all(canvas[:, : max(0, x - thick)] == 50)
    assert np.all(canvas[:, x + thick :] == 200)
    assert np.all(canvas[:, max(0, x - 1) : x + 1] == 255)


def test_mirrored_wipe_keeps_before_on_the_left() -> None:
    """The pictures turn, the line does not: where the mouse drags is where it stands."""
    before = np.zeros((180, 320, 3), np.uint8)
    before[:, :160] = 90
    shown = compose(Scene(flat(200), before, None), View(wipe=0.25, mirror=True))
    assert np.all(shown[:100, :70] == 0)
    assert np.all(shown[:100, 90:] == 200)


@pytest.mark.parametrize("region", ["hair", "skin", "clothes"])
def test_tint_mixes_the_region_color_in(region: str) -> None:
    """0.6 colour and 0.4 picture where the weight is 1; tolerance 2: three roundings to whole numbers."""
    canvas = flat(100)
    overlay.tint(canvas, masks_of(region))
    expected = 0.6 * np.array(TINTS[region]) + 0.4 * 100
    assert np.abs(canvas - expected).max() <= 2


def test_background_stays_as_it_is() -> None:
    canvas = flat(100)
    overlay.tint(canvas, masks_of("background"))
    assert np.all(canvas == 100)


def test_half_a_weight_is_half_a_tint() -> None:
    weights = np.zeros((4, 9, 16), np.float32)
    weights[0] = weights[2] = 0.5
    canvas = flat(100)
    overlay.tint(canvas, Masks(weights))
    expected = 0.3 * np.array(TINTS["skin"]) + 0.7 * 100
    assert np.abs(canvas - expected).max() <= 2


def test_masks_are_mirrored_with_the_picture() -> None:
    weights = np.zeros((4, 18, 32), np.float32)
    weights[2, :, :16], weights[0, :, 16:] = 1, 1
    shown = compose(Scene(flat(100), None, Masks(weights)), View(masks=True, mirror=True))
    assert np.all(shown[150, :100] == 100)
    assert np.all(shown[150, 220:, 0] > 150)


def bright(picture: np.ndarray) -> int:
    return int((picture > 180).sum())


def test_missing_masks_and_missing_before_are_said_on_screen() -> None:
    scene = Scene(flat(60), None, None)
    quiet = compose(scene, View())
    assert bright(quiet) == 0
    assert bright(compose(scene, View(masks=True))) > 0
    assert bright(compose(scene, View(wipe=0.5))) > 0


def test_status_can_be_hidden_and_the_toast_stays() -> None:
    scene = Scene(flat(60), None, None)
    shown = compose(scene, View(), "Warm 70 %")
    assert bright(shown[:60, :160]) > 0
    assert bright(shown[60:]) == 0
    assert bright(compose(scene, View(hud=False), "Warm 70 %")) == 0
    assert bright(compose(scene, View(hud=False), "Warm 70 %", "saved")[120:]) > 0


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (240, 426), (1920, 1080)])
def test_help_fits_into_the_picture(size: tuple[int, int]) -> None:
    """The panel ends inside: a margin of the picture keeps its brightness on every side."""
    shown = compose(Scene(flat(150, size), None, None), View(help=True))
    ys, xs = np.nonzero((shown != 150).any(axis=2))
    assert ys.min() > 0
    assert ys.max() < size[1] - 1
    assert xs.min() > 0
    assert xs.max() < size[0] - 1
    assert bright(shown) > 500


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (40, 2)])
def test_tiny_pictures_survive_everything(size: tuple[int, int]) -> None:
    view = View(wipe=0.5, masks=True, mirror=True, help=True)
    scene = Scene(flat(9, size), flat(1, size), masks_of("skin"))
    assert compose(scene, view, "status", "toast").shape == (size[1], size[0], 3)


def test_a_long_status_shrinks_to_the_width() -> None:
    shown = compose(Scene(flat(60), None, None), View(), "a status line that is much longer than this picture is wide")
    _, xs = np.nonzero((shown > 150).any(axis=2))
    assert xs.max() < SIZE[0] - 1
