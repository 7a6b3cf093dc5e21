"""Room on the disks: asked for in advance, and named when it ran out all the same."""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.filesize import decimal

from kdsharp.errors import UserError

__all__ = ["require_space", "writing"]


def require_space(needs: Sequence[tuple[Path, int]]) -> None:
    """Raise `UserError` unless every folder's disk has room for all the bytes that go there.

    Folders on the same disk share its room. They need not exist yet.
    """
    disks: dict[int, list[tuple[Path, int]]] = {}
    for folder, size in needs:
        there = _existing(folder)
        disks.setdefault(there.stat().st_dev, []).append((there, size))
    for uses in disks.values():
        need = sum(size for _, size in uses)
        free = shutil.disk_usage(uses[0][0]).free
        if need > free:
            folders = " and ".join(dict.fromkeys(str(folder) for folder, _ in uses))
            raise UserError(
                f"{folders}: {decimal(need)} needed, {decimal(free)} free: free some space, "
                "then run the same command again"
            )


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let a full disk's error name `path`; the system names no file, or the one that was read."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            error.filename, error.filename2 = str(path), None
        raise


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
