"""Model cards: what is read back, what is refused with file and key, and at which size a network sees a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from livestyle.errors import ModelError
from livestyle.models.card import LARGEST_CARD, ModelCard, network_size, parse_card, read_card, write_card


def valid() -> dict[str, Any]:
    """The JSON of a card in which nothing is wrong."""
    return {
        "name": "tiny",
        "file": "tiny.onnx",
        "sha256": "0" * 64,
        "classes": ["background", "hair"],
        "regions": {"background": "background", "hair": "hair"},
        "input_size": [256, 256],
        "output_stride": 4,
        "normalisation": "inside",
        "licence": "MIT",
        "training_data": ["made up"],
        "provenance": "a test",
        "opset": 17,
        "parameters": 10,
    }


def test_a_card_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """`read_card` gives exactly what `write_card` wrote, so that an exported model is the one that was described."""
    card = parse_card(valid() | {"figures": {"hair": 0.5}}, "here")
    write_card(card, tmp_path / "tiny.json")
    assert read_card(tmp_path / "tiny.json") == card


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"file": "../tiny.onnx"}, "plain file name"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"classes": ["hair", "background"]}, "the first is 'background'"),
        ({"classes": ["background", "hair", "hair"]}, "different names"),
        ({"regions": {"background": "background"}}, "exactly the classes"),
        ({"regions": {"background": "background", "hair": "beard"}}, "maps each class"),
        ({"input_size": [250, 256]}, "multiples of 32"),
        ({"input_size": [256]}, "a width and a height"),
        ({"opset": "new"}, "opset must be a whole number"),
        ({"output_stride": 0}, "from 1 to 32"),
        ({"output_stride": 3}, "divisor of 32"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_one_wrong_value_is_named_with_the_file(change: dict[str, Any], says: str) -> None:
    """Each key is checked by itself.

    A wrong one is a ModelError that names the file and says what the key must be: a card decides which plane is drawn
    as which region, so nothing in it is guessed.
    """
    with pytest.raises(ModelError, match=says) as caught:
        parse_card(valid() | change, "here.json")
    assert "here.json" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("key", sorted(valid()))
def test_a_missing_key_is_named(key: str) -> None:
    """Only `figures` may be missing, and the error names what is: neither classes nor a licence have a sensible
    default."""
    data = valid()
    del data[key]
    with pytest.raises(ModelError, match=f"lacks {key}"):
        parse_card(data, "here.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00\x01", "3"])
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    """What is not JSON, or JSON without an object, is a ModelError with the file's name rather than a parser's
    exception."""
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(ModelError, match=r"tiny\.json"):
        read_card(tmp_path / "tiny.json")


def test_a_missing_card_is_refused(tmp_path: Path) -> None:
    """Without a card neither the classes nor the licence of a model are known, so it is not used."""
    with pytest.raises(ModelError, match="missing"):
        read_card(tmp_path / "tiny.json")


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 480), (500, 500), (1, 1), (2560, 1080)])
def test_the_network_sees_the_cards_number_of_pixels_in_the_pictures_aspect(size: tuple[int, int]) -> None:
    """A picture of any size costs about the card's number of pixels and keeps its aspect; both sides are multiples of
    32, as the network needs."""
    card: ModelCard = parse_card(valid(), "here")
    width, height = network_size(card, *size)
    assert width % 32 == height % 32 == 0
    # Steps of 32 on sides of about 200 distort the aspect by up to 12 %, and change the pixels' number by as much.
    assert abs(math.log(width / height * size[1] / size[0])) < 0.12
    assert abs(math.log(width * height / card.pixels)) < 0.12


@pytest.mark.parametrize("size", [(10_000, 1), (1, 10_000)])
def test_an_extreme_aspect_is_bent_rather_than_refused(size: tuple[int, int]) -> None:
    """A strip of 10,000 to 1 is seen at 2048 x 32: the shortest side that the network takes, and still the card's 256 x
    256 pixels. People in it are distorted, but the picture is styled."""
    assert sorted(network_size(parse_card(valid(), "here"), *size)) == [32, 2048]


def test_every_bundled_card_says_where_the_model_comes_from_and_lies_beside_it() -> None:
    """What we distribute states licence, provenance and training data with its terms (some sets are for research), and
    the file that the card names is there."""
    from livestyle.models.segmenter import WEIGHTS, bundled_names

    cards = [read_card(WEIGHTS / f"{name}.json") for name in bundled_names()]
    assert {"lite", "small", "xxsmall"} <= {card.name for card in cards}
    for card in cards:
        assert (WEIGHTS / card.file).is_file()
        assert "not stated" not in (card.licence, card.provenance, *card.training_data)
        assert "research" in json.dumps(card.training_data)


ODD = [
    *(
        None,
        True,
        False,
        -1,
        0,
        1e300,
        0.5,
        10**400,
        math.inf,
        -math.inf,
        math.nan,
        "",
        "\0",
        "a\0b",
        "\ud800",
        "\x1b[2J",
    ),
    *("a" * 20_000, "../x", "/etc/passwd", "C:\\x", "..", [], [[]], [None], [math.nan], ["\ud800"], [1e300, 1e300]),
    *([2**31, 2**31], [-32, 32], [True, True], ["a"] * 1000, {}, {"": {}}, {"a": math.inf}, {"background": ["x"]}),
]
FITS = {  # which of the above the key accepts
    "name": ("../x", "/etc/passwd", "C:\\x", ".."),
    "parameters": (0,),
    "figures": ({}, {"": {}}, {"background": ["x"]}),
}
FITS |= dict.fromkeys(("normalisation", "licence", "provenance"), FITS["name"])


@pytest.mark.parametrize("key", [*sorted(valid()), "figures"])
def test_every_key_refuses_every_value_that_it_cannot_hold(key: str, tmp_path: Path) -> None:
    """As values, and by way of a file, in which Python writes what JSON does not know (NaN, Infinity)."""
    path = tmp_path / "tiny.json"
    for value in (value for value in ODD if value not in FITS.get(key, ())):
        with pytest.raises(ModelError):
            parse_card(valid() | {key: value}, "here.json")
        path.write_text(json.dumps(valid() | {key: value}))
        with pytest.raises(ModelError, match=r"tiny\.json"):
            read_card(path)


@pytest.mark.parametrize("key", sorted(FITS))
def test_every_key_takes_what_it_can_hold(key: str) -> None:
    """The counterpart: odd values that a key allows are accepted, so the refusals above are about the values."""
    for value in FITS[key]:
        parse_card(valid() | {key: value}, "here.json")


@pytest.mark.parametrize("number", ["1e400", "Infinity", "NaN", "9" * 5000, "1.0"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, number: str) -> None:
    """NaN and Infinity are not JSON although Python reads them; numbers beyond a float, of thousands of digits or with
    a fraction are no whole numbers. Each is a ModelError with the file's name."""
    text = json.dumps(valid()).replace('"opset": 17', f'"opset": {number}')
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(ModelError, match=r"tiny\.json"):
        read_card(tmp_path / "tiny.json")


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, " " * (LARGEST_CARD + 1)], ids=["lists", "objects", "large"]
)
def test_a_card_that_would_exhaust_the_reader_is_refused(tmp_path: Path, text: str) -> None:
    """Deep nesting and a file beyond LARGEST_CARD are refused like any broken card, which may come from a stranger."""
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(ModelError, match=r"tiny\.json"):
        read_card(tmp_path / "tiny.json")
