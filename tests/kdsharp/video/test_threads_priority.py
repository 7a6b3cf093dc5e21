"""AV1's encoder takes real-time priority, which nothing else here may feel."""

import os
from pathlib import Path

import pytest

from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.video import VideoOptions, sharpen_video
from kdsharp.video.threads import ordinary_priority
from tests.kdsharp.video.clips import make_clip

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getscheduler") or not Path("/proc/self/task").is_dir(),
    reason="needs Linux",
)


def policies():
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.add(os.sched_getscheduler(int(task.name)))
        except ProcessLookupError:
            continue
    return found


def test_what_takes_real_time_gives_it_back():
    with ordinary_priority():
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pytest.skip("only root may")
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_av1_runs_as_everything_else_does(tmp_path, luma_model):
    source = make_clip(tmp_path / "clip.mp4", times=[24 * i for i in range(6)])
    seen = []
    sharpen_video(
        source,
        tmp_path / "sharp.mkv",
        Sharpener(luma_model),
        VideoOptions("av1"),
        lambda done, total: seen.append(policies()),
    )
    assert seen
    assert all(one == {os.SCHED_OTHER} for one in [*seen, policies()])
