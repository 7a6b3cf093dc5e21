"""One line for each thing that cannot be done, and nothing written."""

import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.video import VideoOptions, sharpen_video
from tests.kdsharp.video.clips import frames, make_clip


@pytest.fixture(scope="module")
def sharpener(int8_model):
    return Sharpener(int8_model, precision="int8", threads=1)


@pytest.fixture
def refused(sharpener, tmp_path):
    """Sharpens into a folder of its own; returns the line, after seeing that nothing is there."""

    def call(source, name="out.mp4", **options):
        folder = tmp_path / "made"
        with pytest.raises(UserError) as caught:
            sharpen_video(source, folder / name, sharpener, VideoOptions(**options))
        assert not folder.exists() or not list(folder.iterdir())
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return call


def test_no_video(tmp_path, refused):
    assert refused(tmp_path / "absent.mp4").endswith("absent.mp4: no such file")
    assert refused(tmp_path).endswith(": not a file")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video\n" * 100)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(50_000))
    for name in ("empty.mp4", "text.mp4", "noise.mp4"):
        assert "not a video that FFmpeg can read" in refused(tmp_path / name)


def test_sound_alone(tmp_path, refused):
    import av

    with av.open(str(tmp_path / "in.m4a"), "w") as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        made = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), "s16", "mono")
        made.sample_rate = 8000
        out.mux(stream.encode(made))
        out.mux(stream.encode(None))
    assert refused(tmp_path / "in.m4a").endswith("has no video track")


def test_no_frames(tmp_path, refused):
    make_clip(tmp_path / "in.mkv", times=[])
    assert "in.mkv" in refused(tmp_path / "in.mkv")


def test_the_video_itself(tmp_path, sharpener):
    source = make_clip(tmp_path / "in.mp4")
    before = source.read_bytes()
    with pytest.raises(UserError, match="is the video itself"):
        sharpen_video(source, source, sharpener)
    assert source.read_bytes() == before


def test_containers(tmp_path, refused):
    source = make_clip(tmp_path / "in.mkv", subtitle=True, audio="pcm_s16le")
    assert refused(source, "out.xyz").startswith("'.xyz' is not a kind of video")
    line = "a webm file cannot hold h264"
    assert refused(source, "out.webm", codec="h264").startswith(line)
    assert refused(source).endswith(
        "a mp4 file cannot hold track 2 (subtitle, srt): name another output, such as .mkv, or "
        "--drop subtitles"
    )


def test_dropping(tmp_path, sharpener):
    source = make_clip(tmp_path / "in.mkv", subtitle=True, audio="pcm_s16le", attachment=True)
    drop = VideoOptions(drop=frozenset({"subtitles", "attachments", "audio"}))
    assert sharpen_video(source, tmp_path / "out.mp4", sharpener, drop).damage is None
    import av

    with av.open(str(tmp_path / "out.mp4")) as made:
        assert [s.type for s in made.streams] == ["video"]


def test_rotation_where_it_is_lost(tmp_path, refused, sharpener):
    source = make_clip(tmp_path / "in.mp4", rotation=90)
    assert "is marked as rotated, which a avi file cannot hold" in refused(source, "out.avi")
    drop = VideoOptions(drop=frozenset({"rotation"}))
    sharpen_video(source, tmp_path / "out.avi", sharpener, drop)
    assert frames(tmp_path / "out.avi")[0].rotation == 0


def test_forms_that_are_not_kept(tmp_path, refused):
    clear = make_clip(tmp_path / "a.mkv", codec="ffv1", form="yuva420p", options={})
    deep = make_clip(tmp_path / "b.mkv", codec="ffv1", form="yuv422p16le", options={})
    odd = make_clip(tmp_path / "c.mkv", codec="ffv1", options={}, size=(53, 37))
    woven = make_clip(tmp_path / "d.mkv", options={"x264-params": "tff=1"})
    rich = make_clip(tmp_path / "e.mkv", codec="ffv1", form="yuv444p", options={})
    assert refused(clear).endswith("has transparency, which is not kept: --drop alpha")
    assert "has 16 bits a channel" in refused(deep)
    assert "has 53x37 pixels, and h264 needs even sides" in refused(odd)
    assert "frame 1 is interlaced: deinterlace it first" in refused(woven)
    assert "is yuv444p, which this codec cannot hold" in refused(rich, codec="av1")


def test_hdr_where_it_is_lost(tmp_path, refused, sharpener):
    master = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    source = make_clip(
        tmp_path / "in.mp4",
        codec="libx265",
        form="yuv420p10le",
        options={"x265-params": f"log-level=none:master-display={master}"},
    )
    assert "which ffv1 cannot hold: choose --codec hevc" in refused(source, "o.mkv", codec="ffv1")
    drop = VideoOptions("ffv1", drop=frozenset({"hdr"}))
    assert sharpen_video(source, tmp_path / "out.mkv", sharpener, drop).frames == 24


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"codec": "divx"}, "codec 'divx' is unknown"),
        ({"crf": 70}, "h264 has no CRF 70: 0 to 51"),
        ({"codec": "h264", "crf": 60}, "h264 has no CRF 60: 0 to 51"),
        ({"codec": "ffv1", "crf": 3}, "ffv1 has no CRF 3: none, it is lossless"),
        ({"preset": "hasty"}, "h264 has no preset 'hasty'"),
        ({"codec": "h264", "preset": "9"}, "h264 has no preset '9'"),
        ({"drop": frozenset({"sound"})}, "'sound' cannot be dropped"),
    ],
)
def test_options(options, line):
    with pytest.raises(UserError, match=line):
        VideoOptions(**options)


def test_what_the_codec_that_suits_the_file_lacks(tmp_path, refused):
    source = make_clip(tmp_path / "in.mp4")
    assert refused(source, "o.mp4", preset="9").startswith("h264 has no preset '9'")
    assert refused(source, "o.mp4", crf=60) == "h264 has no CRF 60: 0 to 51"
    assert refused(source, "o.webm", preset="veryfast").startswith("vp9 has no preset 'veryfast'")


def test_a_frame_that_changes_its_kind_is_the_end(tmp_path, sharpener):
    """Two streams of H.264 behind one another, as a recorder makes them."""
    small = make_clip(tmp_path / "a.ts").read_bytes()
    large = make_clip(tmp_path / "b.ts", size=(128, 96)).read_bytes()
    (tmp_path / "in.ts").write_bytes(small + large)
    result = sharpen_video(tmp_path / "in.ts", tmp_path / "out.mp4", sharpener)
    assert result.frames == len(frames(tmp_path / "out.mp4")) == 24
    assert "changes the size or kind of its pictures after frame 24" in result.damage
