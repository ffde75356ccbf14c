"""Convert a `transformers` checkpoint folder (MobileViT + DeepLabV3, any size) to a model file and its card.

    python -m livestyle.models.export training/checkpoints/small models/weights --name small

The graph takes the picture as it is, (1, H, W, 3) uint8 RGB with H and W multiples of 32, and does the rest itself:
scale, channel order, network, enlargement of the logits to a quarter of the input, softmax. Weights are stored as fp16
and computed in fp32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livestyle.errors import LivestyleError, ModelError
from livestyle.models.card import MULTIPLE, ModelCard, write_card

if TYPE_CHECKING:
    import torch

OPSET = 17
OUTPUT_STRIDE = 4
PARITY = 1e-3
"""Largest difference of a probability between the file and the checkpoint with its weights rounded to fp16."""

REGION_OF = {
    **dict.fromkeys(("background",), "background"),
    **dict.fromkeys(("hair",), "hair"),
    **dict.fromkeys(("skin", "face", "neck", "arms", "hands", "legs", "torso-skin", "body-skin"), "skin"),
    **dict.fromkeys(("left-arm", "right-arm", "left-leg", "right-leg"), "skin"),
    **dict.fromkeys(("clothes", "accessories", "hat", "glasses", "sunglasses", "upper-clothes"), "clothes"),
    **dict.fromkeys(("skirt", "pants", "dress", "belt", "left-shoe", "right-shoe", "bag", "scarf"), "clothes"),
}
"""Class name in lower case -> region: this project's classes and the 18 of ATR (Human Parsing Data set)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a checkpoint folder does not say by itself; `card.toml` in the folder, or the file given by --facts."""

    licence: str = "not stated"
    training_data: tuple[str, ...] = ("not stated",)
    provenance: str = "not stated"
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How the network wants its samples: (rgb / 255 in `order`, minus mean, over std)."""

    order: str = "rgb"  # or "bgr", as checkpoints that come from ml-cvnets expect
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __str__(self) -> str:
        text = f"inside the graph: uint8 / 255, channels in {self.order} order"
        if any(self.mean) or any(value != 1 for value in self.std):
            text += f", minus {list(self.mean)}, over {list(self.std)}"
        return text


def export(
    folder: Path,
    out: Path,
    *,
    name: str,
    input_size: tuple[int, int] = (256, 256),
    order: str | None = None,
    facts: Facts | None = None,
) -> ModelCard:
    """Convert the checkpoint in `folder` to `out/name.onnx` and `out/name.json`; returns the card.

    `input_size` is (width, height), multiples of 32. `order` "rgb" or "bgr" overrides what the folder's
    `preprocessor_config.json` says. `facts` defaults to the folder's `card.toml`. Raises ModelError when the folder is
    not such a checkpoint or the file differs from it by more than PARITY.
    """
    model = _load_checkpoint(folder)
    facts = facts or read_facts(folder / "card.toml")
    preprocessing = _read_preprocessing(folder, order)
    return export_network(model, out, name, input_size, _classes_of(model), facts, preprocessing)


def export_network(
    model: Any,
    out: Path,
    name: str,
    input_size: tuple[int, int],
    classes: tuple[str, ...],
    facts: Facts,
    preprocessing: Preprocessing | None = None,
) -> ModelCard:
    """As `export`, from a network in evaluation mode.

    It has `features`, which gives logits first, and `fine`, None where they are not at OUTPUT_STRIDE.
    """
    preprocessing = preprocessing or Preprocessing()
    regions = {one: _region_of(one, name) for one in classes}
    graph = _whole_graph(model, preprocessing)
    parameters = sum(weight.numel() for weight in model.parameters())
    onnx_model = _store_weights_as_fp16(_folded(_trace(graph)))
    rounding = _largest_difference(onnx_model, graph)
    conversion = _largest_difference(onnx_model, _whole_graph(_round_to_fp16(model), preprocessing))
    if not conversion <= PARITY:
        raise ModelError(f"{name}: the file would differ from the checkpoint by {conversion:.2g} (limit {PARITY:g})")
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.onnx").write_bytes(onnx_model)
    card = ModelCard(
        name=name,
        file=f"{name}.onnx",
        sha256=hashlib.sha256(onnx_model).hexdigest(),
        classes=classes,
        regions=regions,
        input_size=input_size,
        output_stride=OUTPUT_STRIDE,
        normalisation=str(preprocessing),
        licence=facts.licence,
        training_data=facts.training_data,
        provenance=facts.provenance,
        opset=OPSET,
        parameters=parameters,
        figures={
            **facts.figures,
            "largest_difference_from_fp16_checkpoint": round(conversion, 7),
            "largest_difference_from_checkpoint": round(rounding, 7),
        },
    )
    write_card(card, out / f"{name}.json")
    return card


def read_facts(path: Path) -> Facts:
    """The facts in a TOML file; those of an absent file are "not stated". Raises ModelError."""
    if not path.exists():
        return Facts()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot read the facts for the model card: {error}", hint="mend the TOML") from error
    unknown = sorted(data.keys() - set(Facts.__slots__))
    if unknown:
        raise ModelError(f"{path}: unknown key {unknown[0]!r}", hint=f"known keys: {', '.join(Facts.__slots__)}")
    absent = Facts()
    return Facts(
        licence=str(data.get("licence", absent.licence)),
        training_data=tuple(str(entry) for entry in data.get("training_data", absent.training_data)),
        provenance=str(data.get("provenance", absent.provenance)),
        figures=dict(data.get("figures", {})),
    )


def _load_checkpoint(folder: Path) -> Any:
    import torch
    from transformers.utils import logging as transformers_logging

    from livestyle.models.network import PortraitNetwork

    transformers_logging.disable_progress_bar()
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json there", hint="give the folder of a transformers checkpoint")
    try:
        model, report = PortraitNetwork.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"{folder}: not a MobileViT segmentation checkpoint: {error}", hint="see config.json"
        ) from error
    # transformers fills absent weights with random numbers and only logs it.
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{folder}: the checkpoint lacks weights, {missing[0]} first", hint="save it again, whole")
    return model.eval()


def _read_preprocessing(folder: Path, order: str | None) -> Preprocessing:
    path = folder / "preprocessor_config.json"
    data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    flipped = "bgr" if data.get("do_flip_channel_order") else "rgb"
    if not data.get("do_normalize"):
        return Preprocessing(order or flipped)
    return Preprocessing(order or flipped, tuple(data["image_mean"]), tuple(data["image_std"]))


def _classes_of(model: Any) -> tuple[str, ...]:
    labels = model.config.id2label
    return tuple(str(labels[index]).lower() for index in range(len(labels)))


def _region_of(name: str, model: str) -> str:
    if name not in REGION_OF:
        raise ModelError(f"{model}: no region is known for the class {name!r}", hint="add it to export.REGION_OF")
    return REGION_OF[name]


def _whole_graph(model: Any, preprocessing: Preprocessing) -> torch.nn.Module:
    """From (N, H, W, 3) uint8 RGB to (N, C, H/4, W/4) probabilities."""
    import torch

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model
            self.register_buffer("mean", torch.tensor(preprocessing.mean).reshape(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(preprocessing.std).reshape(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            samples = pixels.permute(0, 3, 1, 2).float() / 255
            if preprocessing.order == "bgr":
                samples = samples.flip(1)
            logits = self.network.features((samples - self.mean) / self.std)[0]
            if model.fine is None:
                # Logits, not probabilities, are enlarged: the edge between two classes then stays one sharp step.
                scale = model.config.output_stride / OUTPUT_STRIDE
                logits = torch.nn.functional.interpolate(
                    logits, scale_factor=scale, mode="bilinear", align_corners=False
                )
            return logits.softmax(1)

    return Graph().eval()


def _round_to_fp16(model: Any) -> Any:
    """The same network with the weights that the file will store rounded as the file rounds them."""
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data = weight.data.half().float()
    return model


def _trace(graph: torch.nn.Module) -> bytes:
    """ONNX with free height and width.

    By tracing, not by torch.export: MobileViT's folding rounds sizes in Python, which torch.export freezes.
    """
    import io

    import torch

    example = torch.zeros((1, 6 * MULTIPLE, 8 * MULTIPLE, 3), dtype=torch.uint8)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # Tracing warns of Python branches on sizes; those that MobileViT has do not depend on multiples of 32.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (example,),
            file,
            dynamo=False,
            # In its own EVAL mode the exporter folds batch norms into weights; a checkpoint stored as fp16 would then
            # be rounded a second time. ONNX Runtime folds them in fp32 when it loads the file.
            training=torch.onnx.TrainingMode.PRESERVE,
            opset_version=OPSET,
            input_names=["pixels"],
            output_names=["probabilities"],
            dynamic_axes={
                "pixels": {0: "batch", 1: "height", 2: "width"},
                "probabilities": {0: "batch", 2: "out_height", 3: "out_width"},
            },
        )
    return file.getvalue()


def _folded(model: bytes) -> bytes:
    """With the arithmetic on constant sizes done: tracing writes out how the numbers of a padding are put together."""
    import onnx
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    whole = onnx.load_from_string(model)
    known: dict[str, Any] = {}
    for node in whole.graph.node:
        if node.op_type == "Constant":
            known[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.input and all(name in known for name in node.input if name):
            inputs = {name: known[name] for name in node.input if name}
            value = np.asarray(ReferenceEvaluator(node).run(None, inputs)[0])
            if np.issubdtype(value.dtype, np.integer):
                known[node.output[0]] = value
                constant = numpy_helper.from_array(value)
                node.CopyFrom(helper.make_node("Constant", [], [node.output[0]], name=node.name, value=constant))
    _drop_unused(whole.graph)
    return bytes(whole.SerializeToString())


def _drop_unused(graph: Any) -> None:
    """Constants that nothing reads."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for node in [node for node in graph.node if node.op_type == "Constant" and node.output[0] not in read]:
        graph.node.remove(node)


def _store_weights_as_fp16(model: bytes) -> bytes:
    """Replace every fp32 weight matrix by fp16 and a cast, which ONNX Runtime folds when it loads the file."""
    import onnx
    from onnx import helper, numpy_helper

    whole = onnx.load_from_string(model)
    casts = []
    for constant in whole.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < 64:
            continue
        name = constant.name
        constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16"))
        casts.append(helper.make_node("Cast", [f"{name}.fp16"], [name], to=onnx.TensorProto.FLOAT, name=f"{name}.cast"))
    for position, node in enumerate(casts):
        whole.graph.node.insert(position, node)
    onnx.checker.check_model(whole)
    return bytes(whole.SerializeToString())


def _largest_difference(model: bytes, graph: torch.nn.Module) -> float:
    """Largest difference of a probability between file and network, over portrait, landscape and small inputs."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    worst = 0.0
    for height, width in ((256, 256), (192, 352), (352, 192), (64, 32)):
        coarse = random.integers(0, 256, (1, height // 16, width // 16, 3), np.uint8)
        pixels = coarse.repeat(16, axis=1).repeat(16, axis=2)
        with torch.no_grad():
            expected = graph(torch.from_numpy(pixels)).numpy()
        worst = max(worst, float(np.abs(session.run(None, {"pixels": pixels})[0] - expected).max()))
    return worst


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m livestyle.models.export", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="transformers checkpoint: config.json and weights")
    parser.add_argument("out", type=Path, help="folder for NAME.onnx and NAME.json")
    parser.add_argument("--name", required=True)
    parser.add_argument("--input-size", type=_size, default=(256, 256), metavar="WxH", help="multiples of 32")
    parser.add_argument("--order", choices=("rgb", "bgr"), help="channel order, if preprocessor_config.json is silent")
    parser.add_argument("--facts", type=Path, help="TOML: licence, training_data, provenance, figures")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    args = _parser().parse_args(arguments)
    facts = read_facts(args.facts) if args.facts else None
    try:
        card = export(args.folder, args.out, name=args.name, input_size=args.input_size, order=args.order, facts=facts)
    except LivestyleError as error:
        print(f"error: {error} ({error.hint})")
        return error.exit_code
    size = (args.out / card.file).stat().st_size / 1e6
    parity = card.figures["largest_difference_from_checkpoint"]
    print(f"{args.out / card.file}: {size:.1f} MB, {len(card.classes)} classes, differs by at most {parity:g}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
