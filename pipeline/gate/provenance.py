"""Whether a model says where it comes from, and whether that can be had again."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.gate.decision import Check

__all__ = ["Provenance", "provenance_checks"]


@dataclass(frozen=True)
class Provenance:
    """What the run that trained a model recorded; None: not known.

    `commit_data_hash` is the data hash in the `dvc.lock` of `git_commit` itself.
    """

    git_commit: str | None
    dirty: bool | None
    data_hash: str | None
    params_hash: str | None
    commit_data_hash: str | None


def provenance_checks(made: Provenance) -> Iterator[Check]:
    """Is the lineage known, the tree clean, and the data that of the commit?"""
    known = {
        "commit": made.git_commit,
        "data hash": made.data_hash,
        "hash of the parameters": made.params_hash,
    }
    missing = [name for name, value in known.items() if not value]
    if missing:
        text = (
            f"its {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not known: "
            "register it again from a git checkout"
        )
        yield Check("lineage", False, text)
        return
    commit = str(made.git_commit)[:8]
    data, params = str(made.data_hash)[:8], str(made.params_hash)[:8]
    yield Check("lineage", True, f"commit {commit}, data {data}, parameters {params}")
    yield _clean(made.dirty, commit)
    yield _data(data, made.data_hash == made.commit_data_hash, made.commit_data_hash, commit)


def _clean(dirty: bool | None, commit: str) -> Check:
    if dirty is None:
        text = f"it is not known whether the code was that of commit {commit}: register again"
        return Check("clean tree", False, text)
    if dirty:
        text = f"code or parameters differed from commit {commit}: commit them, then register again"
        return Check("clean tree", False, text)
    return Check("clean tree", True, f"code and parameters are those of commit {commit}")


def _data(data: str, same: bool, named: str | None, commit: str) -> Check:
    if named is None:
        text = (
            f"commit {commit} is not here or has no dvc.lock that names its data: fetch the "
            "commit, or commit dvc.lock and register again"
        )
    elif not same:
        text = (
            f"it was trained on data {data}, but dvc.lock of its commit {commit} names "
            f"{named[:8]}: commit dvc.lock, then register again"
        )
    else:
        text = f"its data {data} is what dvc.lock of its commit names"
    return Check("data", same, text)
