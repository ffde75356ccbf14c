"""What `import livestyle` gives a Python program, and that the documented examples run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests_media import scene, write_clip

import livestyle
from livestyle.errors import OutputExistsError, StyleError
from livestyle.media.pyav import cv2

ROOT = Path(__file__).parents[2]
README = ROOT / "live" / "README.md"


def _picture(kind: type[np.unsignedinteger] = np.uint8) -> np.ndarray:
    """(96, 128, 3) of smooth colour and some noise, over the whole range of its kind."""
    rng = np.random.default_rng(2)
    ramp = np.linspace(0, 1, 128)[None, :, None] * np.array([1.0, 0.7, 0.4])
    noisy = np.clip(np.broadcast_to(ramp, (96, 128, 3)) + rng.normal(0, 0.02, (96, 128, 3)), 0, 1)
    return (noisy * np.iinfo(kind).max).astype(kind)


def test_every_exported_name_is_there_with_a_docstring() -> None:
    """Names are looked up when they are used, so that a wrong one would show only then."""
    for name in livestyle.__all__:
        assert getattr(livestyle, name)
        assert name == "__version__" or getattr(livestyle, name).__doc__, name
    assert set(livestyle.__all__) <= set(dir(livestyle))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = livestyle.no_such_name  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_heavy() -> None:
    """A program that only asks for the version does not pay for NumPy and OpenCV."""
    code = "import livestyle, sys; livestyle.__version__; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_picture_is_styled_as_the_command_styles_it(tmp_path: Path) -> None:
    """The command goes through files, the function through arrays: the pixels are the same."""
    picture = _picture()
    cv2.imwrite(str(tmp_path / "in.png"), picture[..., ::-1])
    command = [sys.executable, "-m", "livestyle", "-q", "in.png", "-o", "out.png", "--style", "dramatic"]
    subprocess.run([*command, "--device", "cpu"], cwd=tmp_path, check=True)
    expected = cv2.imread(str(tmp_path / "out.png"))[..., ::-1]
    np.testing.assert_array_equal(livestyle.style_image(picture, "dramatic"), expected)


def test_16_bits_stay_16_bits() -> None:
    """Nothing is reduced on the way: the result agrees with that of 8 bits to their rounding, and uses more levels."""
    fine = livestyle.style_image(_picture(np.uint16), "warm")
    assert fine.dtype == np.uint16
    assert len(np.unique(fine)) > 1000
    coarse = livestyle.style_image(_picture(), "warm")
    assert np.abs(fine / 257 - coarse).max() < 3


def test_the_array_that_is_given_stays_as_it_is_and_writable() -> None:
    """Frames inside livestyle are read-only; that must not leak to the caller's own array."""
    picture = _picture()
    before = picture.copy()
    styled = livestyle.style_image(picture)
    np.testing.assert_array_equal(picture, before)
    assert picture.flags.writeable
    assert styled.flags.writeable
    assert not np.shares_memory(picture, styled)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "empty"],
)
def test_another_kind_of_array_is_refused_with_its_shape(wrong: np.ndarray) -> None:
    """Guessing what it means would give a wrong picture."""
    with pytest.raises(ValueError, match=re.escape(str(wrong.shape))):
        livestyle.style_image(wrong)


def test_a_loaded_style_and_model_serve_many_pictures() -> None:
    """Loading them once gives the pixels that loading them by name gives; intensity 0 changes nothing."""
    style, segmenter = livestyle.load_style("warm"), livestyle.load_segmenter("xxsmall")
    picture = _picture()
    first = livestyle.style_image(picture, style, segmenter=segmenter)
    np.testing.assert_array_equal(livestyle.style_image(picture, style, segmenter=segmenter), first)
    none = livestyle.load_style("warm", intensity=0.0)
    np.testing.assert_array_equal(livestyle.style_image(picture, none, segmenter=segmenter), picture)
    with pytest.raises(StyleError, match="no-such-style"):
        livestyle.load_style("no-such-style")


def test_a_file_is_styled_on_any_thread(tmp_path: Path) -> None:
    """Signals belong to the program: on another thread Python could not even set their handlers."""
    write_clip(tmp_path / "in.mp4", [scene(k) for k in range(5)], range(0, 200, 40))
    reports: list[livestyle.Report] = []

    def work() -> None:
        options = {"model": "xxsmall", "strengths": {"skin": 0.2}, "crf": 30}
        reports.append(livestyle.style_file(tmp_path / "in.mp4", tmp_path / "out.mp4", "warm", **options))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    (report,) = reports
    assert (report.frames_out, report.error, report.exit_code) == (5, None, 0)
    assert cv2.VideoCapture(str(tmp_path / "out.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_an_output_that_exists_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    """As the command does: nothing is lost to a second run."""
    cv2.imwrite(str(tmp_path / "in.png"), _picture())
    (tmp_path / "out.png").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        livestyle.style_file(tmp_path / "in.png", tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes() == b"mine"
    livestyle.style_file(str(tmp_path / "in.png"), str(tmp_path / "out.png"), overwrite=True)
    assert cv2.imread(str(tmp_path / "out.png")) is not None


def test_the_documented_examples_run(tmp_path: Path) -> None:
    """Every Python block of the README's section, one after the other in one folder, as a reader would paste them."""
    section = README.read_text("utf-8").partition("## From Python")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) >= 3
    cv2.imwrite(str(tmp_path / "photo.jpg"), _picture())
    write_clip(tmp_path / "video.mp4", [scene(k) for k in range(5)], range(0, 200, 40))
    script = "\n".join(blocks)
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert cv2.imread(str(tmp_path / "styled.jpg")) is not None
    assert cv2.VideoCapture(str(tmp_path / "out.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5
