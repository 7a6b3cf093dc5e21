"""A clean worktree of the checkout for scheduled runs, at `.worktree/`.

It shares what is large or lasting with the checkout: DVC's cache, MLflow's store, checkpoints,
downloads and the model in production.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from kdsharp.errors import UserError
from pipeline.flows.git import git
from pipeline.flows.mirror import mirror
from pipeline.paths import CHECKPOINTS, DOWNLOADS, PARAMS, PRODUCTION
from pipeline.remote import configure_remote
from pipeline.services.state import SERVICES, standing
from pipeline.store import store_uri

__all__ = ["WORKTREE", "hold_worktree", "prepare", "tracking_uri"]

WORKTREE = Path(".worktree")
_INPUTS = (
    "data.folder.path",
    "data.div2k.zips",
    "teacher.weights",
    "gate.folder",
    "evaluate.unseen",
)
_SQLITE = "sqlite:///"


def hold_worktree(say: Callable[[str], None]) -> int:
    """Wait until no other run works in the worktree, then keep others out.

    Returns the handle that does so until the process ends, also through an exec.
    """
    SERVICES.mkdir(exist_ok=True)
    handle = os.open(SERVICES / "worktree.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"another run works in {WORKTREE}: waiting for it to end")
        fcntl.flock(handle, fcntl.LOCK_EX)
    os.set_inheritable(handle, True)
    return handle


def prepare(say: Callable[[str], None], env: MutableMapping[str, str] = os.environ) -> Path:
    """Bring the worktree of the checkout in the working directory to HEAD; returns its path.

    `env` then leads whatever runs there to the checkout's stores. Outputs are those that HEAD's
    dvc.lock names, as far as DVC's cache has them. Raises `UserError` without a git repository.
    """
    checkout = Path.cwd()
    worktree = checkout / WORKTREE
    _reset(checkout, worktree, _head(checkout, say))
    _share(env)
    _share_dvc(checkout, worktree)
    for path in _inputs(worktree / PARAMS):
        mirror(path, checkout, worktree)
    _checkout_outputs(worktree)
    return worktree


def tracking_uri() -> str:
    """The MLflow store of this checkout, as a process in another folder can reach it."""
    if "MLFLOW_TRACKING_URI" not in os.environ and (up := standing()) and up.mlflow:
        return up.mlflow
    uri = store_uri()
    return f"{_SQLITE}{Path(uri.removeprefix(_SQLITE)).absolute()}" if _SQLITE in uri else uri


def _head(checkout: Path, say: Callable[[str], None]) -> str:
    """The commit to work on; tells which it is, and what of the checkout it leaves out."""
    if not (checkout / ".git").exists():
        raise UserError(
            f"{checkout}: is no git repository: scheduled runs work on a commit; "
            "git clone the project instead of copying it"
        )
    head = git("rev-parse", "--verify", "HEAD", at=checkout)
    say(f"works on {git('log', '-1', '--format=%h %s', at=checkout)}")
    changes = git("status", "--porcelain", at=checkout).splitlines()
    if changes:
        names = [line[3:] for line in changes]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        say(f"left out, because not committed: {', '.join(names[:3])}{more}")
    return head


def _reset(checkout: Path, worktree: Path, commit: str) -> None:
    if (worktree / ".git").exists():
        git("worktree", "repair", str(worktree), at=checkout)  # after a move of the checkout
        # Nobody else is at work here, so a lock is what a killed git has left.
        Path(git("rev-parse", "--absolute-git-dir", at=worktree), "index.lock").unlink(
            missing_ok=True
        )
        git("checkout", "--quiet", "--force", "--detach", commit, at=worktree)
        git("reset", "--quiet", "--hard", commit, at=worktree)
        git("clean", "--quiet", "-ffd", at=worktree)
    else:
        git("worktree", "prune", at=checkout)
        git("worktree", "add", "--quiet", "--detach", str(worktree), commit, at=checkout)


def _share(env: MutableMapping[str, str]) -> None:
    env["KDSHARP_CHECKPOINTS"] = str(CHECKPOINTS.absolute())
    env["KDSHARP_DOWNLOADS"] = str(DOWNLOADS.absolute())
    env["KDSHARP_PRODUCTION"] = str(PRODUCTION.absolute())
    env["MLFLOW_TRACKING_URI"] = tracking_uri()


def _share_dvc(checkout: Path, worktree: Path) -> None:
    """The checkout's cache, remotes and local settings, with paths that hold in the worktree."""
    from dvc.config import Config
    from dvc.repo import Repo

    configure_remote()
    own = Config(str(checkout / ".dvc")).load_one("local")
    with Repo(str(checkout)) as repo:
        cache, remotes = repo.cache.local_cache_dir, repo.config["remote"]
    with Config(str(worktree / ".dvc")).edit("local") as local:
        local.clear()
        local.update(own)
        local.setdefault("cache", {})["dir"] = str(cache)
        for name, remote in remotes.items():
            # A relative address means another folder when it is read in the worktree.
            local.setdefault("remote", {}).setdefault(name, {})["url"] = str(remote["url"])


def _checkout_outputs(worktree: Path) -> None:
    """Bring the outputs to HEAD's dvc.lock; what the cache lacks is made anew by its stage."""
    from dvc.exceptions import CheckoutError
    from dvc.repo import Repo

    with Repo(str(worktree)) as repo, contextlib.suppress(CheckoutError):
        repo.checkout(force=True, allow_missing=True)


def _inputs(params: Path) -> list[Path]:
    """What the file names by relative paths, and git may not bring along.

    Read without a check: it may be of another commit than the code that runs here.
    """
    found = []
    for key in _INPUTS:
        value: Any = YAML(typ="safe").load(params)
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str) and not Path(value).is_absolute():
            found.append(Path(value))
    return found
