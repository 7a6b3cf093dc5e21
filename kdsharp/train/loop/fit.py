"""One training loop for every network: teacher, student, and the one that tells degradations apart.

Adam or SOAP with warm-up and cosine decay, gradient clipping, an exponential moving average of the
weights (which is what is validated and kept), and checkpoints from which an interrupted run goes
on to the same bytes: everything random is a function of (seed, step).
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from kdsharp.errors import UserError
from kdsharp.progress import Progress
from kdsharp.train.config import LoopConfig
from kdsharp.train.loop.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from kdsharp.train.loop.distributed import DistributedContext, pick_precision
from kdsharp.train.loop.interrupt import StopSignals
from kdsharp.train.loop.loss import LOSSES, Loss
from kdsharp.train.loop.soap import Soap

__all__ = ["OPTIMIZERS", "Dataset", "Epoch", "TrainResult", "fit", "learning_rate"]

log = logging.getLogger(__name__)

OPTIMIZERS: dict[str, Callable[[list[torch.Tensor], LoopConfig], torch.optim.Optimizer]] = {
    "adam": lambda weights, config: torch.optim.Adam(weights, lr=config.lr, fused=True),
    "soap": lambda weights, config: Soap(weights, config.lr, largest=config.max_precond_dim),
}


class Dataset(Protocol):
    """What a network learns from; `kdsharp.train.dataset.batches` has the one of pictures."""

    def __len__(self) -> int:
        """How many examples."""
        ...

    def batches(
        self, loop: LoopConfig, start: int, stop: int, share: tuple[int, int], *, ahead: bool
    ) -> Iterator[Any]:
        """The batches of steps `start` to `stop`, each a function of the seed and the step alone.

        `share` is (rank, world): the process `rank` of `world` gets its part of each. With `ahead`
        a thread may make the next one meanwhile.
        """
        ...

    def loss(
        self, network: torch.nn.Module, batch: Any, measure: Loss, device: torch.device
    ) -> torch.Tensor:
        """How far `network` is from what it should answer; `measure` compares two pictures."""
        ...


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the patches; `seconds` covers training, not validation."""

    number: int
    loss: float
    lr: float
    val_psnr_y: float
    seconds: float
    patches_per_second: float


@dataclass(frozen=True)
class TrainResult:
    """The best weights by validation, the epoch-by-epoch history, and the time it took.

    `precision` is that of the products, `fp32` or `bf16`.
    """

    weights: dict[str, torch.Tensor]
    history: list[dict[str, float]]
    best_epoch: int
    seconds: float
    precision: str


def learning_rate(step: int, steps: int, config: LoopConfig) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak at the last step."""
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return config.lr * warm * (0.01 + 0.99 * cosine)


def fit(
    model: torch.nn.Module,
    dataset: Dataset,
    validate: Callable[[torch.nn.Module], float],
    config: LoopConfig,
    checkpoint: Path,
    fingerprint: str,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    steps: int | None = None,
) -> TrainResult:
    """Train `model` and return its best averaged weights.

    `validate(model)` gives a score, higher is better: for pictures Y-PSNR in dB, which is what the
    history calls it. `checkpoint` is the file to resume from, if it holds the same `fingerprint`
    (of data, parameters and code). `steps` is how many in all, shared among the epochs; None is
    what epochs and repeats of `config` make. Raises `UserError` if the loss stops being finite.

    Ctrl-C and SIGTERM are heeded after a step: its state is saved, then `KeyboardInterrupt` raised.
    """
    with DistributedContext(config) as workers, StopSignals() as signals:
        ends = _ends(len(dataset), config, steps)
        state = _State(model, dataset, config, workers, checkpoint, fingerprint)
        start, stop = state.at.step, ends[-1]
        ahead = workers.device.type == "cuda"
        data = dataset.batches(config, start, stop, workers.share, ahead=ahead)
        # Without a terminal, the epochs' lines are the progress.
        with Progress(stop, "training", "steps", done=start, quiet=not workers.first) as progress:
            for batch in data:
                loss, stopped = state.step(batch, stop, signals)
                progress.step(f"loss {loss:.5f}")
                if state.at.step in ends:
                    on_epoch(state.end_epoch(validate, ends))
                elif stopped or state.due():
                    state.save()
                if stopped:
                    state.tell(stop)
                    raise KeyboardInterrupt
        at = state.at
        best = max(at.history, key=lambda row: row["val_psnr_y"])
        return TrainResult(at.best, at.history, int(best["epoch"]), at.seconds, state.precision)


def _ends(examples: int, config: LoopConfig, steps: int | None) -> list[int]:
    """The steps after which an epoch ends; of fewer steps than epochs each is one."""
    total = examples // config.batch_size * config.repeats * config.epochs
    total = total if steps is None else steps
    # At least one: the batches themselves report too few examples.
    total = max(total, 1)
    epochs = min(config.epochs, total)
    return [round(total * epoch / epochs) for epoch in range(1, epochs + 1)]


class _State:
    """The moving parts of a training: model, optimiser, average, and the checkpoint of them."""

    def __init__(
        self,
        model: torch.nn.Module,
        dataset: Dataset,
        config: LoopConfig,
        workers: DistributedContext,
        path: Path,
        fingerprint: str,
    ) -> None:
        self.dataset, self.config, self.workers, self.path = dataset, config, workers, path
        self.model = model.to(workers.device).to(memory_format=torch.channels_last).train()
        self.weights: list[torch.Tensor] = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = OPTIMIZERS[config.optimizer](self.weights, config)
        # One process reads: another machine may have no such file, or an older one.
        found = load_checkpoint(path, fingerprint) if workers.first else None
        found = workers.shared(vars(found) if found else None)
        self.at = Checkpoint(**found) if found else Checkpoint(fingerprint)
        if self.at.step:
            model.load_state_dict(self.at.model)
            self.optimizer.load_state_dict(self.at.optimizer)
            if workers.first:
                log.info("resuming at step %d", self.at.step)
        self.names = [name for name, p in model.named_parameters() if p.requires_grad]
        start = self.at.ema or {n: p.detach() for n, p in model.named_parameters()}
        self.ema = [start[name].to(workers.device, copy=True) for name in self.names]
        self.parallel = workers.wrap(self.model)
        self.precision = pick_precision(config.precision, workers.device)
        self.saved = self.ticked = time.monotonic()

    def step(self, batch: Any, steps: int, signals: StopSignals) -> tuple[float, bool]:
        """The loss, and whether any of the processes was told to stop."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.at.step, steps, self.config)
        late = self.at.step >= steps * (1 - self.config.mse_share)
        measure = LOSSES[self.config.late_loss if late else self.config.loss]
        device = self.workers.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            loss = self.dataset.loss(self.parallel, batch, measure, device)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights, self.config.grad_clip_norm)
        self.optimizer.step()
        self.at.step += 1
        # The young average follows the weights closely, else it would remember the random start.
        decay = min(self.config.ema, self.at.step / (self.at.step + 10))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.weights], 1 - decay)
        return self._account(loss, signals.asked)

    def _account(self, loss: torch.Tensor, stop: bool) -> tuple[float, bool]:
        both = torch.stack([loss.detach().float(), loss.new_tensor(stop, dtype=torch.float32)])
        value, stopped = self.workers.mean(both).tolist()
        if not math.isfinite(value):
            raise UserError(
                f"the loss is {value} at step {self.at.step}: lower lr (now {self.config.lr}) or "
                f"grad_clip_norm (now {self.config.grad_clip_norm}) in params.yaml"
            )
        self.at.loss_sum += value
        return value, stopped > 0

    def end_epoch(self, validate: Callable[[torch.nn.Module], float], ends: list[int]) -> Epoch:
        seconds = self._tick()
        self.at.seconds += seconds
        score = self._score(validate)
        index = ends.index(self.at.step)
        steps = ends[index] - (ends[index - 1] if index else 0)
        lr = float(self.optimizer.param_groups[0]["lr"])
        loss = self.at.loss_sum / steps
        row = {"epoch": index + 1, "loss": loss, "lr": lr, "val_psnr_y": score}
        self.at.history.append(row)
        if score > self.at.best_score:
            self.at.best_score, self.at.best = score, self._averaged()
        self.at.loss_sum = 0.0
        self.save()
        patches = steps * self.config.batch_size
        self.ticked = time.monotonic()
        return Epoch(index + 1, loss, lr, score, seconds, patches / seconds)

    def due(self) -> bool:
        return time.monotonic() - self.saved >= self.config.checkpoint_minutes * 60

    def save(self) -> None:
        if self.workers.first:
            self.at.model = _on_cpu(self.model.state_dict())
            self.at.optimizer = self.optimizer.state_dict()
            self.at.ema = _on_cpu(dict(zip(self.names, self.ema, strict=True)))
            save_checkpoint(self.path, self.at)
        self.saved = time.monotonic()

    def tell(self, steps: int) -> None:
        if self.workers.first:
            log.warning(
                "stopped at step %d of %d, which is saved: the same command goes on from there",
                self.at.step,
                steps,
            )

    def _tick(self) -> float:
        return time.monotonic() - self.ticked

    def _averaged(self) -> dict[str, torch.Tensor]:
        averaged = dict(zip(self.names, self.ema, strict=True))
        return _on_cpu(self.model.state_dict() | averaged)

    def _score(self, validate: Callable[[torch.nn.Module], float]) -> float:
        """The score of the averaged weights; the trained ones are back in place afterwards."""
        kept = [p.detach().clone() for p in self.weights]
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.ema)
            self.model.eval()
            score = validate(self.model)
            torch._foreach_copy_(self.weights, kept)
        self.model.train()
        return score


def _on_cpu(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in state.items()}
