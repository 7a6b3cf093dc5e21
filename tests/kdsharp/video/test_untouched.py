"""A video that needs no model keeps its pictures, whatever it is called and wherever it goes."""

import io
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.routing.phase import NO_STEPS
from kdsharp.routing.router import Look
from kdsharp.video import VideoOptions, choice, sharpen_video
from kdsharp.video.choice import looks_at_video
from kdsharp.video.source import open_source
from tests.kdsharp.video.clips import make_clip


class FindsNothing:
    """A router of several models for which every frame is sharp."""

    def __init__(self, first):
        self.first = first

    def __len__(self):
        return 2

    def look(self, picture):
        return Look({}, NO_STEPS)

    def choice(self, look):
        return None


@pytest.fixture
def sharp(luma_model):
    """A sharpener of several models that finds every video sharp."""
    return SimpleNamespace(router=FindsNothing(Sharpener(luma_model).router.first), crispening=None)


def pictures(path):
    """The packets of the first video track that is not cover art: their bytes and times."""
    with av.open(f"file:{path}") as opened:
        track = next(s for s in opened.streams.video if not s.disposition & 1024)
        return [(float(p.pts * p.time_base), p.size) for p in opened.demux(track) if p.size]


def decoded(path):
    with av.open(f"file:{path}") as opened:
        return [frame.to_ndarray() for frame in opened.decode(video=0)]


@pytest.mark.parametrize("name", ["a:b.mp4", "-.mp4", "http:x.mp4"])
def test_under_any_name(tmp_path, sharp, name):
    source = make_clip(tmp_path / "made.mp4").rename(tmp_path / name)
    assert sharpen_video(source, tmp_path / "out.mp4", sharp).frames == 0
    assert (tmp_path / "out.mp4").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["a:b.mp4", "made.mp4"])
def test_a_look_sees_it_under_any_name(tmp_path, name):
    source = make_clip(tmp_path / "x.mp4").rename(tmp_path / name)
    with open_source(source) as video:
        assert all(look.gains for look in looks_at_video(video, Sharpener().router))


@pytest.mark.parametrize(("before", "after"), [("mp4", "mkv"), ("mkv", "mp4"), ("mp4", "mov")])
def test_in_another_kind_of_file(tmp_path, sharp, before, after):
    source = make_clip(tmp_path / f"in.{before}", audio="aac", chapters=True)
    target = tmp_path / f"out.{after}"
    result = sharpen_video(source, target, sharp)
    assert (result.frames, result.model, result.damage) == (0, None, None)
    for one, other in zip(decoded(source), decoded(target), strict=True):
        np.testing.assert_array_equal(one, other)
    # Muxers begin at 0 and not before; Matroska counts milliseconds.
    steps = [np.diff([at for at, _ in pictures(path)]) for path in (source, target)]
    np.testing.assert_allclose(steps[1], steps[0], atol=0.002)
    with av.open(str(target)) as opened:
        assert opened.metadata["title"] == "A title, ünïcode"
        if after != "mov":  # which has a list of its own
            assert opened.streams.audio[0].metadata["language"] in ("deu", "ger")
        assert [chapter["metadata"]["title"] for chapter in opened.chapters()] == ["One", "Two"]


def test_where_the_kind_of_file_cannot_hold_it_the_pictures_are_encoded(tmp_path, sharp):
    source = make_clip(tmp_path / "in.webm", codec="libvpx", options={})
    result = sharpen_video(source, tmp_path / "out.mp4", sharp)
    assert (result.frames, result.model) == (24, None)
    assert len(decoded(tmp_path / "out.mp4")) == 24
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.webm", "out.mp4"]


def test_options_ask_for_more_than_a_copy(tmp_path, sharp):
    source = make_clip(tmp_path / "in.mp4")
    result = sharpen_video(source, tmp_path / "out.mp4", sharp, VideoOptions(crf=40))
    assert result.frames == 24


def jpeg(index, exif=None):
    rng, held = np.random.default_rng(index), io.BytesIO()
    noise = rng.integers(0, 255, (64, 96, 3), np.uint8)
    Image.fromarray(noise).save(held, "JPEG", **({"exif": exif} if exif else {}))
    return held.getvalue()


def motion_jpeg(path, exif=None):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for index in range(5):
            packet = av.Packet(jpeg(index, exif))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = index
            out.mux(packet)
    return path


def test_frames_that_carry_exif(tmp_path, luma_model):
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6  # turned
    source = motion_jpeg(tmp_path / "in.avi", exif)
    with av.open(str(source)) as opened:
        turned = next(opened.decode(video=0)).rotation
    assert turned
    result = sharpen_video(source, tmp_path / "out.mp4", Sharpener(luma_model))
    assert (result.frames, result.damage) == (5, None)
    with av.open(str(tmp_path / "out.mp4")) as opened:
        assert next(opened.decode(video=0)).rotation == turned


def test_a_video_that_starts_late_is_looked_at_all_over(tmp_path, monkeypatch):
    """Times begin at 100 s: a look at the middle is one at the middle of what is there."""
    times = [60_000 + 24 * i for i in range(50)]
    clip = make_clip(tmp_path / "in.mkv", times=times, options={"crf": "18", "g": "1"})
    seen = []
    look = Look({"one": 1.0}, NO_STEPS)
    monkeypatch.setattr(choice, "look_at_frame", lambda f, _: seen.append(f.time) or look)
    with open_source(clip) as video:
        looks_at_video(video, Sharpener().router)
    assert len({round(at, 1) for at in seen}) == 5
    assert 100 <= min(seen) < max(seen) <= 102


@pytest.mark.parametrize("name", ["picture.mp4", "list.mp4"])
def test_what_only_has_the_name_of_a_video(tmp_path, luma_model, name):
    """A TIFF, and a playlist of a neighbour: neither is opened."""
    make_clip(tmp_path / "neighbour.mkv")
    Image.new("RGB", (64, 48)).save(tmp_path / "picture.tiff")
    (tmp_path / "picture.tiff").rename(tmp_path / "picture.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile neighbour.mkv\n")
    with pytest.raises(UserError, match=rf"{name}: not a video that FFmpeg can read"):
        sharpen_video(tmp_path / name, tmp_path / "out.mp4", Sharpener(luma_model))
    assert not (tmp_path / "out.mp4").exists()


def test_without_pyav_the_line_names_the_extra(tmp_path, luma_model, monkeypatch):
    import sys

    source = make_clip(tmp_path / "in.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    for work in (
        lambda: sharpen_video(source, tmp_path / "out.mp4", Sharpener(luma_model)),
        lambda: Sharpener(luma_model).video(source, tmp_path / "out.mp4"),
    ):
        with pytest.raises(UserError, match=r'pip install "kdsharp\[video\]"'):
            work()
