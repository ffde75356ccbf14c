"""Prints pip constraints that choose the lowest version that pyproject.toml allows of each dependency and test tool."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *extras["demo"], *extras["test"]]:
    if found := re.fullmatch(r"([\w-]+)>=([\w.]+),<[\w.]+", requirement):
        print(f"{found[1]}=={found[2]}")
