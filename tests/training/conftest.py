"""A data set of drawn people: parquet files in the layout of `datasets`, small enough to train on in seconds."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("transformers", reason="training needs the extra train")
pa = pytest.importorskip("pyarrow", reason="training needs the extra train")
import pyarrow.parquet as pq  # noqa: E402

COLORS = {0: (40, 90, 160), 1: (60, 40, 20), 2: (220, 170, 140), 3: (180, 30, 40)}

DRAWN = """
name = "drawn"
about = "drawn people"
file = "drawn.parquet"
zoom = [0.8, 1.2]
backdrops = true
[labels]
"0" = ["background"]
"1" = ["hair"]
"2" = ["face", "neck"]
"3" = ["clothes"]
"""


def drawn_person(rng: np.random.Generator, height: int = 96, width: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) RGB and (H, W) labels: 1 hair above 2 a face above 3 clothes on 0 background."""
    labels = np.zeros((height, width), np.uint8)
    x, y = int(rng.integers(30, width - 30)), int(rng.integers(34, 46))
    cv2.ellipse(labels, (x, height), (30, 34), 0, 0, 360, 3, -1)
    cv2.ellipse(labels, (x, y - 6), (17, 20), 0, 0, 360, 1, -1)
    cv2.ellipse(labels, (x, y), (12, 16), 0, 0, 360, 2, -1)
    pixels = np.array([COLORS[k] for k in range(4)], np.float64)[labels]
    return np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8), labels


def png(image: np.ndarray) -> bytes:
    """`image` (RGB or labels) as PNG."""
    return cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1].tobytes()


def write_parquet(path: Path, rows: list[tuple[str, bytes, bytes]]) -> None:
    """Rows of (name, picture, mask) in the layout of `datasets`."""
    columns = {
        "name": [name for name, _, _ in rows],
        "image": [{"bytes": image, "path": None} for _, image, _ in rows],
        "mask": [{"bytes": mask, "path": None} for _, _, mask in rows],
    }
    pq.write_table(pa.table(columns), path)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn.parquet (60 pictures) and drawn.toml."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(5)
    people = [drawn_person(rng) for _ in range(60)]
    write_parquet(folder / "drawn.parquet", [(f"p{i}", png(p), png(m)) for i, (p, m) in enumerate(people)])
    (folder / "drawn.toml").write_text(DRAWN)
    return folder


def run_settings(drawn: Path, folder: Path, steps: int = 4) -> str:
    """The text of settings for a run of a few steps on the drawn people. One thread: the tests share the machine."""
    return f"""
[run]
folder = "{folder.as_posix()}"
device = "cpu"
precision = "fp32"
threads = 1
log_every = 2
[data]
folder = "{drawn.as_posix()}"
sets = ["{(drawn / "drawn.toml").as_posix()}"]
[model]
size = "xxsmall"
[recipe]
steps = {steps}
batch = 2
sizes = [64, 96]
until = [0.5, 1.0]
ema = 0.9
"""


@pytest.fixture
def settings_text(drawn: Path, tmp_path: Path) -> Callable[..., str]:
    """The text of settings for a run in tmp_path/run."""

    def text(steps: int = 4, run: str = "run") -> str:
        return run_settings(drawn, tmp_path / run, steps)

    return text


@pytest.fixture(scope="session")
def finished(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of four steps, trained by the command; no test writes to it."""
    from click.testing import CliRunner

    from livestyle.training import cli

    folder = tmp_path_factory.mktemp("finished")
    (folder / "s.toml").write_text(run_settings(drawn, folder / "run", steps=60))
    with own_signals():
        changed = [str(folder / "s.toml"), "--set", "recipe.steps=4"]
        done = CliRunner().invoke(cli.train, changed, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder / "run"


@contextmanager
def own_signals() -> Iterator[None]:
    """A run listens to signals; leave pytest's own handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def keep_signals() -> Iterator[None]:
    """own_signals around a test."""
    with own_signals():
        yield


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write rows of (name, picture, mask) as tmp_path/x.parquet; arrays become PNG, bytes stay. Returns the folder."""

    def write(*rows: tuple[str, object, object]) -> Path:
        encoded = [tuple(png(cell) if isinstance(cell, np.ndarray) else cell for cell in row) for row in rows]
        write_parquet(tmp_path / "x.parquet", encoded)  # type: ignore[arg-type]
        return tmp_path

    return write
