"""The benchmark of video, on pictures that take no time."""

from benchmarks import video as benchmark
from kdsharp import Sharpener
from tests.kdsharp.video.clips import frames, make_clip


def test_every_way_does_every_frame(tmp_path, int8_model):
    clip = make_clip(tmp_path / "clip.mp4")
    sharpener = Sharpener(int8_model, precision="int8", threads=1)
    scaled = benchmark.scaled(clip, tmp_path / "scaled.mp4", 128, 96, 30)
    assert [(f.width, f.height) for f in frames(scaled)] == [(128, 96)] * 30
    ways = benchmark.ways(scaled, tmp_path / "out.mp4", sharpener)
    assert len(ways) == 6
    assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, 30)


def test_the_table(tmp_path):
    slow, quick = benchmark.Timing(20.0, 30.0), benchmark.Timing(5.0, 4.0)
    text = benchmark.table({"all together": [slow, slow], "decoding alone": [quick, quick]})
    assert "| all together | 50.0 | 20.0 | 30.0 | 1.00 |" in text
    assert "| decoding alone | 200.0 | 5.0 | 4.0 | 0.25 |" in text


def test_unsharp_is_the_filter_and_nothing_else(tmp_path):
    """More contrast from pixel to pixel, at the same times."""
    clip = make_clip(tmp_path / "clip.mp4")
    assert benchmark.unsharp_video(clip, tmp_path / "out.mp4") == 24
    before, after = frames(clip), frames(tmp_path / "out.mp4")
    assert [f.pts * f.time_base for f in before] == [f.pts * f.time_base for f in after]
    roughness = [
        abs(f.to_ndarray(format="gray").astype(int)[:, 1:] - f.to_ndarray(format="gray")[:, :-1])
        for f in (before[5], after[5])
    ]
    assert roughness[1].mean() > roughness[0].mean()
