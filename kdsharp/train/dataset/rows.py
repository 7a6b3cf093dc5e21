"""Pictures that stay in their files: joined from several, or converted, as each is asked for.

Whatever the number of patches, only the batch at hand is in memory.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Converted", "Joined", "Rows", "map_files", "write_rows"]

_OPEN = 64  # files at once: a process may open 256 on some systems


class Rows(Protocol):
    """N pictures of one shape: an array, or what can be read like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> npt.NDArray[Any]:
        """The picture at a position, or those of a slice or of an array of positions."""


class _Lazy:
    """Rows of `shape` that are made by `_row`, one at a time."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> npt.NDArray[Any]:
        if isinstance(rows, int | np.integer):
            return self._row(range(len(self))[int(rows)])
        chosen = np.arange(len(self))[rows]
        result = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        for target, row in zip(result, chosen, strict=True):
            target[...] = self._row(int(row))
        return result

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("what lies in files becomes an array only by a copy")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def _row(self, row: int) -> npt.NDArray[Any]:
        raise NotImplementedError


class Joined(_Lazy):
    """The pictures of all `parts`, which have one shape and type, one after another."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(part) for part in parts))
        super().__init__((self._ends[-1], *parts[0].shape[1:]), parts[0].dtype)

    def _row(self, row: int) -> npt.NDArray[Any]:
        number = bisect_right(self._ends, row)
        picture: npt.NDArray[Any] = self._parts[number][row - self._ends[number]]  # from its end
        return picture


class Converted(_Lazy):
    """`convert` of each picture of `rows`: (H, W, C) -> (H, W, `channels`) of type `dtype`."""

    def __init__(
        self,
        rows: Rows,
        convert: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
        channels: int,
        dtype: npt.DTypeLike,
    ) -> None:
        self._rows, self._convert = rows, convert
        super().__init__((*rows.shape[:3], channels), dtype)

    def _row(self, row: int) -> npt.NDArray[Any]:
        return self._convert(self._rows[row])


def map_files(paths: Sequence[Path]) -> Rows:
    """The arrays (N, H, W, C) in .npy files, memory-mapped and read-only, as one.

    Raises `OSError` and `ValueError` as `numpy.load`, and `ValueError` if their shapes differ.
    """
    mapped = lru_cache(_OPEN)(_map)
    if len(paths) == 1:
        return mapped(paths[0])
    parts = [_File(path, mapped) for path in paths]
    if len({(part.shape[1:], part.dtype) for part in parts}) > 1:
        raise ValueError(f"{paths[0].name} and its neighbours differ in shape")
    return Joined(parts)


class _File(_Lazy):
    """The array of one file, which is open only while it is used."""

    def __init__(self, path: Path, mapped: Callable[[Path], npt.NDArray[Any]]) -> None:
        self._path, self._mapped = path, mapped
        array = mapped(path)
        super().__init__(array.shape, array.dtype)

    def _row(self, row: int) -> npt.NDArray[Any]:
        picture: npt.NDArray[Any] = self._mapped(self._path)[row]
        return picture


def _map(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def write_rows(path: Path, first: int, rows_NHWC: npt.NDArray[Any]) -> None:
    """Write pictures into the .npy file at `path`, which has a place for them, from `first` on.

    By writing and not through a mapping: what is written is seen by other machines when the file
    is closed, and a full disk is an error and not the end of the process.
    """
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    with path.open("r+b") as opened:
        opened.seek(mapped.offset + first * mapped.strides[0])
        opened.write(np.ascontiguousarray(rows_NHWC, mapped.dtype).data)
