"""ImageNet weights for an encoder: a local file that was promised, or torchvision's download."""

import hashlib
import pickle
from pathlib import Path

import torch
from torchvision.models import WeightsEnum

from kdsharp.errors import TransientError, UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.encoder import Weights

__all__ = ["imagenet_weights"]


def imagenet_weights(config: TeacherConfig, published: WeightsEnum) -> Weights:
    """The weights in `config.weights` (checked against `weights_sha256`), else `published`.

    The latter come from torchvision's own loader and cache. Names are torchvision's. Raises
    `UserError` when they cannot be had.
    """
    return _local(config) if config.weights else _downloaded(published)


def _local(config: TeacherConfig) -> Weights:
    path = Path(config.weights or "")
    if not path.is_file():
        raise UserError(f"teacher.weights: {path} is no file")
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if not digest.startswith(config.weights_sha256.lower()):
        raise UserError(
            f"teacher.weights: the SHA-256 of {path} begins with {digest[:16]}, not with "
            f"{config.weights_sha256}: it is another file, or a damaged one"
        )
    try:
        state: Weights = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError):
        raise UserError(f"teacher.weights: {path} is no file of torch weights") from None
    return state


def _downloaded(published: WeightsEnum) -> Weights:
    try:
        state: Weights = published.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except OSError as error:
        raise TransientError(
            f"the ImageNet weights could not be downloaded from {published.url} ({error}): "
            "set teacher.weights to a local file, or teacher.pretrained to false"
        ) from None
    except RuntimeError as error:
        raise UserError(
            f"the ImageNet weights from {published.url} are damaged ({error})"
        ) from None
    return state
