"""Loading a model: which file, card and device are used and what is refused; and where its masks lie."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests_models import card_of

from livestyle.device_names import DEVICES
from livestyle.errors import DeviceError, ModelError
from livestyle.frame import REGIONS
from livestyle.models import segmenter as module
from livestyle.models.card import read_card, write_card
from livestyle.models.segmenter import WEIGHTS, bundled_names, list_devices, load_segmenter


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the bundled model and its card."""
    for suffix in (".onnx", ".json"):
        shutil.copy(WEIGHTS / f"small{suffix}", tmp_path)
    return tmp_path / "small.onnx"


def rewrite(model: Path, **changes: object) -> None:
    """Replace values in the card beside `model`."""
    card = read_card(model.with_suffix(".json"))
    write_card(dataclasses.replace(card, **changes), model.with_suffix(".json"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [None, *bundled_names()])
def test_a_bundled_model_knows_all_regions(name: str | None) -> None:
    """Every model that comes along, and the default, has classes for all four regions, the background first, and says
    on which device it runs."""
    segmenter = load_segmenter(name)
    assert segmenter.classes[0] == "background"
    assert set(segmenter.regions) == set(segmenter.classes)
    assert set(segmenter.regions.values()) == set(REGIONS)
    assert segmenter.device in ("cpu", "cuda")


def test_a_model_leaves_nothing_on_the_computer_and_reports_nothing(tmp_path: Path) -> None:
    """ONNX Runtime's reports of its use leave a number for the computer and a database, before they are sent."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    own = {"HOME": home, "USERPROFILE": home, "TMPDIR": temporary, "TEMP": temporary}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    load = "from livestyle.models.segmenter import load_segmenter; load_segmenter('xxsmall', 'cpu')"
    environment = kept | {name: str(folder) for name, folder in own.items()}
    subprocess.run([sys.executable, "-c", load], env=environment, check=True, timeout=120)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_model_is_loaded_by_path_with_the_card_beside_it(copy: Path) -> None:
    """A model that is not in the package is named by its path; the card of the same stem says what its planes are."""
    assert load_segmenter(copy, "cpu").classes == load_segmenter(None, "cpu").classes


@pytest.mark.parametrize("name", bundled_names())
def test_a_person_is_found_where_she_is(name: str) -> None:
    """Hair and face on the head, not in the dark corner: a wrong order of planes or a wrong scale fails this."""
    data = pytest.importorskip("skimage.data", reason="scikit-image's photograph (extra `demo`) is not installed")
    segmenter = load_segmenter(name, "cpu")
    planes = dict(zip(segmenter.classes, segmenter(np.ascontiguousarray(data.astronaut())), strict=True))
    head = planes["hair"] + planes["face"]
    height, width = head.shape
    assert head[int(0.1 * height) : int(0.3 * height), int(0.35 * width) : int(0.55 * width)].mean() > 0.5
    assert head[int(0.6 * height) :, int(0.85 * width) :].mean() < 0.2


@pytest.mark.parametrize("name", ["nope", "nope.onnx"])
def test_an_unknown_name_lists_the_bundled_ones(name: str) -> None:
    """A name that is neither bundled nor a file is an error whose hint lists the names there are."""
    with pytest.raises(ModelError, match=name) as caught:
        load_segmenter(name)
    assert all(known in caught.value.hint for known in ("lite", "small"))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    """A file is taken for a model by its ending; a checkpoint has to be exported first."""
    (tmp_path / "model.pt").write_bytes(b"weights")
    with pytest.raises(ModelError, match=r"not an \.onnx file"):
        load_segmenter(tmp_path / "model.pt")


def test_a_model_without_a_card_is_refused(copy: Path) -> None:
    """Without a card nothing says what the planes are, so a model by itself is not used."""
    copy.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match="card is missing"):
        load_segmenter(copy)


def test_the_card_of_another_file_is_refused(copy: Path) -> None:
    """A user who names a file gets that file, not another one that the card beside it names."""
    named = copy.with_name("other.onnx")
    named.write_bytes(b"not a model")
    copy.with_suffix(".json").rename(named.with_suffix(".json"))
    with pytest.raises(ModelError, match=copy.name):
        load_segmenter(named)


def test_a_model_without_its_file_is_refused(copy: Path) -> None:
    """Where the file that a card names is missing, the error names that file and why it cannot be read."""
    rewrite(copy, file="other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx: cannot read"):
        load_segmenter(copy)


def test_one_changed_byte_is_found(copy: Path) -> None:
    """The card's checksum covers the whole file: what is damaged or exchanged never runs."""
    model = bytearray(copy.read_bytes())
    model[len(model) // 2] ^= 1
    copy.write_bytes(model)
    with pytest.raises(ModelError, match="checksum"):
        load_segmenter(copy)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 1000])
def test_a_file_that_is_not_onnx_is_refused_although_its_checksum_fits(copy: Path, content: bytes) -> None:
    """A checksum shows only that card and file belong together; what ONNX Runtime cannot load is a ModelError that
    names the file."""
    copy.write_bytes(content)
    rewrite(copy, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match=r"small\.onnx"):
        load_segmenter(copy)


def test_a_card_with_another_number_of_classes_is_refused(copy: Path) -> None:
    """Planes are counted on loading: with too few classes in the card they would be taken for the wrong regions."""
    rewrite(copy, classes=("background", "hair"), regions={"background": "background", "hair": "hair"})
    with pytest.raises(ModelError, match="shape"):
        load_segmenter(copy)


def test_a_card_with_another_stride_is_refused(copy: Path) -> None:
    """The size of the planes is checked on loading against the stride that the card states."""
    rewrite(copy, output_stride=8)
    with pytest.raises(ModelError, match="shape"):
        load_segmenter(copy)


def test_an_unknown_device_is_refused() -> None:
    """A device that livestyle does not know is a DeviceError with exit code 5, not a choice of another one."""
    with pytest.raises(DeviceError, match="tpu") as caught:
        load_segmenter(device="tpu")
    assert caught.value.exit_code == 5


def test_a_named_device_that_is_not_there_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that this ONNX Runtime was not built for is an error, and the hint says what to install."""
    monkeypatch.setattr(module, "_installed_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="cuda") as caught:
        load_segmenter(device="cuda")
    assert "onnxruntime-gpu" in caught.value.hint


def pretend_cuda_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine with onnxruntime-gpu and without a driver does: listed, then silently replaced by the CPU."""
    open_session = module._open_session
    monkeypatch.setattr(module, "_installed_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(
        module,
        "_open_session",
        lambda model, path, _provider, threads: open_session(model, path, "CPUExecutionProvider", threads),
    )


def test_a_silent_fallback_of_onnx_runtime_is_an_error_when_the_device_was_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ONNX Runtime goes on with the CPU where CUDA does not start, and raises nothing.

    A user who named CUDA must hear of it.
    """
    pretend_cuda_is_installed(monkeypatch)
    with pytest.raises(DeviceError, match="does not start"):
        load_segmenter(device="cuda")


def test_auto_says_what_it_took(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Under 'auto' a CUDA that does not start is no error: the CPU is used, and the log says so."""
    pretend_cuda_is_installed(monkeypatch)
    with caplog.at_level(logging.INFO, "livestyle"):
        assert load_segmenter().device == "cpu"
    assert [record.message for record in caplog.records if "'cpu'" in record.message]


def test_auto_takes_the_cpu_where_cuda_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some versions of ONNX Runtime raise where a library of CUDA is missing, instead of falling back."""
    import onnxruntime

    session = onnxruntime.InferenceSession

    def start(model: bytes, providers: list[str], **options: Any) -> Any:
        if "CUDAExecutionProvider" in providers:
            raise RuntimeError("libcudnn.so.9: cannot open shared object file")
        return session(model, providers=providers, **options)

    monkeypatch.setattr(module, "_installed_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", start)
    assert load_segmenter().device == "cpu"
    with pytest.raises(DeviceError, match="libcudnn"):
        load_segmenter(device="cuda")


class CannotRun:
    """A session that opens on CUDA and then cannot run there; on the CPU it works."""

    def __init__(self, session: Any, providers: list[str]) -> None:
        self._session, self._providers = session, providers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        """The providers that were asked for, as if they had started."""
        return self._providers

    def run(self, *arguments: Any) -> Any:
        """Fail on CUDA, as where the driver is too old."""
        if "CUDAExecutionProvider" in self._providers:
            raise RuntimeError("CUDA failure 35: driver version is insufficient\nand more")
        return self._session.run(*arguments)


def test_a_device_that_opens_a_model_and_cannot_run_it_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A named one is an error, 'auto' logs one line and takes the CPU, the list of devices does not offer it."""
    import onnxruntime

    session = onnxruntime.InferenceSession

    def start(model: bytes, providers: list[str], **options: Any) -> CannotRun:
        assert not options["enable_fallback"]  # it would go on with the CPU where a device was named
        return CannotRun(session(model, providers=["CPUExecutionProvider"], **options), providers)

    monkeypatch.setattr(module, "_installed_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", start)
    with pytest.raises(DeviceError, match=r"cannot run a model.*insufficient") as caught:
        load_segmenter(device="cuda")
    assert "and more" not in str(caught.value)
    with caplog.at_level(logging.INFO, "livestyle"):
        assert load_segmenter().device == "cpu"
    assert len([record for record in caplog.records if "insufficient" in record.message]) == 1
    assert [device.name for device in list_devices() if device.available] == ["cpu"]


def test_a_run_that_fails_is_an_error_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime's exceptions belong to no family that a program could catch."""
    segmenter = load_segmenter(device="cpu")

    def fail(_: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory\nand more")

    monkeypatch.setattr(segmenter, "_run", fail)
    with pytest.raises(DeviceError, match="out of memory") as caught:
        segmenter(np.zeros((64, 64, 3), np.uint8))
    assert "and more" not in str(caught.value)


def test_the_list_of_devices_tells_what_really_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device is available if a model has run on it: one that ONNX Runtime only lists is not."""
    pretend_cuda_is_installed(monkeypatch)
    devices = {device.name: device for device in list_devices()}
    assert devices["cpu"].available
    assert not devices["cuda"].available
    assert not devices["mps"].available


def test_the_output_lies_on_the_picture(tmp_path: Path) -> None:
    """A network that passes its input through shows where the planes lie: a ramp must come out as the same ramp."""
    onnx = pytest.importorskip("onnx", reason="onnx (extra `train`) is not installed")
    segmenter = load_segmenter(write_pass_through(onnx, tmp_path), "cpu")
    ramp = np.broadcast_to(np.linspace(0, 255, 720).astype(np.uint8)[:, None, None], (720, 1280, 3)).copy()
    plane = segmenter(ramp)[1]
    rows = plane.shape[0]
    expected = (np.arange(rows) + 0.5) / rows
    # One 8-bit step of the ramp and the mean over a row's height, no more: half a row off would be 0.02.
    np.testing.assert_allclose(plane[2:-2].mean(axis=1), expected[2:-2], atol=1.5 / 255)


def write_pass_through(onnx: object, folder: Path) -> Path:
    """Red becomes the probability of hair, what is left the background's; a stride of 8 by averaging."""
    from onnx import TensorProto, checker, helper

    uint8 = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "h", "w", 3])
    floats = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2, "oh", "ow"])
    constants = {
        "scale": helper.make_tensor("scale", TensorProto.FLOAT, [], [255.0]),
        "one": helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        "red": helper.make_tensor("red", TensorProto.INT64, [1], [0]),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Gather", ["planes", "red"], ["channel"], axis=1),
        helper.make_node("AveragePool", ["channel"], ["hair"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Sub", ["one", "hair"], ["background"]),
        helper.make_node("Concat", ["background", "hair"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(nodes, "through", [uint8], [floats], list(constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    path = folder / "through.onnx"
    path.write_bytes(model.SerializeToString())
    card = card_of(path, size=(256, 256))
    write_card(card, path.with_suffix(".json"))
    return path


def test_every_device_that_can_be_named_has_a_provider():
    """Neither a name that the command line takes and ONNX Runtime is never asked for, nor one that nobody can give."""
    assert tuple(module._PROVIDERS) == DEVICES
