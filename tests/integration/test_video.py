"""Real clips, and what goes wrong with videos: kills, mutated files, a full disk, memory."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.runtime.hardware import multiplies_int8
from kdsharp.video import VideoOptions, sharpen_video
from kdsharp.video.frames import plane_view
from tests.kdsharp.video.clips import frame_times, frames, make_clip, packets
from tests.models import make_model

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
MUTATED = 60
QUICK = {"preset": "ultrafast"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("int8") / "model", int8=True)


PRECISION = "int8" if multiplies_int8() else "fp32"  # by the CPU
ENGINE = f"kdsharp: model: openvino on CPU in {PRECISION}\n"


@pytest.fixture(scope="module")
def sharpener(model):
    return Sharpener(model, precision="int8", streams=2)


def kdsharp(*arguments, model, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "kdsharp", *map(str, arguments), "--model", str(model)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def luma(frame):
    return plane_view(frame, 0)


def uneven_with_sound(clip: Path, sound: Path, target: Path) -> Path:
    """`clip` at times that lie unevenly, with the sound of `sound`, as it is."""
    rng = np.random.default_rng(3)
    with av.open(str(clip)) as one, av.open(str(sound)) as two, av.open(str(target), "w") as out:
        old = one.streams.video[0]
        video = out.add_stream("libx264", rate=30, options={"crf": "10"})
        video.width, video.height, video.pix_fmt = old.width, old.height, "yuv420p"
        video.codec_context.time_base = video.time_base = Fraction(1, 30_000)
        video.codec_context.sample_aspect_ratio = old.sample_aspect_ratio
        track = out.add_stream_from_template(two.streams.audio[0])
        at = 0
        for frame in one.decode(video=0):
            frame.pts, frame.time_base, frame.pict_type = at, video.time_base, 0
            at += int(rng.integers(200, 3000))
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for packet in two.demux(audio=0):
            if packet.size and packet.pts * packet.time_base < Fraction(at, 30_000):
                packet.stream = track
                out.mux(packet)
    return target


@pytest.mark.parametrize("name", ["carphone_pristine.mp4", "bigbuckbunny.mp4"])
def test_real_clips(tmp_path, shared_data, sharpener, name):
    """Sound, number of frames and times come out as they went in, and so do the pictures."""
    folder = shared_data / "video"
    source = folder / name
    if name.startswith("carphone"):
        source = uneven_with_sound(source, folder / "bigbuckbunny.mp4", tmp_path / "in.mp4")
        times = frame_times(source)
        assert len({b - a for a, b in pairwise(times)}) > 50
    target = tmp_path / "out.mp4"
    said = []
    options = VideoOptions(crf=8, steady=False)
    result = sharpen_video(source, target, sharpener, options, lambda *now: said.append(now))
    assert frame_times(target) == frame_times(source)
    assert packets(target, "audio") == packets(source, "audio")
    assert len(packets(source, "audio")) > 30
    assert (result.frames, result.damage) == (len(frame_times(source)), None)
    assert said[-1] == (result.frames, result.frames)
    with av.open(str(source)) as old, av.open(str(target)) as new:
        before, after = old.streams.video[0], new.streams.video[0]
        assert before.sample_aspect_ratio == after.sample_aspect_ratio
        pairs = zip(old.decode(before), new.decode(after), strict=True)
        for index, (one, other) in enumerate(pairs):
            if index % 10:
                continue
            tags = ("colorspace", "color_range", "color_trc", "color_primaries", "rotation")
            assert [getattr(one, tag) for tag in tags] == [getattr(other, tag) for tag in tags]
            expected = sharpener.engine.run8(np.ascontiguousarray(luma(one))[None, None])[0, 0]
            error = np.mean((luma(other).astype(float) - expected) ** 2)
            change = np.mean((luma(one).astype(float) - expected) ** 2)
            assert error < change / 4  # what encoding takes away, beside what the network adds


def long_clip(tmp_path, count=500) -> Path:
    return make_clip(
        tmp_path / "in.mp4", times=[24 * i for i in range(count)], size=(320, 240), options=QUICK
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_nothing_under_the_name(tmp_path, model, how):
    source = long_clip(tmp_path)
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "out.mp4").write_text("what was there")
    run = kdsharp("sharpen", source, "-o", folder / "out.mp4", "--quiet", model=model)
    deadline = time.monotonic() + 60
    while not [p for p in folder.glob(".part-*") if p.stat().st_size]:
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(how)
    _, err = run.communicate(timeout=30)
    assert (folder / "out.mp4").read_text() == "what was there"
    left = [path.name for path in folder.iterdir() if path.name != "out.mp4"]
    if how == signal.SIGINT:
        assert (run.returncode, err) == (130, "kdsharp: error: interrupted\n")
        assert left == []
    else:
        assert [name.startswith(".part-") for name in left] == [True]


def test_live_ends_cleanly_on_ctrl_c(tmp_path, model):
    source = long_clip(tmp_path)
    target = tmp_path / "watch.mp4"
    run = kdsharp("live", source, "-o", target, model=model)
    deadline = time.monotonic() + 60
    while not [p for p in tmp_path.glob(".part-*") if p.stat().st_size]:
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.01)
    time.sleep(2)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, ENGINE)
    times = frame_times(target)
    assert int(out.split()[0]) == len(times) > 5
    assert not list(tmp_path.glob(".part-*"))


def mutate(data: bytearray, rng: random.Random) -> None:
    """Cut off, flip bits, blank, take out, or spoil the start."""
    where, how = rng.randrange(len(data)), rng.randrange(5)
    if how == 0:
        del data[where:]
    elif how == 1:
        for _ in range(rng.randrange(1, 30)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == 2:
        end = min(len(data), where + rng.randrange(1, 3000))
        data[where:end] = bytes(end - where)
    elif how == 3:
        del data[where : where + rng.randrange(1, 200)]
    else:
        for _ in range(5):
            data[rng.randrange(min(len(data), 400))] = rng.randrange(256)


def test_mutated_files(tmp_path, model):
    """In a process of its own: FFmpeg's decoders are C, and a fault of theirs would end it."""
    made = [
        make_clip(tmp_path / "a.mp4", audio="aac", chapters=True),
        make_clip(tmp_path / "b.mkv", audio="pcm_s16le", subtitle=True, chapters=True),
        make_clip(
            tmp_path / "c.avi",
            codec="mjpeg",
            form="yuvj420p",
            options={},
            context={"color_range": 2},
            time_base=Fraction(1, 25),
            times=list(range(24)),
        ),
        make_clip(tmp_path / "d.webm", codec="libvpx-vp9", options={"crf": "30", "b": "0"}),
        make_clip(tmp_path / "e.ts"),
        make_clip(tmp_path / "f.mp4", file_options={"movflags": "frag_keyframe+empty_moov"}),
    ]
    rng = random.Random(11)
    folder = tmp_path / "mutated"
    folder.mkdir()
    for number in range(MUTATED):
        source = made[number % len(made)]
        data = bytearray(source.read_bytes())
        mutate(data, rng)
        (folder / f"{number:03}{source.suffix}").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder), str(tmp_path / "out"), str(model)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (0, MUTATED), (lines[-1:], done.stderr[-2000:])
    written = sum(line.startswith("wrote") for line in lines)
    refused = [line for line in lines if line.startswith("refused")]
    assert written + len(refused) == MUTATED
    assert written > 20
    assert len(refused) > 5
    outputs = sorted((tmp_path / "out").iterdir())
    assert len(outputs) == written  # and no partial ones
    for path in outputs:
        assert len(frames(path)) > 0


_CHILD = """
import sys, time
from pathlib import Path
from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.video import sharpen_video
folder, out, model = map(Path, sys.argv[1:])
sharpener = Sharpener(model, precision="int8", threads=1)
for source in sorted(folder.iterdir()):
    start = time.monotonic()
    try:
        result = sharpen_video(source, out / f"{source.name}.mkv", sharpener)
        print("wrote", result.frames, result.damage, flush=True)
    except UserError as error:
        assert "\\n" not in str(error)
        print("refused", error, flush=True)
    assert time.monotonic() - start < 30
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_full_disk(tmp_path, sharpener):
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount a small disk")
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            sharpen_video(
                long_clip(tmp_path, 200), small / "out.mp4", sharpener, VideoOptions(crf=4)
            )
        assert caught.value.filename == str(small / "out.mp4")
        assert not list(small.iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_video(tmp_path, model):
    """Four times as long takes at most 20 MB more, and the frames between are 52 MB."""
    peaks = []
    for count in (150, 600):
        source = long_clip(tmp_path, count)
        code = (
            "import sys, resource; from kdsharp import Sharpener; from kdsharp.video import *;"
            "s = Sharpener(sys.argv[1], precision='int8', threads=1);"
            "sharpen_video(sys.argv[2], sys.argv[3], s);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        arguments = [model, source, tmp_path / "out.mp4"]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 20


def test_the_window(tmp_path, model, request):
    """On a screen in memory: the picture is there, with a white line where the views meet."""
    if not shutil.which("Xvfb"):
        pytest.skip("needs Xvfb")
    ImageGrab = pytest.importorskip("PIL.ImageGrab")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    request.addfinalizer(screen.wait)
    request.addfinalizer(screen.terminate)
    os.close(write)
    with os.fdopen(read) as told:
        display = f":{told.readline().strip()}"
    environment = os.environ | {"DISPLAY": display}
    options = ["--view", "split", "--seconds", "20"]
    run = kdsharp("live", long_clip(tmp_path), *options, model=model, env=environment)
    deadline, seen = time.monotonic() + 60, False
    while not seen:
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.2)
        shot = np.asarray(ImageGrab.grab(xdisplay=display).convert("RGB")).astype(int)
        white = np.flatnonzero((shot[20:220] > 225).all(2).mean(0) > 0.95)
        seen = len(white) == 2 and shot[20:220, white[0] - 100 : white[0]].std() > 20
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (0, ENGINE)
    assert re.match(r"\d+ frames in .* dropped\n", out)
