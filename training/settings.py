"""The settings of a training run: typed, read from TOML, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livestyle.errors import UsageError
from livestyle.training import SETS
from livestyle.training.augment import Augmentation
from livestyle.training.backbones import BACKBONES
from livestyle.training.network import SIZES
from livestyle.training.places import PARQUET


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Where a run lives and how it uses the machine."""

    folder: str = "runs/small"  # checkpoints, log and the settings used
    seed: int = 1
    device: str = "auto"  # "auto", "cpu", "cuda" or "mps"
    precision: str = "auto"  # "bf16", "fp16" (CUDA only), "fp32", or "auto": the fastest of them here
    threads: int = 0  # CPU threads of the network, 0: as many as there are cores
    workers: int = 0  # processes that prepare samples; 0: the training process itself, best on two cores
    checkpoint_minutes: float = 5.0
    log_every: int = 20  # steps
    tensorboard: bool = False  # also write the curves for TensorBoard


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What is learnt from."""

    folder: str = "data"
    sets: tuple[str, ...] = SETS
    empty: float = 0.04  # share of samples without people, 0..1
    places: str = (
        ""  # pictures without people, a folder or a parquet file: backgrounds, and to learn that nobody is there
    )
    keep: bool = True  # keep decoded pictures in memory
    limit: int = 0  # read only so many pictures of each set, 0: all


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What learns."""

    size: str = "small"  # "small", "xsmall" or "xxsmall" (a start decides the size itself), or one of BACKBONES
    start: str = ""  # hub name or folder to start from, "": from nothing
    guide: str = ""  # hub name, folder or run of a better model of the same classes to learn from
    backbone: str = ""  # file of ImageNet weights, for a size that starts from them


@dataclass(frozen=True, slots=True)
class RecipeSettings:
    """How it learns."""

    steps: int = 0  # optimiser steps; give either steps or minutes
    minutes: float = 0.0  # time of training after which the rate has annealed to zero
    batch: int = 16  # samples a step, over all processes
    sizes: tuple[int, ...] = (192, 224, 256)  # sample sizes in pixels, multiples of 32, in order
    until: tuple[float, ...] = (0.4, 0.75, 1.0)  # progress 0..1 up to which each size is used
    optimizer: str = "adamw"  # "adamw", or "muon" for training from little (optimizer.py)
    rate: float = 1e-3
    warmup: float = 0.03  # share of the run in which the rate rises, 0..1
    decay: float = 0.02  # AdamW's weight decay, not applied to norms and biases
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.998  # share of the averaged weights kept at each step
    dice: float = 0.3  # weight of the Dice loss
    guide: float = 0.5  # weight of following model.guide, if there is one
    teach: float = 0.3  # weight of learning the guide's features at the start
    teach_until: float = 0.8  # progress at which that has faded out


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run."""

    run: RunSettings = field(default_factory=RunSettings)
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    recipe: RecipeSettings = field(default_factory=RecipeSettings)
    augment: Augmentation = field(default_factory=Augmentation)


OPTIMIZERS = ("adamw", "muon")
PRECISIONS = ("auto", "bf16", "fp16", "fp32")
_CHANCES = (
    "flip", "aim", "paste", "far", "hands", "groups", "disguise", "surround", "light", "dark", "grey", "blur", "noise",
    "jpeg",
)  # fmt: skip


def _value(given: Any, wanted: Any, where: str) -> Any:
    """`given` as the annotated type `wanted`, or UsageError."""
    if typing.get_origin(wanted) is tuple:
        inner = typing.get_args(wanted)[0]
        if isinstance(given, list):
            return tuple(_value(item, inner, where) for item in given)
    elif wanted is float and isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    elif type(given) is wanted:
        return given
    name = getattr(wanted, "__name__", str(wanted)) if typing.get_origin(wanted) is None else "list"
    raise UsageError(f"{where} = {given!r} is not a {name}.")


def _section(kind: Any, given: Any, where: str) -> Any:
    if not isinstance(given, dict):
        raise UsageError(f"{where} is a table: write [{where}].")
    types = typing.get_type_hints(kind)
    for name in given:
        if name not in types:
            raise UsageError(f"There is no setting {where}.{name}.", hint=f"[{where}] has {', '.join(types)}.")
    return kind(**{name: _value(value, types[name], f"{where}.{name}") for name, value in given.items()})


def parse_settings(text: str, origin: str) -> Settings:
    """Settings from a TOML text. Raises UsageError, naming what is wrong; nothing is loaded or started."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{origin}: {error}.") from error
    kinds = typing.get_type_hints(Settings)
    for name in given:
        if name not in kinds:
            raise UsageError(f"{origin}: there is no section [{name}].", hint=f"Sections are {', '.join(kinds)}.")
    settings = Settings(**{name: _section(kinds[name], table, name) for name, table in given.items()})
    check(settings)
    return settings


def read_settings(path: Path) -> Settings:
    """Settings from a TOML file. Raises UsageError."""
    try:
        return parse_settings(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"The settings {path} cannot be read: {error.strerror}.") from error


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UsageError(message)


def check(settings: Settings) -> None:
    """Raise UsageError for the first setting that makes no sense."""
    recipe, model, run = settings.recipe, settings.model, settings.run
    _require((recipe.steps > 0) != (recipe.minutes > 0), "Give either recipe.steps or recipe.minutes, greater than 0.")
    _require(recipe.batch >= 2, "recipe.batch must be at least 2: batch norm needs more than one sample.")
    _require(len(recipe.sizes) == len(recipe.until) > 0, "recipe.sizes and recipe.until must have as many entries.")
    _require(all(s > 0 and s % 32 == 0 for s in recipe.sizes), "recipe.sizes must be multiples of 32.")
    rising = all(a < b for a, b in zip(recipe.until, recipe.until[1:], strict=False))
    _require(rising and recipe.until[-1] == 1.0, "recipe.until must rise and end with 1.0.")
    _require(recipe.optimizer in OPTIMIZERS, f"recipe.optimizer must be one of {', '.join(OPTIMIZERS)}.")
    _require(recipe.rate > 0 and recipe.clip > 0, "recipe.rate and recipe.clip must be greater than 0.")
    _require(
        0 <= recipe.warmup < 1 and 0 <= recipe.ema < 1, "recipe.warmup and recipe.ema must be at least 0 and below 1."
    )
    _require(0 <= settings.data.empty < 1, "data.empty must be at least 0 and below 1.")
    places = settings.data.places
    there = Path(places).is_dir() or (Path(places).is_file() and Path(places).suffix.lower() == PARQUET)
    _require(not places or there, f"data.places: there is no folder or parquet file {places}.")
    _require(bool(settings.data.sets), "data.sets must name at least one data set.")
    _require(run.precision in PRECISIONS, f"run.precision must be one of {', '.join(PRECISIONS)}.")
    _require(model.size in (*SIZES, *BACKBONES), f"model.size must be one of {', '.join((*SIZES, *BACKBONES))}.")
    imagenet = model.size in BACKBONES
    _require(imagenet or not model.backbone, f"model.backbone belongs to model.size = {' or '.join(BACKBONES)}.")
    _require(
        not imagenet or bool(model.backbone) != bool(model.start),
        f"model.size = {model.size} needs either model.backbone or model.start, the folder of a run.",
    )
    _require(
        not model.backbone or Path(model.backbone).is_file(), f"model.backbone: there is no file {model.backbone}."
    )
    board = not run.tensorboard or importlib.util.find_spec("tensorboard") is not None
    _require(board, "run.tensorboard needs the package tensorboard, which is not installed.")
    for name in _CHANCES:
        _require(0 <= getattr(settings.augment, name) <= 1, f"augment.{name} is a probability, 0 to 1.")
    _require(settings.augment.aspect >= 1, "augment.aspect must be at least 1.")


def literal(value: Any) -> str:
    """A setting's value as TOML writes it."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(literal(item) for item in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML's basic strings escape as JSON does
    return str(value).lower() if isinstance(value, bool) else repr(value)


def to_toml(settings: Settings) -> str:
    """The settings as a TOML text that parse_settings reads back."""
    lines = []
    for section in dataclasses.fields(settings):
        table = getattr(settings, section.name)
        values = {item.name: getattr(table, item.name) for item in dataclasses.fields(table)}
        lines += [f"[{section.name}]", *(f"{name} = {literal(value)}" for name, value in values.items()), ""]
    return "\n".join(lines)
