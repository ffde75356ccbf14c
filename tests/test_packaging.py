"""The layout's rules: what is shipped, which module may import which, and what starting up may load."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOUNTS = {
    "live": "livestyle",
    "models": "livestyle.models",
    "shaders": "livestyle.shaders",
    "training": "livestyle.training",
}
BASE = (
    "livestyle.__version__",
    "livestyle.device_names",
    "livestyle.console.terminal",  # where text of any kind leaves the program
    "livestyle.errors",
    "livestyle.frame",
    "livestyle.protocols",
    "livestyle.system",
)
WINGS = ("compute", "console", "governor", "masks", "media", "models", "shaders", "sinks", "sources")
PARTS = (*(f"livestyle.{wing}" for wing in WINGS), "livestyle.feed", "livestyle.loop", "livestyle.report",
         "livestyle.settings", "livestyle.stylist")  # fmt: skip

# What the modules below a name may import, besides the base and themselves. The longest name that fits counts.
# A module that has no row imports the base only.
WALLS: dict[str, tuple[str, ...]] = {
    # the wings
    "livestyle.masks": (),
    "livestyle.governor": ("livestyle.masks",),  # what it switches: model, rate and edges
    "livestyle.media": (),
    "livestyle.sources": ("livestyle.media",),
    # An output tells its own figures.
    "livestyle.sinks": ("livestyle.media", "livestyle.report"),
    "livestyle.shaders": (),
    "livestyle.models": (),
    "livestyle.compute": ("livestyle.models", "livestyle.shaders"),
    # The same filter on the GPU: size of the working copy, window and ridge must be those of the CPU.
    "livestyle.compute.gpu_frames": ("livestyle.models", "livestyle.shaders", "livestyle.masks.edges",
                                     "livestyle.masks.flow"),
    "livestyle.training": ("livestyle.models",),
    # What is evaluated is also the product: the masks of photos.
    "livestyle.training.as_photos": ("livestyle.models", "livestyle.masks"),
    # the frame loop
    # A hold card is shown after the silence that is unusual for this source, as the source itself has it.
    "livestyle.loop": ("livestyle.feed", "livestyle.report", "livestyle.sources.interval"),
    # what the package exports
    "livestyle.api": ("livestyle.compute", "livestyle.current_style", "livestyle.masks", "livestyle.report",
                      "livestyle.session", "livestyle.settings", "livestyle.shaders", "livestyle.sinks",
                      "livestyle.stylist"),
    "livestyle.__init__": ("livestyle.api", "livestyle.masks", "livestyle.report", "livestyle.stylist"),
    # the application, each with what it is made of
    "livestyle.plugins": (),
    "livestyle.current_style": ("livestyle.compute", "livestyle.models", "livestyle.settings", "livestyle.shaders"),
    "livestyle.endpoints": ("livestyle.media", "livestyle.plugins", "livestyle.settings", "livestyle.sinks",
                            "livestyle.sources"),
    "livestyle.preview": ("livestyle.endpoints", "livestyle.settings", "livestyle.sinks"),
    "livestyle.job": ("livestyle.current_style", "livestyle.feed", "livestyle.governor", "livestyle.loop",
                      "livestyle.masks", "livestyle.media", "livestyle.report", "livestyle.settings", "livestyle.sinks",
                      "livestyle.stylist"),
    "livestyle.session": ("livestyle.console", "livestyle.current_style", "livestyle.endpoints", "livestyle.job",
                          "livestyle.plugins", "livestyle.preview", "livestyle.report", "livestyle.settings",
                          "livestyle.sinks", "livestyle.sources"),
    "livestyle.cli": (*PARTS, "livestyle.current_style", "livestyle.plugins", "livestyle.session"),
    # Which file becomes which is decided from names and contents alone: refused before anything is loaded.
    "livestyle.cli.outputs": ("livestyle.plugins", "livestyle.sinks", "livestyle.sources"),
    "livestyle.__main__": ("livestyle.cli",),
    # It measures everything, people of labelled sets among it; nothing may come to need it.
    "livestyle.bench": ("livestyle",),
}  # fmt: skip


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


def test_the_notebook_is_not_installed():
    """It reads checkpoints that are only in the repository, so it belongs to the source and to no wheel."""
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    found = {path for patterns in shipped["livestyle.training"] for path in (ROOT / "training").glob(patterns)}
    assert ROOT / "training" / "lite.toml" in found
    assert (ROOT / "training" / "fine_tune.ipynb").is_file()
    assert not {path for path in found if path.suffix == ".ipynb"}


def test_the_folders_cannot_be_imported_under_their_own_names():
    """`import live` from the repository root would load every class a second time."""
    result = subprocess.run([sys.executable, "-c", "import live"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "import livestyle, not live" in result.stderr


def below(name: str, packages: tuple[str, ...]) -> bool:
    """Whether `name` is one of `packages` or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize(("name", "path"), sorted(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_stay_within_the_walls(name, path):
    """Values and seams are known to all; wings know nothing of each other but what WALLS names."""
    row = max((wall for wall in WALLS if below(name, (wall,))), key=len, default=name)
    allowed = (*BASE, row, ".".join(row.split(".")[:2]), *WALLS.get(row, ()))
    ours = {module for module in imported(path) if module.startswith("livestyle.")}
    assert not {module for module in ours if not below(module, allowed)}


@pytest.mark.parametrize("wing", ["sinks", "sources"])
def test_sub_packages_of_a_wing_know_nothing_of_each_other(wing):
    """A file, a preview window and a virtual camera share what lies directly in their wing, and nothing else."""
    parts = {package for package in packages_on_disk() if package.startswith(f"livestyle.{wing}.")}
    crossing = {
        (name, module)
        for name, path in modules()
        for module in imported(path)
        if (home := {part for part in parts if below(name, (part,))}) and below(module, tuple(parts - home))
    }
    assert parts
    assert not crossing


def test_every_wall_is_that_of_something():
    """A row that no module has would go on allowing what nobody needs."""
    names = [name for name, _ in modules()]
    assert not {wall for wall in WALLS if not any(below(name, (wall,)) for name in names)}


def test_no_two_modules_need_each_other():
    """Not inside functions either: what each is made of can be read from the bottom up."""
    paths = dict(modules())
    graph = {name: {other for other in imported(path) if other in paths} for name, path in paths.items()}
    # The child process that a model file is tried in opens it as its parent does.
    graph["livestyle.models.trial"].discard("livestyle.models.segmenter")
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


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
    assert not (heavy | {"importlib.metadata"}) & loaded_by("import livestyle.cli.main")


def test_the_cpu_path_never_imports_training_libraries():
    """torch, matplotlib and transformers are extras: a styled file must not need them."""
    loaded = loaded_by("import livestyle.session, livestyle.current_style, livestyle.cli.demo")
    assert not {"torch", "kornia", "matplotlib", "transformers", "datasets"} & loaded
