"""From a run to a model file: averaged weights as a `transformers` folder, then ONNX with its card, int8 on request."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import ModelError
from livestyle.models.card import ModelCard, read_card, write_card
from livestyle.models.export import export, export_network, read_facts
from livestyle.models.segmenter import load_segmenter
from livestyle.protocols import Segmenter
from livestyle.training.backbones import has_backbone
from livestyle.training.checkpoint import FILE, load_checkpoint, write_finished, write_folder
from livestyle.training.classes import CLASSES
from livestyle.training.evaluate import judge
from livestyle.training.metrics import Tally
from livestyle.training.network import finished_network, load_network, reads_bgr
from livestyle.training.reader import LabelledSet, Picture, open_sets
from livestyle.training.sets import BUILTIN, find_set

log = logging.getLogger("livestyle")

INT8_COST = 0.5
"""Points of region IoU (of 100) that int8 may cost on average before it is refused."""

CALIBRATION_PICTURES = 64


def as_folder(path: Path, scratch: Path) -> Path:
    """`path` if it holds finished weights; for a run's folder, its averaged weights written to `scratch`.

    Those of a MobileViT are a `transformers` folder, those of another backbone a checkpoint in half precision. Raises
    ModelError when it is neither.
    """
    if (path / "config.json").is_file():
        return path
    if not (path / FILE).is_file():
        raise ModelError(
            f"{path} is neither a run's folder nor a transformers folder.",
            hint=f"Such a folder holds {FILE} or config.json.",
        )
    if "optimizer" not in load_checkpoint(path):
        return path
    if has_backbone(path):
        write_finished(path, scratch)
    else:
        write_folder(finished_network(path).eval(), scratch)
    return scratch


def export_model(
    folder: Path, out: Path, name: str, input_size: tuple[int, int], facts: Path | None = None
) -> ModelCard:
    """Write `out/name.onnx` and its card from a folder of finished weights."""
    out.mkdir(parents=True, exist_ok=True)
    if has_backbone(folder):
        given = read_facts(facts or folder / "card.toml")
        return export_network(finished_network(folder).eval(), out, name, input_size, CLASSES, given)
    return export(folder, out, name=name, input_size=input_size, facts=read_facts(facts) if facts else None)


def open_model(path: Path, scratch: Path, input_size: tuple[int, int] = (256, 256)) -> Segmenter:
    """A model to measure: an exported one (.onnx), a `transformers` folder, or a run's folder (its averaged weights).

    Checkpoints are exported to `scratch` first, so what is measured is what is shipped.
    """
    if path.suffix == ".onnx":
        return load_segmenter(str(path), device="cpu")
    folder = as_folder(path, scratch / "checkpoint")
    export_model(folder, scratch, "measured", input_size)
    return load_segmenter(str(scratch / "measured.onnx"), device="cpu")


def _open_there(data: Path, limit: int, *, validation: bool) -> list[LabelledSet]:
    """The built-in sets whose files are in `data`."""
    described = [find_set(path.stem) for path in sorted(BUILTIN.glob("*.toml"))]
    there = [d for d in described if d.file and (data / d.file).is_file()]
    if not there:
        raise ModelError(f"{data} holds the file of no built-in data set.")
    return open_sets(there, data, validation=validation, limit=limit)


def _pictures(sets: list[LabelledSet]) -> list[Picture]:
    found = (labelled.picture(index) for labelled in sets for index in range(len(labelled)))
    return [picture for picture in found if picture is not None]


def parity(checkpoint: Path, model: Path, data: Path) -> float:
    """Largest difference of a probability between the model file and its checkpoint, on real pictures.

    Both see the same 256 x 256 pixels. A checkpoint in half precision holds the file's weights exactly.
    """
    import onnxruntime
    import torch

    ours = has_backbone(checkpoint)
    network: Any = finished_network(checkpoint) if ours else load_network(str(checkpoint))
    network.eval()
    flips = not ours and reads_bgr(str(checkpoint))
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    largest = 0.0
    for picture in _pictures(_open_there(data, 2, validation=True)):
        pixels = np.asarray(cv2.resize(picture.pixels, (256, 256), interpolation=cv2.INTER_AREA))[None]
        given = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            logits = network.features(given.flip(1) if flips else given)[0]
        found = session.run(None, {"pixels": pixels})[0]
        enlarged = torch.nn.functional.interpolate(logits, size=found.shape[-2:], mode="bilinear", align_corners=False)
        largest = max(largest, float(np.abs(enlarged.softmax(1).numpy() - found).max()))
    return largest


class _Calibration:
    """Pictures in the form that onnxruntime's calibration asks for, one by one."""

    def __init__(self, pictures: list[Picture], size: tuple[int, int]) -> None:
        small = (cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA) for picture in pictures)
        self._inputs = ({"pixels": pixels[None]} for pixels in small)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """The next input, None after the last."""
        return next(self._inputs, None)


def _mean_iou(model: Path, sets: list[LabelledSet]) -> float:
    """Mean over sets and regions, in points of 100."""
    segmenter = load_segmenter(model, device="cpu")
    values = []
    for labelled in sets:
        tally = Tally()
        for picture in _pictures([labelled]):
            judge(segmenter, picture, tally)
        values += [overlap.iou for overlap in tally.regions.values() if overlap.truth]
    return 100 * float(np.mean(values))


def _seconds(models: tuple[Path, ...], size: tuple[int, int], repeats: int = 15) -> list[float]:
    """Shortest time of one inference of each model, taken in turns so that other load meets all alike."""
    import onnxruntime

    sessions = [onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]) for model in models]
    pixels = np.zeros((1, size[1], size[0], 3), np.uint8)
    times: list[list[float]] = [[] for _ in models]
    for _ in range(repeats):
        for session, taken in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(None, {"pixels": pixels})
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def _write_int8(model: Path, card: ModelCard, data: Path, target: Path) -> ModelCard:
    """Quantise weights and activations of convolutions and matrix products, calibrated on training pictures."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    draft = target.with_suffix(".prepared.onnx")
    pictures = _pictures(_open_there(data, CALIBRATION_PICTURES // 8, validation=False))
    quant_pre_process(str(model), str(draft), skip_symbolic_shape=True)
    quantize_static(
        str(draft),
        str(target),
        _Calibration(pictures, card.input_size),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "MatMul"],
    )
    draft.unlink()
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    quantised = dataclasses.replace(card, name=f"{card.name}-int8", file=target.name, sha256=digest)
    write_card(quantised, target.with_suffix(".json"))
    return quantised


def quantise(model: Path, data: Path) -> str:
    """Write NAME-int8.onnx and its card beside `model` if that is faster and costs under INT8_COST points.

    Returns what was found in one sentence; the files are removed when it is not worth it.
    """
    card = read_card(model.with_suffix(".json"))
    target = model.with_name(f"{card.name}-int8.onnx")
    quantised = _write_int8(model, card, data, target)
    sets = _open_there(data, 20, validation=True)
    cost = _mean_iou(model, sets) - _mean_iou(target, sets)
    whole, small = _seconds((model, target), card.input_size)
    found = f"int8: {cost:+.2f} points of region IoU lost, {whole / small:.2f} times as fast"
    if cost >= INT8_COST or whole <= small:
        target.unlink()
        target.with_suffix(".json").unlink()
        return f"{found}; not worth it, removed."
    figures = {**quantised.figures, "int8_points_lost": round(cost, 3), "int8_speed_ratio": round(whole / small, 2)}
    write_card(dataclasses.replace(quantised, figures=figures), target.with_suffix(".json"))
    return f"{found}; kept {target.name}."
