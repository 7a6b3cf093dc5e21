"""A video enlarged and sharpened: luma as a photo's, chroma by bicubic, all else as it was."""

from pathlib import Path

import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.video import VideoOptions, sharpen_video
from kdsharp.video.frames import plane_view
from tests.kdsharp.video.clips import frame_times, frames, make_clip


@pytest.fixture(scope="module")
def sharpener(luma_model):
    return Sharpener(luma_model, engine="onnxruntime", threads=1, streams=2)


def luma(path, number):
    return plane_view(frames(path)[number], 0).copy()


@pytest.mark.parametrize(("form", "depth"), [("yuv420p", 8), ("yuv420p10le", 10)])
def test_frames_are_what_a_photo_would_be(tmp_path, sharpener, form, depth):
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", options={}, size=(53, 37), form=form)
    result = sharpen_video(source, tmp_path / "out.mkv", sharpener, VideoOptions("ffv1", upscale=2))
    assert (result.frames, result.model) == (24, sharpener.models[0])
    assert frame_times(tmp_path / "out.mkv") == frame_times(source)
    small, large = luma(source, 5), luma(tmp_path / "out.mkv", 5)
    assert (large.shape, large.dtype) == ((74, 106), small.dtype)
    spare = 0 if depth == 8 else 16 - depth
    expected = sharpener.upscale(small << spare, 2).astype(int)
    assert np.abs(large - expected / (1 << spare)).max() <= 0.5
    before, after = frames(source)[5], frames(tmp_path / "out.mkv")[5]
    assert after.color_range == before.color_range
    assert after.colorspace == before.colorspace
    for index in (1, 2):  # chroma is enlarged and no more
        one, two = plane_view(before, index), plane_view(after, index)
        assert two.shape == (37, 53)
        assert abs(float(one.mean()) - float(two.mean())) < 1.5 * (1 << (depth - 8))


def test_the_command_takes_the_model_for_the_scale_and_crispens(kdsharp, monkeypatch):
    monkeypatch.delenv("KDSHARP_MODEL")
    source = make_clip(Path("clip.mp4"), times=[0, 24, 48], audio="aac")
    sizes = {}
    for name, more in {"plain.mp4": (), "crisp.mp4": ("--crisp", "0.8")}.items():
        code, out, err = kdsharp("sharpen", source, "-o", name, "--upscale", "3", *more)
        assert (code, "small-x3: " in err) == (0, True)
        assert out.startswith(f"{name}: written")
        sizes[name] = luma(Path(name), 1)
    height, width = luma(source, 1).shape
    assert sizes["plain.mp4"].shape == (3 * height, 3 * width)
    assert (sizes["plain.mp4"] != sizes["crisp.mp4"]).any()


def test_another_scale_than_the_models_is_refused(tmp_path, sharpener):
    source = make_clip(tmp_path / "in.mp4", times=[0, 24])
    with pytest.raises(UserError, match="undoes scale 2, not 4"):
        sharpen_video(source, tmp_path / "out.mp4", sharpener, VideoOptions(upscale=4))
    with pytest.raises(UserError, match="enlarged 2, 3 or 4 times, not 5"):
        VideoOptions(upscale=5)
    assert not (tmp_path / "out.mp4").exists()
