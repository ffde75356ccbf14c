"""Models that never end, do not give what they declare or ask for other files: each is a ModelError; Ctrl-C works."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests_models import card_of

from livestyle.errors import ModelError
from livestyle.models import segmenter as module
from livestyle.models import trial
from livestyle.models.card import write_card
from livestyle.models.segmenter import load_segmenter, open_for_trial, run_watched

onnx = pytest.importorskip("onnx", reason="onnx (extra `train`) is not installed")

PIXELS = np.full((64, 64, 3), 255, np.uint8)


@pytest.fixture(autouse=True)
def _forget_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TRIED", set())


def constant(name: str, values: Any, kind: int) -> Any:
    """A constant of a graph; `kind` is an element type of onnx.TensorProto."""
    array = np.asarray(values)
    return onnx.helper.make_tensor(name, kind, array.shape, array.reshape(-1).tolist())


def write_model(folder: Path, change: list[Any], constants: list[Any] = (), **options: Any) -> Path:  # type: ignore[assignment]
    """A network whose nodes `change` make "probabilities" of "both", whose hair is the picture's red."""
    node, kinds = onnx.helper.make_node, onnx.TensorProto
    nodes = [
        node("Cast", ["pixels"], ["float"], to=kinds.FLOAT),
        node("Div", ["float", "scale"], ["unit"]),
        node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        node("Gather", ["planes", "red"], ["channel"], axis=1),
        node("AveragePool", ["channel"], ["hair"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Sub", ["one", "hair"], ["background"]),
        node("Concat", ["background", "hair"], ["both"], axis=1),
        *change,
    ]
    constants = [
        constant("scale", 255.0, kinds.FLOAT),
        constant("one", 1.0, kinds.FLOAT),
        constant("red", [0], kinds.INT64),
        *constants,
    ]
    pixels = onnx.helper.make_tensor_value_info("pixels", kinds.UINT8, [1, "h", "w", 3])
    planes = onnx.helper.make_tensor_value_info("probabilities", kinds.FLOAT, None)
    graph = onnx.helper.make_graph(nodes, "hostile", [pixels], [planes], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "hostile.onnx"
    onnx.save(model, path, **options)
    write_card(card_of(path), path.with_suffix(".json"))
    return path


def endless(folder: Path, *, only_for_white: bool = False) -> Path:
    """A loop without a count, whose condition stays true: for every picture, or for the brightest ones."""
    helper, kinds = onnx.helper, onnx.TensorProto
    body = helper.make_graph(
        [helper.make_node("Identity", ["again"], ["again_out"]), helper.make_node("Identity", ["x"], ["x_out"])],
        "body",
        [
            helper.make_tensor_value_info("turn", kinds.INT64, []),
            helper.make_tensor_value_info("again", kinds.BOOL, []),
            helper.make_tensor_value_info("x", kinds.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again_out", kinds.BOOL, []),
            helper.make_tensor_value_info("x_out", kinds.FLOAT, None),
        ],
    )
    limit = 0.9 if only_for_white else -1.0
    nodes = [
        helper.make_node("ReduceMax", ["hair"], ["brightest"], keepdims=0),
        helper.make_node("Greater", ["brightest", "limit"], ["begin"]),
        helper.make_node("Loop", ["", "begin", "both"], ["probabilities"], body=body),
    ]
    return write_model(folder, nodes, [constant("limit", limit, kinds.FLOAT)])


def test_a_model_that_never_ends_is_refused_on_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial in a child process finds a model that never ends: loading it is an error, not a program that hangs."""
    monkeypatch.setattr(trial, "LOAD_S", 2)
    with pytest.raises(ModelError, match=r"hostile\.onnx.*never end"):
        load_segmenter(endless(tmp_path), "cpu")


def test_a_model_that_never_ends_for_some_pictures_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial on grey pictures cannot find it; the run is stopped after its limit, and no thread of it is left."""
    monkeypatch.setattr(module, "RUN_S", 1.0)
    segmenter = load_segmenter(endless(tmp_path, only_for_white=True), "cpu")
    with pytest.raises(ModelError, match=r"hostile\.onnx.*never end"):
        segmenter(PIXELS)
    assert not [thread for thread in threading.enumerate() if thread.name == "livestyle-model"]


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
def test_a_request_to_stop_ends_a_model_that_never_ends(tmp_path: Path) -> None:
    """Also where the handler only sets a flag, as the application's do."""
    path, seen = endless(tmp_path), []
    session = module._open_session(path.read_bytes(), path, "CPUExecutionProvider", 1)
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run_watched(session, ["probabilities"], {"pixels": PIXELS[None]}, 600, "hostile")
        timer.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


NODE = onnx.helper.make_node
FLOATS = onnx.TensorProto.FLOAT
LIES = {
    "nan": ([NODE("Sub", ["hair", "hair"], ["zero"]), NODE("Div", ["both", "zero"], ["x"]),
             NODE("Mul", ["x", "zero"], ["probabilities"])], []),
    "beyond": ([NODE("Mul", ["both", "many"], ["probabilities"])], [constant("many", 7.0, FLOATS)]),
    "one number": ([NODE("ReduceMax", ["both"], ["probabilities"], keepdims=0)], []),
    "another size": ([NODE("Concat", ["both", "both"], ["probabilities"], axis=3)], []),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_mask_is_refused(tmp_path: Path, lie: str) -> None:
    """NaN, values beyond 1, one number, planes of another size than the card's: the graph runs, but such a result would
    colour frames at random, so loading it is an error."""
    with pytest.raises(ModelError, match=r"hostile\.onnx"):
        load_segmenter(write_model(tmp_path, *LIES[lie]), "cpu")


def test_numbers_that_are_none_for_some_pictures_are_refused(tmp_path: Path) -> None:
    """The logarithm of the darkest hair: no number for black pictures, a probability for others."""
    nodes = [
        NODE("Log", ["hair"], ["l"]),
        NODE("Mul", ["l", "none"], ["z"]),
        NODE("Add", ["both", "z"], ["probabilities"]),
    ]
    segmenter = load_segmenter(write_model(tmp_path, nodes, [constant("none", 0.0, FLOATS)]), "cpu")
    assert segmenter(PIXELS).shape == (2, 16, 16)
    with pytest.raises(ModelError, match="not probabilities"):
        segmenter(np.zeros_like(PIXELS))


def test_a_model_that_wants_terabytes_is_refused(tmp_path: Path) -> None:
    """Its 2^40 numbers fail in the child process, whose memory is limited, and do not make the system end ours."""
    nodes = [
        NODE("Expand", ["one", "many"], ["large"]),
        NODE("ReduceMax", ["large"], ["most"], keepdims=0),
        NODE("Mul", ["both", "most"], ["probabilities"]),
    ]
    path = write_model(tmp_path, nodes, [constant("many", [1 << 20, 1 << 20], onnx.TensorProto.INT64)])
    with pytest.raises(ModelError, match=r"hostile\.onnx"):
        load_segmenter(path, "cpu")


@pytest.mark.parametrize("place", ["beside.bin", "../beside.bin", "{}/beside.bin"])
def test_weights_in_other_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A model is one file, covered by its checksum: no other is read, wherever it lies and wherever we are started."""
    (tmp_path / "beside.bin").write_bytes(np.ones(1, np.float32).tobytes())
    (tmp_path / "models").mkdir()
    weight = onnx.TensorProto(name="weight", data_type=FLOATS, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=place.format(tmp_path))
    folder = tmp_path if place == "beside.bin" else tmp_path / "models"
    path = write_model(folder, [NODE("Mul", ["both", "weight"], ["probabilities"])], [weight])
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError, match=r"hostile\.onnx"):
        load_segmenter(path, "cpu")
    with pytest.raises(ModelError):
        open_for_trial(card_of(path), path.read_bytes(), path)
