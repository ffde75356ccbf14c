"""Damage to files, made from a seed: the same random numbers give the same bytes again.

A mutation takes the bytes of a valid file and returns others. Those here know nothing of a format; `structure` has
those that do, `wording` those for text.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Mutation = Callable[[bytes, random.Random], bytes]
"""(a file's bytes, random numbers) -> other bytes; works on any bytes, also on none."""

MOST_BYTES = 4 << 20  # a mutation never makes a file larger than this
MOST_MUTATIONS = 4  # done to one file, one after the other
NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""What counts, sizes and offsets are set to: the ends of the ranges of usual integers."""


def rng_of(*parts: object) -> random.Random:
    """Random numbers that depend on `parts` alone, on every machine and in every process."""
    return random.Random("/".join(map(str, parts)))


def mutated(data: bytes, mutations: Sequence[Mutation], rng: random.Random) -> tuple[bytes, list[str]]:
    """`data` after one or a few of `mutations`, and the names of those."""
    names = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, MOST_MUTATIONS))):
        mutation = rng.choice(mutations)
        data = mutation(data, rng)[:MOST_BYTES]
        names.append(getattr(mutation, "__name__", "mutation"))
    return data, names


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    """A few single bits."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_bits_of_head(data: bytes, rng: random.Random) -> bytes:
    """A few bits in the first bytes, where sizes and types stand."""
    return flip_bits(data[:128], rng) + data[128:]


def random_bytes(data: bytes, rng: random.Random) -> bytes:
    """A run of random bytes in place of others."""
    start, length = _span(data, rng, 64)
    return data[:start] + rng.randbytes(length) + data[start + length :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    """The file's beginning only."""
    return data[: rng.randrange(len(data))] if data else data


def behead(data: bytes, rng: random.Random) -> bytes:
    """The file without its first bytes."""
    return data[rng.randrange(min(len(data), 64)) :] if data else data


def remove(data: bytes, rng: random.Random) -> bytes:
    """A part taken out."""
    start, length = _span(data, rng, max(1, len(data) // 2))
    return data[:start] + data[start + length :]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """A part several times over."""
    start, length = _span(data, rng, 4096)
    return data[:start] + data[start : start + length] * rng.choice((2, 3, 64)) + data[start + length :]


def swap(data: bytes, rng: random.Random) -> bytes:
    """Two neighbouring parts in the other order."""
    start, length = _span(data, rng, 4096)
    half = start + length // 2
    return data[:start] + data[half : start + length] + data[start:half] + data[start + length :]


def zero(data: bytes, rng: random.Random) -> bytes:
    """A part full of zeros, as a disk block that was never written."""
    start, length = _span(data, rng, 512)
    return data[:start] + bytes(length) + data[start + length :]


def append(data: bytes, rng: random.Random) -> bytes:
    """Something after the end."""
    return data + rng.choice((b"\x00" * 512, rng.randbytes(200), data[: rng.randint(0, len(data))]))


def set_integer(data: bytes, rng: random.Random) -> bytes:
    """An integer anywhere, of 1 to 8 bytes in either order, to the end of a range."""
    return write_number(data, rng.randrange(len(data)), rng) if data else data


def set_integer_of_head(data: bytes, rng: random.Random) -> bytes:
    """An integer in the file's first bytes to the end of a range."""
    return write_number(data, rng.randrange(min(96, len(data))), rng) if data else data


def write_number(data: bytes, at: int, rng: random.Random) -> bytes:
    """One of NUMBERS written at `at`."""
    width = rng.choice((1, 2, 4, 4, 4, 8))
    number = rng.choice(NUMBERS) & ((1 << 8 * width) - 1)
    return data[:at] + number.to_bytes(width, rng.choice(("big", "little"))) + data[at + width :]


def splicing(others: Sequence[bytes]) -> Mutation:
    """The mutation that ends a file with the end of another one."""

    def splice(data: bytes, rng: random.Random) -> bytes:
        other = rng.choice(others)
        return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]

    return splice


BYTES: tuple[Mutation, ...] = (
    *(flip_bits, flip_bits, flip_bits_of_head, random_bytes, truncate, behead, remove, repeat, swap, zero, append),
    *(set_integer, set_integer_of_head),
)
"""For files of any format."""


def _span(data: bytes, rng: random.Random, longest: int) -> tuple[int, int]:
    """(start, length) of a part of `data`."""
    if not data:
        return 0, 0
    start = rng.randrange(len(data))
    return start, min(rng.randint(1, longest), len(data) - start)
