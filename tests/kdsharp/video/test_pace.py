"""Whether the processor is quick enough is measured, decided once, and said."""

from types import SimpleNamespace

import pytest

from kdsharp import Sharpener
from kdsharp.video import VideoOptions, convert, pace, sharpen_video
from kdsharp.video.camera import open_camera
from kdsharp.video.live import run_live
from kdsharp.video.pace import Pace, Slower
from tests.kdsharp.video.clips import frame_times, make_clip
from tests.kdsharp.video.test_live import Eye, slow


def watched(seconds, *, rate=25.0, quicker=True, frames=400):
    said, nano = [], object()
    watching = Pace(rate, Slower((lambda: nano) if quicker else None, said.append))
    taken = [at for at in range(frames) if watching(seconds(at)) is nano]
    return taken, said


def test_one_that_keeps_up_is_left_alone():
    assert watched(lambda _: 0.03) == ([], [])


def test_one_that_does_not_gets_smaller_models_once_and_it_is_said():
    taken, said = watched(lambda _: 0.1)
    assert taken == [28]  # five to begin with, then 24
    assert said == [("10 of 25 frames a second can be sharpened here: nano models are taken from "
                    "now on")]  # fmt: skip


def test_the_first_frames_do_not_count():
    assert watched(lambda at: 2.0 if at < 5 else 0.02) == ([], [])


def test_a_model_that_was_named_stays_and_the_line_says_what_helps():
    taken, said = watched(lambda _: 0.1, quicker=False)
    assert taken == []
    assert said == [("10 of 25 frames a second can be sharpened here: a smaller model is quicker, "
                    "such as --model nano-x2")]  # fmt: skip


@pytest.mark.parametrize(("realtime", "lines"), [(True, 1), (False, 0)])
def test_a_file_is_hurried_only_if_that_is_asked_for(
    tmp_path, luma_model, monkeypatch, realtime, lines
):
    clock = SimpleNamespace(now=0.0)

    def monotonic():  # every frame takes a fifth of a second
        clock.now += 0.2
        return clock.now

    monkeypatch.setattr(convert, "time", SimpleNamespace(monotonic=monotonic))
    said, quicker = [], Sharpener(luma_model, strength=0)
    source = make_clip(tmp_path / "in.mp4", times=[24 * i for i in range(60)])
    result = sharpen_video(
        source,
        tmp_path / "out.mp4",
        Sharpener(luma_model, threads=1),
        VideoOptions(realtime=realtime),
        slower=Slower(lambda: quicker, said.append),
    )
    assert len(said) == lines
    assert len(frame_times(tmp_path / "out.mp4")) == result.frames == 60


def test_real_time_takes_a_quick_preset_unless_one_is_named():
    for codec, usual, quick in (("h264", "veryfast", "superfast"), ("av1", "9", "12")):
        assert VideoOptions(codec).encoder_options()["preset"] == usual
        assert VideoOptions(codec, realtime=True).encoder_options()["preset"] == quick
    named = VideoOptions("h264", preset="medium", realtime=True)
    assert named.encoder_options()["preset"] == "medium"


def test_live_video_takes_smaller_models_where_it_has_to(tmp_path, luma_model, monkeypatch):
    monkeypatch.setattr(pace, "_FRAMES", 3)  # of few seconds, on a busy machine too
    monkeypatch.setattr(pace, "_SECONDS", 0.2)
    clip = make_clip(tmp_path / "in.mp4", times=[24 * i for i in range(150)])
    said, quick = [], Sharpener(luma_model, threads=1)
    with open_camera(str(clip)) as camera:
        run_live(
            camera,
            slow(luma_model, 0.1),
            Eye(),
            slower=Slower(lambda: quick, said.append),
        )
    (line,) = said
    assert line.endswith("nano models are taken from now on")
