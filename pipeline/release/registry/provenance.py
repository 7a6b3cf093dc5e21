"""Where a version comes from: what dvc.lock says of its files, in the checkout or in a commit."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kdsharp.errors import UserError
from pipeline.paths import EXPORT, MANIFEST, PARAMS, PATCHES, STUDENT, TEACHER
from pipeline.release.gate.checks import Provenance, provenance_checks
from pipeline.release.gate.evidence import Role

__all__ = [
    "LOCK",
    "OUTS",
    "Lock",
    "changed_params",
    "commit_file",
    "commit_lock",
    "is_sound",
    "locked_data_hash",
    "locked_outs",
    "made_for",
    "read_lock",
    "read_provenance",
    "stale_stages",
]

LOCK = Path("dvc.lock")

OUTS = "kdsharp.outs"
"""The tag with `locked_outs` of a version, as JSON."""

_MADE_OF: Mapping[Role, tuple[Path, ...]] = {
    "teacher": (PATCHES, TEACHER),
    "student": (PATCHES, TEACHER, STUDENT, EXPORT),
}

Lock = Mapping[str, Any]
"""Stage -> its entry in dvc.lock: cmd, deps, params, outs."""

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_DIRTY = {"true": True, "false": False}


def read_lock() -> Lock:
    """The stages of dvc.lock; `UserError` if it is missing."""
    try:
        return _stages(LOCK.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{LOCK} is missing: dvc repro writes it") from None
    except (ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{LOCK} is damaged ({reason}): git checkout {LOCK}") from None


def commit_lock(commit: str) -> Lock | None:
    """The stages of dvc.lock as `commit` has it; None where git does not know it."""
    text = commit_file(commit, LOCK)
    try:
        return None if text is None else _stages(text)
    except (ValueError, YAMLError):
        return None


def commit_file(commit: str, path: Path) -> str | None:
    """The text of `path`, below the working directory, in `commit`; None where git has none.

    A commit comes from a store, where anybody may have written anything: only a hash reaches git.
    """
    if commit != "HEAD" and not _COMMIT.fullmatch(commit):
        return None
    command = ["git", "show", f"{commit}:./{path.as_posix()}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return done.stdout if done.returncode == 0 else None


def locked_data_hash(lock: Lock | None) -> str | None:
    """MD5 of the manifest of photos that the lock names."""
    outs = (lock or {}).get("acquire", {}).get("outs", [])
    found = [out.get("md5") for out in outs if out.get("path") == str(MANIFEST)]
    return found[0] if found else None


def locked_outs(lock: Lock, role: Role) -> dict[str, str]:
    """Path -> MD5 of the outputs that such a model is made of, as far as the lock names them."""
    outs = [out for stage in lock.values() for out in stage.get("outs", [])]
    found = {out["path"]: str(out["md5"]) for out in outs if "md5" in out}
    wanted = [path.as_posix() for path in _MADE_OF[role]]
    return {path: found[path] for path in wanted if path in found}


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


def read_provenance(tags: Mapping[str, str]) -> Provenance:
    """What the version's tags record, and what dvc.lock of its commit says."""
    commit = tags.get("kdsharp.git_commit", "")
    known = _COMMIT.fullmatch(commit) is not None
    lock = commit_lock(commit) if known else None
    return Provenance(
        git_commit=commit if known else None,
        dirty=_DIRTY.get(tags.get("kdsharp.dirty", "")),
        data_hash=tags.get("kdsharp.data_hash") or None,
        params_hash=tags.get("kdsharp.params_hash") or None,
        commit_data_hash=locked_data_hash(lock),
        made_for=made_for(tags),
        outs=_outs(tags.get(OUTS, "{}")),
        commit_outs=locked_outs(lock or {}, "student"),
    )


def _outs(tag: str) -> dict[str, str]:
    """Path -> MD5, as `locked_outs`; empty for a tag that is no such list."""
    try:
        found = json.loads(tag)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(path): str(digest) for path, digest in found.items()}


def made_for(tags: Mapping[str, str]) -> tuple[str, int] | None:
    """The degradation and scale that a version is for; None where it does not say."""
    name, scale = tags.get("kdsharp.degradation"), tags.get("kdsharp.scale", "")
    return (name, int(scale)) if name and scale.isdecimal() else None


def is_sound(tags: Mapping[str, str]) -> bool:
    """Whether the gate would take this provenance."""
    return all(check.passed for check in provenance_checks(read_provenance(tags)))
