"""Live video with a file as the camera: dropped rather than delayed."""

import threading
import time

import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.engine import Engine, load_engine
from kdsharp.errors import UserError
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


def test_what_does_not_open(tmp_path, clip):
    (tmp_path / "no.mp4").write_text("no video")
    for source, line in (
        ("absent.mp4", "is no file, no address with ://, and no camera"),
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


def test_no_virtual_camera(clip):
    """Here there is none; where there is one, frames reach it."""
    pytest.importorskip("pyvirtualcam")
    with open_camera(str(clip)) as camera:
        try:
            with virtual_camera(camera, "after") as sink:
                frame = next(camera.frames(threading.Event()))
                assert sink.show(frame, 0.0, LiveStats())
        except UserError as error:
            assert "modprobe v4l2loopback" in str(error)
