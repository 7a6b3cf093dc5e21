"""The same files in another checkout, without a second copy of them."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from kdsharp.errors import UserError
from pipeline.flows.git import git

__all__ = ["mirror"]


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
