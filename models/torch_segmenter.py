"""A model file on a torch device in half precision, without ONNX Runtime: for CUDA and Apple GPUs.

The graph is read from the `.onnx` file itself, so that whatever the card and its checksum vouch for is what runs. What
depends on the picture's size alone is computed once for each size; on CUDA the rest is then replayed as one graph.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from livestyle.errors import DeviceError, ModelError, device_failures
from livestyle.frame import Picture, Probabilities
from livestyle.models.card import MULTIPLE, ModelCard
from livestyle.models.segmenter import CardSegmenter, fit

KEPT_SIZES = 8  # of pictures for which a graph stays in memory

_FLOAT, _INT64 = 1, 7  # of onnx.TensorProto


class TorchSegmenter(CardSegmenter):
    """A model on a torch device. Implements `livestyle.protocols.ResizableSegmenter`; thread-safe.

    `model`: the file's bytes. Computes in float16 on GPUs, where probabilities are within 0.02 of float32, and in
    float32 on the processor. Raises ModelError for a graph with operations that this module does not know,
    DeviceError where the device is missing or fails, and DeviceMemoryError where its memory is full.
    """

    def __init__(self, card: ModelCard, model: bytes, device: str) -> None:
        self.card = card
        self.device = device
        self._torch_device = _available(device)
        self._lock = threading.Lock()  # a replayed graph has one buffer for its picture
        half = self._torch_device.type != "cpu"
        with device_failures("the model", device):
            self._network = Network(model, self._torch_device, torch.float16 if half else torch.float32)
            side = 2 * MULTIPLE  # a driver that is too old shows only in a first run
            planes = self._network(torch.full((1, side, side, 3), 128, dtype=torch.uint8, device=self._torch_device))
        if planes.shape != (1, len(card.classes), side // card.output_stride, side // card.output_stride):
            shape = tuple(planes.shape)
            raise ModelError(f"{card.file}: gives planes of shape {shape}", hint="export file and card together")
        self._runs: OrderedDict[tuple[int, ...], Callable[[Tensor], Tensor]] = OrderedDict()

    def __call__(self, picture: Picture, /) -> Probabilities:
        """(H, W, 3) uint8 RGB -> (C, h, w) float32 in [0, 1], sum over C is 1; (h, w) covers the whole picture.

        Raises DeviceError and DeviceMemoryError.
        """
        height, width = picture.shape[:2]
        small = torch.tensor(fit(picture, self.network_size(width, height)))
        with device_failures("the model", self.device), self._lock:
            planes = self._run(small.to(self._torch_device)[None])[0]
            return Probabilities(np.asarray(planes.cpu().numpy(), np.float32))

    def on_device(self, pixels: Tensor) -> Tensor:
        """The same for a tensor that is on the device already: (H, W, 3) uint8 -> (C, h, w) float32.

        Valid until the next call with a picture of this size. Raises DeviceError and DeviceMemoryError.
        """
        height, width = pixels.shape[:2]
        size = self.network_size(width, height)
        with device_failures("the model", self.device), torch.no_grad():
            return self._run(shrunk(pixels, size)[None])[0]

    def _run(self, pixels: Tensor) -> Tensor:
        key = tuple(pixels.shape)
        if key not in self._runs:
            while len(self._runs) >= KEPT_SIZES:
                self._runs.popitem(last=False)
            self._runs[key] = _replayed(self._network, pixels) if pixels.is_cuda else self._network
        return self._runs[key](pixels)


def shrunk(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """(H, W, 3) uint8 -> the same at `size` (width, height), each pixel a weighted mean of what it covers."""
    samples = pixels.permute(2, 0, 1)[None].float()
    # Antialiasing is missing on some devices; "area" takes whole pixels, which at these ratios is close to it.
    smooth = pixels.device.type != "mps"
    small = F.interpolate(samples, (size[1], size[0]), mode="bilinear" if smooth else "area", antialias=smooth)
    return small.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)


def _available(device: str) -> torch.device:
    found = torch.device(device)
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}.get(found.type, lambda: True)()
    if not there:
        raise DeviceError(
            f"The device {device!r} is not there for torch", hint="check its driver and which build of torch it is"
        )
    return found


def _replayed(network: Network, pixels: Tensor) -> Callable[[Tensor], Tensor]:
    """`network` for pictures of this size as one CUDA graph: hundreds of small kernels cost one launch."""
    picture = pixels.clone()
    with torch.cuda.device(pixels.device):
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):  # libraries choose their kernels in the first runs, which must not be recorded
                network(picture)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        # "thread_local": the frame loop may take memory for its colours on another thread meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            planes = network(picture)

    def run(pixels: Tensor) -> Tensor:
        picture.copy_(pixels)
        graph.replay()
        return planes

    return run


# ---- the graph -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Node:
    """One operation of the graph: `output = run(*inputs, **attributes)`; an input called "" is None."""

    run: Callable[..., Tensor]
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]  # as ONNX types them: numbers, bytes, lists of them


class Network:
    """A `.onnx` file as torch operations: (1, H, W, 3) uint8 -> (1, C, h, w) float32.

    Values are of two kinds: numbers about sizes, which stay on the host and are kept for each size of picture, and
    tensors on the device. Raises ModelError.
    """

    def __init__(self, model: bytes, device: torch.device, dtype: torch.dtype) -> None:
        graph = _graph(model)
        self._device, self._dtype = device, dtype
        self._input, self._output = graph.input[0].name, graph.output[0].name
        nodes, values = _read(graph)
        nodes = _with_attention(_with_silu(_without_batch_norms(nodes, values)))
        nodes = [_exact_at_the_end(node) if node.output == self._output else node for node in nodes]
        self._nodes = nodes
        self._values = {name: self._placed(value) for name, value in values.items()}
        self._about_size: dict[tuple[int, ...], tuple[dict[str, Tensor], list[_Node]]] = {}

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Probabilities of each class."""
        key = tuple(pixels.shape)
        if key not in self._about_size:
            self._about_size[key] = self._specialized(pixels)
        known, nodes = self._about_size[key]
        values = {**known, self._input: self._entered(pixels)}
        for node in nodes:
            values[node.output] = _done(node, values)
        return values[self._output].float()

    def _specialized(self, pixels: Tensor) -> tuple[dict[str, Tensor], list[_Node]]:
        """What is known once the size of the picture is, and the nodes that remain."""
        values: dict[str, Tensor] = {**self._values, self._input: self._entered(pixels)}
        known, left = dict(self._values), []
        for node in self._nodes:
            values[node.output] = _done(node, values)
            if node.run is _shape or all(name in known for name in node.inputs if name):
                known[node.output] = values[node.output]
            else:
                left.append(node)
        return known, left

    def _entered(self, pixels: Tensor) -> Tensor:
        return pixels.to(self._dtype)  # the graph's own first node makes floats of the samples

    def _placed(self, value: Tensor) -> Tensor:
        """Weights go to the device, numbers about sizes stay; a single float goes with either."""
        if not value.is_floating_point() or value.numel() == 1:
            return value.reshape(()) if value.is_floating_point() else value
        placed = value.to(self._device, self._dtype)
        on_cuda = placed.dim() == 4 and self._device.type == "cuda"
        return placed.contiguous(memory_format=torch.channels_last) if on_cuda else placed


def _exact_at_the_end(node: _Node) -> _Node:
    """Probabilities that are rounded to float16 would no longer sum to 1."""
    return replace(node, run=_probabilities) if node.run is _softmax else node


def _done(node: _Node, values: Mapping[str, Tensor]) -> Tensor:
    return node.run(*(values[name] if name else None for name in node.inputs), **node.attributes)


def _graph(model: bytes) -> Any:
    import onnx

    try:
        graph = onnx.load_from_string(model).graph
    except Exception as error:  # protobuf's own exceptions
        raise ModelError(f"the model is not an ONNX file: {error}", hint="export it again") from error
    if any(constant.data_location == onnx.TensorProto.EXTERNAL for constant in graph.initializer):
        raise ModelError("the model keeps weights in other files", hint="export it again, into one file")
    return graph


def _read(graph: Any) -> tuple[list[_Node], dict[str, Tensor]]:
    """The nodes in order, and the constants by name as float32 or int64."""
    from onnx import helper, numpy_helper

    def tensor(proto: Any) -> Tensor:
        value = torch.from_numpy(numpy_helper.to_array(proto).copy())
        return value.float() if value.is_floating_point() else value

    values = {constant.name: tensor(constant) for constant in graph.initializer}
    nodes = []
    for node in graph.node:
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "Constant":
            values[node.output[0]] = tensor(attributes["value"])
        elif node.op_type == "Cast" and node.input[0] in values:  # weights that are stored as float16
            values[node.output[0]] = _cast(values[node.input[0]], **attributes)
        elif node.op_type == "Identity" and node.input[0] in values:  # equal weights are stored once
            values[node.output[0]] = values[node.input[0]]
        elif node.op_type not in _OPERATIONS:
            raise ModelError(
                f"the model uses the operation {node.op_type}, which is not known on torch devices",
                hint="run it with ONNX Runtime: --device cpu, or install onnxruntime-gpu",
            )
        else:
            nodes.append(_Node(_OPERATIONS[node.op_type], tuple(node.input), node.output[0], attributes))
    return nodes, values


def _without_batch_norms(nodes: list[_Node], values: dict[str, Tensor]) -> list[_Node]:
    """Each batch norm folded into the convolution before it, in float32."""
    by_output = {node.output: node for node in nodes}
    readers = Counter(name for node in nodes for name in node.inputs)
    folded: dict[str, _Node] = {}
    for node in nodes:
        before = by_output.get(node.inputs[0])
        if node.run is _batch_norm and before is not None and before.run is _conv and readers[before.output] == 1:
            folded[before.output] = _folded(before, node, values)
    gone = {node.output for node in folded.values()}
    return [folded.get(node.output, node) for node in nodes if node.run is not _batch_norm or node.output not in gone]


def _folded(convolution: _Node, norm: _Node, values: dict[str, Tensor]) -> _Node:
    """Both as one convolution, whose weights are added to `values`."""
    scale, shift, mean, variance = (values[name] for name in norm.inputs[1:])
    factor = scale / torch.sqrt(variance + norm.attributes["epsilon"])
    weight, *bias = (values[name] for name in convolution.inputs[1:])
    names = f"{norm.output}.weight", f"{norm.output}.bias"
    values[names[0]] = weight * factor.reshape(-1, 1, 1, 1)
    values[names[1]] = shift + ((bias[0] if bias else 0) - mean) * factor
    return replace(convolution, inputs=(convolution.inputs[0], *names), output=norm.output)


def _with_silu(nodes: list[_Node]) -> list[_Node]:
    """x * sigmoid(x) as one operation."""
    sigmoids = {node.output: node.inputs[0] for node in nodes if node.run is torch.sigmoid}
    readers = Counter(name for node in nodes for name in node.inputs)
    fused: list[_Node] = []
    gone: set[str] = set()
    for node in nodes:
        gate = next((name for name in node.inputs if name in sigmoids), None)
        if node.run is torch.mul and gate is not None and sigmoids[gate] in node.inputs and readers[gate] == 1:
            gone.add(gate)
            node = _Node(F.silu, (sigmoids[gate],), node.output, {})
        fused.append(node)
    return [node for node in fused if node.output not in gone]


def _with_attention(nodes: list[_Node]) -> list[_Node]:
    """softmax(a b / c) as one operation: a b alone is too large for float16 in networks that were trained here."""
    by_output = {node.output: node for node in nodes}
    readers = Counter(name for node in nodes for name in node.inputs)

    def only_source(node: _Node | None, run: Callable[..., Tensor]) -> _Node | None:
        """The node behind the first input, if it is of that kind and nothing else reads it."""
        source = None if node is None else by_output.get(node.inputs[0])
        return source if source is not None and source.run is run and readers[source.output] == 1 else None

    fused: list[_Node] = []
    gone: set[str] = set()
    for node in nodes:
        scaled = only_source(node, _div) if node.run is _softmax else None
        product = only_source(scaled, torch.matmul)
        if scaled is not None and product is not None:
            gone |= {scaled.output, product.output}
            node = _Node(_attention, (*product.inputs, scaled.inputs[1]), node.output, node.attributes)
        fused.append(node)
    return [node for node in fused if node.output not in gone]


# ---- operations, as the ONNX specification defines them (opset 17) ---------------------------------------------------


def _cast(x: Tensor, *, to: int) -> Tensor:
    """To float only numbers about sizes are cast here: what is on the device has its type already."""
    if to == _INT64:
        return x.to(torch.int64)
    if to != _FLOAT:
        raise ModelError(f"the model casts to the type {to}, which is not known on torch devices")
    return x if x.is_floating_point() else x.float()


def _div(x: Tensor, y: Tensor) -> Tensor:
    whole = not x.is_floating_point() and not y.is_floating_point()
    return torch.div(x, y, rounding_mode="trunc" if whole else None)


def _shape(x: Tensor) -> Tensor:
    return torch.tensor(x.shape)


def _gather(x: Tensor, index: Tensor, *, axis: int = 0) -> Tensor:
    picked = x.index_select(axis, index.reshape(-1).to(x.device))
    return picked.reshape((*x.shape[:axis], *index.shape, *x.shape[axis % x.dim() + 1 :]))


def _unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    for axis in sorted(int(axis) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _concat(*parts: Tensor, axis: int) -> Tensor:
    return torch.cat(parts, dim=axis)


def _reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    sizes = [int(side) for side in shape]
    return x.reshape([x.shape[at] if side == 0 and not allowzero else side for at, side in enumerate(sizes)])


def _transpose(x: Tensor, *, perm: list[int]) -> Tensor:
    return x.permute(perm)


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, pads: list[int], strides: list[int],
          dilations: list[int], group: int, kernel_shape: list[int]) -> Tensor:  # fmt: skip
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, strides, (top, left), dilations, group)


def _batch_norm(x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float,
                momentum: float = 0, training_mode: int = 0) -> Tensor:  # fmt: skip
    return F.batch_norm(x, mean, variance, scale, shift, False, 0, epsilon)


def _layer_norm(x: Tensor, scale: Tensor, shift: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5,
                stash_type: int = 1) -> Tensor:  # fmt: skip
    return F.layer_norm(x, x.shape[axis:], scale, shift, epsilon)


def _softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    return x.softmax(axis)


def _probabilities(x: Tensor, *, axis: int = -1) -> Tensor:
    return x.float().softmax(axis)


def _attention(first: Tensor, second: Tensor, by: Tensor, *, axis: int = -1) -> Tensor:
    return ((first.float() / by) @ second.float()).softmax(axis).to(first.dtype)


def _average(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _slice(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
    which = range(len(starts)) if axes is None else [int(axis) for axis in axes]
    by = [1] * len(starts) if steps is None else [int(step) for step in steps]
    index = [slice(None)] * x.dim()
    for axis, start, end, step in zip(which, starts, ends, by, strict=True):
        index[axis] = slice(int(start), int(end), step)
    return x[tuple(index)]


def _pad(x: Tensor, pads: Tensor, value: Tensor | None = None, *, mode: bytes = b"constant") -> Tensor:
    if mode != b"constant":
        raise ModelError(f"the model pads by {mode.decode()}, which is not known on torch devices")
    ends = pads.tolist()  # all starts, then all ends; torch wants pairs, the last axis first
    half = len(ends) // 2
    pairs = [int(end) for axis in reversed(range(half)) for end in (ends[axis], ends[axis + half])]
    return F.pad(x, pairs, value=0.0 if value is None else float(value))


def _clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    return x.clamp(None if low is None else low.to(x), None if high is None else high.to(x))


def _resize(x: Tensor, _: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None, *,
            mode: bytes, coordinate_transformation_mode: bytes = b"half_pixel", **others: Any) -> Tensor:  # fmt: skip
    if (mode, coordinate_transformation_mode) not in ((b"linear", b"half_pixel"), (b"linear", b"pytorch_half_pixel")):
        raise ModelError(f"the model resizes in the mode {mode.decode()}, which is not known on torch devices")
    if sizes is not None:
        size = [int(side) for side in sizes[2:]]
    else:
        assert scales is not None  # ONNX wants the one or the other
        size = [int(side * scale) for side, scale in zip(x.shape[2:], scales[2:].tolist(), strict=True)]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


_OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Ceil": torch.ceil,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _div,
    "Gather": _gather,
    "GlobalAveragePool": _average,
    "LayerNormalization": _layer_norm,
    "MatMul": torch.matmul,
    "Mul": torch.mul,
    "Pad": _pad,
    "Relu": torch.relu,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": torch.sigmoid,
    "Slice": _slice,
    "Softmax": _softmax,
    "Sub": torch.sub,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
