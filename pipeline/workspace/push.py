"""Where others find a retraining: its files on DVC's remote, its branch on git's."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.workspace.branch import git, open_branches

__all__ = ["git_remote", "push_branches"]

_PUSHED = "kdsharp-pushed"
"""The note at a branch, in git's configuration, that all of it has arrived."""

_PUSH_FILES = """
import sys
from dvc.repo import Repo
with Repo() as repo:
    repo.push(revs=[sys.argv[1]], workspace=False)
"""


def git_remote() -> str | None:
    """$KDSHARP_GIT_REMOTE, else `origin`, else the only remote; None where there is none."""
    names = git("remote").splitlines()
    chosen = os.environ.get("KDSHARP_GIT_REMOTE")
    if chosen is not None:
        if chosen and chosen not in names:
            raise UserError(f"KDSHARP_GIT_REMOTE: git knows no remote {chosen!r}: {names}")
        return chosen or None
    if "origin" in names:
        return "origin"
    return names[0] if len(names) == 1 else None


def push_branches(log: Callable[[str], object], warn: Callable[[str], object]) -> list[str]:
    """Push what unmerged branches of retrainings still lack on the remotes; returns those pushed.

    The files first: nobody is to merge a dvc.lock whose files cannot be had. What fails is one
    warning, and the next run tries it again.
    """
    remote, dvc = git_remote(), _has_dvc_remote()
    if remote is None and not dvc:
        return []
    pushed = []
    # In a worktree HEAD is the newest branch itself.
    checked_out = git("rev-parse", "HEAD", at=Path(git("rev-parse", "--git-common-dir")))
    for name in open_branches(checked_out):
        key, goal = f"branch.{name}.{_PUSHED}", f"{remote or '-'} {git('rev-parse', name)}"
        if _config(key) == goal:
            continue
        if dvc and (reason := _push_files(name)):
            warn(f"dvc push of {name} failed: {reason}: the next run tries again")
            continue
        if remote and (reason := _push_branch(remote, name)):
            warn(f"git push of {name} failed: {reason}: the next run tries again")
            continue
        git("config", key, goal)
        pushed.append(name)
        log(f"{name} is on {remote or 'DVC'}" + (", its files on DVC's remote" if dvc else ""))
    return pushed


def _has_dvc_remote() -> bool:
    from dvc.repo import Repo

    with Repo() as repo:
        return bool(repo.config["core"].get("remote"))


def _push_files(name: str) -> str | None:
    """Why it failed; None where it did not."""
    command = [sys.executable, "-c", _PUSH_FILES, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def _push_branch(remote: str, name: str) -> str | None:
    try:
        git("push", "--quiet", remote, f"refs/heads/{name}")
    except UserError as error:
        return str(error)
    return None


def _config(key: str) -> str:
    with contextlib.suppress(UserError):
        return git("config", key)
    return ""
