"""The configuration file: every option with every type of TOML, and files that are none."""

from __future__ import annotations

import json
import os
import sys

import pytest

from livestyle.cli.configuration import NOT_FOR_CONFIG, accepted_by
from livestyle.cli.main import livestyle, main

VALUES = {
    "string": '"a"',
    "number word": '"0.5"',
    "integer": "1",
    "huge": "1" + "0" * 400,
    "float": "0.5",
    "not a number": "nan",
    "infinite": "-inf",
    "boolean": "true",
    "list": '["a"]',
    "nested list": "[[1], {a = 2}]",
    "table": "{a = 1}",
    "date": "1979-05-27",
    "time": "07:32:00",
    "moment": "1979-05-27T07:32:00Z",
    "empty": '""',
    "nul": '"a\\u0000b"',
}
OPTIONS = sorted(param.name for param in livestyle.params if param.name not in NOT_FOR_CONFIG)
NUMBERS = ("background", "clothes", "color", "fps", "hair", "intensity", "max_cpu", "max_latency", "skin", "tone")
TAKES: dict[str, set[type]] = {  # TOML types by option, written down here a second time
    **{name: {bool} for name in ("as_json", "debug", "quiet", "mirror", "window", "on_demand")},
    **{name: {int, float} for name in NUMBERS},
    "crf": {int},
    "start": {int, float, str},
    "duration": {int, float, str},
    "wait": {bool, int, float, str},
    "camera": {int, str},
}
TOML_TYPES = {
    "string": str, "number word": str, "empty": str, "nul": None, "integer": int, "huge": int, "float": float,
    "not a number": float, "infinite": float, "boolean": bool,
}  # fmt: skip


def run(capsys, *arguments) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def key_of(option: str) -> str:
    return "json" if option == "as_json" else option.replace("_", "-")


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("option", OPTIONS)
def test_a_value_of_the_wrong_type_is_refused_by_file_and_key(capsys, tmp_path, option, kind):
    """Nothing but the types that an option takes reaches it, and what is in range only fails for the missing input."""
    config = tmp_path / "c.toml"
    config.write_text(f"{key_of(option)} = {VALUES[kind]}\n", "utf-8")
    code, out, err = run(capsys, "--config", config, "--list-styles")
    fits = TOML_TYPES.get(kind) in TAKES.get(option, {str})
    if not fits:
        assert code == 2
        assert err.startswith(f"livestyle: {config}: {key_of(option)}: ")
    else:  # of the right type: it is accepted, or out of range
        assert code in (0, 2)
        assert code == 0 or err.startswith(f"livestyle: {config}: {key_of(option)}: ")
        assert "internal error" not in err
    assert bool(out) == (code == 0)


def test_every_option_of_a_number_takes_one(capsys, tmp_path):
    """The other side of the matrix: ordinary values of every option together."""
    config = tmp_path / "c.toml"
    config.write_text(
        'output = "out"\nstyle = "warm"\nintensity = 1\ntone = 0.5\ncrf = 20\nstart = "0:01"\nduration = 2.5\n'
        'size = "720p"\ncamera = 0\nwindow = false\nquiet = true\nmax-cpu = 50\ndevice = "cpu"\n',
        "utf-8",
    )
    assert run(capsys, "--config", config, "--list-styles")[0] == 0


def test_every_option_says_what_it_takes():
    """A new option cannot be forgotten: each is in the table above, or takes a string."""
    for param in livestyle.params:
        if param.name in OPTIONS:
            assert set(accepted_by(param).types) == TAKES.get(param.name, {str}), param.name


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xef\xbb\xbfintensity = 7\r\n", ": intensity: "),
        (b"intensity = 7\r\nskin = 0\r\n", ": intensity: "),
        ("intensity = 7".encode("utf-16"), "is not text in UTF-8"),
        (b"intensity = \xff", "is not text in UTF-8"),
        (b"intensity = \0", "is not valid TOML"),
        (b"intensity = " + b"9" * 5000, "is not valid TOML"),
        (b"style = " + b"[" * 100_000, "is not valid TOML"),
        (b"style = 1\n" + b"a." * 100_000 + b"a = 1", "A key of more than 64 parts (at line 2"),  # or minutes and 12 GB
        (b"a" * 5000 + b" = 1", f"unknown option {'a' * 60}…\n"),
        (b"#" * ((1 << 20) + 1), "larger than 1 MiB"),
        (b'"\x1b]0;x" = 1', "is not valid TOML"),
        (b'"\\u001b]0;x" = 1', r"unknown option \x1b]0;x"),
    ],
)
def test_bytes_that_are_no_configuration_are_refused_with_a_sentence(capsys, tmp_path, content, says):
    """A mark of byte order and Windows' line ends are read; all else that is strange ends with exit code 2."""
    config = tmp_path / "c.toml"
    config.write_bytes(content)
    code, _, err = run(capsys, "--config", config, "x.mp4")
    assert code == 2
    assert says in err
    assert "internal error" not in err


def test_what_is_no_file_is_not_read(capsys, tmp_path):
    """A folder, a pipe that nobody writes to (reading it would wait forever), a device without end."""
    assert "is a folder" in run(capsys, "--config", tmp_path, "x.mp4")[2]
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe.toml")
        code, _, err = run(capsys, "--config", tmp_path / "pipe.toml", "x.mp4")
        assert (code, "is a pipe or a device" in err) == (2, True)
        assert run(capsys, "--config", "/dev/zero", "x.mp4")[0] == 2
        (tmp_path / "loop.toml").symlink_to("loop.toml")
        assert "cannot be reached" in run(capsys, "--config", tmp_path / "loop.toml", "x.mp4")[2]
    assert "cannot be reached" in run(capsys, "--config", tmp_path / ("n" * 300), "x.mp4")[2]


def test_the_null_device_is_an_empty_configuration(capsys):
    """How programs are told to take none."""
    assert run(capsys, "--config", os.devnull, "--list-styles")[0] == 0


def test_the_configuration_decides_how_errors_are_told_as_well(capsys, tmp_path):
    """json = true there makes JSON of what is wrong with the command line."""
    config = tmp_path / "c.toml"
    config.write_text("json = true\n", "utf-8")
    code, out, _ = run(capsys, "--config", config, "--start", "soon", "x.mp4")
    assert json.loads(out)["exit_code"] == code == 2


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        ("window = false", ["--camera", "http://127.0.0.1:1/"], "has window = false"),
        ("window = false", ["x.png"], "has window = false"),
        ("", ["x.png", "--no-window"], "drop --no-window"),
    ],
)
def test_hints_name_the_configuration_where_the_value_came_from_it(capsys, tmp_path, content, arguments, says):
    """Nobody is told to drop an option that was not typed."""
    config = tmp_path / "c.toml"
    config.write_text(content, "utf-8")
    code, _, err = run(capsys, "--config", config, *arguments)
    assert code == 2
    assert says in err
    assert (str(config) in err) == bool(content)


@pytest.mark.parametrize("content", ["window = true", 'virtual-camera = ""', "camera = 0", "max-cpu = 20"])
def test_values_meant_for_cameras_refuse_no_file(capsys, tmp_path, content):
    """In the configuration file they stand for other runs: the missing file is the first thing that is wrong."""
    config = tmp_path / "c.toml"
    config.write_text(content, "utf-8")
    code, _, err = run(capsys, "--config", config, tmp_path / "no.mp4", "-o", tmp_path / "out.mp4")
    assert code == 3
    assert "no.mp4" in err
