"""One training loop for teacher and student.

Adam or SOAP with warm-up and cosine decay, gradient clipping, an exponential moving average of the
weights (which is what is validated and kept), and checkpoints from which an interrupted run goes
on to the same bytes: everything random is a function of (seed, step).
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from kdsharp.errors import UserError
from kdsharp.train.batches import Batch, Examples, batches
from kdsharp.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from kdsharp.train.config import LoopConfig
from kdsharp.train.soap import Soap
from kdsharp.train.workers import Workers

__all__ = ["LOSSES", "OPTIMIZERS", "Epoch", "Fit", "fit", "learning_rate", "matching"]

log = logging.getLogger(__name__)

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    # L1 that is smooth at zero (Charbonnier et al., ICIP 1994); 1e-3 is a quarter grey level.
    "charbonnier": lambda a, b: torch.sqrt((a - b) ** 2 + 1e-6).mean(),
}

OPTIMIZERS: dict[str, Callable[[list[torch.Tensor], LoopConfig], torch.optim.Optimizer]] = {
    "adam": lambda weights, config: torch.optim.Adam(weights, lr=config.lr, fused=True),
    "soap": lambda weights, config: Soap(weights, config.lr, largest=config.basis),
}


@dataclass(frozen=True)
class Epoch:
    """What one pass over the patches brought; `seconds` covers training, not validation."""

    number: int
    loss: float
    lr: float
    val_psnr_y: float
    seconds: float
    patches_per_second: float


@dataclass(frozen=True)
class Fit:
    """The best weights by validation, the epoch-by-epoch history, and the time it took."""

    weights: dict[str, torch.Tensor]
    history: list[dict[str, float]]
    best_epoch: int
    seconds: float


def learning_rate(step: int, steps: int, config: LoopConfig) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak at the last step."""
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return config.lr * warm * (0.01 + 0.99 * cosine)


def fit(
    model: torch.nn.Module,
    examples: Examples,
    validate: Callable[[torch.nn.Module], float],
    config: LoopConfig,
    checkpoint: Path,
    fingerprint: str,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Fit:
    """Train `model` and return its best averaged weights.

    `validate(model)` gives a score in dB, higher is better. `checkpoint` is the file to resume
    from, if it holds the same `fingerprint` (of data, parameters and code). Raises `UserError`
    when the loss is no longer finite.
    """
    with Workers(config) as workers:
        per_epoch = len(examples) // config.batch_size * config.passes
        steps = per_epoch * config.epochs
        state = _State(model, examples.match, config, workers, checkpoint, fingerprint)
        data = batches(
            examples,
            config.batch_size,
            config.seed,
            state.at.step,
            steps,
            *workers.share,
            crop=config.crop,
            ahead=workers.device.type == "cuda",
        )
        with _progress(steps, state.at.step, workers.first) as advance:
            for batch in data:
                loss = state.step(batch, steps)
                advance(loss)
                if state.at.step % per_epoch == 0:
                    on_epoch(state.end_epoch(validate, per_epoch))
                elif state.due():
                    state.save()
        at = state.at
        best = max(at.history, key=lambda row: row["val_psnr_y"])
        return Fit(at.best, at.history, int(best["epoch"]), at.seconds)


class _State:
    """The moving parts of a training: model, optimiser, average, and the checkpoint of them."""

    def __init__(
        self,
        model: torch.nn.Module,
        match: Loss,
        config: LoopConfig,
        workers: Workers,
        path: Path,
        fingerprint: str,
    ) -> None:
        self.match, self.config, self.workers, self.path = match, config, workers, path
        self.model = model.to(workers.device).to(memory_format=torch.channels_last).train()
        self.weights: list[torch.Tensor] = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = OPTIMIZERS[config.optimizer](self.weights, config)
        self.at = load_checkpoint(path, fingerprint) or Checkpoint(fingerprint)
        if self.at.step:
            model.load_state_dict(self.at.model)
            self.optimizer.load_state_dict(self.at.optimizer)
            log.info("resuming at step %d", self.at.step)
        self.names = [name for name, p in model.named_parameters() if p.requires_grad]
        start = self.at.ema or {n: p.detach() for n, p in model.named_parameters()}
        self.ema = [start[name].to(workers.device, copy=True) for name in self.names]
        self.parallel = workers.wrap(self.model)
        self.saved = self.ticked = time.monotonic()

    def step(self, batch: Batch, steps: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.at.step, steps, self.config)
        late = self.at.step >= steps * (1 - self.config.mse_share)
        loss = self._loss(batch, LOSSES["mse" if late else self.config.loss])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights, self.config.clip)
        self.optimizer.step()
        self.at.step += 1
        # The young average follows the weights closely, else it would remember the random start.
        decay = min(self.config.ema, self.at.step / (self.at.step + 10))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.weights], 1 - decay)
        return self._account(loss)

    def _loss(self, batch: Batch, measure: Loss) -> torch.Tensor:
        device = self.workers.device
        output = self.parallel(batch.inputs_NCHW.to(device))
        parts = []
        if batch.features:
            output, features = output
            weight, wanted = batch.features
            parts.append(weight * self.match(features, matching(wanted.to(device), features)))
        for weight, target in batch.targets:
            parts.append(weight * measure(output, matching(target.to(device), output)))
        return reduce(torch.add, parts)

    def _account(self, loss: torch.Tensor) -> float:
        value = self.workers.mean(loss.detach())
        if not math.isfinite(value):
            raise UserError(
                f"the loss is {value} at step {self.at.step}: lower lr "
                f"(now {self.config.lr}) or clip (now {self.config.clip}) in params.yaml"
            )
        self.at.loss_sum += value
        return value

    def end_epoch(self, validate: Callable[[torch.nn.Module], float], per_epoch: int) -> Epoch:
        seconds = self._tick()
        self.at.seconds += seconds
        score = self._score(validate)
        number = self.at.step // per_epoch
        lr = float(self.optimizer.param_groups[0]["lr"])
        loss = self.at.loss_sum / per_epoch
        row = {"epoch": number, "loss": loss, "lr": lr, "val_psnr_y": score}
        self.at.history.append(row)
        if score > self.at.best_score:
            self.at.best_score, self.at.best = score, self._averaged()
        self.at.loss_sum = 0.0
        self.save()
        patches = per_epoch * self.config.batch_size
        self.ticked = time.monotonic()
        return Epoch(number, loss, lr, score, seconds, patches / seconds)

    def due(self) -> bool:
        return time.monotonic() - self.saved >= self.config.checkpoint_minutes * 60

    def save(self) -> None:
        if self.workers.first:
            self.at.model = _on_cpu(self.model.state_dict())
            self.at.optimizer = self.optimizer.state_dict()
            self.at.ema = _on_cpu(dict(zip(self.names, self.ema, strict=True)))
            save_checkpoint(self.path, self.at)
        self.saved = time.monotonic()

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


def matching(target: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """The middle of `target` that `output` is about."""
    rows, columns = (
        slice((whole - inner) // 2, (whole + inner) // 2)
        for whole, inner in zip(target.shape[-2:], output.shape[-2:], strict=True)
    )
    return target[..., rows, columns]


def _on_cpu(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in state.items()}


@contextmanager
def _progress(steps: int, start: int, first: bool) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal; the epoch lines are the progress where there is none."""
    console = Console(stderr=True)
    columns = (
        TextColumn("step {task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.5f}"),
        TimeRemainingColumn(),
    )
    if not (first and console.is_terminal):
        yield lambda _: None
        return
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=steps, completed=start, loss=math.nan)
        yield lambda loss: bar.update(task, advance=1, loss=loss)
