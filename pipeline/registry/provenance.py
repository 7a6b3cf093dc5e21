"""A version's provenance, as its tags and its commit tell it."""

from collections.abc import Mapping

from pipeline.gate.provenance import Provenance, provenance_checks
from pipeline.registry.locked import commit_lock, locked_data_hash

__all__ = ["is_sound", "read_provenance"]

_DIRTY = {"true": True, "false": False}


def read_provenance(tags: Mapping[str, str]) -> Provenance:
    """What the version's tags record, and what dvc.lock of its commit says."""
    commit = tags.get("kdsharp.git_commit") or None
    return Provenance(
        git_commit=commit,
        dirty=_DIRTY.get(tags.get("kdsharp.dirty", "")),
        data_hash=tags.get("kdsharp.data_hash") or None,
        params_hash=tags.get("kdsharp.params_hash") or None,
        commit_data_hash=locked_data_hash(commit_lock(commit)) if commit else None,
    )


def is_sound(tags: Mapping[str, str]) -> bool:
    """Whether the gate would take this provenance."""
    return all(check.passed for check in provenance_checks(read_provenance(tags)))
