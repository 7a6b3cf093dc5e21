"""Pictures that stay in their files: joined from several, or converted, as each is asked for.

Whatever the number of patches, only the batch at hand is in memory.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Converted", "Joined", "Lazy", "Rows", "map_files", "write_rows"]

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


class Lazy(ABC):
    """Rows of `shape` that are made by `_pictures` as they are asked for."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> npt.NDArray[Any]:
        if isinstance(rows, int | np.integer):
            picture: npt.NDArray[Any] = self._pictures(np.array([range(len(self))[int(rows)]]))[0]
            return picture
        if isinstance(rows, slice):
            return self._pictures(np.arange(*rows.indices(len(self))))
        positions = np.asarray(rows, np.int64)
        if positions.size and not -len(self) <= positions.min() <= positions.max() < len(self):
            raise IndexError(f"there are {len(self)} pictures")
        return self._pictures(np.where(positions < 0, positions + len(self), positions))

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("what lies in files becomes an array only by a copy")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    @abstractmethod
    def _pictures(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The pictures at these positions, which are from 0 on, in their order."""


class Joined(Lazy):
    """The pictures of all `parts`, which have one shape and type, one after another."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        super().__init__((int(self._ends[-1]), *parts[0].shape[1:]), parts[0].dtype)

    def _pictures(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        numbers = np.searchsorted(self._ends, rows, side="right")
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for number in np.unique(numbers):
            mine, part = numbers == number, self._parts[number]
            result[mine] = part[rows[mine] - self._ends[number] + len(part)]
        return result


class Converted(Lazy):
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

    def _pictures(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for target, picture in zip(result, self._rows[rows], strict=True):
            target[...] = self._convert(picture)
        return result


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


class _File(Lazy):
    """The array of one file, which is open only while it is used."""

    def __init__(self, path: Path, mapped: Callable[[Path], npt.NDArray[Any]]) -> None:
        self._path, self._mapped = path, mapped
        array = mapped(path)
        super().__init__(array.shape, array.dtype)

    def _pictures(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        pictures: npt.NDArray[Any] = self._mapped(self._path)[rows]
        return pictures


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
