"""Runs of a few steps: they finish, stop, resume exactly, and work in several processes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from livestyle.errors import DeviceError, ModelError, UsageError
from livestyle.training.checkpoint import load_checkpoint, write_folder
from livestyle.training.machine import choose_precision
from livestyle.training.network import fresh_network
from livestyle.training.settings import parse_settings
from livestyle.training.train import BatchShare, Trainer

Text = Callable[..., str]

pytestmark = pytest.mark.usefixtures("keep_signals")


def _trainer(text: str) -> Trainer:
    return Trainer(parse_settings(text, "s.toml"))


def test_a_run_writes_its_log_settings_and_checkpoint(settings_text: Text, tmp_path: Path) -> None:
    """A finished run leaves its curve, a checkpoint that counts its samples and the settings with which it can be
    repeated exactly. Samples grow when the recipe says so."""
    trainer = _trainer(settings_text())
    assert trainer.train()
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["size"]) for row in rows] == [("2", "64"), ("4", "96")]
    assert load_checkpoint(tmp_path / "run")["progress"]["samples"] == 8
    assert parse_settings((tmp_path / "run" / "settings.toml").read_text(), "again") == trainer.settings


def test_the_last_steps_of_a_run_are_in_its_log(settings_text: Text, tmp_path: Path) -> None:
    """A row every two steps and one for the fifth: a run shorter than `run.log_every` has a curve as well."""
    _trainer(settings_text(steps=5)).train()
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4", "5"]
    assert all(float(row["labels"]) > 0 for row in rows)


def test_signals_are_given_back_when_a_run_is_closed(settings_text: Text) -> None:
    """Ctrl-C asks a run to stop after a checkpoint; in a notebook it then interrupts cells again."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    trainer = _trainer(settings_text(steps=2))
    trainer.train()
    assert all(signal.getsignal(number) != handler for number, handler in before.items())
    trainer.close()
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_resumed_run_is_the_uninterrupted_one(settings_text: Text, tmp_path: Path) -> None:
    """Bit for bit: weights, average and optimiser after a stop in the middle of a size."""
    _trainer(settings_text(run="whole")).train()
    stopped = _trainer(settings_text(run="parts"))
    learn = stopped.learn

    def learn_then_stop(*args: object) -> object:
        stopped.stopping = stopped.progress.step == 2  # as a signal would
        return learn(*args)  # type: ignore[arg-type]

    stopped.learn = learn_then_stop  # type: ignore[method-assign,assignment]
    assert not stopped.train()
    resumed = _trainer(settings_text(run="parts"))
    assert resumed.resume()
    assert resumed.progress.step == 3
    assert resumed.train()
    whole, parts = load_checkpoint(tmp_path / "whole"), load_checkpoint(tmp_path / "parts")
    for name in ("student", "average"):
        assert all(torch.equal(whole[name][key], parts[name][key]) for key in whole[name])
    assert torch.equal(whole["random"], parts["random"])
    states = whole["optimizer"]["state"], parts["optimizer"]["state"]
    assert all(torch.equal(states[0][k]["exp_avg"], states[1][k]["exp_avg"]) for k in states[0])


def test_learning_lowers_the_loss(settings_text: Text) -> None:
    """Fifteen steps on one batch take 30 % and more off the loss: gradients reach the weights with the right sign."""
    trainer = _trainer(settings_text(steps=30))
    batch = next(iter(trainer._loader(64, 1)))
    first = float(trainer.learn(batch, 2e-3, 0.0)["labels"].detach())
    for _ in range(15):
        last = float(trainer.learn(batch, 2e-3, 0.0)["labels"].detach())
    assert last < 0.7 * first


def test_a_gradient_that_is_not_finite_changes_nothing(settings_text: Text, caplog: pytest.LogCaptureFixture) -> None:
    """A step with a NaN is left out, with a warning: one such step would make every weight NaN and lose the run."""
    trainer = _trainer(settings_text())
    before = {name: value.clone() for name, value in trainer.student.named_parameters()}
    parameter = next(trainer.student.parameters())
    trainer._step(parameter.sum() * float("nan"))
    assert all(torch.equal(before[name], value) for name, value in trainer.student.named_parameters())
    assert "not finite" in caplog.text


def test_processes_share_every_batch_without_overlap() -> None:
    """Each process has its part of every batch, and all parts together are each sample once: several GPUs see what one
    would see."""

    class Counting:
        def sample(self, number: int, size: int) -> object:
            import numpy as np

            from livestyle.training.samples import Sample

            return Sample(np.full((size, size, 3), number, np.uint8), np.ones((size, size), np.uint8), "x")

    shares = [BatchShare(Counting(), 2, 10, 6, rank, 3, 4) for rank in range(3)]  # type: ignore[arg-type]
    numbers = [[int(share[i][0][0, 0, 0]) for i in range(len(share))] for share in shares]
    assert numbers[1][:4] == [12, 13, 18, 19]
    assert sorted(number for share in numbers for number in share) == list(range(10, 34))


def test_a_device_that_is_not_here_is_an_error(settings_text: Text) -> None:
    """A device that was named and is missing is an error; training for days on the CPU instead helps nobody."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(DeviceError, match="cuda"):
        _trainer(settings_text().replace('device = "cpu"', 'device = "cuda"'))


@pytest.mark.parametrize(
    ("wanted", "device", "fast", "chosen"),
    [
        ("auto", "cpu", True, "bf16"),
        ("auto", "cpu", False, "fp32"),
        ("auto", "cuda", True, "bf16"),
        ("auto", "cuda", False, "fp16"),
        ("auto", "mps", False, "bf16"),
        ("fp32", "cpu", True, "fp32"),
        ("fp16", "cuda", True, "fp16"),
        ("bf16", "cpu", False, "bf16"),
    ],
)
def test_the_precision_is_one_that_the_machine_computes_in(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wanted: str,
    device: str,
    fast: bool,
    chosen: str,
) -> None:
    """ "auto" takes bf16 where the machine has instructions for it, else fp16 on CUDA and fp32 on a CPU.

    A precision that was named is used, with a warning where it has to be imitated.
    """
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: fast)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: fast)
    assert choose_precision(wanted, torch.device(device)) == chosen
    assert ("no bf16 instructions" in caplog.text) == ((wanted, fast) == ("bf16", False))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"fp32"', '"fp16"'), "fp16"),
        (("batch = 2", "batch = 3"), "shared"),
        (("batch = 2", "batch = 2 "), "one sample"),
    ],
)
def test_settings_that_this_machine_cannot_follow_stop_before_the_first_step(
    settings_text: Text, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], message: str
) -> None:
    """fp16 on a CPU, a batch that does not divide among the processes or that leaves one sample to each are usage
    errors, before a folder is made."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=message):
        _trainer(settings_text().replace(*change))
    assert not (tmp_path / "run").exists()


def test_batch_norms_learn_from_a_checkpoint_too(settings_text: Text, tmp_path: Path) -> None:
    """Checkpoints load in evaluation mode: their statistics would stay, and everything else learn around them."""
    write_folder(fresh_network("xxsmall"), tmp_path / "start")
    start = f'[model]\nstart = "{(tmp_path / "start").as_posix()}"'
    trainer = _trainer(settings_text().replace("[model]", start))
    norms = {n: m for n, m in trainer.student.network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    before = {name: norm.running_mean.clone() for name, norm in norms.items()}  # type: ignore[union-attr]
    trainer.learn(next(iter(trainer._loader(64, 1))), 1e-3, 0.0)
    assert len(norms) > 30
    assert all((norm.running_mean != before[name]).any() for name, norm in norms.items())


def test_a_better_model_guides(settings_text: Text, tmp_path: Path) -> None:
    """A run with a better model has a loss towards it, and that model's own weights do not train."""
    write_folder(fresh_network("xxsmall"), tmp_path / "better")
    guided = f'[model]\nguide = "{(tmp_path / "better").as_posix()}"'
    trainer = _trainer(settings_text().replace("[model]", guided))
    losses = trainer.learn(next(iter(trainer._loader(64, 1))), 1e-3, 0.0)
    assert float(losses["guide"].detach()) > 0
    assert not any(p.requires_grad for p in trainer.guide.parameters())  # type: ignore[union-attr]


def test_a_broken_checkpoint_is_an_error(settings_text: Text, tmp_path: Path) -> None:
    """A checkpoint that cannot be read is a ModelError with its name: starting afresh instead would overwrite it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(ModelError, match=r"checkpoint\.pt"):
        _trainer(settings_text()).resume()


def test_two_processes_train_together_through_torchrun(settings_text: Text, tmp_path: Path) -> None:
    """The command works under torchrun: two processes share a batch of four and count its samples once."""
    settings = tmp_path / "s.toml"
    settings.write_text(settings_text(steps=2).replace("batch = 2", "batch = 4"))
    script = "import sys; from livestyle.training.cli import train; train(sys.argv[1:])"
    (tmp_path / "go.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path / "go.py"), str(settings)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_checkpoint(tmp_path / "run")["progress"]["samples"] == 8
