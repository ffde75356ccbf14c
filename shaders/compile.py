"""From a recipe and the user's settings to one LUT per region."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from livestyle.errors import StyleError
from livestyle.frame import REGIONS
from livestyle.shaders.grading import InputColors, grade
from livestyle.shaders.look import Look
from livestyle.shaders.lut import Lut3D, lattice
from livestyle.shaders.recipe import Adjust, Recipe, Treatment

SIZE = 33
"""Lattice points along an axis of a compiled LUT."""
LARGEST = 65
"""LUT files above this are resampled when a treatment follows them, to keep a change of style instant."""


def compile_look(recipe: Recipe, adjust: Adjust | None = None) -> Look:
    """One LUT per region of `livestyle.frame.REGIONS`, None where the region does not change.

    The LUT of a region is in + intensity * strength * (styled(in) - in) in sRGB samples, so intensity 0 is the
    identity to the bit, and between 0 and 1 every colour moves on a straight line. Regions that come out alike share
    one object. Results are cached; a style of `SIZE` takes some ten milliseconds for each treatment in it.
    Raises StyleError when the recipe's LUT file cannot be read.
    """
    adjust = adjust or Adjust()
    intensity = recipe.intensity if adjust.intensity is None else adjust.intensity
    lut = None if recipe.lut is None else _Stamped.of(recipe.lut)
    luts = []
    for region, treatment, own in zip(REGIONS, recipe.treatments, recipe.strengths, strict=True):
        amount = intensity * adjust.strengths.get(region, own)
        luts.append(_region_lut(_moved(treatment, adjust), lut, round(amount, 4)))
    return Look(tuple(luts))


def _moved(treatment: Treatment, adjust: Adjust) -> Treatment:
    """The user's place on the tone and colour axes is counted from the style's own."""
    tone = min(1.0, max(-1.0, treatment.tone + adjust.tone))
    color = min(1.0, max(-1.0, treatment.color + adjust.color))
    return replace(treatment, tone=tone, color=color)


class _Stamped(NamedTuple):
    """A LUT file as a cache key: path, time and size, so that a file edited meanwhile is read again."""

    path: Path
    modified: int  # nanoseconds
    size: int  # bytes

    @classmethod
    def of(cls, path: Path) -> _Stamped:
        try:
            stat = path.stat()
        except OSError:
            return cls(path, 0, 0)  # read_lut says what is wrong
        return cls(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _region_lut(treatment: Treatment, lut: _Stamped | None, amount: float) -> Lut3D | None:
    if amount == 0 or (lut is None and treatment == Treatment()):
        return None
    styled = _styled(treatment, lut)
    if amount == 1:
        return styled
    inputs = lattice(styled.size)
    return Lut3D(inputs + np.float32(amount) * (styled.table - inputs))


@lru_cache(maxsize=32)
def _styled(treatment: Treatment, lut: _Stamped | None) -> Lut3D:
    """The whole look, without the user's intensity."""
    if lut is None:
        return _graded(_lattice_colors(), treatment)
    file = _read(lut)
    if treatment == Treatment():
        return file
    if SIZE <= file.size <= LARGEST:
        return _graded(_input_colors(file.table), treatment)
    return _graded(_input_colors(file.apply(lattice(SIZE if file.size < SIZE else LARGEST))), treatment)


def _read(lut: _Stamped) -> Lut3D:
    found = _read_once(lut)
    if isinstance(found, StyleError):
        raise found
    return found


@lru_cache(maxsize=32)
def _read_once(lut: _Stamped) -> Lut3D | StyleError:
    """The LUT or what is wrong with it: finding that out can take seconds, and stepping through styles asks again."""
    from livestyle.shaders.lut_files import read_lut  # most styles can do without

    try:
        return read_lut(lut.path)
    except StyleError as error:
        return error


@lru_cache(maxsize=1)
def _lattice_colors() -> InputColors:
    return _input_colors(lattice(SIZE))


def _input_colors(table: npt.NDArray[np.float32]) -> InputColors:
    return InputColors.of(np.clip(table.reshape(-1, 3), 0, 1))


def _graded(colors: InputColors, treatment: Treatment) -> Lut3D:
    size = round(len(colors.extent) ** (1 / 3))
    return Lut3D(grade(colors, treatment).reshape(size, size, size, 3))
