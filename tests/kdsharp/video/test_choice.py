from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.auto import AutoSharpener, expected_gains
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.video import choice
from kdsharp.video.choice import LiveChoice, gains_of_frame, gains_of_video
from tests.kdsharp.video.clips import make_clip

av = pytest.importorskip("av")


@pytest.fixture
def luma():
    rows, columns = np.mgrid[:96, :128]
    return (128 + 60 * np.sin(rows / 5) * np.sin(columns / 7)).astype(np.uint8)


@pytest.fixture
def three(luma_model):
    made = [Sharpener(luma_model) for _ in range(3)]
    names = ("tiny-x2", "tiny-x3", "tiny-x4")
    return AutoSharpener({name: lambda s=s: s for name, s in zip(names, made, strict=True)})


@pytest.mark.parametrize("row", ["pil-bicubic", "jpeg60", "gaussian"])
def test_a_frame_of_any_format_tells_the_same(row):
    photo = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    levels = np.asarray(degrade(photo, row, 2).convert("L"))
    full = av.VideoFrame.from_ndarray(levels, "gray")
    auto = AutoSharpener.of()
    expected = auto.choose(levels)
    assert expected
    assert gains_of_frame(full) == expected_gains(levels)
    for form, values in (("yuv420p", "MPEG"), ("rgb24", "JPEG"), ("yuv420p10le", "JPEG")):
        frame = full.reformat(format=form, dst_color_range=values)
        assert auto.best(gains_of_frame(frame)) == expected, form


def test_a_video_is_looked_at_in_many_places(tmp_path, monkeypatch):
    clip = make_clip(tmp_path / "clip.mp4", times=[40 * i for i in range(50)])
    seen = []
    monkeypatch.setattr(choice, "gains_of_frame", lambda frame: seen.append(frame.pts) or {"x2": 1})
    assert gains_of_video(clip) == {"x2": 1}
    assert len(seen) == 5
    assert len(set(seen)) > 1 or seen[0] == 0


def test_what_is_no_video_has_no_gains(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    assert gains_of_video(tmp_path / "clip.mp4") == {}
    assert gains_of_video(tmp_path / "gone.mp4") == {}


def test_live_changes_its_mind_slowly(three, luma, monkeypatch):
    gains, now = {"x2": 1.0, "x3": 0.0}, [0.0]
    monkeypatch.setattr(choice, "gains_of_frame", lambda _: dict(gains))
    monkeypatch.setattr(choice, "time", SimpleNamespace(monotonic=lambda: now[0]))
    frame = av.VideoFrame.from_ndarray(luma, "gray")
    live = LiveChoice(three, "yuv420p")
    assert live(frame).engine is three["tiny-x2"].engine
    gains.update(x2=0.0, x3=1.0)
    taken = []
    for _ in range(8):
        now[0] += 1.5
        taken.append(live(frame).engine is three["tiny-x3"].engine)
    assert not taken[0]
    assert taken[-1]
    assert taken == sorted(taken)
    gains.update(x2=0.0, x3=0.0)
    for _ in range(30):
        now[0] += 1.5
        last = live(frame)
    assert last.strength == 0


def test_a_single_one_is_taken_for_every_frame(luma, luma_model):
    sharpener = Sharpener(luma_model)
    frame = av.VideoFrame.from_ndarray(luma, "gray")
    assert LiveChoice(sharpener, "yuv420p")(frame).engine is sharpener.engine
