"""A video that breaks in the middle: what came before is kept, and it says so."""

from fractions import Fraction

import pytest

from kdsharp import Sharpener
from kdsharp.video import sharpen_video
from tests.kdsharp.video.clips import frame_times, frames, make_clip


@pytest.fixture(scope="module")
def sharpener(int8_model):
    return Sharpener(int8_model, precision="int8", threads=1)


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.avi"])
def test_cut_in_the_middle(tmp_path, sharpener, name):
    faststart = {"movflags": "faststart"} if name == "in.mp4" else {}
    step, base = (1, Fraction(1, 25)) if name == "in.avi" else (24, Fraction(1, 600))
    times = [step * i for i in range(60)]
    options = {} if name == "in.avi" else {"crf": "18", "g": "10", "bf": "0"}
    source = make_clip(
        tmp_path / name,
        times=times,
        time_base=base,
        codec="mjpeg" if name == "in.avi" else "libx264",
        form="yuvj420p" if name == "in.avi" else "yuv420p",
        context={"color_range": 2} if name == "in.avi" else {},
        options=options,
        file_options=faststart,
        audio="pcm_s16le" if name == "in.mkv" else None,
    )
    whole = frame_times(source)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    result = sharpen_video(source, tmp_path / "out.mkv", sharpener)
    assert 10 < result.frames < 55
    assert f"{source}: breaks off after frame {result.frames}" in result.damage
    assert "\n" not in result.damage
    assert frame_times(tmp_path / "out.mkv") == whole[: result.frames]


def test_a_hole_in_the_middle(tmp_path, sharpener):
    """What follows is kept as well."""
    times = [24 * i for i in range(60)]
    options = {"crf": "18", "g": "10", "bf": "0"}
    source = make_clip(tmp_path / "in.mp4", times=times, options=options)
    data = bytearray(source.read_bytes())
    middle = data.index(b"mdat") + 4 + (len(data) - data.index(b"moov")) + len(data) // 3
    data[middle : middle + 300] = bytes(300)
    source.write_bytes(data)
    result = sharpen_video(source, tmp_path / "out.mp4", sharpener)
    assert "is damaged in" in result.damage
    assert "first at frame" in result.damage
    assert 50 <= result.frames == len(frames(tmp_path / "out.mp4"))


def test_times_that_stand_still(tmp_path, sharpener):
    """Each frame gets a time of its own; otherwise no muxer would take it."""
    source = make_clip(tmp_path / "in.ts", times=[24 * i for i in range(12)])
    again = source.read_bytes()
    source.write_bytes(again + again)
    result = sharpen_video(source, tmp_path / "out.mp4", sharpener)
    times = frame_times(tmp_path / "out.mp4")
    assert result.frames == len(times) >= 23
    assert times == sorted(set(times))
    assert "is damaged in" in result.damage
