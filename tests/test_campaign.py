"""The campaign itself: its damage is the same for the same seed, and a broken product is called broken."""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

if sys.platform != "linux":
    pytest.skip("the campaign runs on Linux: it reads /proc and opens terminals", allow_module_level=True)

from campaign import clock, structure, wording
from campaign.formats import damaged, formats, has_seeds, undamaged
from campaign.inputs import Plan, run_inputs, try_input
from campaign.judge import Failure, judge
from campaign.mutate import BYTES, mutated, rng_of
from campaign.playing import plays, shows
from campaign.pool import Outcome, Worker
from campaign.recordings import watch
from campaign.results import Results
from campaign.seeds_photos import photos, tiny_photo
from campaign.steady import Minute, growth
from campaign.watched_camera import measured
from tests_media import scene, write_clip

BY_NAME = {form.name: form for form in formats()}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_format_has_valid_files_and_the_same_seed_gives_the_same_inputs(name: str) -> None:
    """Number 3 of seed 1 is the same bytes and command line each time, and differs from number 4 and from seed 2."""
    form = BY_NAME[name]
    if not has_seeds(form):
        pytest.skip("the libraries here cannot write this format")
    first, again = damaged(form, 1, 3), damaged(form, 1, 3)
    assert (first.files, first.arguments, first.history) == (again.files, again.arguments, again.history)
    others = [damaged(form, seed, index).files for seed in (1, 2) for index in range(6)]
    assert len({str(sorted(files.items())) for files in others}) > 6


def test_damage_differs_from_what_it_was_made_of() -> None:
    """Of many damaged copies hardly any is as it was."""
    data = photos("png")[0]
    same = sum(mutated(data, BYTES, rng_of("same", number))[0] == data for number in range(200))
    assert same < 20


@pytest.mark.parametrize("name", sorted(structure.STRUCTURES))
def test_structure_mutations_take_any_bytes(name: str) -> None:
    """Nothing, noise and cut files come back as bytes: a mutation never fails on what another one has made."""
    mutation = structure.STRUCTURES[name]
    valid = BY_NAME[name].seeds() or [b""]
    for number in range(60):
        rng = rng_of(name, number)
        data = rng.choice((b"", b"\x00", rng.randbytes(200), valid[0][: rng.randrange(len(valid[0]) or 1)], valid[0]))
        assert isinstance(mutation(data, rng), bytes)


def test_png_chunks_keep_right_checksums() -> None:
    """What is damaged is the content: a reader that checks sums first still gets to it."""
    for number in range(50):
        data = structure.png_chunks(photos("png")[0], random.Random(number))
        at = 8
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            content, stored = data[at + 4 : at + 8 + length], data[at + 8 + length : at + 12 + length]
            assert zlib.crc32(content) == int.from_bytes(stored, "big")
            at += 12 + length


def test_boxes_taken_out_leave_the_sizes_around_them_right() -> None:
    """Whatever box is changed, most results still are boxes from beginning to end."""
    data = BY_NAME["mp4"].seeds()[0]
    whole = 0
    for number in range(60):
        changed, at = structure.boxes(data, random.Random(number)), 0
        while (size := int.from_bytes(changed[at : at + 4], "big")) >= 8 and at + size < len(changed):
            at += size
        whole += at + size == len(changed)
    assert whole > 30


def test_made_up_toml_is_mostly_toml() -> None:
    """Else it would only try the parser, never what comes after it."""
    import tomllib

    good = 0
    for number in range(100):
        try:
            tomllib.loads(wording.toml_text(("a", "b"), ("t",), random.Random(number)).decode("utf-8", "replace"))
        except tomllib.TOMLDecodeError:
            continue
        good += 1
    assert good > 50


# ---- the product's stand-ins -----------------------------------------------------------------------------------------

STAND_IN = """
import os, signal, sys, threading, time
def main(arguments):
    output = arguments[arguments.index("-o") + 1]
    {0}
    sys.exit(0)
"""
WRITE = 'open(output, "wb").write(open("photo.png", "rb").read())'

BROKEN = {
    "hang": "time.sleep(600)",
    "crash": "os.kill(os.getpid(), signal.SIGSEGV)",
    "traceback": "raise ValueError('x')",
    "internal error": "print('livestyle: internal error: x', file=sys.stderr); sys.exit(1)",
    "exit code": "print('livestyle: x', file=sys.stderr); sys.exit(7)",
    "sentence": "sys.exit(3)",
    "control characters": f"{WRITE}; print('livestyle: a\\x1b[31mb', file=sys.stderr)",
    "invalid JSON": f"{WRITE}; print('{{')",
    "stray output": f"{WRITE}; os.write(2, b'libpng warning: x\\n')",
    "half-written": "open(output, 'wb').write(b'half')",
    "file left": f"{WRITE}; open('.out.png.part-1', 'w').close()",
    "memory": f"{WRITE}; data = b'x' * (600 << 20)",
    "descriptors left": f"{WRITE}; os.open('photo.png', os.O_RDONLY)",
    "threads left": f"{WRITE}; threading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
}


RunStandIn = Callable[..., list[str]]
"""(body, limit=seconds) -> kinds of failure."""


@pytest.fixture
def run_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStandIn:
    """Runs one input on a stand-in for the product whose body is given; returns the kinds of failure."""

    def run(body: str, limit: float = 60) -> list[str]:
        (tmp_path / "stand_in.py").write_text(STAND_IN.format(body))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        case = undamaged(BY_NAME["recipe"])
        with Worker(tmp_path / "scratch", entry="stand_in:main") as worker:
            return [failure.kind for failure in try_input(worker, case, tmp_path / "run", limit)[1]]

    return run


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_product_is_called_broken_by_its_kind(
    run_stand_in: RunStandIn, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign that cannot fail is worthless. (The bound on memory is lowered: 600 MB do for the test.)"""
    monkeypatch.setattr("campaign.judge.MOST_MEGABYTES", 500)
    assert kind in run_stand_in(BROKEN[kind], limit=1 if kind == "hang" else 60)


def test_a_sound_product_is_called_clean(run_stand_in: RunStandIn) -> None:
    """Neither an output that shows nor a refusal with a sentence is a failure."""
    assert run_stand_in(WRITE) == []
    assert run_stand_in("print('livestyle: no', file=sys.stderr); sys.exit(3)") == []


def test_a_campaign_counts_saves_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All inputs are counted; of a failing one the files, the command and how to repeat it are kept."""
    (tmp_path / "stand_in.py").write_text(STAND_IN.format("raise RuntimeError('always')"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    form, results = BY_NAME["config"], Results()
    run_inputs(Plan({"config": 8}, [form], 5, float("inf"), tmp_path, 2, "stand_in:main"), results)
    assert results.failed
    assert (results.tallies["config"].inputs, results.tallies["config"].clean) == (8, 0)
    assert results.tallies["config"].kinds == {"traceback": 8}
    kept = sorted((tmp_path / "failures" / "config" / "traceback").iterdir())
    assert len(kept) == 5
    assert (kept[0] / "in.toml").read_bytes() == damaged(form, 5, int(kept[0].name)).files["in.toml"]
    assert f"--seed 5 --repeat config:{kept[0].name}" in (kept[0] / "command.txt").read_text()
    assert "| config | 8 | 0 | 0 | traceback 8 |" in results.markdown()


def test_an_input_that_breaks_off_may_have_an_output_if_it_shows(tmp_path: Path) -> None:
    """With exit code 4 the output holds everything up to the fault; with 3 there must be none."""
    output = tmp_path / "out.png"
    output.write_bytes(tiny_photo())
    told = Outcome(4, "", "livestyle: broke off\n")
    assert judge(told, output, []) == []
    assert [failure.kind for failure in judge(Outcome(3, "", told.stderr), output, [])] == ["half-written"]
    output.write_bytes(tiny_photo()[:200])
    assert [failure.kind for failure in judge(told, output, [])] == ["half-written"]


# ---- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 0x80000001, 0xFFFFFFFF, 123456789])
def test_the_clock_is_read_as_it_was_burnt_in(number: int, tmp_path: Path) -> None:
    """Also from a video; a picture without a clock has none."""
    picture = scene(0, (320, 240))
    assert clock.read(picture[..., 1]) is None
    picture = clock.burn(picture.copy(), number)
    assert clock.read(picture[..., 1]) == number
    write_clip(tmp_path / "a.mp4", [picture], [0], options={"crf": "28"})
    assert watch(tmp_path / "a.mp4").numbers == [number]


def test_what_does_not_play_is_told_from_what_does(tmp_path: Path) -> None:
    """Whole files do; cut ones and noise do not."""
    whole = write_clip(tmp_path / "a.mp4", [scene(index) for index in range(5)], [0, 40, 80, 120, 160])
    assert plays(whole) == ""
    (tmp_path / "b.mp4").write_bytes(whole.read_bytes()[:-200])
    assert plays(tmp_path / "b.mp4")
    (tmp_path / "c.png").write_bytes(tiny_photo())
    (tmp_path / "d.png").write_bytes(tiny_photo()[:-40])
    assert shows(tmp_path / "c.png") == ""
    assert shows(tmp_path / "d.png")


def test_a_raw_frame_is_told_from_a_styled_one_and_from_a_card() -> None:
    """Green is raw, wherever it is in the picture; the signature is styled; a grey card is neither."""
    raw = np.zeros((240, 320, 3), np.uint8)
    raw[..., 1] = 180
    styled = np.zeros_like(raw)
    styled[..., 0], styled[..., 2] = 255, 180
    card = np.full_like(raw, 60)
    mixed = styled.copy()
    mixed[:20, :20] = raw[:20, :20]
    assert measured(raw)["raw"] == 1
    assert measured(mixed)["raw"] > 0
    assert measured(styled) == {"raw": 0, "styled": 1, "clock": None}
    assert measured(card) == {"raw": 0, "styled": 0, "clock": None}


def test_growth_is_told_from_a_level() -> None:
    """From the second minute on: the first one loads everything."""
    level = [Minute(megabytes, 9, 12, 800, 40, 60) for megabytes in (150, 300, 310, 305, 308)]
    assert growth(level) == []
    rising = [Minute(300 + 60 * minute, 9 + 2 * minute, 12, 800, 40, 60) for minute in range(5)]
    assert growth(rising) == [
        Failure("growth", "memory from 360 to 540 MB", "memory"),
        Failure("growth", "descriptors from 11 to 17", "descriptors"),
    ]
