import json

import fsspec
import numpy as np
import pytest

from kdsharp.errors import TransientError, UserError
from kdsharp.train.dataset.bucket import Bucket
from kdsharp.train.dataset.patches import INFO, load_patches, load_unlabelled


class Counted:
    """A store that remembers what it was asked for."""

    def __init__(self):
        self.store, self.asked = fsspec.filesystem("memory"), []

    def cat_ranges(self, paths, starts, ends, *, on_error):
        self.asked.append(list(zip(paths, starts, ends, strict=True)))
        return self.store.cat_ranges(paths, starts, ends, on_error=on_error)


@pytest.fixture
def folder(tmp_path):
    """Twenty patches in three shards, and as many without a truth in one."""
    random, names = np.random.default_rng(0), ["train-a", "train-b", "train-c"]
    for name, count in zip(names, (5, 1, 14), strict=True):
        for quality in ("lr", "hr"):
            made = random.integers(0, 256, (count, 4, 4, 3), np.uint8)
            np.save(tmp_path / f"{name}_{quality}.npy", made)
    made = random.integers(0, 256, (3, 4, 4, 3), np.uint8)
    np.save(tmp_path / "unlabelled_lr.npy", made)
    info = {"size": 4, "scale": 2, "shards": {"train": names}}
    (tmp_path / INFO).write_text(json.dumps(info))
    return tmp_path


@pytest.fixture
def bucket(folder):
    made = Bucket(
        Counted(), {path.name: f"/{folder.name}/{path.name}" for path in folder.iterdir()}
    )
    for name, path in made.paths.items():
        made.store.store.pipe_file(path, (folder / name).read_bytes())
    return made


def test_patches_are_those_of_the_folder(folder, bucket):
    near, far = load_patches(folder, "train"), load_patches(bucket, "train")
    assert (far.scale, len(far), far.lr_NHWC.shape) == (2, 20, (20, 4, 4, 3))
    for rows in (3, -1, slice(None), slice(4, 8), slice(0, 0), np.array([19, 0, 5, 6, 4, 4])):
        assert np.array_equal(far.lr_NHWC[rows], near.lr_NHWC[rows])
        assert np.array_equal(far.hr_NHWC[rows], near.hr_NHWC[rows])
    assert np.array_equal(load_unlabelled(bucket)[:], load_unlabelled(folder)[:])


def test_a_batch_is_asked_for_at_once_and_no_byte_more(bucket):
    low = load_patches(bucket, "train").lr_NHWC
    bucket.store.asked.clear()
    low[np.array([7, 8, 2, 19])]
    (ranges,) = bucket.store.asked
    assert [end - start for _, start, end in ranges] == [2 * 48, 48, 48]  # neighbours are one


def test_what_is_missing_in_a_bucket_is_said(bucket):
    assert load_unlabelled(Bucket(bucket.store, {INFO: bucket.paths[INFO]})) is None
    with pytest.raises(UserError, match="the bucket holds no val patches"):
        load_patches(bucket, "val")


def test_a_bucket_that_does_not_give_a_file_is_said(bucket):
    low = load_patches(bucket, "train").lr_NHWC
    bucket.store.store.rm(bucket.paths["train-c_lr.npy"])
    assert low[4].shape == (4, 4, 3)
    with pytest.raises(TransientError, match=r"train-c_lr\.npy cannot be read from its bucket"):
        low[19]


def test_a_file_that_is_cut_off_or_none_is_refused(bucket):
    whole = bucket.store.store.cat_file(bucket.paths["train-c_lr.npy"])
    bucket.store.store.pipe_file(bucket.paths["train-c_lr.npy"], whole[:-1])
    with pytest.raises(ValueError, match="ends before its last picture"):
        load_patches(bucket, "train").lr_NHWC[19]
    bucket.store.store.pipe_file(bucket.paths["train-c_lr.npy"], b"no array" * 100)
    with pytest.raises(UserError, match="holds no train patches"):
        load_patches(bucket, "train")
