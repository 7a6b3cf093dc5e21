"""The machine, the packages and the settings that a training ran with."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError
from kdsharp.files import write_json
from kdsharp.runtime.hardware import cpu_flags, cpu_name
from pipeline.paths import ENVIRONMENTS

__all__ = [
    "LOCK",
    "Environment",
    "as_tags",
    "environment_file",
    "read_environment",
    "this_machine",
    "write_environment",
]

LOCK = Path("requirements.lock")
"""The packages that the checkout is set up with, by their hashes."""

_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


@dataclass(frozen=True)
class Environment:
    """What a training ran with; on the same, the same photos, code and parameters end alike."""

    python: str
    numpy: str
    torch: str
    lock_sha256: str
    """Of requirements.lock; empty where there is none."""
    system: str
    cpu: str
    cpu_features: str
    """Those that decide how products are computed, such as `avx2 avx512f`."""
    device: str
    """`cpu`, or the GPU's name."""
    precision: str
    threads: int
    """Of each process."""
    processes: int

    def tags(self) -> dict[str, str]:
        """The same as tags of MLflow's."""
        return as_tags(asdict(self))


def this_machine(device: str, precision: str, threads: int, processes: int) -> Environment:
    """The environment of this process, for a training with these settings."""
    flags = cpu_flags()
    return Environment(
        python=platform.python_version(),
        numpy=version("numpy"),
        torch=version("torch"),
        lock_sha256=hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else "",
        system=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
        cpu_features=" ".join(name for name in _FEATURES if name in flags),
        device=device,
        precision=precision,
        threads=threads,
        processes=processes,
    )


def write_environment(stage: str, environment: Environment | None) -> None:
    """Write reports/environment/STAGE.json; None where nothing was trained."""
    write_json(environment_file(stage), asdict(environment) if environment else {})


def read_environment(stage: str) -> dict[str, Any]:
    """What the training of `stage` ran with; empty where nothing was trained or it is not known."""
    try:
        found = json.loads(environment_file(stage).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"{environment_file(stage)} is damaged ({error}): dvc checkout") from None
    return dict(found) if isinstance(found, Mapping) else {}


def as_tags(environment: Mapping[str, Any]) -> dict[str, str]:
    """Its values as tags of MLflow's, named `kdsharp.*`."""
    return {f"kdsharp.{key}": str(value) for key, value in environment.items()}


def environment_file(stage: str) -> Path:
    """What `write_environment` writes."""
    return ENVIRONMENTS / f"{stage}.json"
