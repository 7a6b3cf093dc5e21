"""What a scheduled retraining leaves in git: its dvc.lock, on a branch for a person to merge."""

import contextlib
import datetime
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.paths import HEADLINE, PARAMS

__all__ = [
    "Branch",
    "clean_afterwards",
    "commit_lock",
    "git",
    "note_decision",
    "open_branches",
]

_NEUTRAL = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")

_LOCK = "dvc.lock"
_PREFIX = "retrain/"


def git(*arguments: str, at: Path | None = None) -> str:
    """What `git ARGUMENTS` prints in the folder `at`; `UserError` with git's own words."""
    command = ["git", *_NEUTRAL, *arguments]
    # Nobody is there to type a password.
    env = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", **os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("git is missing: install it with your package manager") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise UserError(f"git {arguments[0]}: {said}")
    return done.stdout.rstrip("\n")


@contextlib.contextmanager
def clean_afterwards() -> Iterator[None]:
    """Leave no change of a tracked file behind, however the block ends.

    DVC's run cache keeps what finished stages made. Raises `UserError` in a checkout that is
    not a worktree of another one: it would undo what a person has changed there.
    """
    if git("rev-parse", "--absolute-git-dir") == str(
        Path(git("rev-parse", "--git-common-dir")).resolve()
    ):
        raise UserError("commits are made only in the worktree of a scheduled run: make up")
    try:
        yield
    finally:
        git("reset", "--quiet", "--hard")


@dataclass(frozen=True)
class Branch:
    """A branch that holds the dvc.lock of this retraining."""

    name: str
    decision: str
    """What became of its models; empty while that is open."""


def commit_lock(retraining: str, message: str) -> Branch | None:
    """Commit dvc.lock of the worktree in the working directory; None when it is HEAD's.

    A branch that was not merged yet and has the same dvc.lock is taken as it is. No branch is
    checked out afterwards.
    """
    if not _changed():
        return None
    if (known := _known()) is not None:
        git("checkout", "--quiet", "--force", "--detach", known)
        return Branch(known, _decision(known))
    name = _free_name(f"{_PREFIX}{datetime.date.today().isoformat()}-{retraining}")
    # A proposal has changed params.yaml, and the results are of that.
    git("add", "--", _LOCK, *_metrics(), *_ignores(), *_params())
    git(*_identity(), "commit", "--quiet", "--message", message)
    git("branch", name)
    return Branch(name, "")


def note_decision(branch: Branch, decision: str) -> None:
    """Keep the models' outcome as the branch's description, `git branch --edit-description`.

    A retraining that is cut off before this is done again, one that ends after it is not.
    """
    git("config", f"branch.{branch.name}.description", decision)


def _changed() -> bool:
    return bool(git("status", "--porcelain", "--", _LOCK))


def _known() -> str | None:
    """A branch that is not merged into HEAD and has the very same dvc.lock."""
    ours = git("hash-object", _LOCK)
    for name in open_branches():
        with contextlib.suppress(UserError):
            if git("rev-parse", "--verify", f"{name}:{_LOCK}") == ours:
                return name
    return None


def open_branches(of: str = "HEAD") -> list[str]:
    """Those of retrainings that are not merged into the commit `of`."""
    pattern = f"refs/heads/{_PREFIX}"
    names = git("for-each-ref", "--format=%(refname:short)", f"--no-merged={of}", pattern)
    return names.splitlines()


def _decision(name: str) -> str:
    with contextlib.suppress(UserError):
        return git("config", f"branch.{name}.description")
    return ""


def _metrics() -> list[str]:
    return [str(HEADLINE)] if HEADLINE.is_file() else []


def _params() -> list[str]:
    return [str(PARAMS)] if git("status", "--porcelain", "--", str(PARAMS)) else []


def _ignores() -> list[str]:
    """The .gitignore files that DVC has written beside new outputs."""
    lines = git("status", "--porcelain", "--untracked-files=all").splitlines()
    return [line[3:] for line in lines if Path(line[3:]).name == ".gitignore"]


def _free_name(name: str) -> str:
    known = set(git("for-each-ref", "--format=%(refname:short)", "refs/heads/").splitlines())
    number, candidate = 1, name
    while candidate in known:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _identity() -> list[str]:
    """Who commits: the person of git's configuration, else nobody in particular."""
    with contextlib.suppress(UserError):
        git("config", "user.name")
        git("config", "user.email")
        return []
    return ["-c", "user.name=kdsharp", "-c", "user.email=kdsharp@localhost"]
