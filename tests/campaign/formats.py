"""Every format that the product reads: its valid files, how they are damaged, and the run that reads one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from campaign import seeds_photos, seeds_text, seeds_videos, wording
from campaign.mutate import BYTES, Mutation, mutated, rng_of, splicing
from campaign.structure import STRUCTURES

GROUPS = ("photos", "videos", "luts", "recipes", "config", "cards", "onnx")

_ONE_LOOK = ("--skin", "1", "--hair", "1", "--clothes", "1")  # every region alike: no mask is needed, which is quick
_NAMES = ("in", "in", "in", "in", "in", "in", "in put", "-in", "ïnpüt", "[red]in[bold]", "in%s{0}", "a:b", "in\x1b[31m",
          "in\nput", "in\u202etxt", "in\udcff")  # fmt: skip
_VIDEO_OUTPUTS = ("mp4", "mp4", "mkv", "mov", "ts", "avi", "webm", "gif")
_CARD = "model"


@dataclass(frozen=True, slots=True)
class Format:
    """One format: `name` is its usual ending, except for HALD pictures, recipes and others."""

    name: str
    group: str  # of GROUPS
    suffix: str
    seeds: Callable[[], Sequence[bytes]]
    mutations: Sequence[Mutation]


@dataclass(frozen=True, slots=True)
class Input:
    """One damaged file and the run that reads it."""

    format: Format
    index: int
    files: dict[str, bytes]  # name in the run's folder -> content
    arguments: list[str]  # of the command line; the run's folder is the current one
    output: str  # the name that the output gets; it is in a folder of its own
    history: str  # the mutations, for people


def formats() -> list[Format]:
    """All formats, those of one group together."""
    photos = [_binary(name, "photos", partial(seeds_photos.photos, name)) for name in seeds_photos.PHOTOS]
    videos = [_binary(name, "videos", partial(seeds_videos.videos, name)) for name in seeds_videos.VIDEOS]
    luts = [_text(name, "luts", partial(seeds_text.luts, name)) for name in seeds_text.LUTS]
    hald = Format("hald", "luts", ".png", seeds_photos.hald, (*BYTES, *[STRUCTURES["hald"]] * len(BYTES)))
    return [*photos, *videos, *luts, hald, *_settings_formats()]


def _settings_formats() -> list[Format]:
    recipe = Format("recipe", "recipes", ".toml", seeds_text.recipes, (*wording.TEXT, *BYTES[:3], made_up_recipe))
    config = Format("config", "config", ".toml", seeds_text.configurations, (*wording.TEXT, *BYTES[:3], made_up_config))
    changed = [wording.json_changed] * len(wording.TEXT)
    card = Format("card", "cards", ".json", lambda: seeds_text.cards(_CARD), (*wording.TEXT, *BYTES[:3], *changed))
    model = Format("onnx", "onnx", ".onnx", seeds_text.models, (*BYTES, *[STRUCTURES["onnx"]] * len(BYTES)))
    return [recipe, config, card, model]


def _binary(name: str, group: str, seeds: Callable[[], Sequence[bytes]]) -> Format:
    known = STRUCTURES.get(name)
    suffix = f".{name.removeprefix('moving-')}"
    return Format(name, group, suffix, seeds, (*BYTES, *([known] * len(BYTES) if known else [])))


def _text(name: str, group: str, seeds: Callable[[], Sequence[bytes]]) -> Format:
    binary = name in ("icc", "pf")
    return Format(name, group, f".{name}", seeds, BYTES if binary else (*wording.TEXT, *wording.TEXT, *BYTES))


def made_up_recipe(_: bytes, rng: random.Random) -> bytes:
    """A recipe of random keys and values."""
    return b'version = 1\nname = "x"\n' + wording.toml_text(seeds_text.RECIPE_KEYS, seeds_text.RECIPE_TABLES, rng)


def made_up_config(_: bytes, rng: random.Random) -> bytes:
    """A configuration of random keys and values."""
    return wording.toml_text(seeds_text.CONFIG_KEYS, ("nested", "a.b"), rng)


@cache
def _seeds(name: str) -> tuple[bytes, ...]:
    return tuple(next(form for form in formats() if form.name == name).seeds())


def has_seeds(form: Format) -> bool:
    """Whether valid files of the format can be made here."""
    return bool(_seeds(form.name))


def damaged(form: Format, seed: int, index: int) -> Input:
    """The input number `index` of a campaign with `seed`: always the same one."""
    rng = rng_of(seed, form.name, index)
    seeds = _seeds(form.name)
    at = rng.randrange(len(seeds))
    data, names = mutated(seeds[at], (*form.mutations, splicing(seeds)), rng)
    stem = rng.choice(_NAMES) if form.group in ("photos", "videos", "luts") else "in"
    return _input(form, index, data, f"file {at}: {', '.join(names)}", stem, rng)


def undamaged(form: Format, at: int = 0) -> Input:
    """A valid file as an input: what a run without any fault looks like."""
    return _input(form, at, _seeds(form.name)[at], f"file {at}", "in", rng_of(form.name, at))


def _input(form: Format, index: int, data: bytes, history: str, stem: str, rng: random.Random) -> Input:
    name = stem + form.suffix
    here = f"./{name}"  # a name may begin with a hyphen
    photo = {"photo.png": seeds_photos.tiny_photo()}
    output = f"out/out.{rng.choice(_VIDEO_OUTPUTS) if form.group == 'videos' else 'png'}"
    ends = ["-o", output, "-y", "--json"]
    if form.group in ("photos", "videos"):
        looks = [] if rng.random() < 0.15 else [*_ONE_LOOK]
        return Input(form, index, {name: data}, [here, *ends, "--model", "xxsmall", *looks], output, history)
    if form.group == "cards":
        files = {**photo, f"{_CARD}.json": data, f"{_CARD}.onnx": _models()[0]}
        return Input(form, index, files, ["photo.png", *ends, "--model", f"./{_CARD}.onnx"], output, history)
    if form.group == "onnx":
        files = {**photo, f"{_CARD}.json": seeds_text.card_of(data, _CARD), f"{_CARD}.onnx": data}
        return Input(form, index, files, ["photo.png", *ends, "--model", f"./{_CARD}.onnx"], output, history)
    way = ["--config", here] if form.group == "config" else ["-s", here, *_ONE_LOOK]
    return Input(form, index, {**photo, name: data}, ["photo.png", *ends, "--model", "xxsmall", *way], output, history)


@cache
def _models() -> tuple[bytes, ...]:
    return tuple(seeds_text.models()) or (b"none",)
