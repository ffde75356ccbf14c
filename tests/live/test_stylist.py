from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress

import numpy as np
import pytest

from livestyle import stylist as stylist_module
from livestyle.errors import ModelError, StreamError
from livestyle.frame import Frame, Pixels, Weights, read_only
from livestyle.masks import inference as inference_module
from livestyle.masks.inference import Inference
from livestyle.stylist import Stylist

RATE = 30


class Halves:
    """A segmenter that calls light pixels hair, and can be made slow, broken or waited for."""

    classes = ("background", "hair")
    regions: Mapping[str, str] = {"background": "background", "hair": "hair"}
    input_size = (64, 64)
    device = "cpu"

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self, pixels: np.ndarray) -> Weights:
        self.calls += 1
        assert self.go.wait(10)
        if self.failure:
            raise self.failure
        light = (pixels.mean(axis=2) > 127).astype(np.float32)
        return np.stack([1 - light, light])


class Invert:
    """A grade that inverts hair."""

    is_identity = False

    def __call__(self, pixels: Pixels, weights: Weights) -> Pixels:
        top = np.iinfo(pixels.dtype).max
        share = weights[1][:: weights.shape[1] // pixels.shape[0] or 1].mean()
        return (pixels + share * (top - 2.0 * pixels)).astype(pixels.dtype)


class Identity(Invert):
    is_identity = True


def frame(index: int, *, light: int = 220, dtype: type = np.uint8) -> Frame:
    """Left dark, right light, with enough texture to have content."""
    pixels = np.random.default_rng(0).integers(0, 30, (96, 128, 3)).astype(dtype)
    pixels[:, 64:] += light
    if dtype is np.uint16:
        pixels *= 257
    return Frame(read_only(pixels), index, captured=1.5)


@pytest.fixture
def segmenter() -> Halves:
    return Halves()


@pytest.fixture(params=["exact", "live"])
def stylist(request: pytest.FixtureRequest, segmenter: Halves) -> Iterator[Stylist]:
    stylist = Stylist(segmenter, Invert(), sync=request.param, time_base=1 / RATE)
    yield stylist
    segmenter.go.set()
    stylist.close()


def live(segmenter: Halves) -> Stylist:
    return Stylist(segmenter, Invert(), sync="live", time_base=1 / RATE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_frame_comes_back_styled_with_its_times_kept(stylist: Stylist, dtype: type) -> None:
    given = frame(3, dtype=dtype)
    result = stylist.render(given)
    assert (result.pts, result.captured) == (3, 1.5)
    assert result.pixels.dtype == dtype
    assert result.pixels.shape == given.pixels.shape
    assert not result.pixels.flags.writeable
    assert result.before is given.pixels
    assert (result.pixels != given.pixels).any()
    assert result.masks is not None
    np.testing.assert_allclose(result.masks.weights.sum(axis=0), 1, atol=1e-5)


def test_the_mask_lies_on_the_picture(stylist: Stylist) -> None:
    masks = stylist.render(frame(0)).masks
    assert masks is not None
    hair = masks.weights[1]
    width = hair.shape[1]
    assert hair[:, : width // 3].max() < 0.05
    assert hair[:, -width // 3 :].min() > 0.95


def test_an_identity_gives_the_very_same_pixels_and_segments_nothing(stylist: Stylist, segmenter: Halves) -> None:
    stylist.grade = Identity()
    given = frame(0)
    result = stylist.render(given)
    assert result.pixels is given.pixels
    assert segmenter.calls == 0


def test_the_grade_may_change_between_frames(stylist: Stylist) -> None:
    first = stylist.render(frame(0))
    stylist.grade = Identity()
    assert stylist.render(frame(1)).pixels is not first.pixels
    stylist.grade = Invert()
    np.testing.assert_array_equal(stylist.render(frame(2)).pixels, first.pixels)


def test_an_error_of_the_segmenter_surfaces_in_render(stylist: Stylist, segmenter: Halves) -> None:
    segmenter.failure = ModelError("broken")
    with pytest.raises(ModelError, match="broken"):
        stylist.render(frame(0))


def test_closing_twice_is_fine_and_ends_the_thread(segmenter: Halves) -> None:
    before = threading.active_count()
    stylist = live(segmenter)
    stylist.render(frame(0))
    stylist.close()
    stylist.close()
    assert threading.active_count() == before


def test_a_live_frame_does_not_wait_for_its_mask(segmenter: Halves) -> None:
    stylist = live(segmenter)
    stylist.render(frame(0))
    segmenter.go.clear()  # from here on a segmentation takes for ever
    try:
        results = [stylist.render(frame(index)) for index in range(1, 6)]
        assert all(result.masks is not None for result in results)
        age = stylist.stats()["age_p95_s"]
        assert isinstance(age, float)
        assert age >= 3 / RATE
    finally:
        segmenter.go.set()
        stylist.close()


def test_a_model_that_hangs_is_an_error_and_not_one_mask_for_ever(monkeypatch, segmenter: Halves) -> None:
    """Too old by the stream's clock and by the wall's; a new mask ends it."""
    monkeypatch.setattr(stylist_module, "MAX_AGE_S", 0.2)
    with closing(live(segmenter)) as stylist:
        stylist.render(frame(0))
        segmenter.go.clear()
        try:
            stylist.render(frame(1))
            time.sleep(0.25)
            assert stylist.render(frame(5)).masks is not None  # held up, but the picture has not gone on
            for index in range(7, 10):
                with pytest.raises(StreamError, match="too slow or stuck"):
                    stylist.render(frame(index))
        finally:
            segmenter.go.set()
        assert any(not_too_slow(stylist, index) for index in range(10, 1000))


def not_too_slow(stylist: Stylist, index: int) -> bool:
    time.sleep(0.01)
    with suppress(StreamError):
        return stylist.render(frame(index)).masks is not None
    return False


def test_a_file_that_runs_faster_than_its_time_is_not_taken_for_a_slow_model(segmenter: Halves) -> None:
    with closing(live(segmenter)) as stylist:
        stylist.render(frame(0))
        segmenter.go.clear()
        try:
            assert all(stylist.render(frame(index)).masks is not None for index in range(10, 100, 10))  # 3 s
        finally:
            segmenter.go.set()


@pytest.mark.parametrize(("bound", "rendered"), [("FIRST_MASK_S", 0), ("_NEXT_SCENE_S", 1)])
def test_a_scene_does_not_wait_for_its_mask_for_ever(monkeypatch, segmenter: Halves, bound: str, rendered: int) -> None:
    monkeypatch.setattr(stylist_module, bound, 0.2)
    with closing(live(segmenter)) as stylist:
        for index in range(rendered):
            stylist.render(frame(index))
        segmenter.go.clear()
        try:
            with pytest.raises(StreamError, match="no mask came") as caught:
                stylist.render(frame(1000))
            assert caught.value.hint
        finally:
            segmenter.go.set()
        assert any(not_too_slow(stylist, index) for index in range(1001, 2000))


def test_closing_does_not_wait_for_a_model_that_hangs(monkeypatch, segmenter: Halves) -> None:
    monkeypatch.setattr(inference_module, "_JOIN_S", 0.1)
    stylist = live(segmenter)
    stylist.render(frame(0))
    segmenter.go.clear()
    stylist.render(frame(1))
    closer = threading.Thread(target=stylist.close)
    closer.start()
    closer.join(5)  # the model hangs for longer
    hung = closer.is_alive()
    segmenter.go.set()
    closer.join()
    assert not hung


def test_a_live_error_surfaces_although_masks_are_there(segmenter: Halves) -> None:
    stylist = live(segmenter)
    stylist.render(frame(0))
    segmenter.failure = ModelError("broken later")
    with pytest.raises(ModelError, match="broken later"):
        render_for(stylist, seconds=10)
    stylist.close()


def test_masks_are_made_although_the_system_forbids_stepping_back(monkeypatch, segmenter: Halves) -> None:
    """A process that was started with `nice -n 10` may not be set to 5."""

    def forbidden(*_: int) -> None:
        raise PermissionError("not allowed")

    monkeypatch.setattr("os.setpriority", forbidden)
    with closing(live(segmenter)) as stylist:
        assert stylist.render(frame(0)).masks is not None


def test_one_failure_of_the_model_costs_one_frame_and_not_the_stream(segmenter: Halves) -> None:
    with closing(live(segmenter)) as stylist:
        stylist.render(frame(0))
        segmenter.failure = ModelError("out of memory for a moment")
        with pytest.raises(ModelError):
            render_for(stylist, seconds=10)
        for index in range(1000, 1010):  # while it lasts no frame is styled by an old mask
            with pytest.raises(ModelError):
                stylist.render(frame(index))
        segmenter.failure = None
        assert any(styled(stylist, index) for index in range(1001, 2000))


def test_an_error_that_is_raised_for_many_frames_keeps_none_of_them() -> None:
    """A traceback holds the pictures of all the calls it went through, so it must not grow with every frame."""

    def segment(_: object) -> Weights:
        raise ModelError("broken")

    lengths = []
    with closing(Inference(segment)) as inference:
        inference.offer(np.zeros((4, 4, 3), np.uint8), 0.0)
        for _ in range(10):
            with pytest.raises(ModelError) as caught:
                inference.wait(10)
            lengths.append(len(list(traceback.walk_tb(caught.value.__traceback__))))
    assert len(set(lengths)) == 1


def styled(stylist: Stylist, index: int) -> bool:
    time.sleep(0.01)
    with suppress(ModelError):
        return stylist.render(frame(index)).masks is not None
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is per thread on Linux only")
def test_masks_step_back_from_where_the_process_stands(monkeypatch, segmenter: Halves) -> None:
    asked = []
    monkeypatch.setattr("os.nice", lambda by: 10)
    monkeypatch.setattr("os.setpriority", lambda which, who, niceness: asked.append(niceness))
    with closing(live(segmenter)) as stylist:
        stylist.render(frame(0))
    assert asked[0] > 10


def render_for(stylist: Stylist, seconds: float) -> None:
    end = time.monotonic() + seconds
    index = 0
    while time.monotonic() < end:
        index += 1
        stylist.render(frame(index))


def test_a_cut_in_a_live_stream_waits_for_a_mask_of_the_new_scene(segmenter: Halves) -> None:
    stylist = live(segmenter)
    stylist.render(frame(0))
    turned = Frame(read_only(frame(1).pixels[:, ::-1]), 1, 0.0)
    masks = stylist.render(turned).masks
    stylist.close()
    assert masks is not None
    width = masks.weights.shape[2]
    assert masks.weights[1][:, : width // 3].min() > 0.95
    assert masks.weights[1][:, -width // 3 :].max() < 0.05


def test_exact_segments_every_frame_once_and_says_so(segmenter: Halves) -> None:
    stylist = Stylist(segmenter, Invert(), sync="exact", time_base=1 / RATE)
    for index in range(5):
        stylist.render(frame(index))
    stats = stylist.stats()
    assert segmenter.calls == stats["masks"] == 5
    assert stats["age_p95_s"] == 0
    assert (stats["sync"], stats["device"]) == ("exact", "cpu")
    stylist.close()


def test_figures_before_the_first_frame_are_not_made_up(segmenter: Halves) -> None:
    stats = Stylist(segmenter, Invert()).stats()
    assert stats["masks"] == 0
    assert stats["masks_per_s"] is None
    assert stats["age_p50_s"] is None
