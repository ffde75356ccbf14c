"""The model card: what a model file is, what its numbers mean, and where it comes from.

A card is a JSON file beside the model, with the same stem: `small.onnx`, `small.json`. Nothing about a model is guessed
from its graph; a file without a card is refused, because neither its classes nor its licence could be known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from livestyle.errors import ModelError
from livestyle.frame import REGIONS

MULTIPLE = 32
"""Both sides of a network's input are multiples of this: five halvings, and an even number of cells at stride 16."""

_HINT = "write the card again with `python -m livestyle.models.export`, or use a bundled model"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model file: (1, H, W, 3) uint8 RGB, H and W multiples of 32, to (1, C, H/s, W/s) float32 probabilities."""

    name: str
    file: str  # name of the model file, in the folder of the card
    sha256: str  # of the model file, 64 lower-case hexadecimal digits
    classes: tuple[str, ...]  # the C output planes in order; classes[0] == "background"
    regions: Mapping[str, str]  # every class -> one of livestyle.frame.REGIONS
    input_size: tuple[int, int]  # (width, height) in pixels; other aspects get about the same number of pixels
    output_stride: int  # s: input pixels per output pixel
    normalisation: str  # what the graph does to the uint8 samples; the caller does nothing
    licence: str
    training_data: tuple[str, ...]  # one entry per set, with its terms
    provenance: str  # the checkpoint that was converted, and by what
    opset: int
    parameters: int  # number of weights of the network
    figures: Mapping[str, Any] = field(default_factory=dict)  # measured quality, and the parity of the conversion

    @property
    def pixels(self) -> int:
        """How many pixels the network looks at."""
        return self.input_size[0] * self.input_size[1]


def read_card(path: Path) -> ModelCard:
    """The card in a JSON file. Raises ModelError naming the file and the key."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: the model card is missing", hint=_HINT) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable model card: {error}", hint=_HINT) from error
    return parse_card(data, str(path))


def write_card(card: ModelCard, path: Path) -> None:
    """Write `card` as JSON that `read_card` gives back unchanged."""
    path.write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def parse_card(data: object, origin: str) -> ModelCard:
    """The card in parsed JSON; `origin` is what messages call it. Raises ModelError."""
    if not isinstance(data, dict):
        raise ModelError(f"{origin}: a model card is a JSON object, not {type(data).__name__}", hint=_HINT)
    known = {item.name for item in fields(ModelCard)}
    missing = sorted(known - {"figures"} - data.keys())
    unknown = sorted(data.keys() - known)
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has the unknown key {unknown[0]!r}"
        raise ModelError(f"{origin}: the model card {what}", hint=_HINT)
    try:
        card = _build(data)
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{origin}: a value of the model card has the wrong type: {error}", hint=_HINT) from error
    _check(card, origin)
    return card


def _build(data: Mapping[str, Any]) -> ModelCard:
    width, height = (int(side) for side in data["input_size"])
    return ModelCard(
        name=str(data["name"]),
        file=str(data["file"]),
        sha256=str(data["sha256"]).lower(),
        classes=tuple(str(name) for name in data["classes"]),
        regions={str(name): str(region) for name, region in data["regions"].items()},
        input_size=(width, height),
        output_stride=int(data["output_stride"]),
        normalisation=str(data["normalisation"]),
        licence=str(data["licence"]),
        training_data=tuple(str(entry) for entry in data["training_data"]),
        provenance=str(data["provenance"]),
        opset=int(data["opset"]),
        parameters=int(data["parameters"]),
        figures=dict(data.get("figures", {})),
    )


def _check(card: ModelCard, origin: str) -> None:
    for broken, what in (
        (Path(card.file).name != card.file or not card.file, f"file {card.file!r} is not a plain file name"),
        (len(card.sha256) != 64, "sha256 does not have 64 digits"),
        (not card.classes or card.classes[0] != "background", "the first class is not 'background'"),
        (len(set(card.classes)) != len(card.classes), "a class is listed twice"),
        (set(card.regions) != set(card.classes), "regions do not name exactly the classes"),
        (not set(card.regions.values()) <= set(REGIONS), f"a region is not one of {', '.join(REGIONS)}"),
        (any(side < MULTIPLE or side % MULTIPLE for side in card.input_size), "input_size is not a multiple of 32"),
        (card.output_stride < 1, "output_stride is below 1"),
    ):
        if broken:
            raise ModelError(f"{origin}: {what}", hint=_HINT)


def network_size(card: ModelCard, width: int, height: int) -> tuple[int, int]:
    """(width, height) in pixels at which the network looks at a picture of the given size.

    About the card's number of pixels, both sides multiples of 32, and of those the size that bends the aspect least.
    Aspects beyond `pixels / 32**2` to one are bent: a side cannot be shorter than 32.
    """
    longest = card.pixels // MULTIPLE
    aspect = min(max(width / height, MULTIPLE / longest), longest / MULTIPLE)
    ideal = math.sqrt(card.pixels * aspect), math.sqrt(card.pixels / aspect)
    sizes = ((w, h) for w in _multiples_near(ideal[0]) for h in _multiples_near(ideal[1]))
    return min(sizes, key=lambda size: _misfit(size, aspect, card.pixels))


def _multiples_near(side: float) -> tuple[int, int]:
    below = max(1, math.floor(side / MULTIPLE)) * MULTIPLE
    return below, below + MULTIPLE


def _misfit(size: tuple[int, int], aspect: float, pixels: int) -> float:
    # A bent aspect costs quality, a few more or fewer pixels cost time: half as bad.
    width, height = size
    return abs(math.log(width / height / aspect)) + 0.5 * abs(math.log(width * height / pixels))
