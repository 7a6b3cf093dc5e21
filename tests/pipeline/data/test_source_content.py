import hashlib
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdsharp.errors import UserError
from pipeline.data.source import CheckedPhoto, by_content, position


def photo(content: int, perceptual_hash: int | None = None) -> CheckedPhoto:
    digest = hashlib.sha256(str(content).encode()).hexdigest()
    return CheckedPhoto(f"{content}.png", Path("x"), None, "", digest, 200, 200, perceptual_hash)


def look(picture: int) -> int:
    """A perceptual hash that is far from those of other pictures."""
    return int.from_bytes(hashlib.sha256(bytes([picture])).digest()[:8], "big")


def where(contents, val=0.1, test=0.1) -> dict[str, str]:
    splits = by_content([photo(c) for c in contents], val, test, 4)
    return {p.name: split for split, photos in splits.items() for p in photos}


@given(st.sets(st.integers(0, 10_000), min_size=3, max_size=60), st.floats(0.01, 0.49))
def test_every_photo_is_in_one_split_and_none_is_empty(contents, share):
    splits = where(contents, share, share)
    assert set(splits) == {f"{c}.png" for c in contents}
    assert set(splits.values()) == {"train", "val", "test"}


@given(st.sets(st.integers(200, 10_000), max_size=50))
def test_adding_photos_moves_none(more):
    before = where(range(100))
    after = where([*more, *range(100)])
    assert after.items() >= before.items()


def test_the_shares_are_kept():
    splits = list(where(range(4000), val=0.1, test=0.2).values())
    assert splits.count("val") / 4000 == pytest.approx(0.1, abs=0.02)
    assert splits.count("test") / 4000 == pytest.approx(0.2, abs=0.02)


def test_the_nearest_photos_fill_what_stays_empty():
    photos = sorted(map(photo, range(40)), key=lambda p: position(p.sha256))[10:]
    assert position(photos[0].sha256) > 0.02
    splits = by_content(photos[::-1], 0.01, 0.01, 4)
    assert [p.name for p in splits["test"]] == [photos[0].name]
    assert [p.name for p in splits["val"]] == [photos[1].name]


def test_near_duplicates_are_in_one_split(caplog):
    caplog.set_level(logging.INFO)
    looks = [photo(n, look(n // 4) ^ (1 << n % 4) - 1) for n in range(400)]
    splits = by_content(looks, 0.1, 0.1, 2)
    where = {p.name: split for split, photos in splits.items() for p in photos}
    assert all(len({where[f"{n + k}.png"] for k in range(4)}) == 1 for n in range(0, 400, 4))
    assert len(where) == 400
    assert set(where.values()) == {"train", "val", "test"}
    assert "400 photos in 100 groups, the largest of 4" in caplog.text


def test_a_near_duplicate_takes_no_photo_that_was_judged_on_into_train():
    known = [photo(n, look(n)) for n in range(200)]
    before = by_content(known, 0.2, 0.2, 2)
    twins = [photo(1000 + n, look(n) ^ 1) for n in range(200)]
    after = by_content([*known, *twins], 0.2, 0.2, 2)
    names = {split: {p.name for p in photos} for split, photos in after.items()}
    assert {p.name for p in before["test"]} <= names["test"]
    assert not {p.name for p in before["val"]} & names["train"]


def test_whole_groups_fill_what_stays_empty():
    same = [photo(n, 1) for n in range(20)]
    splits = by_content([*same, photo(100, look(1)), photo(101, look(2))], 0.01, 0.01, 2)
    assert sorted(len(photos) for photos in splits.values()) == [1, 1, 20]
    with pytest.raises(UserError, match=r"near duplicates of each other; .*duplicate_distance"):
        by_content(same, 0.1, 0.1, 2)


def test_the_position_is_below_one():
    assert position("f" * 64) < 1
    assert position("0" * 64) == 0
