"""The model card: what a model file is, what its numbers mean, and where it comes from.

A card is a JSON file beside the model, with the same stem: `small.onnx`, `small.json`. Nothing about a model is guessed
from its graph; a file without a card is refused, because neither its classes nor its licence could be known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from livestyle.errors import ModelError
from livestyle.frame import REGIONS
from livestyle.system.reading import read_file, shortened

MULTIPLE = 32
"""Both sides of a network's input are multiples of this: five halvings, and an even number of cells at stride 16."""

LARGEST_CARD = 1 << 20  # bytes; those that come with livestyle have about four thousand
LARGEST_SIDE = 4096  # pixels of a network's input: beyond it one picture takes gigabytes
LONGEST_TEXT = 10_000  # characters
MOST_ENTRIES = 256  # classes, or sets of training data
MOST_NESTED = 8  # objects and lists of measured figures within each other

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
        text = read_file(path, LARGEST_CARD).decode("utf-8")
        data = json.loads(text, parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: the model card is missing", hint=_HINT) from error
    except OSError as error:
        raise ModelError(f"{path}: the model card cannot be read: {error.strerror}", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a readable model card: {error}", hint=_HINT) from error
    return parse_card(data, str(path))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


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
        what = f"lacks {', '.join(missing)}" if missing else f"has the unknown key {shortened(unknown[0])!r}"
        raise ModelError(f"{origin}: the model card {what}", hint=_HINT)
    card = ModelCard(**{key: _value(key, value, origin) for key, value in data.items()})
    _check_classes(card, origin)
    return card


# ---- values ----------------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """A value is not what it must be; says what that is."""


def _value(key: str, value: object, origin: str) -> Any:
    try:
        return _READERS[key](value)
    except _Wrong as error:
        raise ModelError(f"{origin}: {key} must be {error}", hint=_HINT) from error


def _text(value: object) -> str:
    """Also for a path and a terminal: nothing in it that neither can show."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
        raise _Wrong(f"a text of 1 to {LONGEST_TEXT} characters on one line")
    return value


def _file(value: object) -> str:
    name = _text(value)
    if Path(name).name != name or any(sign in name for sign in "/\\:") or name in (".", "..") or len(name) > 255:
        raise _Wrong("a plain file name, without a folder")
    return name


def _digest(value: object) -> str:
    digest = value.lower() if isinstance(value, str) else ""
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise _Wrong("64 hexadecimal digits")
    return digest


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if type(value) is not int or not low <= value <= high:  # True is an int, but not of this type
            raise _Wrong(f"a whole number from {low} to {high}")
        return value

    return read


def _stride(value: object) -> int:
    stride = _whole(1, MULTIPLE)(value)
    if MULTIPLE % stride:
        raise _Wrong(f"a divisor of {MULTIPLE}")
    return stride


def _size(value: object) -> tuple[int, int]:
    wanted = _Wrong(f"a width and a height, multiples of {MULTIPLE} from {MULTIPLE} to {LARGEST_SIDE}")
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise wanted
    if not all(type(side) is int and MULTIPLE <= side <= LARGEST_SIDE and side % MULTIPLE == 0 for side in value):
        raise wanted
    return value[0], value[1]


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MOST_ENTRIES:
        raise _Wrong(f"a list of 1 to {MOST_ENTRIES} texts")
    return tuple(_text(entry) for entry in value)


def _classes(value: object) -> tuple[str, ...]:
    classes = _texts(value)
    if classes[0] != "background" or len(set(classes)) != len(classes):
        raise _Wrong("a list of different names, of which the first is 'background'")
    return classes


def _regions(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(region, str) and region in REGIONS for region in value.values()
    ):
        raise _Wrong(f"an object that maps each class to one of {', '.join(REGIONS)}")
    return {str(name): str(region) for name, region in value.items()}


def _figures(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not _is_plain(value, MOST_NESTED):
        raise _Wrong(f"an object of texts and finite numbers, nested no deeper than {MOST_NESTED}")
    return dict(value)


def _is_plain(value: object, depth: int) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(_is_plain(entry, depth - 1) for entry in (*value.keys(), *value.values()))
    if isinstance(value, list | tuple):
        return depth > 0 and all(_is_plain(entry, depth - 1) for entry in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, int) or (isinstance(value, str) and (not value or value.isprintable()))


_READERS: Mapping[str, Callable[[object], Any]] = {
    "name": _text,
    "file": _file,
    "sha256": _digest,
    "classes": _classes,
    "regions": _regions,
    "input_size": _size,
    "output_stride": _stride,
    "normalisation": _text,
    "licence": _text,
    "training_data": _texts,
    "provenance": _text,
    "opset": _whole(1, 1000),
    "parameters": _whole(0, 10**13),
    "figures": _figures,
}
"""What each key of a card may hold; one reader for one field of `ModelCard`."""


def _check_classes(card: ModelCard, origin: str) -> None:
    if set(card.regions) != set(card.classes):
        raise ModelError(f"{origin}: regions do not name exactly the classes", hint=_HINT)


# ---- sizes -----------------------------------------------------------------------------------------------------------


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
