"""Style recipes: what a style does, as values, and the strict reader of the TOML files that hold them.

A recipe file, every key but `name` and `version` optional:

    version = 1
    name = "Evening"
    description = "Warm and low, with blue shadows."
    intensity = 0.9             # 0..1, how much of the whole look
    tone = 0.1                  # -1 deeper .. 1 brighter shadows
    color = -0.2                # -1 muted .. 1 vivid
    lut = "evening.cube"        # applied first; relative to this file

    [curve]                     # of lightness
    contrast = 0.3
    [palette]
    warmth = 0.2
    [split]                     # tints of shadows and highlights
    shadows = {hue = 250, amount = 0.3}
    [[hues]]                    # colours around one hue
    hue = 140
    saturation = -0.3

    [regions]                   # 0..1, how strongly a region takes the look
    skin = 0.2
    [skin.palette]              # for this region, these values replace those above
    warmth = 0.1

The classes below document ranges and defaults. Hues are OkLCh degrees: 20 rose, 55 orange (all skin lies around it),
90 yellow, 140 green, 200 cyan, 255 blue, 330 magenta.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from livestyle.errors import StyleError, UsageError
from livestyle.frame import REGIONS
from livestyle.system.paths import kind_of_path
from livestyle.system.reading import parse_toml, shortened

VERSION = 1
"""The version of the recipe format that this reader knows."""

DEFAULT_STRENGTHS = {"background": 1.0, "hair": 0.0, "skin": 0.0, "clothes": 1.0}


def _number(default: float, low: float, high: float) -> float:
    value: float = field(default=default, metadata={"range": (low, high)})
    return value


@dataclass(frozen=True, slots=True)
class Curve:
    """The lightness curve. Lightness is Ottosson's L_r: 0 black, 0.53 sRGB middle grey, 1 white."""

    exposure: float = _number(0, -1, 1)  # bends the curve; black and white stay
    contrast: float = _number(0, -1, 1)  # S around the middle
    shadows: float = _number(0, -1, 1)  # lifts or deepens around a quarter
    highlights: float = _number(0, -1, 1)  # brightens or holds back around three quarters
    black: float = _number(0, 0, 0.3)  # the lightness that black gets: a matte, faded look
    white: float = _number(1, 0.7, 1)  # the lightness that white gets
    points: tuple[tuple[float, float], ...] = ()  # (in, out) of a free curve through all of them; rising, in 0..1


@dataclass(frozen=True, slots=True)
class Palette:
    """What happens to all colours alike."""

    saturation: float = _number(0, -1, 1)
    vibrance: float = _number(0, -1, 1)  # saturation for colours that have little
    warmth: float = _number(0, -1, 1)  # blue .. amber, as a white balance does it
    tint: float = _number(0, -1, 1)  # green .. magenta
    monochrome: float = _number(0, 0, 1)  # how far towards grey; split tones still tint the grey


@dataclass(frozen=True, slots=True)
class Tint:
    """A colour laid over one end of the lightness scale."""

    hue: float = _number(0, 0, 360)  # degrees
    amount: float = _number(0, 0, 1)


@dataclass(frozen=True, slots=True)
class Split:
    """Split toning."""

    shadows: Tint = Tint()
    highlights: Tint = Tint()
    balance: float = _number(0, -1, 1)  # below 0 the shadows' tint reaches higher, above 0 the highlights' lower


@dataclass(frozen=True, slots=True)
class HueBand:
    """What happens to colours around one hue, fading out towards both sides. Greys are never touched."""

    hue: float = _number(0, 0, 360)  # centre, degrees
    width: float = _number(60, 20, 180)  # full width, degrees; the effect is half at a quarter of it
    shift: float = _number(0, -45, 45)  # turns the hue, degrees; at most a quarter of the width, or hues would cross
    gather: float = _number(0, 0, 0.6)  # pulls hues towards the centre: evens them out
    saturation: float = _number(0, -1, 1)
    lightness: float = _number(0, -1, 1)


@dataclass(frozen=True, slots=True)
class Treatment:
    """Everything that is done to one region."""

    tone: float = _number(0, -1, 1)
    color: float = _number(0, -1, 1)
    curve: Curve = Curve()
    palette: Palette = Palette()
    split: Split = Split()
    hues: tuple[HueBand, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """One style as its author wrote it."""

    name: str
    description: str = ""
    intensity: float = 1.0  # 0..1
    look: Treatment = Treatment()
    treatments: tuple[Treatment, ...] = (Treatment(),) * len(REGIONS)  # in the order of REGIONS: look, or its variant
    strengths: tuple[float, ...] = tuple(DEFAULT_STRENGTHS.values())  # 0..1, in the order of REGIONS
    lut: Path | None = None  # a LUT file that is applied before the treatment
    origin: str = ""  # what messages call the place it came from

    @property
    def tone(self) -> float:
        """The style's own place on the tone axis, -1..1."""
        return self.look.tone

    @property
    def color(self) -> float:
        """The style's own place on the colour axis, -1..1."""
        return self.look.color


@dataclass(frozen=True, slots=True)
class Adjust:
    """What the user changes about a style. Raises UsageError for a value out of range or a region that is none."""

    intensity: float | None = None  # 0..1; None: the recipe's
    tone: float = 0.0  # -1..1, added to the recipe's
    color: float = 0.0  # -1..1, added to the recipe's
    strengths: Mapping[str, float] = field(default_factory=dict)  # region name -> 0..1; absent: the recipe's

    def __post_init__(self) -> None:
        _check_setting("intensity", self.intensity or 0.0, 0, 1)
        _check_setting("tone", self.tone, -1, 1)
        _check_setting("color", self.color, -1, 1)
        for region, strength in self.strengths.items():
            if region not in REGIONS:
                raise UsageError(f'"{region}" is not a region', hint=f"the regions are {', '.join(REGIONS)}")
            _check_setting(region, strength, 0, 1)
        object.__setattr__(self, "strengths", types.MappingProxyType(dict(self.strengths)))


def _check_setting(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # written so that NaN fails too
        raise UsageError(f"{name} is {value:g}, but must be from {low:g} to {high:g}")


def lut_recipe(path: Path) -> Recipe:
    """The style that is nothing but the LUT in a file."""
    return Recipe(name=path.stem, description=f"the LUT in {path.name}", lut=path, origin=str(path))


def parse_recipe(text: str, origin: str | Path) -> Recipe:
    """Read a recipe from TOML text.

    `origin` is the file it came from: messages name it, and `lut` is relative to its folder. Raises StyleError, whose
    message begins with "origin:line", for anything that is not a recipe to the letter.
    """
    return _Reader(text, origin).recipe()


_Table = dict[str, Any]
_Values = TypeVar("_Values", Curve, Palette, Tint, Split, HueBand, Treatment)
_Path = tuple[str | int, ...]
_TOP_KEYS = ("version", "name", "description", "intensity", "lut", "regions", *REGIONS)
_TREATMENT_KEYS = tuple(f.name for f in fields(Treatment))


class _Reader:
    """One parse: the text is kept to find the line of a key, which tomllib does not tell."""

    def __init__(self, text: str, origin: str | Path) -> None:
        self.text = text
        self.origin = origin

    def recipe(self) -> Recipe:
        top = self._toml()
        self._version(top)
        self._known(top, (*_TOP_KEYS, *_TREATMENT_KEYS), ())
        look = self._values(Treatment(), _only(top, _TREATMENT_KEYS), ())
        variants = [self._values(look, self._table(top, (region,)), (region,)) for region in REGIONS]
        return Recipe(
            name=self._name(top),
            description=self._string(top, "description"),
            intensity=self._float(top.get("intensity", 1.0), (0, 1), ("intensity",)),
            look=look,
            treatments=tuple(variants),
            strengths=self._strengths(self._table(top, ("regions",))),
            lut=self._lut(top),
            origin=str(self.origin),
        )

    def fail(self, path: _Path, what: str, hint: str = "") -> StyleError:
        return StyleError(f"{self.origin}:{find_line(self.text, path)}: {what}", hint=hint)

    def _toml(self) -> _Table:
        try:
            return parse_toml(self.text.removeprefix("\ufeff"))
        except ValueError as error:
            what, line = _without_place(str(error), self.text)
            raise StyleError(f"{self.origin}:{line}: not TOML: {what}", hint="see https://toml.io") from error

    def _version(self, top: _Table) -> None:
        version = top.get("version")
        if version is None:
            raise self.fail((), "a recipe needs a version", hint=f"begin it with: version = {VERSION}")
        if type(version) is not int or version != VERSION:
            hint = f"write version = {VERSION}, or get the livestyle that knows it"
            raise self.fail(("version",), f"version {version!r} is not known; expected {VERSION}", hint)

    def _name(self, top: _Table) -> str:
        name = self._string(top, "name").strip()
        if not name:
            raise self.fail(("name",) if "name" in top else (), "a recipe needs a name", hint='write name = "…"')
        return name

    def _string(self, top: _Table, key: str) -> str:
        value = top.get(key, "")
        if not isinstance(value, str):
            raise self.fail((key,), f'"{key}" is {_say(value)}; expected a string')
        return value

    def _lut(self, top: _Table) -> Path | None:
        name = self._string(top, "lut")
        if not name:
            return None
        path = Path(self.origin).parent / name
        if kind_of_path(path, StyleError) != "file":
            raise self.fail(("lut",), f"there is no file {path}", hint="lut is relative to the recipe's folder")
        return path

    def _strengths(self, table: _Table) -> tuple[float, ...]:
        self._known(table, REGIONS, ("regions",))
        values = {**DEFAULT_STRENGTHS, **table}
        return tuple(self._float(values[region], (0, 1), ("regions", region)) for region in REGIONS)

    def _table(self, parent: _Table, path: _Path) -> _Table:
        value = parent.get(str(path[-1]), {})
        if not isinstance(value, dict):
            raise self.fail(path, f'"{path[-1]}" is {_say(value)}; expected a table')
        return value

    def _known(self, table: _Table, known: tuple[str, ...], path: _Path) -> None:
        for key in table:
            if key in known:
                continue
            where = f"in [{'.'.join(map(str, path))}]" if path else "in a recipe"
            near = difflib.get_close_matches(key, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known)}"
            raise self.fail((*path, key), f'unknown key "{shortened(key)}" {where}', hint)

    def _values(self, default: _Values, table: _Table, path: _Path) -> _Values:
        """`default`, an instance of one of the dataclasses above, with what `table` says replaced."""
        specs = {f.name: f for f in fields(default)}
        self._known(table, tuple(specs), path)
        changes = {k: self._value(getattr(default, k), specs[k], v, (*path, k)) for k, v in table.items()}
        return replace(default, **changes)

    def _value(self, default: Any, spec: Field[Any], value: Any, path: _Path) -> Any:
        if "range" in spec.metadata:
            return self._float(value, spec.metadata["range"], path)
        if spec.name == "points":
            return self._points(value, path)
        if spec.name == "hues":
            return tuple(self._hue_bands(value, path))
        if not isinstance(value, dict):
            raise self.fail(path, f'"{path[-1]}" is {_say(value)}; expected a table')
        return self._values(default, value, path)

    def _float(self, value: Any, limits: tuple[float, float], path: _Path) -> float:
        low, high = limits
        wanted = f"expected a number from {low:g} to {high:g}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(path, f'"{path[-1]}" is {_say(value)}; {wanted}')
        if not low <= value <= high:
            raise self.fail(path, f'"{path[-1]}" is {value}; {wanted}')
        return float(value)

    def _points(self, value: Any, path: _Path) -> tuple[tuple[float, float], ...]:
        wanted = "expected at least two [in, out] pairs from 0 to 1, in rising and out not falling"
        if not isinstance(value, list) or not all(_is_pair(point) for point in value):
            raise self.fail(path, f'"points" is {_say(value)}; {wanted}')
        points = tuple((float(x), float(y)) for x, y in value)
        rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(points))
        if len(points) < 2 or not rising:
            raise self.fail(path, f'"points" is {_say(value)}; {wanted}')
        return points

    def _hue_bands(self, value: Any, path: _Path) -> Iterator[HueBand]:
        if not isinstance(value, list):
            raise self.fail(path, f'"hues" is {_say(value)}; expected tables headed [[hues]]')
        for index, table in enumerate(value):
            if not isinstance(table, dict) or "hue" not in table:
                raise self.fail((*path, index), "each of [[hues]] needs a hue", hint="write hue = 0..360")
            band = self._values(HueBand(), table, (*path, index))
            if abs(band.shift) > band.width / 4:
                what = f'"shift" is {band.shift:g}; expected at most a quarter of width, {band.width / 4:g}'
                raise self.fail((*path, index, "shift"), what, hint="make width larger or shift smaller")
            yield band


def _only(table: _Table, keys: tuple[str, ...]) -> _Table:
    return {key: value for key, value in table.items() if key in keys}


def _is_pair(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(type(v) in (int, float) and 0 <= v <= 1 for v in point)


_TYPE_NAMES = {bool: "true/false", str: "a string", dict: "a table", list: "a list", int: "a number", float: "a number"}


def _say(value: Any) -> str:
    shown = repr(value)
    kind = _TYPE_NAMES.get(type(value), type(value).__name__)
    return f"{kind} ({shown if len(shown) <= 40 else shown[:37] + '...'})"


def _without_place(message: str, text: str) -> tuple[str, int]:
    """tomllib's message without its "(at line 3, column 5)", and the line; the last line when it says "end of"."""
    found = re.search(r"\s*\(at line (\d+), column \d+\)$", message)
    if found:
        return message[: found.start()], int(found.group(1))
    return re.sub(r"\s*\(at end of document\)$", " at the end", message), max(1, len(text.splitlines()))


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def find_line(text: str, path: _Path) -> int:
    """The line, from 1, of the key at `path` in TOML `text`, or of the nearest table around it; 1 for the whole.

    Keys inside inline tables are not looked into: they give the line on which their table begins, which for a table
    that TOML keeps on one line is the same.
    """
    best, best_length = 1, 0
    for number, here in _keys_with_lines(text):
        if here == path[: len(here)] and len(here) > best_length:
            best, best_length = number, len(here)
    return best


def _keys_with_lines(text: str) -> Iterator[tuple[int, _Path]]:
    table: _Path = ()
    counts: dict[_Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _split_key(header.group(2))
            if header.group(1) == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, *_split_key(key.group(1)))


def _split_key(dotted: str) -> _Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
