from itertools import pairwise

import numpy as np
import pytest

from kdsharp.train.dataset import rows
from kdsharp.train.dataset.rows import Converted, Joined, map_files, write_rows


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), np.uint8)


@pytest.fixture
def files(pictures, tmp_path):
    """The pictures in files of 1, 2, 3 ... of them."""
    paths, starts = [], np.cumsum(range(7)).clip(max=20)
    for number, (start, stop) in enumerate(pairwise(starts)):
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], pictures[start:stop])
    return paths


@pytest.mark.parametrize("open_at_once", [1, 64])
def test_files_read_like_the_array_that_they_hold(files, pictures, open_at_once, monkeypatch):
    monkeypatch.setattr(rows, "_OPEN", open_at_once)
    mapped = map_files(files)
    assert (len(mapped), mapped.shape, mapped.dtype) == (20, pictures.shape, pictures.dtype)
    for key in (0, 19, -1, np.int64(7)):
        assert np.array_equal(mapped[key], pictures[key])
    for key in (slice(None), slice(3, 9), slice(5, 5), slice(None, None, -2), np.array([4, 0, 19])):
        assert np.array_equal(mapped[key], pictures[key])
    assert np.array_equal(np.asarray(mapped), pictures)
    with pytest.raises(IndexError):
        mapped[20]


def test_one_file_is_mapped_as_it_is(files, pictures):
    mapped = map_files(files[:1])
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, pictures[:1])


def test_files_of_other_pictures_are_refused(files, tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="differ in shape"):
        map_files([*files, tmp_path / "other.npy"])


def test_pictures_are_converted_as_they_are_asked_for(pictures):
    asked = []

    def half(picture):
        asked.append(picture)
        return picture[..., :1] / 2

    made = Converted(Joined([pictures[:3], pictures[3:]]), half, 1, np.float32)
    assert made.shape == (20, 4, 5, 1)
    assert asked == []
    assert np.array_equal(made[4], pictures[4, ..., :1] / 2)
    assert len(asked) == 1
    assert np.array_equal(made[2:5], pictures[2:5, ..., :1] / 2)
    assert made[2:5].dtype == np.float32


def test_rows_are_written_where_they_belong(tmp_path, pictures):
    path = tmp_path / "all.npy"
    np.lib.format.open_memmap(path, "w+", np.uint16, (20, 4, 5, 3))
    write_rows(path, 12, pictures[12:])
    write_rows(path, 0, pictures[:12].astype(float))  # as values of the file's own type
    np.testing.assert_array_equal(np.load(path), pictures)
    assert np.load(path).dtype == np.uint16
