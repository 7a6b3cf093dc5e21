"""What a training runs on: CPU or CUDA, in which precision, one process or several by torchrun."""

import os
from types import TracebackType

import torch
import torch.distributed as dist

from kdsharp.errors import UserError
from kdsharp.runtime.hardware import multiplies_bf16
from kdsharp.train.config import LoopConfig, Precision

__all__ = ["DistributedContext", "pick_device", "pick_precision"]


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


class DistributedContext:
    """The processes that share a training; alone unless torchrun's variables say otherwise."""

    def __init__(self, config: LoopConfig) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        if config.batch_size % self.world:
            raise UserError(
                f"batch_size {config.batch_size} cannot be shared by {self.world} processes: "
                "choose a multiple"
            )
        self.device = pick_device(config.device, int(os.environ.get("LOCAL_RANK", "0")))
        self.share = (self.rank, self.world)
        self.first = self.rank == 0

    def __enter__(self) -> "DistributedContext":
        # Reproducible kernels where there is a choice; "warn" because some have none on CUDA.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        if self.world > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.world > 1:
            dist.destroy_process_group()

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """`model`, or the same model whose gradients are averaged over all processes."""
        return torch.nn.parallel.DistributedDataParallel(model) if self.world > 1 else model

    def mean(self, value: torch.Tensor) -> float:
        """The mean of a scalar over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
            value = value / self.world
        return float(value)
