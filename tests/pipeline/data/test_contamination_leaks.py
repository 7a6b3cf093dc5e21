from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.data.contamination import Contamination, find_contamination, refuse_contamination
from pipeline.data.source import CheckedPhoto


def photo(name: str, perceptual_hash: int | None, sha256: str = "") -> CheckedPhoto:
    return CheckedPhoto(name, Path(name), None, "", sha256 or name, 200, 200, perceptual_hash)


FAR = 0xFFFF_FFFF << 16


def test_near_pictures_across_splits_are_found():
    splits = {
        "train": [photo("a", 0b1111), photo("b", FAR), photo("c", 0b1111)],
        "val": [photo("d", 0)],
        "test": [photo("e", FAR ^ 0b11111)],
    }
    assert find_contamination(splits, 4) == [
        Contamination("train/a", "val/d", 4),
        Contamination("train/c", "val/d", 4),
    ]
    assert len(find_contamination(splits, 5)) == 3
    assert find_contamination(splits, 3) == []


def test_the_same_bytes_are_found_whatever_the_fingerprint():
    splits = {"train": [photo("a", None, "x")], "val": [photo("b", None, "x")], "test": []}
    assert find_contamination(splits, 0) == [Contamination("train/a", "val/b", None)]
    with pytest.raises(UserError, match=r"train/a and val/b \(the same file\): remove one"):
        refuse_contamination(splits, 0)


def test_unlabelled_photos_may_be_like_those_of_train_alone():
    same = [photo("a", 0b1111, "x")]
    splits = {"train": same, "val": [], "test": [], "unlabelled": same}
    refuse_contamination(splits, 4)
    splits = {"train": [], "val": same, "test": [photo("b", 0b1110)], "unlabelled": same}
    assert {(leak.one, leak.other) for leak in find_contamination(splits, 4)} == {
        ("val/a", "test/b"),
        ("val/a", "unlabelled/a"),
        ("test/b", "unlabelled/a"),
    }


def test_plain_pictures_are_near_to_none():
    splits = {"train": [photo("a", None)], "val": [photo("b", None)], "test": [photo("c", 0)]}
    refuse_contamination(splits, 16)


def test_the_error_names_three_and_counts_the_others():
    splits = {"train": [photo(str(n), 0) for n in range(9)], "val": [photo("v", 1)], "test": []}
    with pytest.raises(UserError, match=r"train/2 and val/v \(distance 1\), and 6 more") as got:
        refuse_contamination(splits, 4)
    assert "lower data.duplicate_distance (4)" in str(got.value)
    assert "\n" not in str(got.value)


def test_the_sample_has_none():
    from pipeline.data.check import check
    from pipeline.data.sample import Sample

    photos, skipped = check(Sample().candidates(Path()), 128)
    splits = Sample().assign(photos)
    assert skipped == []
    assert {split: len(members) for split, members in splits.items()} == {
        "train": 10,
        "val": 2,
        "test": 3,
    }
    assert find_contamination(splits, 10) == []
    with pytest.raises(UserError, match=r"lower data\.min_side"):
        Sample().assign([p for p in photos if min(p.width, p.height) >= 450])
