"""The colour pass on one thread against other programs with the same table, alternating on the same frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from livestyle.bench.speed.peers import BYTES, FLOAT, FFmpegLut, opencolorio, write_cube
from livestyle.bench.speed.pictures import Size, natural, noise, soft_weights
from livestyle.bench.speed.timing import Timing
from livestyle.frame import Pixels
from livestyle.shaders.compile import compile_look
from livestyle.shaders.cpu import CpuGrade
from livestyle.shaders.library import find_recipe
from livestyle.shaders.look import Look
from livestyle.shaders.recipe import Adjust

SIZES: Mapping[str, Size] = {"720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
FRAMES = 4  # different ones in turn
OURS = "livestyle: table, mask, blend"
FFMPEG = "FFmpeg lut3d"

Work = Callable[[], object]


def measure(style: str, sizes: Sequence[str], rounds: int) -> Iterator[Timing]:
    """For every size and kind of frame: livestyle first, then the others, each with its ratio to FFmpeg's faster form.

    Raises StyleError for a style that has no table.
    """
    look = compile_look(find_recipe(style), Adjust())
    with TemporaryDirectory() as folder:
        cube = Path(folder) / "table.cube"
        write_cube(look, cube)
        for name in sizes:
            for kind, make in (("natural", natural), ("noise", noise)):
                yield from _compared(look, cube, SIZES[name], kind, make, rounds)


def _compared(
    look: Look, cube: Path, size: Size, kind: str, make: Callable[[Size], Iterator[Pixels]], rounds: int
) -> Iterator[Timing]:
    made = make(size)
    frames = [next(made) for _ in range(FRAMES)]
    taken = in_turns(_contenders(look, cube, size, frames), rounds)
    best = min(float(np.median(taken[f"{FFMPEG} {layout}"])) for layout in (FLOAT, BYTES))
    for what, seconds in taken.items():
        yield Timing.of(f"{what}, {kind}", size, seconds, best, f"{FFMPEG}'s faster form")


def _contenders(look: Look, cube: Path, size: Size, frames: list[Pixels]) -> dict[str, Work]:
    grade, weights, ocio = CpuGrade(look, threads=1), soft_weights(), opencolorio(cube)
    luts = {layout: FFmpegLut(cube, size, layout) for layout in (FLOAT, BYTES)}
    works: dict[str, Work] = {OURS: _each(lambda pixels: grade(pixels, weights), frames)}
    for layout, lut in luts.items():
        works[f"{FFMPEG} {layout}"] = _each(lut, [lut.frame(pixels) for pixels in frames])
    works["OpenColorIO 8 bit"] = _each(ocio, frames)
    return works


def _each(work: Callable[[Any], object], frames: Sequence[Any]) -> Work:
    """Does `work` on one frame after the other."""
    there = cycle(frames)
    return lambda: work(next(there))


def in_turns(works: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Seconds of each work in each of `rounds` rounds, in which each is done once, after a warm-up round.

    Other load of the machine then affects all of them alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if number:
                taken[name].append(time.perf_counter() - start)
    return taken
