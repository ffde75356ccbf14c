"""The console command in hostile surroundings: names, streams, permissions, libraries that raise anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from livestyle import session
from livestyle.cli.main import main

PROGRAM = [sys.executable, "-m", "livestyle"]
LIMIT_S = 120  # generous: only a hang makes a test wait for it

posix = pytest.mark.skipif(sys.platform == "win32", reason="names, devices and shells of POSIX")
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nobody's configuration."""
    return {**os.environ, "HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture(autouse=True)
def _own_config(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "livestyle.cli.config_file.config_path", lambda: tmp_path / "config" / "livestyle" / "config.toml"
    )


def shell(line: str, environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in which "$@" is the program."""
    command = ["bash", "-c", line, "bash", *PROGRAM, *map(os.fspath, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=LIMIT_S)


def run(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@posix
@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_names_reach_neither_the_terminal_nor_the_json_raw(photo, tmp_path, environment, encoding):
    """An escape sequence, a line feed, a byte that is not UTF-8 and rich's markup, in one name."""
    name = os.fsdecode(b"\x1b]0;gone\x07\n\xff[bold]x.png")
    source = photo("in.png").rename(tmp_path / name)
    environment["PYTHONIOENCODING"] = encoding
    done = shell('"$@"', environment, "--json", source, "-o", tmp_path / "out.png")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode())["source"].endswith("\x1b]0;gone\x07\n\\xff[bold]x.png")
    assert not set(done.stderr + done.stdout) & {*range(10), *range(11, 32), 127}
    assert rb"\x1b]0;gone\x07\x0a\xff[bold]x.png" in done.stderr


@full
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_work_is_done_without_a_stderr(photo, tmp_path, environment, redirection):
    """A service without one, a log on a full disk."""
    done = shell(f'"$@" {redirection}', environment, photo("in.png"), "-o", tmp_path / "out.png")
    assert done.returncode == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@full
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "| true; exit ${PIPESTATUS[0]}"])
def test_a_report_that_cannot_be_written_is_said_and_the_work_is_done(photo, tmp_path, environment, redirection):
    """One sentence for any number of inputs, and exit code 4."""
    inputs = [photo(name) for name in ("a.png", "b.png")]
    out = tmp_path / "out"
    done = shell(f'"$@" {redirection}', environment, "-q", "--json", *inputs, "-o", f"{out}/")
    assert done.returncode == 4
    assert done.stderr.count(b"standard output cannot be written") == 1
    assert b"internal error" not in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png"]


@full
@pytest.mark.parametrize("what", ["--list-styles", "--help", "--version", "--completion=bash", "--list-styles --json"])
def test_answers_that_cannot_be_written_are_one_sentence(environment, what):
    """A full disk and a closed stream are exit code 4; a reader that has seen enough is no error."""
    for redirection, code in ((">/dev/full", 4), (">&-", 4), ("| true; exit ${PIPESTATUS[0]}", 0)):
        done = shell(f'"$@" {redirection}', environment, *what.split())
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == (2 if code else 0)


def test_lists_are_printed_in_any_locale(environment):
    """Characters that it lacks are written out."""
    environment["PYTHONIOENCODING"] = "ascii:strict"
    for arguments in (["--list-styles"], ["--help"], ["--list-styles", "--json"]):
        done = subprocess.run([*PROGRAM, *arguments], env=environment, capture_output=True, timeout=LIMIT_S)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [["--bogus\x1b[2J"], ["-o"], ["--crf", "x\x1b"], ["--device", "\x1b]0;x\x07"], [], ["no\x1b.png", "-o", "o.png"]],
)
def test_every_failure_is_json_where_that_was_asked_for(capsys, arguments):
    """What click finds as well; and its sentences are as safe as ours."""
    code, out, err = run(capsys, "--json", *arguments)
    assert json.loads(out)["exit_code"] == code
    assert code in (2, 3)
    assert err.startswith("livestyle: ")
    assert "\x1b" not in out + err


def test_hostile_styles_are_listed_safely_and_not_completed(capsys, tmp_path, monkeypatch):
    """Their names are what somebody else wrote; a line feed would also end the shell's list."""
    from livestyle.cli.parameter_types import StyleName

    folder = tmp_path / "styles"
    folder.mkdir()
    (folder / "x.toml").write_text('version = 1\nname = "zz\\u001b]0;x\\u0007\\n[bold]"\ntone = 0.1\n', "utf-8")
    monkeypatch.setattr("livestyle.shaders.library.user_styles_folder", lambda: folder)
    code, out, _ = run(capsys, "--list-styles")
    assert code == 0
    assert any(line.startswith(r"zz\x1b]0;x\x07\x0a[bold]") for line in out.splitlines())
    assert not [item for item in StyleName().shell_complete(None, None, "zz") if "\n" in item.value]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("bad\x1b[31m\nthing"), r"cannot be styled: RuntimeError: bad\x1b[31m"),
        (MemoryError(), "needs more memory than there is"),
        (KeyError("x"), "cannot be styled: KeyError: 'x'"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_any_exception_costs_one_input_only(capsys, photo, tmp_path, monkeypatch, error, says):
    """One sentence that names the input, JSON as well, and the next file goes on."""
    inputs = [photo(name) for name in ("a.png", "b.png", "c.png")]
    real = session.open_file

    def open_file(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "b.png":
            raise error
        return real(path, *args, **options)

    monkeypatch.setattr(session, "open_file", open_file)
    code, out, err = run(capsys, "--json", *inputs, "-o", f"{tmp_path}/out/")
    assert code == 4
    assert [json.loads(line).get("exit_code") for line in out.splitlines()] == [0, 4, 0]
    assert json.loads(out.splitlines()[1])["source"] == str(inputs[1])
    assert f"livestyle: {inputs[1]} {says}" in err or (says in err and str(inputs[1]) in err)
    assert "Traceback" not in err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_debug_shows_where_an_exception_came_from(capsys, photo, tmp_path, monkeypatch):
    """Its own traceback, not only that of the sentence, and without escape sequences."""

    def open_file(*_: Any, **__: Any) -> Any:
        raise RuntimeError("bad\x1b[31m")

    monkeypatch.setattr(session, "open_file", open_file)
    code, _, err = run(capsys, "--debug", photo("a.png"), "-o", tmp_path / "o.png")
    assert code == 4
    assert r"RuntimeError: bad\x1b[31m" in err.splitlines()
    assert "\x1b" not in err


def without_privileges() -> list[str]:
    """What to put before a command so that permissions count for it too."""
    if os.getuid() != 0:
        return []
    if which("setpriv") is None:
        pytest.skip("root may do anything here, and setpriv, which takes that away, is not installed")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@posix
@pytest.mark.parametrize(
    ("arguments", "code", "names"),
    [
        (["no/a.png", "-o", "o.png"], 3, "no/a.png"),
        (["no", "-o", "out/"], 3, "no"),
        (["unreadable.png", "-o", "o.png"], 3, "unreadable.png"),
        (["in.png", "-o", "no/o.png"], 2, "no/o.png"),
        (["in.png", "-o", "no/folder/"], 2, "no/folder"),
        (["in.png", "-o", "closed/o.png"], 2, "closed"),
        (["in.png", "-o", "protected.png", "-y"], 2, "protected.png"),
        (["in.png", "-o", "no/o.png", "-n"], 2, "no/o.png"),
        (["in.png", "-o", "o.png", "--style", "no/x.toml"], 3, "no/x.toml"),
        (["in.png", "-o", "o.png", "--style", "no/x.cube"], 3, "no/x.cube"),
        (["in.png", "-o", "o.png", "--model", "no/x.onnx"], 3, "no/x.onnx"),
        (["in.png", "-o", "o.png", "--config", "no/c.toml"], 2, "no/c.toml"),
    ],
)
def test_what_may_not_be_reached_is_named(photo, tmp_path, environment, arguments, code, names):
    """A folder that may not be searched, one that may not be written to, files without permission."""
    prefix = without_privileges()
    for name in ("in.png", "unreadable.png", "protected.png"):
        photo(name)
    (tmp_path / "unreadable.png").chmod(0)
    (tmp_path / "protected.png").chmod(0o444)
    for folder, bits in (("no", 0), ("closed", 0o555)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(bits)
    done = subprocess.run([*prefix, *PROGRAM, *arguments], cwd=tmp_path, env=environment, capture_output=True,
                          text=True, timeout=LIMIT_S)  # fmt: skip
    assert done.returncode == code, done.stderr
    assert names in done.stderr
    assert "internal error" not in done.stderr
    assert not (tmp_path / "o.png").exists()


@posix
def test_an_unreadable_folder_of_styles_or_configuration_costs_only_those(photo, tmp_path, environment):
    """As for a service whose HOME is another user's: it is reported once, and the work is done."""
    prefix = without_privileges()
    styles = tmp_path / "config" / "livestyle" / "styles"
    styles.mkdir(parents=True)
    source = photo("in.png")
    for locked, says in ((styles, "styles"), (styles.parent, "configuration")):
        locked.chmod(0)
        done = subprocess.run([*prefix, *PROGRAM, "-q", "-y", str(source), "-o", str(tmp_path / "o.png")],
                              env=environment, capture_output=True, text=True, timeout=LIMIT_S)  # fmt: skip
        locked.chmod(0o755)
        assert done.returncode == 0, done.stderr
        assert says in done.stderr
        assert done.stderr.count("Your own styles are left out") == 1


@posix
def test_inputs_that_are_no_files_are_refused_at_once(capsys, tmp_path):
    """A pipe that nobody writes to would be waited for, a device without end be read."""
    import socket

    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nowhere.png").symlink_to("missing")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path has about a hundred characters at most
        server.bind("socket.png")
        os.chdir(here)
        for name in ("pipe.png", "zero.png", "loop.png", "nowhere.png", "socket.png", "n" * 300 + ".png"):
            code, _, err = run(capsys, tmp_path / name, "-o", tmp_path / "o.png")
            assert (code, name in err) == (3, True)
    for option, suffix in (("--style", "toml"), ("--style", "cube"), ("--model", "onnx")):
        os.mkfifo(tmp_path / f"pipe-{option}.{suffix}")
        (tmp_path / "in.png").write_bytes(b"x")
        code, _, err = run(
            capsys, tmp_path / "in.png", "-o", tmp_path / "o.png", option, tmp_path / f"pipe-{option}.{suffix}"
        )
        assert code == 3
        assert "internal error" not in err


def test_a_working_folder_that_is_gone_is_no_internal_error(photo, tmp_path, environment):
    """Absolute paths still work there."""
    if sys.platform == "win32":
        pytest.skip("Windows does not remove a folder that somebody is in")
    source = photo("in.png")
    (tmp_path / "gone").mkdir()
    line = f'cd "{tmp_path}/gone" && rmdir "{tmp_path}/gone" && "$@"'
    done = shell(line, environment, "-q", source, "-o", tmp_path / "out.png")
    assert done.returncode == 0, done.stderr


def test_a_long_address_in_place_of_a_file_is_refused(capsys):
    """Looking whether there is such a file fails on a name of that length."""
    code, _, err = run(capsys, "http://127.0.0.1/" + "n" * 300, "-o", "o.mp4")
    assert (code, "use --camera" in err) == (2, True)
    code, _, err = run(capsys, "--camera", "n" * 300)
    assert code == 3
    assert "internal error" not in err


@pytest.mark.parametrize("arguments", [("", "-o", "o.png"), ("--config=", "a.png"), ("--rescue", "")])
def test_an_empty_name_is_not_the_current_folder(capsys, tmp_path, monkeypatch, arguments):
    """What a script passes for a variable that is not set styles nobody's current folder."""
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "an empty name" in err


def test_an_option_with_two_names_is_quoted_whole(capsys):
    """click quotes each name; a message has both without a stray quotation mark between them."""
    code, _, err = run(capsys, "a.png", "-o", "")
    assert (code, err.splitlines()[0].split(": ")[1]) == (2, "-o / --output")
