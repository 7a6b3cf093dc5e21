"""DVC's list of who uses which files, mended after a kill."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvc.repo import Repo

__all__ = ["mend_rwlock"]


def mend_rwlock(repo: "Repo") -> bool:
    """Begin the list anew if it cannot be read; returns whether that was so.

    DVC writes it in place, several times for each stage. A process that is killed in the middle
    leaves it empty, and then DVC refuses every command until somebody deletes it.
    """
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    folder = Path(repo.tmp_dir)
    listed = folder / RWLOCK_FILE
    if not listed.exists():
        return False
    hardlink = repo.config["core"].get("hardlink_lock", False)
    # Under which DVC itself writes the list: nobody is in the middle of it.
    with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=repo.tmp_dir, hardlink_lock=hardlink):
        try:
            json.loads(listed.read_text(encoding="utf-8"))
        except ValueError:
            listed.unlink()
            return True
    return False
