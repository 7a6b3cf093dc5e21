import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.errors import UserError
from kdsharp.routing.phase import NO_STEPS
from kdsharp.routing.router import Look, Router, mean_look
from kdsharp.video import choice
from kdsharp.video.choice import Following, Ready, helped, look_at_frame, looks_at_video
from kdsharp.video.scenes import luma_of, small_of
from kdsharp.video.source import open_source
from tests.kdsharp.video.clips import make_clip

av = pytest.importorskip("av")


@pytest.fixture
def luma():
    rows, columns = np.mgrid[:96, :128]
    return (128 + 60 * np.sin(rows / 5) * np.sin(columns / 7)).astype(np.uint8)


@pytest.fixture
def three(luma_model):
    made = {f"tiny-x{scale}": Sharpener(luma_model).router.first for scale in (2, 3, 4)}
    cards = {name: dataclasses.replace(m.card, scale=int(name[-1])) for name, m in made.items()}
    return Router(cards, made.__getitem__)


@pytest.mark.parametrize("row", ["pil-bicubic", "jpeg60", "gaussian"])
def test_a_frame_of_any_format_tells_the_same(row):
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    levels = np.asarray(degrade(photo, row, 2).convert("L"))
    full = av.VideoFrame.from_ndarray(levels, "gray")
    router = Sharpener().router
    expected = router.choose(levels)
    assert expected
    assert look_at_frame(full, router).gains == router.gains(levels)
    for form, values in (("yuv420p", "MPEG"), ("rgb24", "JPEG"), ("yuv420p10le", "JPEG")):
        frame = full.reformat(format=form, dst_color_range=values)
        assert router.choice(look_at_frame(frame, router)) == expected, form


def test_a_video_is_looked_at_in_many_places(tmp_path, monkeypatch, three):
    """Every frame is a key frame: those before the middle of each fifth, and their mean."""
    ticks = 40  # from frame to frame, of 1/600 s
    clip = make_clip(
        tmp_path / "clip.mp4",
        times=[ticks * i for i in range(50)],
        options={"crf": "18", "g": "1"},
    )
    seen = []

    def look(frame, _):
        seen.append(round(float(frame.time) * 600 / ticks))
        return Look({"x2": seen[-1]}, NO_STEPS + seen[-1])

    monkeypatch.setattr(choice, "look_at_frame", look)
    with open_source(clip) as video:
        found = mean_look(looks_at_video(video, three))
    assert (found.gains, found.steps[0, 0]) == ({"x2": 24}, 5 * 24)
    assert seen == [4, 14, 24, 34, 44]


def test_a_video_without_a_picture_is_an_error(tmp_path, three):
    """All of its head, and nothing of its body."""
    clip = make_clip(tmp_path / "clip.mp4", file_options={"movflags": "faststart"})
    whole = clip.read_bytes()
    clip.write_bytes(whole[: whole.index(b"mdat") + 12])
    with open_source(clip) as video, pytest.raises(UserError, match="no picture"):
        looks_at_video(video, three)


def test_packed_luma_is_unpacked():
    """What webcams send: the same choice as for the planes, in both ranges."""
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    levels = np.asarray(degrade(photo, "pil-bicubic", 2).convert("L"))
    full, router = av.VideoFrame.from_ndarray(levels, "gray"), Sharpener().router
    for values in ("MPEG", "JPEG"):
        packed = full.reformat(format="yuyv422", dst_color_range=values)
        planes = full.reformat(format="yuv422p", dst_color_range=values)
        gains, others = (look_at_frame(one, router).gains for one in (packed, planes))
        assert gains == pytest.approx(others, abs=0.1)  # some levels round differently
        assert router.choice(look_at_frame(packed, router)) == router.choose(levels)


def shifted(top, left):
    """Luma that was enlarged by 2, its grid at the row and column."""
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    return np.asarray(degrade(photo, "bicubic", 2).convert("L"))[top:, left:].copy()


class Film:
    """What a camera sees, frame by frame, and the choices that follow from it."""

    def __init__(self, router, monkeypatch, before=None):
        self.following, self.at, self.looks = Following(router, before), 0.0, 0
        self.gains: dict = {}
        monkeypatch.setattr(choice, "look_at_frame", self._look)

    def _look(self, frame, router):
        self.looks += 1
        return Look(dict(self.gains), NO_STEPS)

    def play(self, seconds, levels, **gains):
        """The model of each of 10 frames a second of one picture with these gains."""
        self.gains = {f"tiny-{name}": gain for name, gain in gains.items()}
        taken = []
        for _ in range(round(seconds * 10)):
            found = self.following(None, small_of(levels, 8), self.at)
            taken.append(found.model.removeprefix("tiny-") if found else None)
            self.at += 0.1
        return taken


def scenes():
    """Luma of three photos that have nothing in common."""
    photos = (data.camera(), data.coins(), data.astronaut()[..., 0])
    return [np.ascontiguousarray(photo[:240, :320]) for photo in photos]


def test_a_scene_keeps_its_model_through_what_does_not_last(three, monkeypatch):
    one, *_ = scenes()
    film = Film(three, monkeypatch)
    assert film.play(5, one, x2=1.0, x3=0.5, x4=0.0) == ["x2"] * 50
    assert film.play(0.5, one, x2=0.0, x3=2.0, x4=0.0) == ["x2"] * 5  # a look or two
    assert film.play(10, one, x2=1.0, x3=0.5, x4=0.0) == ["x2"] * 100
    assert film.play(10, one, x2=1.0, x3=1.05, x4=0.0) == ["x2"] * 100  # hardly better
    assert film.looks <= 2 * 25.5 + 2


def test_a_lasting_change_is_followed_once(three, monkeypatch):
    """As when the bit rate drops: after some seconds another, and then that."""
    one, *_ = scenes()
    film = Film(three, monkeypatch)
    film.play(5, one, x2=1.0, x3=0.0, x4=0.0)
    taken = film.play(8, one, x2=0.0, x3=1.0, x4=0.0)
    changed = taken.index("x3")
    assert 5 <= changed <= 40
    assert taken == ["x2"] * changed + ["x3"] * (80 - changed)
    taken = film.play(8, one, x2=0.0, x3=0.0, x4=0.0)
    assert taken[-1] == "x3"  # nothing promises more than it
    taken = film.play(8, one, x2=-1.0, x3=-1.0, x4=-1.0)
    assert taken[-1] is None


def test_two_that_take_turns_do_not_make_the_picture_do_so(three, monkeypatch):
    one, *_ = scenes()
    film, taken = Film(three, monkeypatch), []
    for _ in range(20):
        taken += film.play(0.5, one, x2=0.6, x3=0.2, x4=0.0)
        taken += film.play(0.5, one, x2=0.2, x3=0.6, x4=0.0)
    assert sum(a != b for a, b in pairwise(taken)) <= 1


def test_a_cut_is_followed_at_once(three, monkeypatch):
    one, two, three_ = scenes()
    film = Film(three, monkeypatch)
    film.play(3, one, x2=1.0, x3=0.0, x4=0.0)
    assert film.play(1, two, x2=0.0, x3=1.0, x4=0.0) == ["x3"] * 10
    assert film.play(1, three_, x2=0.98, x3=1.0, x4=1.05) == ["x3"] * 10  # not worth a change
    assert film.play(1, two, x2=-1.0, x3=-1.0, x4=-1.0) == [None] * 10


def test_a_file_begins_with_what_all_of_it_showed(three, monkeypatch):
    before = [Look({"tiny-x2": 0.0, "tiny-x3": gain}, NO_STEPS) for gain in (0.2, 0.4)]
    film = Film(three, monkeypatch, before)
    taken = film.play(1, scenes()[0], x2=0.3, x3=0.0, x4=0.0)
    assert taken == ["x3"] * 10  # a first frame that says otherwise
    with pytest.MonkeyPatch.context() as patch:
        alone = Film(three, patch)
        assert alone.play(1, scenes()[0], x2=0.4, x3=0.0, x4=0.0) == ["x2"] * 10


def test_a_file_that_begins_with_another_scene_than_most(three, monkeypatch):
    before = [Look({"tiny-x2": gain, "tiny-x3": -gain}, NO_STEPS) for gain in (-1.0, 1.0, 1.0, 1.0)]
    film = Film(three, monkeypatch, before)
    assert film.play(1, scenes()[0], x2=-1.0, x3=1.0, x4=0.0) == ["x3"] * 10


def test_a_video_is_left_only_if_no_part_of_it_needs_a_model(three, luma_model):
    sharp, soft = (Look({"tiny-x2": gain}, NO_STEPS) for gain in (-3.0, 0.5))
    assert not helped([sharp] * 5, three)
    assert helped([sharp] * 4 + [soft], three)
    assert not helped([sharp] * 4 + [Look({"tiny-x2": 0.2}, NO_STEPS)], three)
    assert helped([sharp], Sharpener(luma_model).router)


def test_a_single_one_is_taken_for_every_frame(luma, luma_model):
    sharpener = Sharpener(luma_model)
    frame = av.VideoFrame.from_ndarray(luma, "gray")
    found = Following(sharpener.router)(frame, small_of(luma, 8), 0.0)
    assert Ready(sharpener.router, "yuv420p")(found).single.engine is sharpener.engine


def test_nothing_to_repair_changes_nothing(three):
    ready = Ready(three, "yuv420p")
    assert not ready(None).changes
    assert ready(None) is ready(None)


def test_it_runs_from_where_the_grid_begins_and_follows_it(luma_model):
    router = Sharpener(luma_model).router
    following, ready = Following(router), Ready(router, "yuv420p")
    begun, moved = (av.VideoFrame.from_ndarray(shifted(*at), "gray") for at in ((1, 0), (0, 1)))

    def origin(frame, seconds):
        small = small_of(*luma_of(frame))
        return ready(following(frame, small, seconds)).single.origin

    assert [origin(begun, at / 2) for at in range(6)] == [(1, 0)] * 6
    later = [origin(moved, 3 + at / 2) for at in range(20)]
    assert later[0] == (1, 0)
    assert later[-1] == (0, 1)


def test_a_mixture_is_that_of_a_scene_and_changes_with_it(mixed_model, luma, monkeypatch):
    router = Sharpener(mixed_model).router
    first, later = (
        look_at_frame(av.VideoFrame.from_ndarray(levels, "gray"), router)
        for levels in (luma, np.full_like(luma, 90))
    )
    both = mean_look([first, later]).shares
    assert both == pytest.approx(np.mean([first.shares, later.shares], axis=0), abs=0.006)
    seen = [first]
    monkeypatch.setattr(choice, "look_at_frame", lambda _, __: seen[0])
    following, small = Following(router), small_of(luma, 8)
    begun = following(None, small, 0.0)
    seen[0] = dataclasses.replace(first, shares=tuple(s + 0.05 for s in first.shares))
    assert all(following(None, small, at / 2) is begun for at in range(20))  # nobody would see it
    seen[0] = dataclasses.replace(first, shares=(0.8, 0.1, 0.1))
    shares = [following(None, small, 10 + at / 2).shares for at in range(20)]
    assert shares[0] == begun.shares
    assert shares[-1] != begun.shares
