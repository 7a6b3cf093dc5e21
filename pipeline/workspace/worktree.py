"""A clean worktree of the checkout for scheduled runs, `.worktree/`, without copying its files."""

import contextlib
import os
import shutil
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from kdsharp.errors import UserError
from pipeline.lock import waiting
from pipeline.paths import CHECKPOINTS, DOWNLOADS, PARAMS, PRODUCTION
from pipeline.services.state import SERVICES, standing
from pipeline.tracking.artifacts import SQLITE, database_of
from pipeline.tracking.store import store_uri
from pipeline.workspace.branch import git
from pipeline.workspace.dag import configure_remote

__all__ = ["WORKTREE", "hold_worktree", "mirror", "prepare", "tracking_uri"]

WORKTREE = Path(".worktree")
_INPUTS = (
    "data.folder.path",
    "data.div2k.zips",
    "teacher.weights",
    "gate.folder",
    "evaluate.held_out",
)
_held: list[object] = []  # who forgets a lock releases it


def mirror(path: Path, source: Path, target: Path) -> None:
    """Let the file or folder `path` of the checkout `target` hold what it holds in `source`.

    Files are hard links, or copies on another disk; files that git tracks are left as they are in
    `target`. What is gone in `source` goes. Raises `UserError` for a path that leads outside.
    """
    if not (source / path).absolute().resolve().is_relative_to(source.resolve()):
        raise UserError(
            f"{path}: leads out of the checkout by a relative path: "
            "scheduled runs need an absolute one in params.yaml"
        )
    tracked = set(git("ls-files", "-z", "--", str(path), at=target).split("\0"))
    wanted = {name for name in _files(path, source) if name not in tracked}
    for name in _files(path, target):
        if name not in wanted and name not in tracked:
            (target / name).unlink()
    for name in wanted:
        _link(source / name, target / name)
    _drop_empty(target / path)
    if (source / path).is_dir():
        (target / path).mkdir(parents=True, exist_ok=True)


def _files(path: Path, root: Path) -> list[str]:
    """Every file and link at or below `path`, relative to `root`."""
    whole = root / path
    if whole.is_file() or whole.is_symlink():
        return [path.as_posix()]
    return [
        Path(here, name).relative_to(root).as_posix()
        for here, folders, files in os.walk(whole)
        for name in [*files, *(name for name in folders if Path(here, name).is_symlink())]
    ]


def _link(source: Path, target: Path) -> None:
    if source.is_symlink():
        _replace(target, lambda: target.symlink_to(source.resolve()))
    elif not (target.is_file() and not target.is_symlink() and _same(source, target)):
        _replace(target, lambda: _link_or_copy(source, target))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copy2(source, target)


def _same(source: Path, target: Path) -> bool:
    one, other = source.stat(), target.stat()
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino):
        return True
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _replace(target: Path, put: Callable[[], object]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    put()


def _drop_empty(folder: Path) -> None:
    """Folders that hold nothing any more, the deepest first."""
    for here, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(here).rmdir()


def hold_worktree(log: Callable[[str], None]) -> None:
    """Wait until no other run works in the worktree, then keep others out.

    Until the process ends, also through an exec.
    """
    lock = SERVICES / "worktree.lock"
    _held.append(waiting(lock, f"a run in {WORKTREE}", log, through_exec=True))


def prepare(log: Callable[[str], None], env: MutableMapping[str, str] = os.environ) -> Path:
    """Bring the worktree of the checkout in the working directory to HEAD; returns its path.

    `env` then leads whatever runs there to the checkout's stores. Outputs are those that HEAD's
    dvc.lock names, as far as DVC's cache has them. Raises `UserError` without a git repository.
    """
    checkout = Path.cwd()
    worktree = checkout / WORKTREE
    _reset(checkout, worktree, _head(checkout, log))
    _share(env)
    _share_dvc(checkout, worktree)
    for path in _inputs(worktree / PARAMS):
        mirror(path, checkout, worktree)
    _checkout_outputs(worktree)
    return worktree


def tracking_uri() -> str:
    """The MLflow store of this checkout, as a process in another folder can reach it."""
    if "MLFLOW_TRACKING_URI" not in os.environ and (address := standing().get("mlflow")):
        return address
    uri = store_uri()
    database = database_of(uri)
    return uri if database is None else f"{SQLITE}{database}"


def _head(checkout: Path, log: Callable[[str], None]) -> str:
    """The commit to work on; logs which it is, and what of the checkout it leaves out."""
    if not (checkout / ".git").exists():
        raise UserError(
            f"{checkout}: not a git repository: scheduled runs work on a commit; "
            "git clone the project instead of copying it"
        )
    head = git("rev-parse", "--verify", "HEAD", at=checkout)
    log(f"works on {git('log', '-1', '--format=%h %s', at=checkout)}")
    changes = git("status", "--porcelain", at=checkout).splitlines()
    if changes:
        names = [line[3:] for line in changes]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        log(f"left out because not committed: {', '.join(names[:3])}{more}")
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
    """Bring the outputs to HEAD's dvc.lock; what the cache lacks is made again by its stage."""
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
