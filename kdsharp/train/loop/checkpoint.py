"""The state of an unfinished training, on disk, whole or not at all."""

import logging
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from kdsharp.files import atomic_file

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

Tensors = dict[str, torch.Tensor]
log = logging.getLogger(__name__)


@dataclass
class Checkpoint:
    """Everything that the next step depends on, and what was found so far."""

    fingerprint: str
    step: int = 0
    model: Tensors = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    ema: Tensors = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)
    best_score: float = float("-inf")
    history: list[dict[str, float]] = field(default_factory=list)
    loss_sum: float = 0.0
    seconds: float = 0.0


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file at `path`; a kill at any moment leaves the old one or the new one."""
    with atomic_file(path) as temporary:
        torch.save(asdict(checkpoint), temporary)


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint at `path`, or None if there is none for this training.

    A file that cannot be read is reported and ignored: training again gives the same bytes.
    """
    if not path.exists():
        return None
    try:
        checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        log.warning("%s cannot be read (%s): training starts over", path, reason)
        return None
    return checkpoint if checkpoint.fingerprint == fingerprint else None
