"""Class probabilities from ONNX Runtime: loading, checking, choosing a device, running."""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import cv2
import numpy as np
import numpy.typing as npt

from livestyle.device_names import DEVICES
from livestyle.errors import DeviceError, LivestyleError, ModelError, device_failure
from livestyle.frame import Picture, Probabilities
from livestyle.models.card import MULTIPLE, ModelCard, network_size, read_card
from livestyle.models.trial import RUN_S, try_model
from livestyle.system.interrupts import SLICE_S, noted_interrupts
from livestyle.system.paths import kind_of_path
from livestyle.system.reading import read_file

DEFAULT_MODEL = "lite"
SMALLER_MODEL = "xxsmall"  # for computers on which the default is too slow, where it is bundled
WEIGHTS = Path(__file__).parent / "weights"

LARGEST_MODEL = 2 << 30  # bytes: no .onnx file can be larger

_AFTER_STOP_S = 2.0  # for a picture to be finished after a request to stop
_ROUNDING = 1e-2  # of probabilities in half precision
_TRIED: set[str] = set()  # checksums of models that ran in a child process

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_HOW_TO_GET = {
    "cuda": "install `livestyle[gpu]`, or `onnxruntime-gpu` in place of `onnxruntime`; or use --device cpu",
    "mps": "CoreML comes with ONNX Runtime on macOS only; use --device cpu",
    "tensorrt": "install `onnxruntime-gpu` in place of `onnxruntime`, and TensorRT; or use --device cpu",
    "directml": "install `onnxruntime-directml` in place of `onnxruntime`, on Windows; or use --device cpu",
    "openvino": "install `onnxruntime-openvino` in place of `onnxruntime`; or use --device cpu",
}
_log = logging.getLogger("livestyle")

# Newer builds of ONNX Runtime report their use over the network, under a number that they store for this computer. It
# reads this when it is imported, which only functions do. A value that the user has set is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True, slots=True)
class Device:
    """A place to run models on, as `--list-devices` shows it."""

    name: str  # what --device takes
    available: bool  # the model really ran on it
    detail: str  # what runs it there, or why it is not available


class NamedValue(Protocol):
    """An input or output of a graph."""

    @property
    def name(self) -> str:
        """As the graph calls it."""


class Session(Protocol):
    """What is used here of onnxruntime.InferenceSession, which comes without types."""

    def run(
        self, outputs: list[str] | None, inputs: Mapping[str, npt.NDArray[np.uint8]], options: object = None, /
    ) -> list[npt.NDArray[np.float32]]:
        """The outputs by name, all of them for None. Thread-safe."""

    def get_inputs(self) -> list[NamedValue]:
        """What the graph takes."""

    def get_outputs(self) -> list[NamedValue]:
        """What the graph gives."""

    def get_providers(self) -> list[str]:
        """What it really runs on, the first choice first."""


class CardSegmenter:
    """What a model's card says about it, for whatever runs it."""

    card: ModelCard
    device: str  # of DEVICES: the one really used

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C output planes; classes[0] == "background"."""
        return self.card.classes

    @property
    def regions(self) -> Mapping[str, str]:
        """Class name -> one of livestyle.frame.REGIONS."""
        return self.card.regions

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) in pixels at which the network sees a picture of the model's own aspect."""
        return self.card.input_size

    def network_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) at which the network sees a picture of this size; one of that size is not resized."""
        return network_size(self.card, width, height)

    def resized(self, share: float) -> Self:
        """The same model at a size whose sides are `share` of its own, in multiples of 32; all else is shared."""
        other = copy.copy(self)
        width, height = (max(1, round(share * side / MULTIPLE)) * MULTIPLE for side in self.card.input_size)
        other.card = replace(self.card, input_size=(width, height))
        return other


class OnnxSegmenter(CardSegmenter):
    """A model file in ONNX Runtime. Implements `livestyle.protocols.ResizableSegmenter`; thread-safe, no state."""

    def __init__(self, card: ModelCard, session: Session, device: str, *, patience: float | None = None) -> None:
        """`patience`: seconds after which one picture is abandoned; None waits, for models that are known to end."""
        self.card = card
        self.device = device
        self._session = session
        self._patience = patience
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0].name

    def __call__(self, picture: Picture, /) -> Probabilities:
        """(H, W, 3) uint8 RGB -> (C, h, w) float32 in [0, 1], sum over C is 1; (h, w) covers the whole picture.

        The picture is stretched to `network_size` exactly, never cropped or padded, so output pixel (i, j) is the
        (i, j)-th of h x w equal tiles of the picture: enlarge it with pixel centres aligned (cv2.INTER_LINEAR).
        Raises DeviceError, DeviceMemoryError where the device's memory is full, and ModelError for an invalid result:
        another shape, numbers beyond 0..1, or none in time.
        """
        height, width = picture.shape[:2]
        small = fit(picture, self.network_size(width, height))
        try:
            result = self._run(small)
        except LivestyleError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions have no common base but Exception
            raise device_failure("the model", self.device, error) from error
        self._check(result, small.shape[:2])
        return result

    def _run(self, small: Picture) -> Probabilities:
        inputs = {self._input: small[np.newaxis]}
        if self._patience is None:
            result = self._session.run([self._output], inputs)
        else:
            result = run_watched(self._session, [self._output], inputs, self._patience, self.card.file)
        return Probabilities(np.asarray(result[0])[0])

    def _check(self, planes: Probabilities, size: tuple[int, ...]) -> None:
        expected = (len(self.card.classes), *(side // self.card.output_stride for side in size))
        if planes.shape != expected:
            raise ModelError(f"{self.card.file}: gives planes of shape {planes.shape}, the card says {expected}")
        # Written so that NaN fails too.
        if not (planes.min() >= -_ROUNDING and planes.max() <= 1 + _ROUNDING):
            raise ModelError(f"{self.card.file}: gives numbers that are not probabilities", hint="use another --model")


def run_watched(
    session: Session, outputs: list[str], inputs: Mapping[str, npt.NDArray[np.uint8]], seconds: float, name: str
) -> list[npt.NDArray[np.float32]]:
    """`session.run` under a time limit.

    Raises what that raises, ModelError after `seconds`, and KeyboardInterrupt when it does not end soon after a request
    to stop. ONNX Runtime is told to stop then, which it does between two nodes of the graph.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    done: list[list[npt.NDArray[np.float32]]] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(session.run(outputs, inputs, options))
        except BaseException as error:  # raised by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, name="livestyle-model", daemon=True)
    end = time.monotonic() + seconds
    with noted_interrupts() as interrupts:
        thread.start()
        try:
            while thread.is_alive():
                interrupts.check(_AFTER_STOP_S)
                if time.monotonic() > end:
                    raise ModelError(
                        f"{name}: one picture takes more than {seconds:g} s: it may never end",
                        hint="use a smaller model, or a bundled one",
                    )
                thread.join(SLICE_S)
        finally:
            options.terminate = True
            thread.join(_AFTER_STOP_S)
    if failed:
        raise failed[0]
    return done[0]


def load_segmenter(
    name_or_path: str | Path | None = None, device: str = "auto", *, threads: int | None = None
) -> OnnxSegmenter:
    """A bundled model by name ("lite", "small"), or a path to a `.onnx` file with its card (`.json`) beside it.

    `device`: "auto" or one of DEVICES. A named device is used or DeviceError is raised; "auto" takes CUDA where
    the model really runs on it, else the CPU, and logs which. CoreML is used only when named: it compiles the model
    for each new picture size. `threads`: CPU threads of one inference; None is one per core; 1 is right where a frame
    loop runs beside it. Raises ModelError for a file, card, checksum or shape that is wrong.
    """
    card, model, path = read_model(name_or_path)
    session, used = _open_on(device, model, path, threads)
    patience = None if _is_bundled(path) else RUN_S
    segmenter = OnnxSegmenter(card, session, used, patience=patience)
    _check_shape(segmenter, path)
    return segmenter


def open_for_trial(card: ModelCard, model: bytes, path: Path) -> OnnxSegmenter:
    """A model on one thread of the CPU, checked on the smallest picture. Raises ModelError."""
    segmenter = OnnxSegmenter(card, _open_session(model, path, _PROVIDERS["cpu"], 1), "cpu")
    _check_shape(segmenter, path)
    return segmenter


def _is_bundled(path: Path) -> bool:
    return path.parent == WEIGHTS


def read_model(name_or_path: str | Path | None = None) -> tuple[ModelCard, bytes, Path]:
    """Card, content and path of a model, named as for `load_segmenter`. Raises ModelError where they do not match.

    One that did not come with livestyle is tried in a child process first: it may crash or never end.
    """
    card_path = _find_card(name_or_path)
    card = read_card(card_path)
    path = card_path.with_name(card.file)
    model = _read_checked(path, card)
    if Path(card.file).stem != card_path.stem:
        raise ModelError(f"{card_path}: the card of another file, {card.file}", hint="give that file, or export again")
    if not _is_bundled(path) and card.sha256 not in _TRIED:
        try_model(asdict(card), model, path)
        _TRIED.add(card.sha256)
    return card, model, path


def list_devices() -> list[Device]:
    """Every device livestyle knows, tried with the default model: a provider that is installed may still not run."""
    _, model, path = read_model()
    return [_try_device(name, model, path) for name in DEVICES]


def _try_device(name: str, model: bytes, path: Path) -> Device:
    try:
        _open_named(name, model, path, threads=1)
    except DeviceError as error:
        return Device(name, False, error.message)
    return Device(name, True, _PROVIDERS[name])


def _find_card(name_or_path: str | Path | None) -> Path:
    """Path of the card; the model file it names lies beside it."""
    wanted = str(name_or_path or DEFAULT_MODEL)
    if wanted in (names := bundled_names()):
        return WEIGHTS / f"{wanted}.json"
    path = Path(wanted)
    if kind_of_path(path, ModelError) != "file":
        raise ModelError(
            f"{wanted}: no such model file, and no bundled model of that name",
            hint=f"bundled models: {', '.join(names) or 'none'}; or give the path of an .onnx file",
        )
    if path.suffix.lower() != ".onnx":
        raise ModelError(f"{wanted}: not an .onnx file", hint="convert it with `python -m livestyle.models.export`")
    return path.with_suffix(".json")


def bundled_names() -> list[str]:
    """Names of the models that come with livestyle."""
    return sorted(path.stem for path in WEIGHTS.glob("*.json"))


def _read_checked(path: Path, card: ModelCard) -> bytes:
    try:
        model = read_file(path, LARGEST_MODEL)
    except OSError as error:
        raise ModelError(
            f"{path}: cannot read the model file: {error.strerror}", hint="install livestyle again"
        ) from error
    digest = hashlib.sha256(model).hexdigest()
    if digest != card.sha256:
        raise ModelError(
            f"{path}: damaged or another file: its checksum is {digest[:12]}…, the card says {card.sha256[:12]}…",
            hint="get the file again, or write its card again with `python -m livestyle.models.export`",
        )
    return model


def _open_on(device: str, model: bytes, path: Path, threads: int | None) -> tuple[Session, str]:
    if device != "auto":
        return _open_named(device, model, path, threads), device
    used = "cpu"
    if _PROVIDERS["cuda"] in _installed_providers():
        try:
            session = _open_named("cuda", model, path, threads)
            used = "cuda"
        except DeviceError as error:
            _log.info("No CUDA after all: %s.", error.message)
    if used == "cpu":
        session = _open_named("cpu", model, path, threads)
    _log.info("Masks are computed on the device %r (chosen by 'auto').", used)
    return session, used


def has_provider(device: str) -> bool:
    """Whether this ONNX Runtime was built for one of DEVICES; not whether it runs there."""
    return _PROVIDERS[device] in _installed_providers()


def _installed_providers() -> list[str]:
    import onnxruntime

    return list(onnxruntime.get_available_providers())


def _open_named(device: str, model: bytes, path: Path, threads: int | None) -> Session:
    if device not in _PROVIDERS:
        raise DeviceError(f"There is no device {device!r}", hint=f"devices: auto, {', '.join(DEVICES)}")
    provider = _PROVIDERS[device]
    if provider not in _installed_providers():
        raise DeviceError(f"The device {device!r} is not supported by this ONNX Runtime", hint=_HOW_TO_GET[device])
    session = _open_session(model, path, provider, threads)
    # ONNX Runtime falls back to the CPU without an error where a driver or library is missing.
    if provider not in session.get_providers():
        raise DeviceError(f"The device {device!r} is installed but does not start", hint=_HOW_TO_GET[device])
    if device != "cpu":
        _try_run(session, device)
    return session


def _try_run(session: Session, device: str) -> None:
    """A driver that is too old or memory that is taken shows only here; a model at fault fails on the CPU too."""
    side = 2 * MULTIPLE
    try:
        session.run(None, {session.get_inputs()[0].name: np.full((1, side, side, 3), 128, np.uint8)})
    except Exception as error:  # ONNX Runtime's own exceptions have no common base but Exception
        raise DeviceError(
            f"The device {device!r} starts but cannot run a model: {_first_line(error)}",
            hint="check its driver and who else uses it, or use --device cpu",
        ) from error


def _open_session(model: bytes, path: Path, provider: str, threads: int | None) -> Session:
    import onnxruntime

    # What a provider cannot run goes to the next: TensorRT leaves some to CUDA, and sizes are always the processor's.
    behind = [_PROVIDERS["cuda"]] if provider == _PROVIDERS["tensorrt"] else []
    providers = [provider, *behind, *([_PROVIDERS["cpu"]] if provider != _PROVIDERS["cpu"] else [])]
    try:
        # Without its own fallback, which would go on with the CPU and only print that it does.
        return onnxruntime.InferenceSession(
            model, sess_options=_session_options(threads), providers=providers, enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's own exceptions have no common base but Exception
        if provider != _PROVIDERS["cpu"]:  # a file that cannot be loaded anywhere fails again on the CPU
            reason = f"The device of {provider} does not start: {_first_line(error)}"
            raise DeviceError(reason, hint="check its driver, or use --device cpu") from error
        raise ModelError(
            f"{path}: not a model that ONNX Runtime can load: {_first_line(error)}",
            hint="convert the checkpoint again with `python -m livestyle.models.export`",
        ) from error


def _session_options(threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised or compared here; its log would only repeat it
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # denormals are 10-30 times slower
    # Threads that spin between two inferences take the cores from decoding and the colour pass.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _check_shape(segmenter: OnnxSegmenter, path: Path) -> None:
    """Run once on the smallest picture: what the graph declares may be dynamic or untrue, what it returns is not."""
    card = segmenter.card
    side = 2 * MULTIPLE
    hint = "the card and the model file do not belong together; export both again"
    try:
        result = np.asarray(segmenter._run(np.full((side, side, 3), 128, np.uint8)))
    except LivestyleError:
        raise
    except Exception as error:
        raise ModelError(
            f"{path}: does not take uint8 pictures (1, H, W, 3): {_first_line(error)}", hint=hint
        ) from error
    expected = (len(card.classes), side // card.output_stride, side // card.output_stride)
    if result.shape != expected:
        raise ModelError(f"{path}: gives planes of shape {result.shape}, the card says {expected}", hint=hint)
    if result.dtype != np.float32 or not np.allclose(result.sum(axis=0), 1, atol=1e-3):
        raise ModelError(f"{path}: does not give float32 probabilities that sum to 1", hint=hint)


def fit(pixels: Picture, size: tuple[int, int]) -> Picture:
    """`pixels` stretched to `size` (width, height); when shrunk, each output pixel is the mean of what it covers."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    # INTER_AREA enlarges in blocks, whose edges a network mistakes for edges of the picture.
    shrinks = size[0] * size[1] < width * height
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)
