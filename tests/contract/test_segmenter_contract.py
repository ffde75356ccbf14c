"""One suite over every Segmenter: add yours to SEGMENTERS and it is held to the same rules."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

from livestyle.bench.masks.cached_model import cached
from livestyle.compute.devices import open_segmenter
from livestyle.frame import REGIONS
from livestyle.governor.switch import SwitchedSegmenter
from livestyle.models.card import MULTIPLE
from livestyle.models.segmenter import DEVICES, bundled_names, load_segmenter, read_model
from livestyle.protocols import ResizableSegmenter, Segmenter


def _on_torch(device: str) -> Segmenter:
    from livestyle.models.torch_segmenter import TorchSegmenter

    card, model, _ = read_model()
    return TorchSegmenter(card, model, device)


SEGMENTERS: dict[str, Callable[[], Segmenter]] = {
    name: lambda name=name: load_segmenter(name, "cpu")  # type: ignore[misc]
    for name in bundled_names()
}
SEGMENTERS["switched"] = lambda: SwitchedSegmenter(load_segmenter(None, "cpu", threads=1))
SEGMENTERS["cached"] = lambda: cached(load_segmenter(None, "cpu", threads=1))
SEGMENTERS["fallback"] = lambda: open_segmenter(None, "cpu", threads=1)
if find_spec("torch") and find_spec("onnx"):  # the extra `gpu`
    import torch

    SEGMENTERS["torch"] = lambda: _on_torch("cpu")
    if torch.cuda.is_available():
        SEGMENTERS["torch-cuda"] = lambda: _on_torch("cuda")
    if torch.backends.mps.is_available():
        SEGMENTERS["torch-mps"] = lambda: _on_torch("mps")


@pytest.fixture(scope="module", params=sorted(SEGMENTERS))
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    return SEGMENTERS[request.param]()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_it_is_a_segmenter(segmenter: Segmenter) -> None:
    """It has the protocol's members."""
    assert isinstance(segmenter, Segmenter)


def test_every_class_has_a_region_and_the_first_is_the_background(segmenter: Segmenter) -> None:
    """So that probabilities can be summed to weights of regions."""
    assert segmenter.classes[0] == "background"
    assert segmenter.regions["background"] == "background"
    assert set(segmenter.regions) == set(segmenter.classes)
    assert set(segmenter.regions.values()) <= set(REGIONS)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (33, 47), (720, 1280), (1280, 720), (7, 4000)])
def test_any_picture_gives_probabilities(segmenter: Segmenter, size: tuple[int, int]) -> None:
    """(C, h, w) float32 in 0..1 that sum to 1, from 1 x 1 to a long strip."""
    result = segmenter(noise(*size))
    assert result.dtype == np.float32
    assert result.ndim == 3
    assert result.shape[0] == len(segmenter.classes)
    assert result.min() >= 0
    assert result.max() <= 1
    np.testing.assert_allclose(result.sum(axis=0), 1, atol=1e-4)  # float32 softmax


def test_nothing_is_kept_between_calls(segmenter: Segmenter) -> None:
    """The same picture gives the same numbers, whatever came between."""
    first = segmenter(noise(90, 160))
    segmenter(noise(160, 90, seed=1))
    np.testing.assert_array_equal(segmenter(noise(90, 160)), first)


def test_the_picture_is_not_changed_and_may_be_read_only(segmenter: Segmenter) -> None:
    """It belongs to the frame."""
    pixels = noise(100, 100)
    pixels.flags.writeable = False
    segmenter(pixels)
    np.testing.assert_array_equal(pixels, noise(100, 100))


def test_threads_may_share_one(segmenter: Segmenter) -> None:
    """Calls from several threads give what each gives alone."""
    pictures = [noise(64 + 32 * (seed % 3), 128, seed) for seed in range(6)]
    alone = [segmenter(picture) for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(segmenter, pictures))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_says_where_it_runs(segmenter: Segmenter) -> None:
    """A short name that --device takes, before the first picture as after it."""
    device = segmenter.device
    assert device in DEVICES
    segmenter(noise(32, 32))
    assert segmenter.device == device


def test_one_that_is_resizable_has_a_smaller_twin_and_stays_as_it_is(segmenter: Segmenter) -> None:
    """Half the sides, in multiples that the network takes; what it says about itself is otherwise the same."""
    if not isinstance(segmenter, ResizableSegmenter):
        pytest.skip("not resizable")
    size, before = segmenter.input_size, segmenter(noise(90, 160))
    half = segmenter.resized(0.5)
    assert isinstance(half, ResizableSegmenter)
    assert all(abs(small - side / 2) <= MULTIPLE / 2 for small, side in zip(half.input_size, size, strict=True))
    assert (half.classes, half.regions, half.device) == (segmenter.classes, segmenter.regions, segmenter.device)
    smaller = half(noise(90, 160))
    assert smaller[0].size < before[0].size
    assert segmenter.input_size == size
    np.testing.assert_array_equal(segmenter(noise(90, 160)), before)
