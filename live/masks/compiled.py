"""What touches every pixel of masks, in C: an optional extension. Each of its functions has a twin in NumPy."""

from __future__ import annotations

import importlib
from types import ModuleType

try:
    COMPILED: ModuleType | None = importlib.import_module("livestyle.masks._masks")
except ImportError:  # installing without a C compiler leaves it out
    COMPILED = None

NARROW = 8
"""Pixels: the least width of planes over whose windows its functions take means."""
