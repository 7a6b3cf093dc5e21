"""What dvc.lock says of the files in the checkout, or of those of a commit."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kdsharp.errors import UserError
from pipeline.paths import MANIFEST, PARAMS

__all__ = ["LOCK", "changed_params", "commit_lock", "locked_data_hash", "read_lock", "stale_stages"]

LOCK = Path("dvc.lock")

Lock = Mapping[str, Any]
"""Stage -> its entry in dvc.lock: cmd, deps, params, outs."""


def read_lock() -> Lock:
    """The stages of dvc.lock; `UserError` where there is none."""
    try:
        return _stages(LOCK.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{LOCK} is missing: dvc repro writes it") from None
    except (ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{LOCK} is damaged ({reason}): git checkout {LOCK}") from None


def commit_lock(commit: str) -> Lock | None:
    """The stages of dvc.lock as `commit` has it; None where git does not know it."""
    command = ["git", "show", f"{commit}:./{LOCK}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return _stages(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, YAMLError):
        return None


def locked_data_hash(lock: Lock | None) -> str | None:
    """MD5 of the manifest of photos that the lock names."""
    outs = (lock or {}).get("acquire", {}).get("outs", [])
    found = [out.get("md5") for out in outs if out.get("path") == str(MANIFEST)]
    return found[0] if found else None


def stale_stages() -> dict[str, str]:
    """Stage -> what of it differs from dvc.lock, in words; a stage that is up to date is absent.

    A stage whose photos, code or parameters changed since it ran is one; so is one whose outputs
    were deleted or edited.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            found: dict[str, list[Any]] = repo.status()
    except DvcException as error:
        raise UserError(f"dvc.yaml: {' '.join(str(error).split())}") from None
    return {stage.removesuffix(".dvc"): ", ".join(_words(what)) for stage, what in found.items()}


def changed_params(lock: Lock, stages: Iterable[str]) -> list[str]:
    """Keys of params.yaml whose value is not the one that `stages` ran with, as dvc.lock has it."""
    now: Any = YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))
    changed = []
    for stage in stages:
        recorded = lock.get(stage, {}).get("params", {}).get(str(PARAMS), {})
        for key, value in recorded.items():
            found = now
            for part in key.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if found != value:
                changed.append(key)
    return changed


def _stages(text: str) -> Lock:
    document = YAML(typ="safe").load(text)
    stages = document.get("stages") if isinstance(document, dict) else None
    if not isinstance(stages, dict):
        raise ValueError("it lists no stages")
    return stages


def _words(changes: Iterable[Any]) -> Iterable[str]:
    for change in changes:
        if isinstance(change, str):  # "changed command"
            yield change
            continue
        for paths in change.values():
            for path, state in paths.items():
                yield from (
                    (f"{key} {value}" for key, value in state.items())
                    if isinstance(state, dict)
                    else (f"{path} {state}",)
                )
