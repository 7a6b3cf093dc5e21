import numpy as np
import pytest
from PIL import Image

from kdsharp.comparison.sheet import comparison, most_changed, parse_labels, parse_zoom
from kdsharp.errors import UserError


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (53, 37), (400, 10), (900, 1200), (2000, 500)])
def test_any_size_gives_a_sheet(size):
    before, after = Image.new("RGB", size), Image.new("RGB", size, (9, 9, 9))
    sheet = comparison(before, after, ("before", "nachher ä"))
    assert sheet.mode == "RGB"
    assert 600 < sheet.width < 2000
    assert 500 < sheet.height < 2000


def test_the_detail_is_where_most_changed(picture):
    changed = picture.copy()
    changed[20:24, 30:36] ^= 128
    box = most_changed(Image.fromarray(picture), Image.fromarray(changed), (6, 4))
    assert box == (30, 20, 6, 4)


def test_the_whole_picture_can_be_the_detail(picture):
    image = Image.fromarray(picture)
    assert most_changed(image, image, image.size) == (0, 0, *image.size)


def test_all_four_parts_show_their_pictures():
    """A red and a blue picture: whole left and right, both below."""
    red, blue = Image.new("RGB", (80, 60), (255, 0, 0)), Image.new("RGB", (80, 60), (0, 0, 255))
    sheet = np.asarray(comparison(red, blue, ("a", "b"), zoom=(0, 0, 8, 8))).astype(int)
    middle = sheet.shape[0] // 2, sheet.shape[1] // 2
    reds = (sheet == (255, 0, 0)).all(axis=2)
    blues = (sheet == (0, 0, 255)).all(axis=2)
    assert reds[: middle[0], : middle[1]].mean() > 0.8
    assert blues[: middle[0], middle[1] :].mean() > 0.8
    for part in (np.s_[middle[0] :, : middle[1]], np.s_[middle[0] :, middle[1] :]):
        assert 0.25 < reds[part].mean() < 0.5
        assert 0.25 < blues[part].mean() < 0.5


def test_what_does_not_fit_is_named():
    small, large = Image.new("RGB", (20, 10)), Image.new("RGB", (40, 20))
    with pytest.raises(UserError, match="differ in size: 20x10 and 40x20"):
        comparison(small, large, ("a", "b"))
    with pytest.raises(UserError, match="zoom 15,0,6,6 lies outside 20x10"):
        comparison(small, small, ("a", "b"), zoom=(15, 0, 6, 6))


def test_labels_and_zoom_are_parsed():
    assert parse_labels(" a b , c") == ("a b", "c")
    assert parse_zoom("1, 2,3,4") == (1, 2, 3, 4)
    assert parse_zoom("1,2,3") == (1, 2, 3, 3)
    assert parse_zoom(None) is None
    for text in ("a", "a,b,c", "a,", ""):
        with pytest.raises(UserError, match="two names with a comma"):
            parse_labels(text)
    for text in ("1,2", "1,2,3,x", "", "1,2,3,4,5", "-1,0,4,4", "0,0,0,4"):
        with pytest.raises(UserError, match="zoom"):
            parse_zoom(text)


def test_the_split_of_a_large_picture_is_at_100_percent():
    """Every second column differs by one level: made smaller, that would be gone."""
    before = np.full((1500, 2000, 3), 100, np.uint8)
    after = before.copy()
    after[1000:1400, 1000:1800:2] += 50
    sheet = np.asarray(comparison(Image.fromarray(before), Image.fromarray(after), ("a", "b")))
    whole, split = sheet[: sheet.shape[0] // 2], sheet[sheet.shape[0] // 2 :, : sheet.shape[1] // 2]
    stripes = [(part[:, :-1, 1] == 150) & (part[:, 1:, 1] == 100) for part in (whole, split)]
    assert stripes[0].sum() == 0
    assert stripes[1].sum() > 10_000
