"""What goes through: pixels as the network has them, and everything else as it was."""

import time
from fractions import Fraction

import av
import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.runtime.engine import Engine
from kdsharp.video import VideoOptions, sharpen_video
from kdsharp.video.formats import hdr_parameters
from kdsharp.video.frames import plane_view
from tests.kdsharp.video.clips import frame_times, frames, make_clip, packets

UNEVEN = [0, 10, 25, 90, 91, 200, 333, 340, 350, 360, 600]
LOSSLESS = VideoOptions("ffv1", steady=False)
MASTERING = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


@pytest.fixture(scope="module")
def sharpener(int8_model):
    return Sharpener(int8_model, precision="int8", threads=1, streams=2)


def planes(frame):
    return [plane_view(frame, i).astype(int) for i in range(len(frame.planes))]


def test_frames_are_what_the_network_makes_of_them(tmp_path, sharpener):
    """Luma straight from the decoder, studio range and all; chroma untouched; order kept."""
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", options={}, size=(53, 37))
    result = sharpen_video(source, tmp_path / "out.mkv", sharpener, LOSSLESS)
    before, after = frames(source), frames(tmp_path / "out.mkv")
    assert (result.frames, result.damage) == (24, None)
    assert len(before) == len(after) == 24
    for old, new in zip(before, after, strict=True):
        luma, *chroma = planes(old)
        expected = sharpener.engine.run8(luma[None, None].astype(np.uint8))[0, 0]
        assert (expected != luma).mean() > 0.1
        np.testing.assert_array_equal(planes(new)[0], expected)
        for one, other in zip(chroma, planes(new)[1:], strict=True):
            np.testing.assert_array_equal(one, other)


def test_strength(tmp_path, int8_model, sharpener):
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", options={})
    sharpen_video(source, tmp_path / "full.mkv", sharpener, LOSSLESS)
    luma = {}
    for strength in (0.0, 0.25):
        weaker = Sharpener(engine=sharpener.engine, strength=strength)
        sharpen_video(source, tmp_path / "out.mkv", weaker, LOSSLESS)
        luma[strength] = planes(frames(tmp_path / "out.mkv")[3])[0]
    before, full = planes(frames(source)[3])[0], planes(frames(tmp_path / "full.mkv")[3])[0]
    np.testing.assert_array_equal(luma[0.0], before)
    assert abs(luma[0.25] - (before + 0.25 * (full - before))).max() <= 0.5


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_crisp_comes_after_the_model(tmp_path, luma_model, pixels):
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", options={}, form=pixels)
    crisp = Sharpener(luma_model, engine="onnxruntime", crisp=0.6)
    for target, made in (("crisp.mkv", crisp), ("plain.mkv", crisp.with_crisp(0))):
        result = sharpen_video(source, tmp_path / target, made, LOSSLESS)
        assert result.crisp == made.crisp
    (plain, *chroma), (found, *same) = (
        planes(frames(tmp_path / name)[3]) for name in ("plain.mkv", "crisp.mkv")
    )
    peak, dtype = (255, np.uint8) if pixels == "yuv420p" else (1023, np.uint16)
    expected = crisp.crispening.planes(plain[None].astype(dtype), peak, 2048)[0]
    np.testing.assert_array_equal(found, expected)
    assert (found != plain).any()
    for one, other in zip(chroma, same, strict=True):
        np.testing.assert_array_equal(one, other)


def test_ten_bits_stay_ten(tmp_path, luma_model):
    sharpener = Sharpener(luma_model, threads=1)
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", form="yuv420p10le", options={})
    sharpen_video(source, tmp_path / "out.mkv", sharpener, LOSSLESS)
    old, new = frames(source)[2], frames(tmp_path / "out.mkv")[2]
    assert new.format.name == "yuv420p10le"
    luma = planes(old)[0].astype(np.float32) / 1023
    expected = np.clip(np.rint(sharpener.engine.run(luma[None, None])[0, 0] * 1023), 0, 1023)
    assert abs(planes(new)[0] - expected).max() <= 1
    assert (planes(new)[0] % 4 != 0).any()


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_a_model_for_rgb(tmp_path, rgb_model, form):
    """Converted and back: what such a model leaves alone comes back within rounding."""
    loaded = Sharpener(rgb_model, threads=1).engine
    still = Engine(loaded.name, loaded.card, lambda planes: planes)
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", form=form, options={})
    sharpen_video(source, tmp_path / "still.mkv", Sharpener(engine=still), LOSSLESS)
    sharpen_video(source, tmp_path / "out.mkv", Sharpener(engine=loaded), LOSSLESS)
    old, same, new = (frames(tmp_path / f"{n}.mkv")[4] for n in ("in", "still", "out"))
    assert same.format.name == new.format.name == form
    unit = 1 if form == "yuv420p" else 4 if form.endswith("10le") else 1
    difference = abs(planes(same)[0] - planes(old)[0])
    assert np.median(difference) <= unit
    assert abs(planes(new)[0] - planes(same)[0]).mean() > unit / 2


@pytest.mark.parametrize(
    ("codec", "form", "kept"),
    [
        ("mjpeg", "yuvj420p", "yuvj420p"),
        ("libx264", "nv12", "yuv420p"),
        ("libx264", "yuv422p", "yuv422p"),
        ("libx264", "yuv444p10le", "yuv444p10le"),
        ("ffv1", "gray", "yuvj420p"),  # written as grey, which decoders of H.264 fill up
        ("ffv1", "bgr0", "yuv444p"),
        ("rawvideo", "yuyv422", "yuv422p"),
        ("rawvideo", "nv12", "nv12"),
    ],
)
def test_forms_of_pixels(tmp_path, sharpener, codec, form, kept):
    """Nothing added, so that all that may differ is the form; colours stay."""
    unchanged = Sharpener(engine=sharpener.engine, strength=0)
    name = "in.avi" if codec in ("mjpeg", "rawvideo") else "in.mkv"
    clip = make_clip(
        tmp_path / name,
        codec=codec,
        form=form,
        options={},
        context={"color_range": 2} if form == "yuvj420p" else {},
        times=list(range(24)),
        time_base=Fraction(1, 25),
    )
    sharpen_video(clip, tmp_path / "out.mkv", unchanged, VideoOptions(crf=1))
    made = frames(tmp_path / "out.mkv")
    assert len(made) == 24
    assert made[0].format.name == ("yuv420p" if kept == "nv12" else kept)
    old, new = (f.to_ndarray(format="rgb24").astype(int) for f in (frames(clip)[5], made[5]))
    assert abs(old.mean((0, 1)) - new.mean((0, 1))).max() < 1


def test_times_sound_chapters_and_marks(tmp_path, sharpener):
    source = make_clip(
        tmp_path / "in.mp4",
        times=UNEVEN,
        audio="aac",
        chapters=True,
        rotation=90,
        context={
            "sample_aspect_ratio": Fraction(128, 117),
            "color_primaries": 9,
            "color_trc": 14,
            "colorspace": 9,
            "color_range": 1,
        },
    )
    target = tmp_path / "out put\nünïcode.mp4"
    assert sharpen_video(source, target, sharpener).damage is None
    assert frame_times(target) == frame_times(source)
    assert packets(target, "audio") == packets(source, "audio")
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert new.metadata["title"] == "A title, ünïcode"
        assert new.metadata["creation_time"] == old.metadata["creation_time"]
        assert new.chapters() == old.chapters()
        assert new.streams.audio[0].metadata["language"] == "deu"
        assert new.streams.video[0].sample_aspect_ratio == Fraction(128, 117)
        picture = next(new.decode(video=0))
    assert picture.rotation == 90
    tags = picture.color_primaries, picture.color_trc, picture.colorspace, picture.color_range
    assert tags == (9, 14, 9, 1)


def test_subtitles_and_attachments_stay_in_matroska(tmp_path, sharpener):
    source = make_clip(
        tmp_path / "in.mkv", audio="pcm_s16le", subtitle=True, attachment=True, chapters=True
    )
    sharpen_video(source, tmp_path / "out.mkv", sharpener)
    for kind in ("audio", "subtitle"):
        assert packets(tmp_path / "out.mkv", kind) == packets(source, kind)
    with av.open(str(tmp_path / "out.mkv")) as made:
        assert [s.type for s in made.streams] == ["video", "audio", "subtitle", "attachment"]
        font = made.streams[3]
        assert (font.data, font.metadata["filename"]) == (b"not really a font", "font.ttf")
        assert len(made.chapters()) == 2


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_hdr_stays(tmp_path, sharpener, codec):
    source = make_clip(
        tmp_path / "in.mp4",
        codec="libx265",
        form="yuv420p10le",
        options={"x265-params": f"log-level=none:master-display={MASTERING}:max-cll=1000,400"},
        context={"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1},
    )
    sharpen_video(source, tmp_path / "out.mp4", sharpener, VideoOptions(codec))
    old, new = frames(source)[0], frames(tmp_path / "out.mp4")[0]
    assert new.format.name == "yuv420p10le"
    assert (new.color_primaries, new.color_trc, new.colorspace) == (9, 16, 9)
    expected = f"master-display={MASTERING}:max-cll=1000,400"
    assert hdr_parameters(old, "x265-params") == expected
    if codec != "av1":  # which rounds them to binary fractions of its own
        assert hdr_parameters(new, "x265-params") == expected
    else:
        assert hdr_parameters(new, "x265-params").endswith("max-cll=1000,400")


@pytest.mark.parametrize("codec", ["vp9", "av1", "ffv1"])
def test_other_codecs(tmp_path, sharpener, codec):
    source = make_clip(tmp_path / "in.mp4")
    target = tmp_path / ("out.mkv" if codec == "ffv1" else "out.webm")
    sharpen_video(source, target, sharpener, VideoOptions(codec))
    assert frame_times(target) == frame_times(source)
    with av.open(str(target)) as made:
        assert made.streams.video[0].codec_context.codec.canonical_name == codec


@pytest.mark.parametrize(
    ("form", "suffix", "codec"),
    [
        ("yuv420p", ".mp4", "h264"),
        ("yuv420p", ".avi", "h264"),
        ("yuv420p", ".webm", "vp9"),
        ("yuv420p10le", ".mp4", "hevc"),
        ("yuv420p10le", ".mov", "hevc"),
        ("yuv422p10le", ".mkv", "hevc"),
        ("yuv420p10le", ".ts", "hevc"),
        ("yuv420p10le", ".webm", "av1"),
        ("yuv420p10le", ".avi", "h264"),
    ],
)
def test_the_codec_suits_the_file_and_the_depth(tmp_path, sharpener, form, suffix, codec):
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", options={}, form=form, times=[0, 24, 48])
    target = tmp_path / f"out{suffix}"
    sharpen_video(source, target, sharpener)
    with av.open(str(target)) as made:
        assert made.streams.video[0].codec_context.codec.canonical_name == codec
        assert next(made.decode(video=0)).format.name == form


def test_vp9_is_quick(tmp_path, sharpener):
    """Without its own measure of speed the encoder took 20 times as long."""
    source = make_clip(tmp_path / "in.mkv", size=(640, 360))
    seconds = {}
    for codec in ("h264", "vp9"):
        start = time.process_time()
        sharpen_video(source, tmp_path / "out.mkv", sharpener, VideoOptions(codec))
        seconds[codec] = time.process_time() - start
    assert seconds["vp9"] < 5 * seconds["h264"]


def test_crf_and_preset(tmp_path, sharpener):
    source = make_clip(tmp_path / "in.mp4")
    sizes = []
    for options in (VideoOptions(crf=10, preset="ultrafast"), VideoOptions(crf=40)):
        sharpen_video(source, tmp_path / "out.mp4", sharpener, options)
        sizes.append((tmp_path / "out.mp4").stat().st_size)
    assert sizes[1] < sizes[0] / 2


def test_progress(tmp_path, sharpener):
    said = []
    source = make_clip(tmp_path / "in.mp4", times=UNEVEN)
    sharpen_video(source, tmp_path / "out.mp4", sharpener, progress=lambda *now: said.append(now))
    assert said == [(n, 11) for n in range(1, 12)]


def test_large_frames_run_in_tiles(tmp_path, sharpener, monkeypatch):
    source = make_clip(tmp_path / "in.mkv", codec="ffv1", options={}, times=[0])
    sharpen_video(source, tmp_path / "whole.mkv", sharpener, LOSSLESS)
    monkeypatch.setattr("kdsharp.video.frames._TILE", 32)
    sharpen_video(source, tmp_path / "tiled.mkv", sharpener, LOSSLESS)
    whole, tiled = (planes(frames(tmp_path / n)[0])[0] for n in ("whole.mkv", "tiled.mkv"))
    np.testing.assert_array_equal(whole, tiled)
