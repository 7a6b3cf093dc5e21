"""What an engine gives back for a model file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Infer", "Loaded"]

Infer = Callable[[Any], Any]
"""Planes (N, C, H, W) in the file's own type to the same; any threads may call it at once."""


@dataclass(frozen=True)
class Loaded:
    """A model file that is ready, and the `device` that it runs on: `CPU`, `CUDA` ..."""

    infer: Infer
    device: str = "CPU"
