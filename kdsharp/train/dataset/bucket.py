"""Patches that stay in a bucket: of each .npy file only the pictures that are asked for are read.

What is read is a range of bytes, and all ranges of a batch are asked for at once, so that a batch
costs one round trip and not one for each picture. Nothing is kept: the order of a training is
random, and what does not fit on a disk would not fit into a cache either.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kdsharp.errors import TransientError
from kdsharp.train.dataset.rows import Lazy

__all__ = ["Bucket", "Store", "Streamed"]

_HEAD = 128  # bytes of a file that say what it holds, as numpy writes it for four dimensions


class Store(Protocol):
    """Where the files are: a file system of fsspec, such as S3."""

    def cat_ranges(
        self, paths: list[str], starts: list[int], ends: list[int], *, on_error: str
    ) -> list[Any]:
        """Bytes `starts` to `ends` of each file, or with `on_error` "return" what went wrong."""


@dataclass(frozen=True)
class Bucket:
    """A folder of patches in a bucket: where in the `store` each of its files is, by name."""

    store: Store
    paths: Mapping[str, str]

    def text(self, name: str) -> str:
        """The whole file of this name; raises `LookupError`, `OSError` and `TransientError`."""
        (found,) = _read(self.store, [self.paths[name]], [0], [None])
        return found.decode()

    def rows(self, names: Sequence[str]) -> "Streamed":
        """The pictures in these files as one; raises as `Streamed`, and `LookupError`."""
        return Streamed(self.store, [self.paths[name] for name in names])


class Streamed(Lazy):
    """The arrays (N, H, W, C) in the .npy files at `paths` of a `store`, as one.

    Raises `ValueError` for files that are no such arrays or whose shapes differ, and, whenever
    pictures are read, `TransientError` where the store does not give them.
    """

    def __init__(self, store: Store, paths: Sequence[str]) -> None:
        self._store, self._paths = store, list(paths)
        heads = _read(store, self._paths, [0] * len(paths), [_HEAD] * len(paths))
        shapes, dtypes, offsets = zip(*map(_described, heads), strict=True)
        if len({(shape[1:], dtype) for shape, dtype in zip(shapes, dtypes, strict=True)}) > 1:
            raise ValueError(f"{paths[0]} and its neighbours differ in shape")
        counts = [shape[0] for shape in shapes]
        self._ends, self._offsets = np.cumsum(counts), np.array(offsets)
        self._firsts = self._ends - counts
        super().__init__((int(self._ends[-1]), *shapes[0][1:]), dtypes[0])

    def _pictures(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if not len(rows):
            return result
        numbers = np.searchsorted(self._ends, rows, side="right")
        # Neighbours in a file are one range.
        apart = (np.diff(rows) != 1) | (np.diff(numbers) != 0)
        runs = np.split(np.arange(len(rows)), np.flatnonzero(apart) + 1)
        heads, size = [run[0] for run in runs], result[0].nbytes
        starts = self._offsets[numbers[heads]] + size * (rows[heads] - self._firsts[numbers[heads]])
        ends = starts + size * np.array([len(run) for run in runs])
        paths = [self._paths[number] for number in numbers[heads]]
        found = _read(self._store, paths, starts.tolist(), ends.tolist())
        for path, run, start, end, data in zip(paths, runs, starts, ends, found, strict=True):
            if len(data) != end - start:
                raise ValueError(f"{path} ends before its last picture")
            result[run] = np.frombuffer(data, self.dtype).reshape(len(run), *self.shape[1:])
        return result


def _read(store: Store, paths: list[str], starts: list[int], ends: list[Any]) -> list[bytes]:
    """All of it, or a `TransientError` that names the first file that fails."""
    found = store.cat_ranges(paths, starts, ends, on_error="return")
    for path, part in zip(paths, found, strict=True):
        if isinstance(part, BaseException):
            said = " ".join(str(part).split()) or type(part).__name__
            raise TransientError(f"{path} cannot be read from its bucket: {said}") from part
    return found


def _described(head: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type of the array in an .npy file that begins with `head`, and where it begins."""
    opened = io.BytesIO(head)
    if np.lib.format.read_magic(opened) != (1, 0):
        raise ValueError("is not an .npy file of the first version")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(opened)
    if by_columns or len(shape) != 4 or dtype.hasobject:
        raise ValueError(f"holds no pictures but {shape} of {dtype}")
    return shape, dtype, opened.tell()
