"""Masks for a live picture: what waits, what does not, and what happens when the model is slow, broken or stuck."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from contextlib import closing, suppress

import numpy as np
import pytest
from tests_models import Halves

from livestyle.errors import ModelError, StreamError
from livestyle.frame import Frame, PlaneWeights, read_only
from livestyle.masks import inference as inference_module
from livestyle.masks import live as live_module
from livestyle.masks.inference import ThreadedInference
from livestyle.masks.live import LiveMasks

RATE = 30


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


def live(segmenter: Halves) -> LiveMasks:
    return LiveMasks(segmenter, time_base=1 / RATE)


def test_closing_twice_is_fine_and_ends_the_thread(segmenter: Halves) -> None:
    """No thread is left, whether a mask was made or not."""
    before = threading.active_count()
    masks = live(segmenter)
    masks.weights(frame(0))
    masks.close()
    masks.close()
    assert threading.active_count() == before


def test_a_live_frame_does_not_wait_for_its_mask(segmenter: Halves) -> None:
    """With a model that never answers again frames come with the old mask, whose age is reported."""
    masks = live(segmenter)
    masks.weights(frame(0))
    segmenter.go.clear()  # from here on a segmentation takes for ever
    try:
        for index in range(1, 6):
            masks.weights(frame(index))
        age = masks.stats()["age_p95_s"]
        assert isinstance(age, float)
        assert age >= 3 / RATE
    finally:
        segmenter.go.set()
        masks.close()


def test_a_model_that_hangs_is_an_error_and_not_one_mask_for_ever(monkeypatch, segmenter: Halves) -> None:
    """Too old by the stream's clock and by the wall's; a new mask ends it."""
    monkeypatch.setattr(live_module, "MAX_AGE_S", 0.2)
    with closing(live(segmenter)) as masks:
        masks.weights(frame(0))
        segmenter.go.clear()
        try:
            masks.weights(frame(1))
            time.sleep(0.25)
            assert masks.weights(frame(5)) is not None  # held up, but the picture has not gone on
            for index in range(7, 10):
                with pytest.raises(StreamError, match="too slow or stuck"):
                    masks.weights(frame(index))
        finally:
            segmenter.go.set()
        assert any(not_too_slow(masks, index) for index in range(10, 1000))


def not_too_slow(masks: LiveMasks, index: int) -> bool:
    time.sleep(0.01)
    with suppress(StreamError):
        return masks.weights(frame(index)) is not None
    return False


def test_a_file_that_runs_faster_than_its_time_is_not_taken_for_a_slow_model(segmenter: Halves) -> None:
    """Masks that are old in stream time but not in wall time are no error."""
    with closing(live(segmenter)) as masks:
        masks.weights(frame(0))
        segmenter.go.clear()
        try:
            assert all(masks.weights(frame(index)) is not None for index in range(10, 100, 10))  # 3 s
        finally:
            segmenter.go.set()


@pytest.mark.parametrize(("bound", "rendered"), [("FIRST_MASK_S", 0), ("_NEXT_SCENE_S", 1)])
def test_a_scene_does_not_wait_for_its_mask_for_ever(monkeypatch, segmenter: Halves, bound: str, rendered: int) -> None:
    """The first mask and that of a new scene have a time limit each; a later mask ends the error."""
    monkeypatch.setattr(live_module, bound, 0.2)
    with closing(live(segmenter)) as masks:
        for index in range(rendered):
            masks.weights(frame(index))
        segmenter.go.clear()
        try:
            with pytest.raises(StreamError, match="no mask came") as caught:
                masks.weights(frame(1000))
            assert caught.value.hint
        finally:
            segmenter.go.set()
        assert any(not_too_slow(masks, index) for index in range(1001, 2000))


def test_closing_does_not_wait_for_a_model_that_hangs(monkeypatch, segmenter: Halves) -> None:
    """The thread is left behind after a time limit."""
    monkeypatch.setattr(inference_module, "_JOIN_S", 0.1)
    masks = live(segmenter)
    masks.weights(frame(0))
    segmenter.go.clear()
    masks.weights(frame(1))
    closer = threading.Thread(target=masks.close)
    closer.start()
    closer.join(5)  # the model hangs for longer
    hung = closer.is_alive()
    segmenter.go.set()
    closer.join()
    assert not hung


def test_a_live_error_surfaces_although_masks_are_there(segmenter: Halves) -> None:
    """What the model raises on its thread is raised by the next frames."""
    masks = live(segmenter)
    masks.weights(frame(0))
    segmenter.failure = ModelError("broken later")
    with pytest.raises(ModelError, match="broken later"):
        make_for(masks, seconds=10)
    masks.close()


def test_masks_are_made_although_the_system_forbids_another_priority(monkeypatch, segmenter: Halves) -> None:
    """A process that was started with `nice -n 10` may not be set to 5."""

    def forbidden(*_: int) -> None:
        raise PermissionError("not allowed")

    monkeypatch.setattr("os.setpriority", forbidden)
    with closing(live(segmenter)) as masks:
        assert masks.weights(frame(0)) is not None


def test_one_failure_of_the_model_costs_one_frame_and_not_the_stream(segmenter: Halves) -> None:
    """Frames fail until the model succeeds again, and not after that."""
    with closing(live(segmenter)) as masks:
        masks.weights(frame(0))
        segmenter.failure = ModelError("out of memory for a moment")
        with pytest.raises(ModelError):
            make_for(masks, seconds=10)
        for index in range(1000, 1010):  # while it lasts no frame is styled by an old mask
            with pytest.raises(ModelError):
                masks.weights(frame(index))
        segmenter.failure = None
        assert any(made(masks, index) for index in range(1001, 2000))


def test_an_error_that_is_raised_for_many_frames_keeps_none_of_them() -> None:
    """A traceback holds the pictures of all the calls it went through, so it must not grow with every frame."""

    def segment(_: object) -> PlaneWeights:
        raise ModelError("broken")

    lengths = []
    with closing(ThreadedInference(segment)) as inference:
        inference.offer(np.zeros((4, 4, 3), np.uint8), 0.0)
        for _ in range(10):
            with pytest.raises(ModelError) as caught:
                inference.wait(10)
            lengths.append(len(list(traceback.walk_tb(caught.value.__traceback__))))
    assert len(set(lengths)) == 1


def made(masks: LiveMasks, index: int) -> bool:
    time.sleep(0.01)
    with suppress(ModelError):
        return masks.weights(frame(index)) is not None
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is per thread on Linux only")
def test_masks_have_a_lower_priority_than_the_process(monkeypatch, segmenter: Halves) -> None:
    """Relative to the niceness that the process was started with."""
    asked = []
    monkeypatch.setattr("os.nice", lambda by: 10)
    monkeypatch.setattr("os.setpriority", lambda which, who, niceness: asked.append(niceness))
    with closing(live(segmenter)) as masks:
        masks.weights(frame(0))
    assert asked[0] > 10


def make_for(masks: LiveMasks, seconds: float) -> None:
    end = time.monotonic() + seconds
    index = 0
    while time.monotonic() < end:
        index += 1
        masks.weights(frame(index))


def test_a_cut_in_a_live_stream_waits_for_a_mask_of_the_new_scene(segmenter: Halves) -> None:
    """The first frame after a cut has no weights of the scene before."""
    masks = live(segmenter)
    masks.weights(frame(0))
    turned = Frame(read_only(frame(1).pixels[:, ::-1]), 1, 0.0)
    weights = masks.weights(turned)
    masks.close()
    width = weights.shape[2]
    assert weights[1][:, : width // 3].min() > 0.95
    assert weights[1][:, -width // 3 :].max() < 0.05
