"""TOML from anybody: what it may hold, and what is refused before it costs time or memory."""

from __future__ import annotations

import pytest

from livestyle.system.reading import parse_toml


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 20_000 + " = 1",
        "[a" + ' . "b"' * 20_000 + "]",
        "a = {b" + ".'c'" * 20_000 + " = 1}",
        "a = " + "[" * 1000 + "]" * 1000,
        "a = 0x" + "f" * 5000,
        "a = [1, {b = 0b" + "1" * 20_000 + "}]",
    ],
    ids=["key", "header", "inline", "lists", "hexadecimal", "binary"],
)
def test_what_only_costs_time_and_memory_is_refused(text):
    """Keys and values nested too deeply, and integers that cannot be printed, raise ValueError, and nothing else."""
    with pytest.raises(ValueError, match=r"parts|deep|large"):
        parse_toml(text)


def test_what_toml_allows_is_read():
    """The bounds of TOML's 64 bits, dotted keys, prose with many dots."""
    prose = "Two words. " * 1000
    text = f'a.b.c = 9223372036854775807\nd = [-9223372036854775808]\ne = "x, {prose}"'
    assert parse_toml(text) == {"a": {"b": {"c": 2**63 - 1}}, "d": [-(2**63)], "e": f"x, {prose}"}
