"""The devices that a user can name. A module of its own, because the command line must not load a library for them."""

from __future__ import annotations

DEVICES = ("cpu", "cuda", "mps", "tensorrt", "directml", "openvino")
"""What `--device` takes besides "auto"; where each runs, `livestyle.models.segmenter` and `livestyle.compute` know."""
