"""What a training runs on: CPU or CUDA, in which precision, one process or several by torchrun."""

import io
import os
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from kdsharp.errors import UserError
from kdsharp.runtime.hardware import multiplies_bf16
from kdsharp.train.config import LoopConfig, Precision

__all__ = ["DistributedContext", "is_first", "pick_device", "pick_precision", "pin_threads"]

_PATIENCE = timedelta(hours=24)
"""How long processes wait for the first one: a teacher may be asked about many patches."""

Value = TypeVar("Value")


def pick_device(choice: str, local_rank: int = 0) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device; `UserError` when CUDA is asked for but not there."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda, but torch finds no CUDA GPU here: set it to auto or cpu")
    if choice == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local_rank)


def pick_precision(choice: Precision, device: torch.device) -> str:
    """`auto`, `fp32` or `bf16` as one of the last two: for `auto` what `device` is quicker with.

    A CPU without instructions for bfloat16 computes with it as well, but slowly.
    """
    if choice != "auto":
        return choice
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if multiplies_bf16() else "fp32"


def pin_threads(threads: int) -> int:
    """Let this process compute with its share of `threads`, or torch's own number where it is 0.

    The processes of one machine share them. Returns how many this process has: sums are split
    among threads, so their number decides the last digits.
    """
    if threads:
        torch.set_num_threads(max(1, threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    return torch.get_num_threads()


def is_first() -> bool:
    """Whether this process is the one that writes; true unless torchrun's variables say no."""
    return os.environ.get("RANK", "0") == "0"


class DistributedContext:
    """The processes that share a training; alone unless torchrun's variables say otherwise.

    Contexts may lie in each other: the outermost one meets the others and parts with them.
    """

    def __init__(self, config: LoopConfig) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self._local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        if config.batch_size % self.world:
            raise UserError(
                f"batch_size {config.batch_size} cannot be shared by {self.world} processes: "
                "choose a multiple"
            )
        self.device = pick_device(config.device, self._local_rank)
        self.share = (self.rank, self.world)
        self.first = is_first()
        self._meets = False
        pin_threads(config.threads)

    def __enter__(self) -> "DistributedContext":
        # Reproducible kernels where there is a choice; "warn" because some have none on CUDA.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        self._meets = self.world > 1 and not dist.is_initialized()
        if self._meets:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            dist.init_process_group(backend, timeout=_PATIENCE)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._meets:
            dist.destroy_process_group()

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """`model`, or the same model whose gradients are averaged over all processes."""
        return torch.nn.parallel.DistributedDataParallel(model) if self.world > 1 else model

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """The mean over all processes, element by element."""
        if self.world > 1:
            dist.all_reduce(value)
            value = value / self.world
        return value

    def first_then_others(self, work: Callable[[], Value]) -> Value:
        """Do `work` in the first process, then in one of each other machine, then in the rest.

        For what is kept in files: whoever comes later finds them, and on machines that share no
        folder one process makes them.
        """
        turn = 0 if self.first else 1 if self._local_rank == 0 else 2
        done: list[Value] = []
        for now in range(3 if self.world > 1 else 1):
            if now == turn:
                done.append(work())
            if self.world > 1:
                dist.barrier()
        return done[0]

    def shared(self, value: Any) -> Any:
        """What the first process has as `value`: tensors, numbers, texts, lists and dicts."""
        if self.world == 1:
            return value
        buffer = io.BytesIO()
        torch.save(value if self.first else None, buffer)
        sent = torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8).to(self.device)
        size = torch.tensor(len(sent), device=self.device)
        dist.broadcast(size, 0)
        if not self.first:
            sent = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        dist.broadcast(sent, 0)
        received = io.BytesIO(sent.cpu().numpy().tobytes())
        return torch.load(received, map_location="cpu", weights_only=True)
