"""Models by others that do part of the same job, behind the same seam, to be measured on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.errors import BackendError, ModelError, UsageError
from livestyle.frame import Probabilities
from livestyle.protocols import Segmenter

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


def _resized(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    shrinks = pixels.shape[0] > size[1] or pixels.shape[1] > size[0]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return small.astype(np.float32) / 255


class SkinClothesHair:
    """Kazuhito00/Skin-Clothes-Hair-Segmentation-using-SMP (MIT): three maps, background where all are below 0.5."""

    classes: tuple[str, ...] = ("background", "hair", "skin", "clothes")
    input_size = (512, 512)
    device = "cpu"

    def __init__(self, path: Path) -> None:
        import onnxruntime

        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise ModelError(f"The peer {path} cannot be opened: {error}") from error
        self._input = self._session.get_inputs()[0].name

    @property
    def regions(self) -> Mapping[str, str]:
        """Each class is a region."""
        return {name: name for name in self.classes}

    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> Probabilities:
        """Scaled to sum 1, with 0.5 for background, so that the largest plane is what its author's rule gives."""
        normal = (_resized(pixels, self.input_size) - _IMAGENET_MEAN) / _IMAGENET_STD
        skin, clothes, hair = self._session.run(None, {self._input: normal.transpose(2, 0, 1)[None]})[0][0]
        planes = np.stack([np.full_like(hair, 0.5), hair, skin, clothes])
        return Probabilities(np.asarray(planes / planes.sum(0), np.float32))


class MediaPipeHair:
    """google-ai-edge/mediapipe's hair segmentation (Apache-2.0), each picture on its own (no previous mask)."""

    classes: tuple[str, ...] = ("background", "hair")
    input_size = (512, 512)
    device = "cpu"

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise BackendError("MediaPipe's models need ai-edge-litert.", hint="pip install ai-edge-litert") from error
        self._interpreter: Any = Interpreter(str(path))
        self._interpreter.allocate_tensors()

    @property
    def regions(self) -> Mapping[str, str]:
        """Each class is a region."""
        return {name: name for name in self.classes}

    def __call__(self, pixels: npt.NDArray[np.uint8], /) -> Probabilities:
        """Softmax over the network's two maps."""
        given = np.zeros((1, 512, 512, 4), np.float32)
        given[0, ..., :3] = _resized(pixels, self.input_size)
        self._interpreter.set_tensor(self._interpreter.get_input_details()[0]["index"], given)
        self._interpreter.invoke()
        out = self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])[0]
        odds = np.exp(out - out.max(-1, keepdims=True))
        return Probabilities(np.asarray((odds / odds.sum(-1, keepdims=True)).transpose(2, 0, 1), np.float32))


_KINDS: Mapping[str, type[SkinClothesHair] | type[MediaPipeHair]] = {"pan": SkinClothesHair, "mediapipe": MediaPipeHair}


def open_peer(text: str) -> tuple[str, Segmenter]:
    """The peer that "pan=FILE" or "mediapipe=FILE" names. Raises UsageError, ModelError or BackendError."""
    kind, _, path = text.partition("=")
    if kind not in _KINDS or not path:
        raise UsageError(f"{text} names no peer.", hint=f"Write one of {', '.join(f'{k}=FILE' for k in _KINDS)}.")
    if not Path(path).is_file():
        raise UsageError(f"There is no peer {path}.")
    return kind, _KINDS[kind](Path(path))


def measured_regions(model: Segmenter) -> set[str]:
    """The regions a model can be measured by: background only if it tells whole people from it."""
    regions = set(model.regions.values())
    return regions if len(regions) > 2 else regions - {"background"}
