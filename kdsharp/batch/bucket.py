"""Photos in a bucket, such as `s3://bucket/photos/1.jpg`: fetched for a moment, and put back whole.

A `Path` holds such an address as `s3:/bucket/photos/1.jpg`: name, suffix and folders are those of
any other. What reads and writes it is fsspec, with the package that it names for the kind.
"""

import contextlib
import errno
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from kdsharp.errors import KdsharpError, TransientError, UserError

__all__ = ["delivered", "exists", "fetched", "in_bucket", "photos_in"]

# Two letters at least: `C:/` is a drive.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(?=[^/])")


def in_bucket(path: Path) -> bool:
    """Whether `path` is an address and no file of this machine."""
    return _ADDRESS.match(path.as_posix()) is not None


def photos_in(folder: Path, suffixes: Collection[str]) -> list[tuple[Path, Path]]:
    """The photos below an address, with their places below it, by name; not the hidden ones.

    Raises `UserError` where the kind of address is unknown or its package is missing, and
    `TransientError` where the bucket does not answer.
    """
    with _told(folder):
        files, root = _opened(folder)
        found = [Path(name).relative_to(root) for name in files.find(root) if name != root]
    shown = [
        below
        for below in sorted(found)
        if below.suffix.lower() in suffixes and not any(part[0] == "." for part in below.parts)
    ]
    return [(folder / below, below) for below in shown]


def exists(path: Path) -> bool:
    """Whether there is such a file, here or in a bucket; raises as `photos_in`."""
    if not in_bucket(path):
        return path.exists()
    with _told(path):
        files, name = _opened(path)
        return bool(files.exists(name))


@contextlib.contextmanager
def fetched(source: Path) -> Iterator[Path]:
    """The file `source` itself, or one here with what it holds in its bucket.

    Raises as `photos_in`, and `UserError` if it is not there.
    """
    if not in_bucket(source):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as folder:
        here = Path(folder) / source.name
        with _told(source):
            files, name = _opened(source)
            files.get_file(name, str(here))
        with _named(here, source):
            yield here


@contextlib.contextmanager
def delivered(target: Path) -> Iterator[Path]:
    """The path `target` itself, or one to write to, which goes to its bucket when all went well.

    A bucket shows a file when it has all of it. Raises as `photos_in`.
    """
    if not in_bucket(target):
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as folder:
        here = Path(folder) / target.name
        with _named(here, target):
            yield here
        with _told(target):
            files, name = _opened(target)
            files.put_file(str(here), name)


def _opened(path: Path) -> tuple[Any, str]:
    """The file system of an address, and the name of the file there."""
    try:
        from fsspec.core import url_to_fs

        files, name = url_to_fs(_ADDRESS.sub(r"\1://", path.as_posix(), count=1))
    except ImportError as error:
        said = " ".join(str(error).split())
        raise UserError(
            f"{path}: buckets need packages ({said}): pip install 'kdsharp[bucket]'"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: is no address that is known ({error})") from None
    return files, name.rstrip("/")


@contextlib.contextmanager
def _named(here: Path, path: Path) -> Iterator[None]:
    """Errors about the file `here` name what it stands for."""
    try:
        yield
    except KdsharpError as error:
        raise type(error)(str(error).replace(str(here), str(path))) from None


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of whatever speaks to the bucket, as one line with its address."""
    try:
        yield
    except KdsharpError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file in the bucket") from None
    except PermissionError as error:
        raise UserError(f"{path}: the bucket does not let us in ({error})") from None
    except Exception as error:  # each kind of bucket has errors of its own
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # it is our own disk that is full
        said = " ".join(str(error).split()) or type(error).__name__
        raise TransientError(f"{path}: the bucket does not answer ({said})") from None
