"""Where trainings find their patches: in data/patches, or in DVC's remote, shard by shard.

`KDSHARP_PATCHES=remote` is for machines whose disks are too small for them. DVC's lock file says
which they are, and the remote has them under the hashes of what they hold: so the same files are
read, and nothing has to be trusted to be unchanged.
"""

import os
from pathlib import Path
from typing import Any

from kdsharp.errors import TransientError, UserError
from kdsharp.train.dataset.bucket import Bucket
from pipeline.paths import PATCHES

__all__ = ["VARIABLE", "find_patches", "identity"]

VARIABLE = "KDSHARP_PATCHES"
"""The environment variable that says where trainings read patches from: `remote`, or nothing."""


def find_patches() -> Path | Bucket:
    """The folder data/patches, or what dvc.lock names as such in DVC's default remote.

    Raises `UserError` for another value of the variable, and where lock or remote are missing;
    `TransientError` where the remote does not answer.
    """
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        return PATCHES
    if value != "remote":
        raise UserError(f"{VARIABLE} is {value!r}: it must be remote, or unset for {PATCHES}")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.index import DataIndexDirError, StorageKeyError

    try:
        with Repo() as repo:
            return _in_remote(repo)
    except DataIndexDirError as error:
        raise TransientError(
            f"{VARIABLE}=remote: DVC's remote does not give the list of {PATCHES} "
            f"({_line(error.__cause__ or error)}): run dvc push where the patches are"
        ) from None
    except (DvcException, StorageKeyError, KeyError, ValueError) as error:
        raise UserError(
            f"{VARIABLE}=remote: there is no DVC remote, or dvc.lock does not name {PATCHES} "
            f"({_line(error)}): set KDSHARP_DVC_REMOTE (docs/scaling.md), and run dvc push where "
            "the patches are"
        ) from None


def identity(patches: Path | Bucket) -> tuple[Path | str, ...]:
    """What tells these patches from others: their files, or the names that hashes gave them."""
    if isinstance(patches, Bucket):
        return tuple(f"{name} {path}" for name, path in sorted(patches.paths.items()))
    return tuple(sorted(patches.iterdir()))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _in_remote(repo: Any) -> Bucket:
    index, _ = repo.get_data_index_entry(PATCHES.as_posix())
    prefix = PATCHES.parts
    index.load()  # the list of the folder's files, from the cache or the remote
    store, paths = None, {}
    for key, entry in index.iteritems(prefix):
        if entry.meta is None or not entry.meta.isdir:
            store, path = index.storage_map.get_remote(entry)
            paths["/".join(key[len(prefix) :])] = path
    if store is None:
        raise ValueError("no file")
    return Bucket(store.fs, paths)
