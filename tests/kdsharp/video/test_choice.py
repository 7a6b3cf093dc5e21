import dataclasses
from types import SimpleNamespace

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
from kdsharp.video.choice import LiveChoice, look_at_frame, look_at_video
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
        found = look_at_video(video, three)
    assert (found.gains, found.steps[0, 0]) == ({"x2": 24}, 5 * 24)
    assert seen == [4, 14, 24, 34, 44]


def test_a_video_without_a_picture_is_an_error(tmp_path, three):
    """All of its head, and nothing of its body."""
    clip = make_clip(tmp_path / "clip.mp4", file_options={"movflags": "faststart"})
    whole = clip.read_bytes()
    clip.write_bytes(whole[: whole.index(b"mdat") + 12])
    with open_source(clip) as video, pytest.raises(UserError, match="no picture"):
        look_at_video(video, three)


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


def test_live_changes_its_mind_slowly(three, luma, monkeypatch):
    gains, now = {"tiny-x2": 1.0, "tiny-x3": 0.0}, [0.0]
    monkeypatch.setattr(choice, "look_at_frame", lambda _, __: Look(dict(gains), NO_STEPS))
    monkeypatch.setattr(choice, "time", SimpleNamespace(monotonic=lambda: now[0]))
    frame = av.VideoFrame.from_ndarray(luma, "gray")
    live = LiveChoice(three, "yuv420p")
    assert live(frame).single.engine is three["tiny-x2"].engine
    gains.update({"tiny-x2": 0.0, "tiny-x3": 1.0})
    taken = []
    for _ in range(8):
        now[0] += 1.5
        taken.append(live(frame).single.engine is three["tiny-x3"].engine)
    assert not taken[0]
    assert taken[-1]
    assert taken == sorted(taken)
    gains.update({"tiny-x2": 0.0, "tiny-x3": 0.0})
    for _ in range(30):
        now[0] += 1.5
        last = live(frame)
    assert last.single.strength == 0


def test_a_single_one_is_taken_for_every_frame(luma, luma_model):
    sharpener = Sharpener(luma_model)
    frame = av.VideoFrame.from_ndarray(luma, "gray")
    assert LiveChoice(sharpener.router, "yuv420p")(frame).single.engine is sharpener.engine


def shifted(top, left):
    """Luma that was enlarged by 2, its grid at the row and column."""
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    return np.asarray(degrade(photo, "bicubic", 2).convert("L"))[top:, left:].copy()


def test_live_runs_from_where_the_grid_begins_and_follows_it(luma_model, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(choice, "time", SimpleNamespace(monotonic=lambda: now[0]))
    live = LiveChoice(Sharpener(luma_model).router, "yuv420p")
    frames = [av.VideoFrame.from_ndarray(shifted(*at), "gray") for at in ((1, 0), (0, 1))]
    assert live(frames[0]).single.origin == (1, 0)
    assert live(frames[1]).single.origin == (1, 0)  # it is not time yet
    for _ in range(12):
        now[0] += 2.5
        origin = live(frames[1]).single.origin
    assert origin == (0, 1)


def test_a_mixture_is_that_of_all_frames_and_changes_with_them(mixed_model, luma, monkeypatch):
    router, now = Sharpener(mixed_model).router, [0.0]
    first, later = (
        look_at_frame(av.VideoFrame.from_ndarray(levels, "gray"), router)
        for levels in (luma, np.full_like(luma, 90))
    )
    both = mean_look([first, later]).shares
    assert both == pytest.approx(np.mean([first.shares, later.shares], axis=0), abs=0.006)
    now_seen = [first]
    monkeypatch.setattr(choice, "look_at_frame", lambda _, __: now_seen[0])
    monkeypatch.setattr(choice, "time", SimpleNamespace(monotonic=lambda: now[0]))
    frame = av.VideoFrame.from_ndarray(luma, "gray")
    live = LiveChoice(router, "yuv420p")
    begun = live(frame)
    now_seen[0] = dataclasses.replace(first, shares=tuple(s + 0.05 for s in first.shares))
    now[0] += 2.5
    assert live(frame) is begun  # nobody would see the difference
    now_seen[0] = dataclasses.replace(first, shares=(0.8, 0.1, 0.1))
    for _ in range(40):
        now[0] += 2.5
        ended = live(frame)
    assert ended is not begun
