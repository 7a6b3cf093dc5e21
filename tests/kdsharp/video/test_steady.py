"""What stands still does not flicker, and what moves is not held back."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.flicker import static_difference
from kdsharp import Sharpener
from kdsharp.video import VideoOptions, sharpen_video
from kdsharp.video.frames import plane_view
from kdsharp.video.scenes import small_of
from kdsharp.video.steady import Steady
from tests.kdsharp.video.clips import frames

SIDE = 128
LOSSLESS = VideoOptions("ffv1")
ALONE = VideoOptions("ffv1", steady=False)


def soft(box=(0, 0, 512, 512)):
    """A photo, so small and enlarged by 2, as a model undoes it."""
    photo = Image.fromarray(data.astronaut()).convert("L").crop(box)
    return np.asarray(
        photo.resize((SIDE // 2, SIDE // 2)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    )


def film(path, pictures, codec="libx264", **options):
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for index, levels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(levels, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def lumas(path):
    return [plane_view(frame, 0).copy() for frame in frames(path)]


def noisy(count, sigma=2.5):
    rng, still = np.random.default_rng(3), soft().astype(float)
    return [
        np.clip(np.rint(still + rng.normal(0, sigma, still.shape)), 0, 255).astype(np.uint8)
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def sharpener():
    return Sharpener("small-x2", threads=1, streams=2)


def test_a_still_picture_coded_at_a_low_rate_does_not_flicker_more(tmp_path, sharpener):
    """The network alone makes it flicker more, which is what there is to prevent."""
    options = {"preset": "superfast", "tune": "zerolatency", "crf": "34", "g": "12"}
    source = film(tmp_path / "in.mp4", noisy(48), **options)
    before = lumas(source)
    ratios = {}
    for name, how in (("steady", LOSSLESS), ("alone", ALONE)):
        sharpen_video(source, tmp_path / "out.mkv", sharpener, how)
        found = static_difference(before, lumas(tmp_path / "out.mkv"))
        assert found.share > 0.9
        ratios[name] = found.ratio
    assert ratios["alone"] > 1.2
    assert ratios["steady"] <= 1.02


def test_it_does_not_depend_on_threads(tmp_path, sharpener):
    source = film(tmp_path / "in.mp4", noisy(20), crf="20")
    made = []
    for streams in (1, 3):
        other = Sharpener("small-x2", threads=1, streams=streams)
        sharpen_video(source, tmp_path / f"{streams}.mp4", other)
        made.append([picture.tobytes() for picture in lumas(tmp_path / f"{streams}.mp4")])
    assert made[0] == made[1]


def test_what_moves_is_what_the_network_makes_of_it(tmp_path, sharpener):
    pan = [soft((4 * k, 2 * k, 256 + 4 * k, 256 + 2 * k)) for k in range(16)]
    source = film(tmp_path / "in.mkv", pan, codec="ffv1")
    done = []
    for name, how in (("steady", LOSSLESS), ("alone", ALONE)):
        sharpen_video(source, tmp_path / f"{name}.mkv", sharpener, how)
        done.append(np.stack(lumas(tmp_path / f"{name}.mkv")).astype(float))
    assert np.sqrt(np.mean((done[0] - done[1])[8:] ** 2)) < 0.5


def test_a_change_of_a_still_part_arrives_within_a_few_frames():
    """A level or two that a codec adds: the way is shorter each time, and ends."""
    steady, level = Steady(), np.full((32, 32), 100, np.uint8)
    small = small_of(level, 8)
    for _ in range(10):
        steady(level.copy(), small)
    seen = []
    for _ in range(12):
        changed = np.full_like(level, 120)
        steady(changed, small)
        seen.append(int(changed[0, 0]))
    assert seen[0] == 108  # 20 * 48 / 128, rounded
    assert seen == sorted(seen)
    assert seen[-1] >= 119


def test_a_frame_that_is_left_alone_is_not_mixed_into_the_next():
    steady, small = Steady(), small_of(np.full((32, 32), 50, np.uint8), 8)
    steady(np.full((32, 32), 50, np.uint8), small)
    steady.leave(small)
    after = np.full((32, 32), 90, np.uint8)
    steady(after, small)
    assert (after == 90).all()


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 4095)])
def test_no_depth_overflows_and_sizes_that_do_not_fit_blocks(dtype, peak):
    small = small_of(np.zeros((43, 62), np.uint8), 8)
    for times in (1, 2, 3):
        steady = Steady(times)
        low, high = (np.full((43 * times, 62 * times), v, dtype) for v in (0, peak))
        steady(low, small)
        steady(high, small)
        assert np.unique(high).tolist() == [(peak * 48 + 64) >> 7]


def test_a_frame_of_another_size_begins_anew():
    steady = Steady()
    for side in (32, 48, 32):
        luma = np.full((side, side), side, np.uint8)
        steady(luma, small_of(luma, 8))
        assert (luma == side).all()
