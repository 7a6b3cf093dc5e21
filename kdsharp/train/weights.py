"""Networks as safetensors files that say how to build them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.train.config import LoopConfig

__all__ = ["load_weights", "read_about", "save_weights"]

# One key only: the order of several is not the same in each run, and the bytes must be.
KEY = "kdsharp"
Config = TypeVar("Config")
Network = TypeVar("Network", bound=torch.nn.Module)


def save_weights(
    path: Path,
    kind: str,
    config: Any,
    weights: Mapping[str, torch.Tensor],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write `weights` with the frozen dataclass `config` and free `notes` to `path`, atomically.

    Same contents, same bytes.
    """
    described = {"kind": kind, "config": _written(config), "notes": dict(notes or {})}
    metadata = {KEY: json.dumps(described, sort_keys=True)}
    with atomic_file(path) as temporary:
        save_file({name: t.contiguous() for name, t in weights.items()}, temporary, metadata)


def load_weights(
    path: Path | str,
    kind: str,
    config_type: Callable[..., Config],
    build: Callable[[Config], Network],
) -> Network:
    """The network in the file at `path`, in evaluation mode on the CPU.

    `UserError` when the file is missing, damaged, or holds another kind of network.
    """
    try:
        described, weights = _read(Path(path))
        if described["kind"] != kind:
            raise UserError(f"{path} holds a {described['kind']}, not a {kind}")
        network = build(config_type(**_fields(described["config"])))
        network.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is no {kind} of this version ({reason}): train it anew") from None
    return network.eval()


def read_about(path: Path) -> dict[str, Any]:
    """What the file says of its network without building it: config and notes in one mapping."""
    described, _ = _read(path)
    return {**described["config"], **described["notes"]}


def _written(config: Any) -> dict[str, Any]:
    """All fields; but see `kdsharp.train.config.LATER`."""
    values = asdict(config)
    for field in fields(config):
        if "later" in field.metadata and values[field.name] == field.default:
            del values[field.name]
    return values


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """JSON back to what the dataclasses hold: tuples for lists, the loop's own object."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in config.items()
    }
    if "loop" in fields:
        fields["loop"] = LoopConfig(**fields["loop"])
    return fields


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run dvc repro") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no safetensors file ({error})") from None
    if KEY not in metadata:
        raise UserError(f"{path} was not written by kdsharp: it does not say what network it holds")
    return json.loads(metadata[KEY]), weights
