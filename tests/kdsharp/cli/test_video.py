"""The commands, as a person types them."""

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from kdsharp.video import VIDEO_SUFFIXES
from kdsharp.video.options import CODECS, DROPPABLE
from tests.kdsharp.video.clips import frame_times, make_clip

DOCS = Path(__file__).parents[3] / "docs" / "video.md"


@pytest.fixture
def kdsharp(kdsharp, monkeypatch, int8_model):
    """The same with a model that has both precisions."""
    monkeypatch.setenv("KDSHARP_MODEL", str(int8_model))
    return kdsharp


def test_a_video(kdsharp):
    source = make_clip(Path("clip.mp4"))
    code, out, err = kdsharp("sharpen", source, "-o", "sharp.mkv", "--precision", "int8")
    assert code == 0
    assert re.fullmatch(r"kdsharp: .*: .* in int8\n", err)
    assert re.fullmatch(r"sharp.mkv: written, \d+\.\d s, 24 frames, \d+\.\d fps\n", out)
    assert len(frame_times(Path("sharp.mkv"))) == 24


def test_a_damaged_one_is_written_and_said(kdsharp):
    times = [24 * i for i in range(60)]
    source = make_clip(
        Path("clip.mp4"),
        times=times,
        options={"g": "5", "bf": "0"},
        file_options={"movflags": "faststart"},
    )
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    code, out, err = kdsharp("sharpen", source, "-o", "sharp.mp4", "--quiet")
    assert (code, out) == (2, "")
    said = re.fullmatch(
        r"kdsharp: error: clip\.mp4: breaks off after frame (\d+) of 60: what could be read is in "
        r"sharp\.mp4\n",
        err,
    )
    assert len(frame_times(Path("sharp.mp4"))) == int(said[1])


def test_options_of_a_video(kdsharp):
    source = make_clip(Path("clip.mkv"), subtitle=True)
    options = ["--codec", "h264", "--crf", "30", "--preset", "ultrafast", "--drop", "subtitles"]
    assert kdsharp("sharpen", source, "-o", "sharp.mp4", *options)[0] == 0
    code, _, err = kdsharp("sharpen", source, "-o", "sharp.mp4", "--drop", "sound")
    assert (code, err.count("\n")) == (2, 1)


def test_videos_of_a_folder_are_done_beside_its_photos(kdsharp, picture):
    for folder in ("all", "all/below"):
        Path(folder).mkdir()
        make_clip(Path(folder, "clip.mp4"), times=[24 * i for i in range(6)])
    Image.fromarray(picture).save("all/photo.png")
    Image.fromarray(picture).save("all/below/photo.png")
    Path("all/broken.mkv").write_bytes(b"no video")
    code, _, err = kdsharp("sharpen", "all", "-o", "out/", "--csv", "table.csv")
    assert code == 2
    assert "all/broken.mkv" in err
    assert err.count("openvino") + err.count("onnxruntime") == 1  # one engine for both kinds
    done = sorted(str(path) for path in Path("out").rglob("*.*"))
    assert done == [
        "out/below/clip.mp4",
        "out/below/photo.png",
        "out/clip.mp4",
        "out/photo.png",
    ]
    assert len(frame_times(Path("out/below/clip.mp4"))) == 6
    assert Path("table.csv").read_text().count("6 frames") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "out.png"], "is a video, and out.png would be a photo"),
        (["--in-place"], "is a video, but --in-place is for photos only"),
    ],
)
def test_what_is_for_photos_is_refused(kdsharp, options, message):
    source = make_clip(Path("clip.mp4"), times=[0, 24])
    code, _, err = kdsharp("sharpen", source, *options)
    assert (code, err) == (2, f"kdsharp: error: clip.mp4: {message}\n")
    assert not Path("out.mp4").exists()


def test_live_into_a_file(kdsharp):
    source = make_clip(Path("clip.mp4"), times=[24 * i for i in range(12)])
    code, out, err = kdsharp("live", source, "-o", "watch.mp4")
    assert code == 0
    assert re.fullmatch(r"kdsharp: .*: .* in .*\n", err)
    assert re.match(r"\d+ frames in \d+\.\d s to watch\.mp4: .* fps, latency .* dropped\n", out)
    assert int(out.split()[0]) == len(frame_times(Path("watch.mp4")))


def test_live_refuses(kdsharp):
    source = make_clip(Path("clip.mp4"))
    for arguments, line in (
        (("nowhere", "-o", "x.mp4"), "nowhere: not a file"),
        ((source, "-o", source), "clip.mp4: is the source itself"),
        ((source, "-o", "x.mp4", "--view", "above"), "view 'above' is unknown"),
        ((source, "-o", "x.mp4", "--virtual-camera"), "choose either --out or --virtual-camera"),
        ((source, "-o", "x.mp4", "--codec", "divx"), "codec 'divx' is unknown"),
    ):
        code, _, err = kdsharp("live", *arguments, "--quiet")
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith(f"kdsharp: error: {line}")
        assert not Path("x.mp4").exists()


def test_one_model_leaves_no_choice(kdsharp):
    code, _, err = kdsharp("live", make_clip(Path("clip.mp4")), "-o", "x.mp4", "--scale", "auto")
    assert (code, err.count("\n")) == (2, 1)
    assert "undoes only scale 2: to choose by the picture, name a size that ships" in err


def test_no_screen(kdsharp, monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    if sys.platform != "linux":
        pytest.skip("there is always a screen")
    code, _, err = kdsharp("live", make_clip(Path("clip.mp4")))
    assert code == 2
    assert err.endswith("there is no screen for a window: write to a file with -o\n")


def test_live_has_help_with_an_example_and_is_documented(kdsharp):
    code, out, _ = kdsharp("live", "--help")
    assert code == 0
    assert "kdsharp live 0\n" in out
    text = DOCS.read_text(encoding="utf-8")
    section = text.split("\n## `kdsharp live")[1].split("\n## ")[0]
    options = {word.strip(",") for word in out.split("Options:")[1].split() if word[:2] == "--"}
    for option in options - {"--help"}:
        assert f"`{option}`" in section


def test_every_choice_is_documented():
    text = DOCS.read_text(encoding="utf-8")
    for name in (*CODECS, *DROPPABLE):
        assert f"`{name}`" in text
    assert {".mp4", ".mkv", ".mov", ".webm", ".avi", ".ts"} <= VIDEO_SUFFIXES
