"""A model file on torch against the same file in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from livestyle.errors import DeviceError, DeviceMemoryError, ModelError
from livestyle.models.segmenter import bundled_names, load_segmenter, read_model

torch = pytest.importorskip("torch", reason="torch (extra `gpu`) is not installed")
onnx = pytest.importorskip("onnx", reason="onnx (extra `gpu`) is not installed")

from livestyle.models import torch_segmenter as module  # noqa: E402
from livestyle.models.torch_segmenter import Network, TorchSegmenter, shrunk  # noqa: E402


@pytest.fixture(scope="module", params=bundled_names())
def segmenter(request: pytest.FixtureRequest) -> TorchSegmenter:
    """Each bundled model in turn, on torch's CPU device."""
    card, model, _ = read_model(request.param)
    return TorchSegmenter(card, model, "cpu")


def picture(height: int = 90, width: int = 160) -> np.ndarray:
    """Coarse noise: a network gives a different result in every corner of it."""
    coarse = np.random.default_rng(3).integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    return coarse.repeat(10, axis=0).repeat(10, axis=1)


def test_it_says_what_onnx_runtime_says(segmenter: TorchSegmenter) -> None:
    """Both compute in float32 here, in another order: 1e-4 is a hundred times what was measured."""
    expected = load_segmenter(segmenter.card.name, device="cpu", threads=1)(picture())
    np.testing.assert_allclose(segmenter(picture()), expected, atol=1e-4)


def test_half_precision_stays_close_to_single(segmenter: TorchSegmenter) -> None:
    """0.02, as promised, is eight times what was measured; without care attention overflows and all is NaN."""
    _, model, _ = read_model(segmenter.card.name)
    half = Network(model, torch.device("cpu"), torch.float16)
    pixels = torch.tensor(picture(160, 160))[None]
    assert (half(pixels) - segmenter._network(pixels)).abs().max() < 0.02
    torch.testing.assert_close(half(pixels).sum(dim=1), torch.ones(1, 40, 40))


def test_a_tensor_on_the_device_is_segmented_there(segmenter: TorchSegmenter) -> None:
    """A picture of the network's own size is not resized and gives the same; others differ by how they are shrunk."""
    width, height = segmenter.network_size(160, 90)
    exact = np.ascontiguousarray(picture(height + 10, width + 10)[:height, :width])
    np.testing.assert_allclose(segmenter.on_device(torch.tensor(exact)).numpy(), segmenter(exact), atol=1e-5)


def test_shrinking_takes_the_mean_of_what_a_pixel_covers() -> None:
    """Stripes of one pixel become an even grey, to 3 of 255: picking single pixels instead would make masks flicker
    with every small movement."""
    stripes = torch.zeros(64, 64, 3, dtype=torch.uint8)
    stripes[::2] = 200
    assert (shrunk(stripes, (16, 16))[1:-1].int() - 100).abs().max() <= 3


def test_a_smaller_size_shares_the_weights(segmenter: TorchSegmenter) -> None:
    """`resized` gives a segmenter with a smaller input and smaller planes on the very same network, so that a second
    size takes no memory for weights. The first one keeps its size."""
    half = segmenter.resized(0.5)
    assert half.input_size == tuple(side // 2 for side in segmenter.input_size)
    assert half._network is segmenter._network
    side = segmenter.input_size[0] // 4
    assert half(picture(160, 160)).shape == (8, side // 2, side // 2)
    assert segmenter(picture(160, 160)).shape == (8, side, side)


def test_what_depends_on_the_size_alone_is_computed_once(segmenter: TorchSegmenter) -> None:
    """After the first picture of a size, nodes that only compute with shapes are left out: their results are kept, and
    every later frame of that size is cheaper."""
    segmenter(picture())
    known, steps = next(iter(segmenter._network._about_size.values()))
    assert len(steps) < len(segmenter._network._nodes)
    assert not any(step.run is module._shape for step in steps)
    assert known


def test_no_batch_norm_is_left(segmenter: TorchSegmenter) -> None:
    """Batch norms are folded into the convolutions before them when a model is loaded, and cost nothing for a frame."""
    assert not any(step.run is module._batch_norm for step in segmenter._network._nodes)


def test_an_operation_that_is_not_known_is_named() -> None:
    """A graph with an operation that this module lacks is a ModelError with its name, when the model is loaded."""
    from onnx import TensorProto, helper

    picture = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "h", "w", 3])
    planes = helper.make_tensor_value_info("planes", TensorProto.FLOAT, [1, 2, "h", "w"])
    graph = helper.make_graph([helper.make_node("Einsum", ["pixels"], ["planes"], equation="bhwc->bchw")], "odd",
                              [picture], [planes])  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(ModelError, match="Einsum"):
        Network(model.SerializeToString(), torch.device("cpu"), torch.float32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_a_device_that_is_not_there_is_an_error() -> None:
    """A device that torch does not have is a DeviceError when the model is loaded, not an exception of torch's."""
    card, model, _ = read_model()
    with pytest.raises(DeviceError, match="not there"):
        TorchSegmenter(card, model, "cuda")


def test_full_memory_is_told_apart(segmenter: TorchSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full memory is a DeviceMemoryError that names the device, because the caller can go on with less."""

    def fail(_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    monkeypatch.setattr(segmenter, "_run", fail)
    with pytest.raises(DeviceMemoryError, match="memory of the device 'cpu' full"):
        segmenter(picture())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_the_replayed_graph_says_what_the_processor_says(segmenter: TorchSegmenter) -> None:
    """Two pictures of one size: the graph must take in the second one. 0.05: float16, and other kernels."""
    card, model, _ = read_model(segmenter.card.name)
    there = TorchSegmenter(card, model, "cuda")
    for pixels in (picture(), picture()[::-1].copy()):
        np.testing.assert_allclose(there(pixels), segmenter(pixels), atol=0.05)
