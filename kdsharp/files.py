"""Files that are either whole or not there at all."""

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kdsharp.errors import KdsharpError

__all__ = [
    "atomic_dir",
    "atomic_file",
    "discard_unfinished",
    "sha256_file",
    "sweep",
    "sweep_folder",
    "write_json",
    "write_text",
]

_HERE = -100  # AT_FDCWD; without a meaning for absolute paths
_PART, _NEW = ".part-", ".new-"
_FULL = 16 << 20  # bytes; where so few are free, a failed write has filled the disk
_unfinished: set[Path] = set()


@contextlib.contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; it replaces `target` only if the block succeeds.

    The temporary name keeps the suffix of `target`, because libraries choose the format by it.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_PART, suffix=_end(target), dir=target.parent)
    temporary = Path(name)
    _unfinished.add(temporary)
    try:
        # The lock ends with this process, however that ends: it shows `sweep` what is left over.
        if not _lock(handle):
            os.close(handle)
            handle = -1
        try:
            yield temporary
        except Exception as error:
            _tell_full(target, error)
            raise
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # mkstemp makes files that only their owner reads; give what open() would have given. Not
        # before it is written: what stands in its place may be read-only, as DVC's files are.
        temporary.chmod(_plain_mode(target))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)
        if handle != -1:
            os.close(handle)


def discard_unfinished() -> None:
    """Remove the temporary files of this process: for one that ends while threads still write."""
    for temporary in list(_unfinished):
        temporary.unlink(missing_ok=True)


def sweep(targets: Iterable[Path]) -> None:
    """Remove what killed processes left of `targets`; running ones keep what they write.

    Where the system has no locks on files (Windows) nothing is removed.
    """
    ends: dict[Path, set[str]] = {}
    for target in targets:
        ends.setdefault(target.parent, set()).add(_end(target))
    for folder, known in ends.items():
        left = folder.glob(f"{_PART}*") if folder.is_dir() else ()
        # mkstemp puts eight characters between.
        for path in [path for path in left if path.name[len(_PART) + 8 :] in known]:
            with contextlib.suppress(OSError):  # gone meanwhile, or not ours to remove
                _remove_if_left(path)


def sweep_folder(folder: Path) -> None:
    """Remove what killed processes left in `folder`, whatever file it was to become, as `sweep`.

    What is hardly a second old may belong to a process that is about to lock it.
    """
    for path in list(folder.glob(f"{_PART}*")):
        with contextlib.suppress(OSError):
            if path.is_file() and time.time() - path.stat().st_mtime > 1:
                _remove_if_left(path)


@contextlib.contextmanager
def atomic_dir(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `target`; it replaces `target` on success.

    What killed processes left of earlier ones is removed. Whoever opens `target` meanwhile finds
    the old folder or the new one, where the system can exchange two folders (Linux, macOS);
    elsewhere it is missing for an instant.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{_PART}{target.name}-"
    _remove_left_folders(target.parent, prefix)
    made = Path(tempfile.mkdtemp(prefix=_NEW, dir=target.parent))
    # Locked before it has the name by which others look for what is left over.
    handle = _lock_folder(made)
    temporary = made.rename(made.with_name(prefix + made.name[len(_NEW) :]))
    temporary.chmod(0o777 & ~_umask())
    try:
        try:
            yield temporary
        except Exception as error:
            _tell_full(target, error)
            raise
        if not target.exists():
            os.replace(temporary, target)
        elif not _exchange(temporary, target):
            _replace_in_two_steps(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 `text` to `target` atomically."""
    with atomic_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically, with a newline at the end."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_file(path: Path) -> str:
    """The SHA-256 of the file's bytes, as 64 hexadecimal digits."""
    with Path(path).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths in one step; False where the system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Linux: renameat2 with RENAME_EXCHANGE; macOS: renameatx_np with RENAME_SWAP.
    name = "renameatx_np" if sys.platform == "darwin" else "renameat2"
    if (function := getattr(libc, name, None)) is None:
        return False
    done = function(_HERE, os.fsencode(one.absolute()), _HERE, os.fsencode(other.absolute()), 2)
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _replace_in_two_steps(temporary: Path, target: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".old-{target.name}-", dir=target.parent))
    try:
        os.replace(target, old / target.name)
        os.replace(temporary, target)
    finally:
        if not target.exists():
            os.replace(old / target.name, target)
        shutil.rmtree(old, ignore_errors=True)


def _end(target: Path) -> str:
    # A name has 255 bytes at most, of which a letter takes up to four.
    return f"-{target.name[-50:]}"


def _lock(handle: int) -> bool:
    """Whether the open file is now locked: not where another process has it, nor on Windows."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_if_left(temporary: Path) -> None:
    handle = os.open(temporary, os.O_RDONLY)
    try:
        if _lock(handle):
            temporary.unlink()
    finally:
        os.close(handle)


def _remove_left_folders(parent: Path, prefix: str) -> None:
    """Folders of processes that ended without removing them: nobody holds their locks."""
    for left in list(parent.iterdir()):
        # mkdtemp puts eight characters behind.
        ours = left.name.startswith(prefix) and len(left.name) == len(prefix) + 8
        if ours and (handle := _lock_folder(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)


def _lock_folder(folder: Path) -> int | None:
    """The folder, open and locked; None where that cannot be, as on Windows."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    if _lock(handle):
        return handle
    os.close(handle)
    return None


def _tell_full(target: Path, error: Exception) -> None:
    """Raise what a full disk raises, if that is why a library failed: each says it in its words."""
    if isinstance(error, OSError | KdsharpError):
        return
    said = os.strerror(errno.ENOSPC) in str(error)  # safetensors removes what it has written
    if said or shutil.disk_usage(target.parent).free < _FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _plain_mode(target: Path) -> int:
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        return 0o666 & ~_umask()
