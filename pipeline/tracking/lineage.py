"""What a model comes from: the commit, the photos and the parameters."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.params import Params
from pipeline.paths import MANIFEST

__all__ = ["Lineage", "data_hash", "read_lineage"]

# What decides a model beside the data. Outputs, dvc.lock, tests and pages do not.
_CODE = ("kdsharp", "pipeline", "params.yaml", "dvc.yaml", "requirements.lock")


@dataclass(frozen=True)
class Lineage:
    """Where a model comes from; equal for every stage of one retraining."""

    git_commit: str | None
    """40 hexadecimal digits; None if the checkout is not a git repository of its own."""
    dirty: bool | None
    """Whether code or parameters differ from that commit; None without a commit."""
    data_hash: str
    """MD5 of the manifest of photos, the same that dvc.lock records."""
    params_hash: str
    """`Params.digest()`."""
    retraining: str
    """12 hexadecimal digits shared by the runs on the same data and parameters."""

    def tags(self) -> dict[str, str]:
        """The same as MLflow tags; what is not known is an empty string."""
        return {
            "kdsharp.git_commit": self.git_commit or "",
            "kdsharp.dirty": "" if self.dirty is None else str(self.dirty).lower(),
            "kdsharp.data_hash": self.data_hash,
            "kdsharp.params_hash": self.params_hash,
            "kdsharp.retraining": self.retraining,
        }


def read_lineage(params: Params) -> Lineage:
    """The lineage of the checkout in the working directory.

    Raises `UserError` if there is no manifest of photos yet.
    """
    data, params_hash = data_hash(), params.digest()
    commit = _commit()
    return Lineage(
        git_commit=commit,
        dirty=None if commit is None else _dirty(),
        data_hash=data,
        params_hash=params_hash,
        retraining=hashlib.sha256((data + params_hash).encode()).hexdigest()[:12],
    )


def data_hash() -> str:
    """MD5 of the manifest of photos: what dvc.lock records; `UserError` if it is missing."""
    try:
        manifest = MANIFEST.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{MANIFEST} is missing: dvc repro acquire writes it") from None
    return hashlib.md5(manifest, usedforsecurity=False).hexdigest()


def _commit() -> str | None:
    """HEAD, unless the checkout is a plain copy that lies inside some other repository."""
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != Path.cwd().resolve():
        return None
    return _git("rev-parse", "--verify", "HEAD")


def _dirty() -> bool | None:
    """None where git itself fails: not knowing is not the same as clean."""
    status = _git("status", "--porcelain", "--untracked-files=all", "--", *_CODE)
    if status is None:
        return None
    # An untracked module is imported like any other; an untracked note changes nothing.
    return any(not line.startswith("??") or line.endswith(".py") for line in status.splitlines())


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
