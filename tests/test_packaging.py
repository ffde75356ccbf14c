"""The layout's rules: what is shipped, who may import whom, and what starting up may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOUNTS = {
    "live": "livestyle",
    "models": "livestyle.models",
    "shaders": "livestyle.shaders",
    "training": "livestyle.training",
}
BASE = {
    f"livestyle.{name}"
    for name in ("child", "errors", "frame", "interrupts", "paths", "protocols", "quiet", "reading", "terminal")
}


def packages_on_disk() -> set[str]:
    found = set()
    for folder, mounted in MOUNTS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((mounted, *inner)))
    return found


def modules() -> Iterator[tuple[str, Path]]:
    for folder, mounted in MOUNTS.items():
        for path in (ROOT / folder).rglob("*.py"):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join((mounted, *inner)), path


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_package_on_disk_is_listed_in_pyproject():
    """A sub-package that is not listed would be missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    assert set(listed) == packages_on_disk()


def test_the_folders_cannot_be_imported_under_their_own_names():
    """`import live` from the repository root would load every class a second time."""
    result = subprocess.run([sys.executable, "-c", "import live"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "import livestyle, not live" in result.stderr


ALLOWED = {
    "livestyle.shaders": ("livestyle.shaders",),
    "livestyle.models": ("livestyle.models",),
    "livestyle.training": ("livestyle.training", "livestyle.models"),
}
APPLICATION = (
    "livestyle.cli.main",
    "livestyle.session",
    "livestyle.current_style",
    "livestyle.demo",
    "livestyle.bench.cli",
    "livestyle.bench.speed.files",  # what is measured is the application
    "livestyle.bench.speed.live",
)


@pytest.mark.parametrize(("name", "path"), sorted(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_point_the_right_way(name, path):
    """Values and seams are known to all; parts know nothing of each other; only the application knows everything."""
    ours = {module for module in imported(path) if module.startswith("livestyle.")}
    if name.startswith(("livestyle.sources", "livestyle.sinks")):
        assert not {m for m in ours if m.startswith(("livestyle.models", "livestyle.shaders", "livestyle.training"))}
    for package, may in ALLOWED.items():
        if name == package or name.startswith(package + "."):
            outside = {m for m in ours if not m.startswith(may) and not m.startswith((*BASE, "livestyle.media.pyav"))}
            assert not outside
    if not name.startswith(("livestyle.training", "livestyle.bench")):
        assert not {m for m in ours if m.startswith("livestyle.training")}
    if not name.startswith("livestyle.bench"):  # it measures everything, and nothing may come to need it
        assert not {m for m in ours if m.startswith("livestyle.bench")}
    if name not in APPLICATION and not name.startswith(("livestyle.models", "livestyle.shaders", "livestyle.training")):
        assert not {
            m for m in ours if m.startswith(("livestyle.cli.main", "livestyle.session", "livestyle.current_style"))
        } or (name == "livestyle.__main__")


def test_only_one_module_imports_av():
    """cv2 must come before av (the other order hangs cv2.imshow), so one module imports both."""
    assert {name for name, path in modules() if "av" in {n.split(".")[0] for n in imported(path)}} == {
        "livestyle.media.pyav"
    }


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_starting_the_command_line_imports_nothing_heavy():
    """--version and --help answer at once because the command line alone loads none of the working libraries."""
    heavy = {"numpy", "cv2", "av", "onnxruntime", "torch", "rich", "PIL", "PyOpenColorIO", "pyvirtualcam"}
    assert not heavy & loaded_by("import livestyle.cli.main")


def test_the_cpu_path_never_imports_training_libraries():
    """torch, matplotlib and transformers are extras: a styled file must not need them."""
    loaded = loaded_by("import livestyle.session, livestyle.current_style, livestyle.demo")
    assert not {"torch", "kornia", "matplotlib", "transformers", "datasets"} & loaded
