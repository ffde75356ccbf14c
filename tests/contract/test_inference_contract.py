"""What `livestyle.masks.inference.Inference` promises, over every implementation. Add yours to WORKERS."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

from livestyle.bench.masks.cached_model import SimulatedInference
from livestyle.errors import ModelError
from livestyle.frame import PlaneWeights
from livestyle.governor.switch import RatedInference
from livestyle.masks.inference import Inference, ThreadedInference
from livestyle.masks.roi import Mask

PATIENCE = 30.0  # seconds; only a hang makes a test wait for it

Segment = Callable[[int], Mask]

WORKERS: dict[str, Callable[[Segment], Inference[int]]] = {
    "threaded": ThreadedInference,
    "rated": RatedInference,
    "simulated": lambda segment: SimulatedInference(segment, 0.1),
}


@pytest.fixture(params=WORKERS)
def open_worker(request: pytest.FixtureRequest) -> Callable[[Segment], Inference[int]]:
    return WORKERS[request.param]


def mask(number: int) -> Mask:
    return Mask(PlaneWeights(np.full((4, 1, 1), number, np.float32)))


def test_it_is_an_inference(open_worker) -> None:
    """It has the protocol's members."""
    with closing(open_worker(mask)) as worker:
        assert isinstance(worker, Inference)


def test_nothing_comes_before_a_picture_was_offered(open_worker) -> None:
    """`result` does not wait."""
    with closing(open_worker(mask)) as worker:
        assert worker.result() is None


def test_a_mask_comes_with_the_time_of_its_picture_and_only_once(open_worker) -> None:
    """Whoever waits for it has taken it."""
    with closing(open_worker(mask)) as worker:
        worker.offer(7, 1.5)
        result = worker.wait(PATIENCE)
        assert (result.mask.weights.item(0), result.seconds) == (7, 1.5)
        assert worker.result() is None


def test_offering_never_waits_and_the_last_picture_is_segmented(open_worker) -> None:
    """Of many pictures some are left out, never the newest."""
    with closing(open_worker(mask)) as worker:
        for number in range(20):
            worker.offer(number, number / 100)
        seen = [worker.wait(PATIENCE).seconds]
        while seen[-1] < 0.19:
            seen.append(worker.wait(PATIENCE).seconds)
    assert seen == sorted(set(seen))
    assert seen[-1] == 0.19


def test_what_segmentation_raises_is_raised(open_worker) -> None:
    """Where the result would have been returned."""

    def broken(number: int) -> PlaneWeights:
        raise ModelError("broken")

    with closing(open_worker(broken)) as worker:
        worker.offer(1, 0.0)
        with pytest.raises(ModelError, match="broken"):
            worker.wait(PATIENCE)


def test_closing_twice_is_fine_and_leaves_no_thread(open_worker) -> None:
    """Also with a picture that nobody asked for any more."""
    before = threading.active_count()
    worker = open_worker(mask)
    worker.offer(1, 0.0)
    worker.close()
    worker.close()
    assert threading.active_count() == before
