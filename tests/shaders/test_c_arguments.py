"""The C functions, called directly with arguments that no caller gives: an exception or a result, never a crash.

tests/campaign/sanitize.sh runs this with AddressSanitizer and UndefinedBehaviorSanitizer, which see what a test cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from livestyle.masks.compiled import COMPILED
from livestyle.shaders.cpu import _compiled as GRADE

pytestmark = pytest.mark.skipif(COMPILED is None or GRADE is None, reason="the C extensions were not built")

REFUSALS = (TypeError, ValueError, OverflowError, BufferError, MemoryError)
HEIGHT, WIDTH = 12, 40


def floats(*shape: int) -> np.ndarray:
    """Random float32 of a shape, in 0..1, the same in each call."""
    return np.random.default_rng(0).random(shape, np.float32)


def luma() -> np.ndarray:
    """An even grey picture of HEIGHT x WIDTH, uint8."""
    return np.full((HEIGHT, WIDTH), 100, np.uint8)


def grade_arguments() -> tuple[Any, ...]:
    """What `_grade.grade` accepts, in its order: two LUTs, a coarse mask for each, all rows, any instruction set."""
    pixels = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    lattices = (np.full((3, 3, 3, 4), 1000, np.int16), np.full((2, 2, 2, 4), -900, np.int16))
    masks = np.full((2, 3, 5), 20_000, np.uint16)
    return pixels, pixels.copy(), (HEIGHT, WIDTH, 8), masks, (3, 5), lattices, False, (0, HEIGHT), -1


SIZE, COARSE = (HEIGHT, WIDTH), (3, 10)
ARGUMENTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "grade": grade_arguments,
    "refine": lambda: (floats(4, *SIZE), (4, *SIZE), floats(*SIZE, 3), floats(5, *COARSE), True, (1, 2),
                       floats(9, *COARSE), COARSE, (0, HEIGHT, 0, WIDTH)),
    "fit": lambda: (floats(9, *SIZE), floats(2, *SIZE), floats(3, *SIZE), (2, *SIZE), 2, 1e-4, 1e-4, 0.3, 0.8),
    "mean": lambda: (floats(*SIZE, 3), np.full((*SIZE, 3), 9, np.uint8), floats(*SIZE, 3), SIZE, floats(*COARSE),
                     COARSE),
    "shrink": lambda: (floats(3, *COARSE), floats(*SIZE, 3), SIZE, COARSE),
    "differ": lambda: (floats(*SIZE), luma(), floats(*SIZE), SIZE),
    "count": lambda: (floats(*SIZE), floats(*SIZE), luma(), floats(*SIZE), floats(*SIZE), floats(*SIZE), floats(*SIZE),
                      SIZE, 0.1, 0.5, 8.0),
    "edge_align": lambda: (floats(*SIZE, 2), floats(*SIZE), floats(*SIZE), floats(*SIZE, 2), SIZE, 2, 0.5, 0.1, 0.2),
    "warp": lambda: (floats(*SIZE, 4), floats(*SIZE, 4), SIZE, floats(*SIZE, 2)),
}  # fmt: skip
NUMBERS = (0, -1, 1, 7, 2**31 - 1, -(2**31), 2**40, 10**30, 0.5, np.nan, np.inf, -1e300, None, "x", b"")


def call(name: str, arguments: tuple[Any, ...]) -> bool:
    """Whether it was refused, by one of REFUSALS."""
    function = getattr(GRADE if name == "grade" else COMPILED, name)
    try:
        function(*arguments)
    except REFUSALS:
        return True
    return False


def wrong(value: Any) -> list[Any]:
    """Values that must be refused in place of a buffer."""
    items = np.ascontiguousarray(value).reshape(-1)
    strided = np.repeat(items, 2)[::2]
    return [None, 3, "text", (), b"", items[:-1], np.append(items, items[:1]), items[:0], strided, items.tolist()]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_fits_is_taken(name: str) -> None:
    """Valid arguments are accepted; otherwise the refusals below would mean nothing."""
    assert not call(name, ARGUMENTS[name]())


@pytest.mark.parametrize("name", ARGUMENTS)
def test_buffers_of_another_length_or_kind_are_refused(name: str) -> None:
    """Each buffer is checked for length, type and contiguity before C touches it; one that does not fit would otherwise
    be read or written beyond its end."""
    for at, value in enumerate(ARGUMENTS[name]()):
        if isinstance(value, np.ndarray):
            for other in wrong(value):
                arguments = list(ARGUMENTS[name]())
                arguments[at] = other
                assert call(name, tuple(arguments)), (at, type(other))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_result_that_cannot_be_written_is_refused(name: str) -> None:
    """C must not write into memory that Python declares read-only, such as a frame's pixels."""
    arguments = ARGUMENTS[name]()
    arguments[1 if name == "grade" else 0].flags.writeable = False
    assert call(name, arguments)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_numbers_of_any_size_are_survived(name: str) -> None:
    """Alone and in each place of the tuples of sizes."""
    for at, value in enumerate(ARGUMENTS[name]()):
        for number in NUMBERS if not isinstance(value, np.ndarray) else ():
            places = range(len(value)) if isinstance(value, tuple) else (None,)
            for place in places:
                arguments = list(ARGUMENTS[name]())
                arguments[at] = number if place is None else (*value[:place], number, *value[place + 1 :])
                call(name, tuple(arguments))


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("content", [np.nan, np.inf, -np.inf, 3e38, -3e38, -1.0, 1e-42, 2.0**31, -(2.0**31) - 512])
def test_contents_of_any_size_are_survived(name: str, content: float) -> None:
    """Each buffer by itself, and all together."""
    buffers = [at for at, value in enumerate(ARGUMENTS[name]()) if isinstance(value, np.ndarray)]
    for chosen in (*([at] for at in buffers), buffers):
        arguments = ARGUMENTS[name]()
        for at in chosen:
            array = arguments[at]
            array[...] = content if array.dtype == np.float32 else np.iinfo(array.dtype).max
        assert not call(name, arguments)


@pytest.mark.parametrize("sides", [(2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1 << 30, 1 << 30), (65_536, 65_536)])
def test_sizes_whose_product_is_beyond_the_integers_are_refused(sides: tuple[int, int]) -> None:
    """A height and width whose product overflows are refused.

    Multiplied in 32 bits they would come out small, and the check of lengths would accept buffers that are far too
    short.
    """
    pixels, out, _, masks, _, *rest = grade_arguments()
    assert call("grade", (pixels, out, (*sides, 16), masks, (3, 5), *rest))
    assert call("grade", (pixels, out, (HEIGHT, WIDTH, 8), masks, sides, *rest))
