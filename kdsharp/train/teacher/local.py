"""Weights of others in a file on this machine: known by their SHA-256, and never unpickled as code.

What is not plain tensors is refused: a pickle can run anything when it is opened.
"""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.train.config import TeacherConfig

__all__ = ["checked_file", "local_weights"]


def local_weights(config: TeacherConfig) -> dict[str, Any]:
    """What `config.weights` holds, a torch or a safetensors file; tensors are on the CPU.

    Checked against `config.weights_sha256`, its first digits. Of a torch file it is all that was
    saved, which may be nested. Raises `UserError`.
    """
    path = checked_file(config)
    try:
        state = _read(path)
    except (RuntimeError, OSError, EOFError, ValueError, SafetensorError):
        raise UserError(f"teacher.weights: {path} is not a file of torch weights") from None
    except pickle.UnpicklingError:
        raise UserError(
            f"teacher.weights: {path} is not a file of torch weights alone; what else it may hold "
            "is not opened, because that could run code"
        ) from None
    if not isinstance(state, dict):
        raise UserError(f"teacher.weights: {path} holds no weights by their names")
    return state


def checked_file(config: TeacherConfig) -> Path:
    """`config.weights`, a file with that SHA-256; `UserError` if it is none."""
    path = Path(config.weights or "")
    if not path.is_file():
        raise UserError(f"teacher.weights: {path} is not a file")
    digest = sha256_file(path)
    if not digest.startswith(config.weights_sha256.lower()):
        raise UserError(
            f"teacher.weights: the SHA-256 of {path} begins with {digest[:16]}, not with "
            f"{config.weights_sha256}: it is a different file, or damaged"
        )
    return path


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
