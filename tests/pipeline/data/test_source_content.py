import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.source import CheckedPhoto, by_content, position


def photo(content: int) -> CheckedPhoto:
    digest = hashlib.sha256(str(content).encode()).hexdigest()
    return CheckedPhoto(f"{content}.png", Path("x"), None, "", digest, 200, 200, None)


def where(contents, val=0.1, test=0.1) -> dict[str, str]:
    splits = by_content([photo(c) for c in contents], val, test)
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
    splits = by_content(photos[::-1], 0.01, 0.01)
    assert [p.name for p in splits["test"]] == [photos[0].name]
    assert [p.name for p in splits["val"]] == [photos[1].name]


def test_the_position_is_below_one():
    assert position("f" * 64) < 1
    assert position("0" * 64) == 0
