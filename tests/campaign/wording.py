"""Damage to text, and text made up by a grammar: LUT files, recipes, configurations and model cards."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

from campaign.mutate import Mutation

WORDS = (
    *(
        "0",
        "1",
        "-1",
        "2",
        "33",
        "65",
        "129",
        "1e9",
        "1e308",
        "1e-308",
        "-0",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1_000",
        "٣",
    ),
    *("1.5.5", "99999999999999999999", "true", "false", "null", "''", '""', '"', "[", "]", "{", "}", "=", "#", "\\"),
    *("name", "LUT_3D_SIZE", "LUT_1D_SIZE", "DOMAIN_MIN", "\x00", "\x1b[31m", "\x07", "\u202e", "é", "🙂", "\ufeff"),
    *(
        "[red]",
        "[/]",
        "%s",
        "{0}",
        "../../x",
        "/dev/zero",
        "C:\\x",
        "a" * 3000,
        "\r",
        "\t",
        ",",
        ";",
        "<",
        "&x;",
        "]]>",
    ),
)
"""What a word or number of a file is replaced by."""

_WORD = re.compile(rb"[^\s,=<>\"{}\[\]:]+")


def replace_words(data: bytes, rng: random.Random) -> bytes:
    """Words and numbers replaced by others."""
    for _ in range(rng.randint(1, 3)):
        found = list(_WORD.finditer(data))
        if not found:
            return data
        match = rng.choice(found[:60] if rng.random() < 0.5 else found)
        data = data[: match.start()] + rng.choice(WORDS).encode("utf-8", "surrogatepass") + data[match.end() :]
    return data


def change_lines(data: bytes, rng: random.Random) -> bytes:
    """A line out, doubled, many times over, moved, or cut."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    action = rng.randrange(5)
    if action == 0:
        del lines[at]
    elif action == 1:
        lines[at:at] = [lines[at]] * rng.choice((1, 2, 500))
    elif action == 2:
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    elif action == 3:
        lines[at] = lines[at][: len(lines[at]) // 2]
    else:
        del lines[at + 1 :]
    return b"\n".join(lines)


def other_encoding(data: bytes, rng: random.Random) -> bytes:
    """The text in another encoding or with other line ends."""
    text = data.decode("utf-8", "replace")
    encoding = rng.choice(("utf-16", "utf-8-sig", "utf-32", "crlf", "cr"))
    if encoding in ("crlf", "cr"):
        return data.replace(b"\n", b"\r\n" if encoding == "crlf" else b"\r")
    return text.encode(encoding)


def nest(data: bytes, rng: random.Random) -> bytes:
    """Brackets in brackets, deeper than a recursive reader can follow."""
    depth = rng.choice((50, 1500, 100_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"a.", b"")))
    nested = opening * depth + b"1" + closing * depth
    at = rng.randint(0, len(data))
    return rng.choice((nested, b"x = " + nested, data[:at] + nested + data[at:]))


TEXT: tuple[Mutation, ...] = (
    replace_words,
    replace_words,
    replace_words,
    change_lines,
    change_lines,
    other_encoding,
    nest,
)
"""For text of any format."""


# ---- made up ---------------------------------------------------------------------------------------------------------


def odd_value(rng: random.Random, depth: int = 0) -> Any:
    """Any JSON or TOML value: of every type, sensible or not."""
    kind = rng.randrange(9 if depth < 3 else 7)
    if kind == 7:
        return [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 8:
        return {
            rng.choice(("hue", "amount", "a", "skin", "", "é")): odd_value(rng, depth + 1)
            for _ in range(rng.randrange(3))
        }
    return rng.choice(
        (0, 1, -1, 2, 10**30, -(10**12), 0.5, 1e308, -0.1, float("inf"), float("nan"), True, False, "", "vivid", "0",
         "\x1b[2J", "a\nb", "[bold]x", "../x", "x" * 500, "1:2:3", "1280x720", "16x16", "99999x99999", "auto", "cpu")
    )  # fmt: skip


def toml_value(value: Any) -> str:
    """`value` as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_value(one)}" for key, one in value.items()) + "}"
    return repr(value)


def toml_text(keys: Sequence[str], tables: Sequence[str], rng: random.Random) -> bytes:
    """A TOML file with some of `keys`, at the top and in some of `tables`."""
    rows = []
    for table in ("", *rng.sample(tables, rng.randint(0, min(3, len(tables))))):
        if table:
            rows.append(rng.choice((f"[{table}]", f"[[{table}]]", f"[{table}]")))
        rows += [f"{key} = {toml_value(odd_value(rng))}" for key in rng.sample(keys, rng.randint(0, min(4, len(keys))))]
    return "\n".join(rows).encode("utf-8", "surrogatepass")


def json_changed(data: bytes, rng: random.Random) -> bytes:
    """A JSON object with one value or key replaced: still JSON, so that what follows its reader is reached."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return replace_words(data, rng)
    if not isinstance(values, dict) or not values:
        return json.dumps(odd_value(rng)).encode()
    key = rng.choice(list(values))
    action = rng.randrange(6)
    if action == 0:
        del values[key]
    elif action == 1:
        values[str(odd_value(rng))] = values.pop(key)
    else:
        values[key] = odd_value(rng) if action < 5 else _inside(values[key], rng)
    return json.dumps(values).encode("utf-8", "surrogatepass")


def _inside(value: Any, rng: random.Random) -> Any:
    """`value` with one of its members replaced."""
    if isinstance(value, dict) and value:
        return {**value, rng.choice(list(value)): odd_value(rng)}
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return [*value[:at], odd_value(rng), *value[at + 1 :]]
    return odd_value(rng)
