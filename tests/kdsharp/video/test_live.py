"""Live video with a file as the camera: dropped rather than delayed."""

import sys
import threading
import time
from typing import ClassVar

import av
import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.runtime.engine import Engine, load_engine
from kdsharp.video.camera import open_camera
from kdsharp.video.frames import plane_view
from kdsharp.video.live import Latest, LiveStats, run_live
from kdsharp.video.options import VideoOptions
from kdsharp.video.sinks import file_sink, virtual_camera
from tests.kdsharp.video.clips import frame_times, frames, make_clip


class Eye:
    """Keeps what it is shown, as slowly as it is told."""

    def __init__(self, view="after", pause=0.0, until=None):
        self.view, self.pause, self.until = view, pause, until
        self.seen, self.idled = [], 0

    def show(self, frame, seconds, stats):
        time.sleep(self.pause)
        self.seen.append((frame, seconds))
        return self.until is None or len(self.seen) < self.until

    def idle(self):
        self.idled += 1
        return True


@pytest.fixture
def clip(tmp_path):
    """One second, 25 frames."""
    return make_clip(tmp_path / "in.mp4", times=[24 * i for i in range(25)])


@pytest.fixture(scope="module")
def sharpener(luma_model):
    return Sharpener(luma_model, threads=1)


def test_live_video_is_crispened_too(clip, luma_model):
    seen = []
    for amount in (0.0, 0.8):
        eye = Eye(until=1)
        made = Sharpener(luma_model, threads=1, strength=0, crisp=amount)
        with open_camera(str(clip)) as camera:
            run_live(camera, made, eye)
        seen.append(plane_view(eye.seen[0][0], 0).copy())
    assert (seen[0] != seen[1]).any()


def slow(folder, seconds):
    """A model that takes its time."""
    loaded = load_engine(folder, threads=1)

    def infer(planes):
        time.sleep(seconds)
        return loaded.infer(planes)

    return Sharpener(engine=Engine("slow", loaded.card, infer))


def test_latest():
    slot = Latest()
    assert slot.get(timeout=0.01) is None
    for item in (1, 2, 3):
        slot.put(item)
    assert (slot.get(), slot.dropped) == (3, 2)
    slot.put(4)
    slot.close()
    assert not slot.closed
    assert (slot.get(), slot.get(), slot.closed) == (4, None, True)


def test_a_file_plays_at_its_own_rate(clip, sharpener):
    eye, start = Eye(), time.monotonic()
    with open_camera(str(clip)) as camera:
        assert (camera.width, camera.height, camera.rate) == (96, 64, 25)
        stats = run_live(camera, sharpener, eye)
    assert 0.9 < time.monotonic() - start < 5
    assert stats.shown + stats.dropped == 25
    assert stats.shown == len(eye.seen) > 15
    steps = np.diff([seconds for _, seconds in eye.seen])
    assert 0.03 < np.median(steps) < 0.1
    assert stats.latency() < 0.2


def test_a_slow_network_drops_and_does_not_delay(clip, luma_model):
    """A fifth of a second a frame: five of 25 are shown, none later than two rounds."""
    eye = Eye()
    with open_camera(str(clip)) as camera:
        stats = run_live(camera, slow(luma_model, 0.2), eye)
    assert 3 <= stats.shown <= 8
    assert stats.dropped == 25 - stats.shown
    assert 0.2 <= stats.latency(0) <= stats.latency(1) < 1.0
    arrivals = [seconds for _, seconds in eye.seen]
    assert arrivals == sorted(arrivals)


def test_a_slow_window_drops_and_does_not_delay(clip, sharpener):
    with open_camera(str(clip)) as camera:
        stats = run_live(camera, sharpener, Eye(pause=0.2))
    assert stats.shown <= 8
    assert stats.dropped == 25 - stats.shown
    assert stats.latency(1) < 1.0


def test_views(clip, sharpener):
    luma = {}
    for view in ("before", "after", "split"):
        eye = Eye(view, until=1)
        with open_camera(str(clip)) as camera:
            run_live(camera, sharpener, eye)
        luma[view] = plane_view(eye.seen[0][0], 0).astype(int)
    np.testing.assert_array_equal(luma["before"], plane_view(frames(clip)[0], 0))
    assert (luma["before"] != luma["after"]).mean() > 0.1
    np.testing.assert_array_equal(luma["split"][:, :48], luma["before"][:, :48])
    np.testing.assert_array_equal(luma["split"][:, 50:], luma["after"][:, 50:])
    assert (luma["split"][:, 48:50] == 235).all()


def test_it_ends_when_told(clip, sharpener):
    reports = []
    with open_camera(str(clip)) as camera:
        stats = run_live(camera, sharpener, Eye(), seconds=0.3, report=reports.append)
    assert stats.seconds < 0.9
    before = threading.active_count()
    with open_camera(str(clip)) as camera:
        assert run_live(camera, sharpener, Eye(until=3)).shown <= 3
    assert threading.active_count() == before


def test_what_fails_in_the_network_is_raised(clip, luma_model):
    def infer(planes):
        raise ValueError("no more")

    broken = Sharpener(engine=Engine("broken", load_engine(luma_model).card, infer))
    with open_camera(str(clip)) as camera, pytest.raises(ValueError, match="no more"):
        run_live(camera, broken, Eye())


def test_into_a_file(tmp_path, clip, sharpener):
    target = tmp_path / "out.mp4"
    with (
        open_camera(str(clip)) as camera,
        file_sink(target, camera, VideoOptions(), "after") as sink,
    ):
        stats = run_live(camera, sharpener, sink)
        assert not target.exists()
    times = frame_times(target)
    assert len(times) == stats.shown
    assert times == sorted(set(times))
    assert 0.7 < float(times[-1] - times[0]) < 3


def test_a_recording_of_a_full_range_camera_keeps_black_and_white(tmp_path, luma_model):
    """Webcams send 0..255 as Motion JPEG; in the file a player sees the same."""
    ramp = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack([ramp] * 3), "rgb24")))
        out.mux(stream.encode(None))
    with av.open(str(source)) as opened:
        assert next(opened.decode(video=0)).format.name == "yuvj420p"
    unchanged = Sharpener(luma_model, strength=0)
    with (
        open_camera(str(source)) as camera,
        file_sink(tmp_path / "out.mp4", camera, VideoOptions(crf=1), "after") as sink,
    ):
        run_live(camera, unchanged, sink)
    with av.open(str(tmp_path / "out.mp4")) as opened:
        shown = next(opened.decode(video=0)).to_ndarray(format="rgb24")[32]
    assert np.abs(shown.mean(axis=1) - ramp[0]).max() < 8


def test_a_camera_gets_as_long_to_let_go_as_reading_may_take(clip, sharpener):
    """One that says nothing for a while is not closed while a thread still reads from it."""
    left = threading.Event()

    class Silent:
        def frames(self, stop):
            yield frames(clip)[0]
            time.sleep(2.5)
            left.set()

    run_live(Silent(), sharpener, Eye(until=1))
    assert left.is_set()


def test_what_does_not_open(tmp_path, clip):
    (tmp_path / "no.mp4").write_text("no video")
    for source, line in (
        ("absent.mp4", "not a file, an address with :// or a camera"),
        (str(tmp_path / "no.mp4"), "cannot be opened"),
        ("/dev/video99", "cannot be opened"),
        ("rtsp://127.0.0.1:9/none", "cannot be opened"),
    ):
        with pytest.raises(UserError, match=line) as caught, open_camera(source):
            pass
        assert str(caught.value).startswith(source)
    with (
        open_camera(str(clip)) as camera,
        pytest.raises(UserError, match=r"name a file that ends with .mp4"),
        file_sink(tmp_path / "x.txt", camera, VideoOptions(), "after"),
    ):
        pass
    assert not (tmp_path / "x.txt").exists()


class Device:
    """A camera in software of which other programs see nothing: it keeps what it is sent."""

    made: ClassVar[list] = []

    def __init__(self, *, width, height, fps, fourcc, device):
        self.about = (width, height, fps, fourcc)
        self.sent, self.open = [], True
        self.made.append(self)

    def device(self):
        return "in memory"

    def native_fourcc(self):
        return None

    def send(self, frame):
        self.sent.append(np.array(frame))

    def close(self):
        self.open = False


@pytest.fixture
def pyvirtualcam(monkeypatch):
    """The package, with no backend; what a test registers is gone afterwards."""
    package = pytest.importorskip("pyvirtualcam")
    monkeypatch.setattr(package.camera, "BACKENDS", {})
    monkeypatch.setattr(Device, "made", [])
    return package


def test_frames_reach_a_virtual_camera(clip, pyvirtualcam):
    from pyvirtualcam.util import encode_fourcc

    pyvirtualcam.register_backend("memory", Device)
    with open_camera(str(clip)) as camera:
        frame = next(camera.frames(threading.Event()))
        with virtual_camera(camera, "split") as sink:
            assert sink.view == "split"
            assert sink.show(frame, 0.0, LiveStats())
            assert sink.idle()
    (device,) = Device.made
    assert device.about == (96, 64, 25, encode_fourcc("I420"))
    assert not device.open
    planes = [plane_view(frame, index).ravel() for index in range(3)]
    np.testing.assert_array_equal(device.sent, [np.concatenate(planes)])


def test_no_virtual_camera(clip, pyvirtualcam, monkeypatch):
    def none(*arguments, **options):
        raise RuntimeError("no such device")

    pyvirtualcam.register_backend("none", none)
    with open_camera(str(clip)) as camera:
        with pytest.raises(UserError, match="modprobe v4l2loopback"):
            virtual_camera(camera, "after").__enter__()
        monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
        with pytest.raises(UserError, match=r"pip install .kdsharp\[camera\]"):
            virtual_camera(camera, "after").__enter__()
