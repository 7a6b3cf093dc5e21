"""Networks as safetensors files that say how to build them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.train.config import LoopConfig, current_names

__all__ = ["load_network", "load_weights", "read_about", "role_of", "save_weights"]

# One key only: the order of several is not the same in each run, and the bytes must be.
KEY = "kdsharp"
Config = TypeVar("Config")
Network = TypeVar("Network", bound=torch.nn.Module)


def save_weights(
    path: Path,
    role: str,
    config: Any,
    weights: Mapping[str, torch.Tensor],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write `weights` with the frozen dataclass `config` and free `notes` to `path`, atomically.

    Same contents, same bytes. If there is no network, `config` is None.
    """
    written = {} if config is None else _written(config)
    described = {"kind": role, "config": written, "notes": dict(notes or {})}
    metadata = {KEY: json.dumps(described, sort_keys=True)}
    with atomic_file(path) as temporary:
        save_file({name: t.contiguous() for name, t in weights.items()}, temporary, metadata)


def load_weights(
    path: Path | str,
    role: str,
    config_type: Callable[..., Config],
    build: Callable[[Config], Network],
) -> Network:
    """The network in the file at `path`, in evaluation mode on the CPU.

    `UserError` when the file is missing, damaged, or holds another network.
    """

    def filled(config: Config, weights: Mapping[str, torch.Tensor]) -> Network:
        network = build(config)
        network.load_state_dict(weights)
        return network

    return load_network(path, role, config_type, filled)


def load_network(
    path: Path | str,
    role: str,
    config_type: Callable[..., Config],
    build: Callable[[Config, Mapping[str, torch.Tensor]], Network],
) -> Network:
    """As `load_weights`, for networks whose form follows from their weights: `build` gets both."""
    try:
        described, weights = _read(Path(path))
        if described["kind"] != role:
            raise UserError(f"{path} holds {_article(described['kind'])}, not a {role}")
        network = build(config_type(**_fields(described["config"])), weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a {role} of this version ({reason}): retrain") from None
    return network.eval()


def role_of(path: Path | str) -> str:
    """Which kind of network the file holds; `UserError` when it is missing or damaged."""
    described, _ = _read(Path(path))
    return str(described["kind"])


def read_about(path: Path) -> dict[str, Any]:
    """What the file says about its network, without building it: config and notes in one dict."""
    described, _ = _read(path)
    return {**described["config"], **described["notes"]}


def _article(role: str) -> str:
    return "no network" if role == "none" else f"a {role}"


def _written(config: Any) -> dict[str, Any]:
    """All fields, the loop's too; but see `kdsharp.train.config.LATER`."""
    values: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if "later" not in field.metadata or value != field.default:
            values[field.name] = _written(value) if is_dataclass(value) else value
    return values


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """JSON back to what the dataclasses hold: tuples for lists, the loop's own object."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in current_names(config).items()
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
        raise UserError(f"{path} is not a safetensors file ({error})") from None
    if KEY not in metadata:
        raise UserError(f"{path} was not written by kdsharp: it does not say what network it holds")
    return json.loads(metadata[KEY]), weights
