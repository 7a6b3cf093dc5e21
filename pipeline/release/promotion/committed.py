"""What judges is what was committed: a policy or a gate set that was edited since judges nobody."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kdsharp.errors import UserError
from pipeline.params import Params
from pipeline.paths import GATE, PARAMS
from pipeline.release.gate.crops import FILES
from pipeline.release.registry.provenance import commit_file, commit_lock
from pipeline.tracking.runs import flat

__all__ = ["committed_params", "folder_md5", "require_committed"]

_JUDGING = ("degradation", "evaluate.held_out", "data.duplicate_distance", "gate", "promotion")


def committed_params(commit: str) -> Params | None:
    """params.yaml of `commit`; None without it. Raises `UserError` for one that is not valid."""
    text = commit_file(commit, PARAMS)
    if text is None:
        return None
    try:
        return Params.model_validate(YAML(typ="safe").load(text))
    except (YAMLError, ValidationError):
        raise UserError(f"{PARAMS} of {commit} is not valid: commit {PARAMS}") from None


def require_committed(params: Params) -> None:
    """Raise `UserError` where `params` or data/gate judge by other terms than HEAD has.

    Without a git repository there is nothing to compare with, and the gate refuses the lineage.
    """
    committed = committed_params("HEAD")
    if committed is None:
        return
    then, now = _terms(committed), _terms(params)
    changed = [key for key in (now | then) if now.get(key) != then.get(key)]
    if changed:
        raise UserError(
            f"{PARAMS}: {changed[0]} is not what was committed, and candidates are judged by what "
            f"was: git commit {PARAMS}, or git checkout {PARAMS}"
        )
    outs = [out for stage in (commit_lock("HEAD") or {}).values() for out in stage.get("outs", [])]
    named = [out.get("md5") for out in outs if out.get("path") == GATE.as_posix()]
    if named != [folder_md5(GATE, FILES)]:
        raise UserError(
            f"{GATE} is not the set that dvc.lock of HEAD names: commit dvc.lock, or dvc checkout "
            f"{GATE}"
        )


def folder_md5(folder: Path, names: tuple[str, ...]) -> str:
    """The MD5 that DVC gives a folder that holds the files `names`; a missing one counts as empty.

    Of the list of their MD5s, as DVC writes it.
    """
    listing = []
    for name in sorted(names):
        path = folder / name
        content = path.read_bytes() if path.is_file() else b""
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        listing.append({"md5": md5, "relpath": name})
    text = json.dumps(listing, sort_keys=True)
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def _terms(params: Params) -> dict[str, Any]:
    values = dict(flat(params.model_dump(mode="json")))
    return {
        key: value
        for key, value in values.items()
        if any(key == name or key.startswith(f"{name}.") for name in _JUDGING)
    }
