"""What every wheel has to show where it is installed: python tests/wheel_smoke.py (run from outside the source tree).

Both C extensions are there, and a picture that is made here is styled by calling them: the installation would also
succeed without them, only slower, so that an import alone proves little.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import threading
import tomllib
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import livestyle
from livestyle.__main__ import main

SOURCE = Path(__file__).resolve().parents[1]


def extensions() -> list[str]:
    """The names of the compiled modules, from the file that says what is built."""
    settings = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))
    return [extension["name"] for extension in settings["tool"]["setuptools"]["ext-modules"]]


def drawn_portrait() -> Image.Image:
    """Head and shoulders of 640 x 480 before a green wall, simple, but a person to the model."""
    picture = Image.new("RGB", (640, 480), (70, 110, 90))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((150, 330, 490, 700), fill=(40, 50, 120))
    draw.rectangle((275, 280, 365, 360), fill=(205, 150, 120))
    draw.ellipse((215, 60, 425, 300), fill=(45, 30, 20))
    draw.ellipse((240, 100, 400, 320), fill=(220, 165, 135))
    for left in (275, 340):
        draw.ellipse((left, 185, left + 26, 200), fill=(250, 250, 250))
        draw.ellipse((left + 8, 186, left + 18, 199), fill=(50, 40, 30))
    draw.line((320, 200, 312, 240, 325, 242), fill=(180, 120, 95), width=4)
    draw.arc((285, 245, 355, 285), 20, 160, fill=(160, 60, 60), width=6)
    noise = np.random.default_rng(1).integers(-6, 7, (480, 640, 3))
    return Image.fromarray(np.clip(np.asarray(picture, np.int16) + noise, 0, 255).astype(np.uint8))


class Calls:
    """Counts what is called in compiled modules while it is entered, in this thread and those started meanwhile."""

    def __init__(self) -> None:
        self.modules: dict[str, int] = {}

    def __enter__(self) -> Calls:
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, _: FrameType, event: str, function: Any) -> None:
        if event == "c_call":
            name = getattr(getattr(function, "__self__", None), "__name__", "")
            self.modules[name] = self.modules.get(name, 0) + 1


def styled(folder: Path) -> tuple[int, Calls]:
    """The exit code of `livestyle portrait.png -o styled.png`, and what it called."""
    arguments = [
        str(folder / "portrait.png"),
        "-o",
        str(folder / "styled.png"),
        "--style",
        "dramatic",
        "--device",
        "cpu",
    ]
    sys.argv = ["livestyle", *arguments]
    calls = Calls()
    with calls:
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), calls
    return 0, calls


def smoke() -> None:
    installed = Path(livestyle.__file__).resolve()
    assert not installed.is_relative_to(SOURCE / "live"), f"{installed} is the source, not an installed wheel"
    names = extensions()
    for name in names:
        print(name, "is", importlib.import_module(name).__file__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn_portrait().save(folder / "portrait.png")
        code, calls = styled(folder)
        assert code == 0, f"exit code {code}"
        before, after = (np.asarray(Image.open(folder / f"{stem}.png"), np.int16) for stem in ("portrait", "styled"))
    difference = np.abs(after - before).max(axis=2)
    face, wall = difference[120:300, 260:380].mean(), difference[:, :200].mean()
    counts = {name: calls.modules.get(name, 0) for name in names}
    print(f"mean difference: face {face:.1f}, wall {wall:.1f}; calls: {counts}")
    assert after.shape == before.shape
    assert wall > 8, "the style changed next to nothing"
    assert face < wall / 2, "the face changed too"
    assert all(counts.values()), "a C extension is there but is not used"


if __name__ == "__main__":
    smoke()
