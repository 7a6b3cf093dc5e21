import numpy as np
import pytest
from PIL import Image

from kdsharp.comparison.animation import actual_size, blink, cut, save_animation, split, wipe
from kdsharp.errors import UserError

RED, BLUE = (255, 0, 0), (0, 0, 255)
LABELS = ("before", "nachher ä")


def pair(size):
    return Image.new("RGB", size, RED), Image.new("RGB", size, BLUE)


def reds(image):
    """The share of columns whose lowest pixel, where no label is, is red."""
    return (np.asarray(image.convert("RGB"))[-1] == RED).all(axis=1).mean()


@pytest.mark.parametrize("position", [0, 0.25, 0.5, 1])
def test_the_handle_is_where_it_should_be(position):
    made = split(*pair((800, 600)), LABELS, position)
    assert made.size == (800, 600)
    assert reds(made) == pytest.approx(position, abs=0.01)
    # The label of a side that shows lies in its upper corner.
    upper = np.asarray(made)[:60]
    assert (upper[:, :200] != (RED if position else BLUE)).any() == (position > 0)
    assert (upper[:, -200:] != (RED if position == 1 else BLUE)).any() == (position < 1)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (53, 37), (400, 10)])
def test_any_size_can_be_split(size):
    assert split(*pair(size), LABELS).size == size


def test_a_wipe_goes_from_before_to_after_and_back():
    shares = [reds(frame) for frame, _ in wipe(*pair((200, 150)), LABELS)]
    lowest = shares.index(min(shares))
    assert (shares[0], shares[lowest]) == (1, 0)
    assert shares[:lowest] == sorted(shares[:lowest], reverse=True)
    assert shares[lowest:] == sorted(shares[lowest:])


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("style", [wipe, blink])
def test_an_animation_runs_for_ever_and_shows_both(tmp_path, suffix, style):
    target = tmp_path / f"a{suffix}"
    save_animation(style(*pair((2000, 1000)), LABELS), target)
    with Image.open(target) as made:
        assert (made.size, made.info["loop"]) == ((960, 480), 0)
        first = np.asarray(made.convert("RGB")).astype(int)[-1]
        made.seek(made.n_frames // 2)
        half = np.asarray(made.convert("RGB")).astype(int)[-1]
    assert np.abs(first - RED).max() < 20
    assert np.abs(half - BLUE).max() < 20
    assert list(tmp_path.iterdir()) == [target]


def test_still_parts_of_a_gif_stay_still(tmp_path, picture):
    before = Image.fromarray(picture).resize((640, 480))
    after = before.copy()
    after.paste((255, 255, 255), (0, 0, 320, 480))
    save_animation(blink(before, after, LABELS), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as made:
        frames = []
        for index in range(made.n_frames):
            made.seek(index)
            frames.append(np.asarray(made.convert("RGB"))[100:, 330:])
    np.testing.assert_array_equal(frames[0], frames[1])


def test_a_part_is_cut_from_both():
    before, after = pair((20, 10))
    assert cut(before, after, None) == (before, after)
    assert [image.size for image in cut(before, after, (5, 5, 4, 3))] == [(4, 3), (4, 3)]
    with pytest.raises(UserError, match="zoom 15,0,6,6 lies outside 20x10"):
        cut(before, after, (15, 0, 6, 6))
    with pytest.raises(UserError, match="differ in size: 20x10 and 10x20"):
        cut(before, after.resize((10, 20)), None)


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(UserError, match="position must be from 0 to 1"):
        split(*pair((20, 10)), LABELS, 1.5)
    with pytest.raises(UserError, match=r"a.png: an animation ends with .gif or .webp"):
        save_animation(blink(*pair((20, 10)), LABELS), tmp_path / "a.png")


def test_a_large_picture_is_animated_at_100_percent():
    before = Image.new("RGB", (2000, 1000))
    after = before.copy()
    after.paste(RED, (1700, 800, 1800, 900))
    left, top, *size = actual_size(before, after)
    assert size == [960, 480]
    assert left <= 1700 < 1800 <= left + 960
    assert top <= 800 < 900 <= top + 480
    assert actual_size(*pair((960, 500))) is None
