"""The training loop, from settings to checkpoints."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from livestyle.errors import UsageError
from livestyle.training.backbones import BACKBONES, BackboneNetwork, unfold_norms
from livestyle.training.backdrops import empty_pictures
from livestyle.training.checkpoint import FILE, Progress, load_checkpoint, save_checkpoint
from livestyle.training.depthwise import quicken
from livestyle.training.log import Log
from livestyle.training.losses import feature_loss, guide_loss, label_loss
from livestyle.training.machine import choose_device, choose_precision, keep_memory
from livestyle.training.network import Student, feature_width, guiding_network, start_network
from livestyle.training.optimizer import make_optimizer
from livestyle.training.reader import open_sets
from livestyle.training.samples import Samples
from livestyle.training.schedule import Average, progress_of, rate_at, size_at, teach_at
from livestyle.training.sets import find_set
from livestyle.training.settings import Settings, to_toml

log = logging.getLogger("livestyle")

_STEPS_AHEAD = 1000  # steps for which a loader is opened: starting its workers takes seconds

Batch = tuple[Tensor, Tensor]  # (B, 3, H, W) float32 RGB in [0, 1] and (B, H, W) uint8 class bytes


class BatchShare(Dataset[Batch]):
    """The samples numbered `first` onwards that fall to one process: its contiguous share of each batch."""

    def __init__(self, samples: Samples, size: int, first: int, batch: int, rank: int, world: int, length: int) -> None:
        self.samples, self.size, self.first, self.length = samples, size, first, length
        self.batch, self.share, self.rank = batch, batch // world, rank

    def __len__(self) -> int:
        return self.length * self.share

    def __getitem__(self, index: int) -> Batch:
        step, place = divmod(index, self.share)
        sample = self.samples.sample(self.first + step * self.batch + self.rank * self.share + place, self.size)
        return torch.from_numpy(np.ascontiguousarray(sample.pixels)), torch.from_numpy(sample.members)


class Trainer:
    """One run: everything that changes while it trains, and the loop that changes it."""

    def __init__(self, settings: Settings, *, strict: bool = False) -> None:
        self.settings = settings
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        self.device = choose_device(settings.run.device)
        self.precision = choose_precision(settings.run.precision, self.device)
        self._check_batch()
        self.folder = Path(settings.run.folder)
        self.progress = Progress()
        self.stopping = False  # set by a signal: end after a checkpoint
        self.interrupted = False  # that signal was Ctrl-C
        self._handlers: dict[int, Any] = {}  # what signals did before this run listened to them
        self._prepare_machine()
        self._open_data(strict)
        self._build()

    def _check_batch(self) -> None:
        if self.settings.recipe.batch % self.world:
            raise UsageError(f"recipe.batch = {self.settings.recipe.batch} cannot be shared by {self.world} processes.")
        if self.settings.recipe.batch < 2 * self.world:
            raise UsageError(
                f"recipe.batch = {self.settings.recipe.batch} leaves each of {self.world} processes one sample.",
                hint="Batch norm needs two.",
            )

    def _prepare_machine(self) -> None:
        torch.set_flush_denormal(True)  # tiny activations run ten times slower otherwise
        if self.settings.run.threads:
            torch.set_num_threads(self.settings.run.threads)
        if self.device.type == "cpu":
            keep_memory()
        if self.settings.run.workers:
            cv2.setNumThreads(0)  # OpenCV's threads do not survive the fork, and each worker is one already
        torch.manual_seed(self.settings.run.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def _open_data(self, strict: bool) -> None:
        data = self.settings.data
        described = [find_set(name) for name in data.sets]
        self.sets = open_sets(
            described, Path(data.folder), validation=False, strict=strict, keep=data.keep, limit=data.limit or None
        )
        workers = self.settings.run.workers
        for labelled in self.sets if workers else []:
            labelled.decode_all(workers)
        places = empty_pictures(Path(data.places), validation=False, strict=strict) if data.places else []
        self.samples = Samples(
            self.sets,
            self.settings.augment,
            self.settings.run.seed,
            empty=data.empty,
            places=places,
            threads=workers or 1,
        )
        log.info("%d pictures from %d sets.", sum(map(len, self.sets)), len(self.sets))

    def _build(self) -> None:
        model, recipe = self.settings.model, self.settings.recipe
        self.guide = guiding_network(model.guide) if model.guide else None
        if self.guide is not None:
            self.guide.to(self.device, memory_format=torch.channels_last)
        network = start_network(model.start, model.size, model.backbone)
        if isinstance(network, BackboneNetwork) and not model.start:
            unfold_norms(network, self._pixels(self._samples_for_norms()))
        quicken(network)
        student = Student(network, feature_width(self.guide) if self.guide is not None and recipe.teach else 0)
        self.student = student.to(self.device, memory_format=torch.channels_last)
        self.student.train()  # a checkpoint loads in evaluation mode, in which batch norms do not learn
        self.average = Average(self.student.network, recipe.ema)
        self.optimizer = make_optimizer(recipe, self.student)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.parallel: nn.Module = self.student
        if self.world > 1:
            # The linear views are unused once the guide's features have faded out.
            self.parallel = nn.parallel.DistributedDataParallel(
                self.student, find_unused_parameters=self.student.views is not None
            )

    def _samples_for_norms(self) -> Tensor:
        """The same for every process, so that all start from the same network."""
        share = BatchShare(self.samples, self.settings.recipe.sizes[0], 0, 32, 0, 1, 1)
        return torch.stack([share[k][0] for k in range(32)])

    # -- state ---------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            "student": self.student.state_dict(),
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "progress": {
                "step": self.progress.step,
                "samples": self.progress.samples,
                "seconds": self.progress.seconds,
            },
            "size": self.settings.model.size,
            "config": self.student.network.config.to_dict() if self.settings.model.size not in BACKBONES else {},
        }

    def resume(self) -> bool:
        """Go on from the folder's checkpoint if there is one."""
        if not (self.folder / FILE).is_file():
            return False
        state = load_checkpoint(self.folder, self.device)
        self.student.load_state_dict(state["student"])
        self.average.state = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"].cpu())
        self.progress = Progress(**state["progress"])
        log.info("Resumed at step %d after %.0f minutes of training.", self.progress.step, self.progress.seconds / 60)
        return True

    def save(self) -> None:
        """Write a checkpoint (the first process only)."""
        if self.rank == 0:
            save_checkpoint(self.folder, self.state())

    # -- the loop --------------------------------------------------------------------------------------------------

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16 if self.precision == "bf16" else torch.float16)

    def learn(self, batch: Batch, rate: float, teach: float) -> dict[str, Tensor]:
        """One optimiser step. Returns the losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        members, pixels = batch[1].to(self.device), self._pixels(batch[0])
        with self._autocast():
            logits, views = self.parallel(pixels, teach > 0)
        losses = {"labels": label_loss(logits, members, self.settings.recipe.dice)}
        total = losses["labels"]
        if self.guide is not None:
            guided = self._guided(pixels, logits, views, members)
            total = total + self.settings.recipe.guide * guided["guide"]
            if "features" in guided:
                total = total + teach * guided["features"]
            losses |= guided
        self._step(total)
        return losses

    def _pixels(self, raw: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 as (B, 3, H, W) in [0, 1]; NHWC storage seen as NCHW is channels_last already."""
        return raw.to(self.device).permute(0, 3, 1, 2).float().div(255)

    def _guided(self, pixels: Tensor, logits: Tensor, views: list[Tensor] | None, members: Tensor) -> dict[str, Tensor]:
        """The losses to the guide's probabilities and, while it teaches them, to its features."""
        assert self.guide is not None
        with torch.no_grad(), self._autocast():
            theirs, features = self.guide.features(pixels)
        losses = {"guide": guide_loss(logits, theirs, members)}
        if views is not None:
            losses["features"] = feature_loss(views, features)
        return losses

    def _step(self, total: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.student.parameters(), self.settings.recipe.clip)
        if bool(torch.isfinite(norm)) or self.scaler.is_enabled():
            self.scaler.step(self.optimizer)
        else:
            log.warning("Step %d: the gradient is not finite; the step is left out.", self.progress.step)
        self.scaler.update()

    def _loader(self, size: int, steps: int) -> DataLoader[Batch]:
        """The next `steps` batches at one size."""
        recipe, workers = self.settings.recipe, self.settings.run.workers
        share = BatchShare(self.samples, size, self.progress.samples, recipe.batch, self.rank, self.world, steps)
        own = torch.Generator()  # else every loader would draw from, and so shift, the random numbers of dropout
        pin = self.device.type == "cuda"
        return DataLoader(share, recipe.batch // self.world, num_workers=workers, pin_memory=pin, generator=own)

    def _agreed(self, value: float) -> float:
        """The first process's value in every process: clocks and signals differ between them."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        if self.device.type == "cuda":
            shared = shared.to(self.device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def _stop_asked(self) -> bool:
        if self.world == 1:
            return self.stopping
        asked = torch.tensor([float(self.stopping)], device=self.device if self.device.type == "cuda" else None)
        dist.all_reduce(asked, op=dist.ReduceOp.MAX)
        return bool(asked.item() > 0)

    def train(self) -> bool:
        """Train to the end. True when the run is finished, False when a signal stopped it after a checkpoint."""
        self._listen()
        (self.folder / "settings.toml").write_text(to_toml(self.settings), encoding="utf-8")
        recipe = self.settings.recipe
        saved = time.monotonic()
        tensorboard = self.settings.run.tensorboard
        with Log(self.folder, self.progress.step, active=self.rank == 0, tensorboard=tensorboard) as table:
            while (done := self._done()) < 1.0:
                size = size_at(recipe, done)
                for batch in self._loader(size, self._steps_ahead(done)):
                    self._train_step(batch, done, table)
                    if time.monotonic() - saved > 60 * self.settings.run.checkpoint_minutes:
                        self.save()
                        saved = time.monotonic()
                    if self._stop_asked():
                        self.save()
                        return False
                    done = self._done()
                    if done >= 1.0 or size_at(recipe, done) != size:
                        break
        self.save()
        for labelled in self.sets:
            labelled.bad.report(labelled.described.name)
        return True

    def close(self) -> None:
        """Leave the other processes of a distributed run, together: one may still be writing the checkpoint.

        From then on signals do again what they did before `train`.
        """
        if self.world > 1 and dist.is_initialized():
            dist.barrier()
            dist.destroy_process_group()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _done(self) -> float:
        return progress_of(self.settings.recipe, self.progress.step, self._agreed(self.progress.seconds))

    def _steps_ahead(self, done: float) -> int:
        """How many steps may share one size: a loader and its workers are opened for so many."""
        recipe, run = self.settings.recipe, self.settings.run
        if not recipe.steps:
            return _STEPS_AHEAD if run.workers else run.log_every
        until = next(u for u in recipe.until if done < u)
        return max(1, min(int(np.ceil(until * recipe.steps - 1e-9)) - self.progress.step, _STEPS_AHEAD))

    def _train_step(self, batch: Batch, done: float, table: Log) -> None:
        recipe = self.settings.recipe
        start = time.monotonic()
        rate, teach = rate_at(recipe, done), teach_at(recipe, done)
        losses = self.learn(batch, rate, teach)
        self.average.update(self.student.network, self.progress.step)
        self.progress.step += 1
        self.progress.samples += recipe.batch
        self.progress.seconds = table.clock(self.progress.seconds, start)
        reached = progress_of(recipe, self.progress.step, self.progress.seconds)
        table.add(losses, self.progress.samples, reached)
        if self.progress.step % self.settings.run.log_every == 0 or reached >= 1:  # the last steps count too
            table.write(self.progress, done, rate, batch[0].shape[1])

    def _listen(self) -> None:
        """Ask the loop to stop after a checkpoint on the signals that Slurm and people send."""

        def ask(number: int, frame: object) -> None:
            self.stopping = True
            self.interrupted = number == signal.SIGINT

        for name in ("SIGTERM", "SIGUSR1", "SIGINT"):
            if hasattr(signal, name):
                number = getattr(signal, name)
                self._handlers.setdefault(number, signal.signal(number, ask) or signal.SIG_DFL)
