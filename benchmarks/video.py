"""How fast video is: each stage alone, all together, and FFmpeg's unsharp filter beside them.

    python -m benchmarks.video CLIP --model small                # 720p and 1080p, int8
    python -m benchmarks.video CLIP --sizes 1920x1080 --rounds 5
    python -m benchmarks.video --range PHOTOS --model small      # studio range, as it is or scaled

CLIP is scaled to each size first. Prints medians over the rounds, which take turns: frames per
second, milliseconds and CPU milliseconds a frame, and the time beside that of all together. On a
busy machine only the last column means anything. `--range` prints Y-PSNR (dB) of the photos in the
folder PHOTOS after bicubic x2, in studio range.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.common.command import parser_of
from kdsharp import Sharpener
from kdsharp.color import luma, luma_studio
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.runtime.catalog import find_model
from kdsharp.tables import markdown
from kdsharp.video import VideoOptions, sharpen_video
from kdsharp.video.frames import FrameSharpener, plane_view
from kdsharp.video.source import Unit, open_source
from kdsharp.video.target import open_target
from kdsharp.video.threads import ordered_map

__all__ = [
    "UNSHARP",
    "Timing",
    "main",
    "measure",
    "range_table",
    "scaled",
    "table",
    "unsharp_video",
    "ways",
]

UNSHARP = "5:5:1.0"  # FFmpeg's own default: 5x5, luma
_HELD = 48  # frames that the network and the encoder alone get, forwards and backwards
_ALL = "all together"


@dataclass(frozen=True)
class Timing:
    """Milliseconds a frame: on the clock, and of all cores."""

    clock: float
    cpu: float


def main() -> None:
    """Read the arguments, measure, print a table for each size."""
    parser = parser_of("video", __doc__)
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--sizes", nargs="+", default=["1280x720", "1920x1080"])
    parser.add_argument("--model", default=None)
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--streams", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--range", type=Path, dest="photos")
    args = parser.parse_args()
    how = {"engine": args.engine, "precision": args.precision}
    if args.photos:
        print(range_table(args.photos, Sharpener(find_model(args.model), **how)))
        return
    if not args.clip:
        parser.error("name a clip")
    sharpener = Sharpener(find_model(args.model), streams=args.streams, **how)
    for size in args.sizes:
        width, height = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            clip = scaled(args.clip, Path(folder) / "clip.mp4", width, height, args.frames)
            timings = measure(clip, sharpener, args.rounds, sys.stderr.isatty())
        print(f"\n{size}, {args.frames} frames, {sharpener.engine.name} {args.precision}\n")
        print(table(timings))


def scaled(clip: Path, target: Path, width: int, height: int, count: int) -> Path:
    """`count` frames of `clip`, again from the start where it is shorter, at another size."""
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(_again(clip, count)):
            made = frame.reformat(width, height, format="yuv420p", interpolation="BICUBIC")
            made.pts, made.time_base, made.pict_type = number, Fraction(1, 25), 0
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))
    return target


def measure(
    clip: Path, sharpener: Sharpener, rounds: int, talk: bool = False
) -> dict[str, list[Timing]]:
    """Every way of `ways`, `rounds` times in turn."""
    timings: dict[str, list[Timing]] = {}
    with tempfile.TemporaryDirectory() as folder:
        listed = ways(clip, Path(folder) / "out.mp4", sharpener)
        for number in range(rounds):
            for name, way in listed.items():
                if talk:
                    print(f"round {number + 1}: {name}", file=sys.stderr)
                start = time.perf_counter(), time.process_time()
                frames = way()
                clock, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
                timing = Timing(clock / frames * 1000, cpu / frames * 1000)
                timings.setdefault(name, []).append(timing)
    return timings


def ways(clip: Path, target: Path, sharpener: Sharpener) -> dict[str, Callable[[], int]]:
    """What is measured, by name; each returns how many frames it did."""
    with open_source(clip) as source:
        held = [unit.frame for _, unit in zip(range(_HELD), source.units(), strict=False)]
        frames = [frame for frame in held if frame]
        count = source.total or len(frames)
    sharpen = FrameSharpener(sharpener.router.first, "yuv420p")
    unchanged = Sharpener(engine=sharpener.engine, strength=0)

    # Forwards and backwards, because a cut costs the encoder more than motion.
    order = [*range(len(frames)), *reversed(range(len(frames)))]
    turns = [order[number % len(order)] for number in range(count)]
    sharp = [sharpen(_copy(frame)) for frame in frames]

    def network() -> int:
        cycle = (_copy(frames[at]) for at in turns)
        workers = sharpener.engine.streams
        return sum(1 for _ in ordered_map(cycle, sharpen, workers, workers + 4))

    def encode() -> int:
        with open_source(clip) as video, open_target(target, video, frames[0], options) as out:
            for number, at in enumerate(turns):
                frame = _copy(sharp[at])
                frame.pts = number * round(1 / (25 * video.stream.time_base))
                out.encode(frame)
            out.encode(None)
        return count

    options = VideoOptions()
    return {
        _ALL: lambda: sharpen_video(clip, target, sharpener).frames,
        "without the network": lambda: sharpen_video(clip, target, unchanged).frames,
        f"FFmpeg's unsharp={UNSHARP} instead": lambda: unsharp_video(clip, target),
        "decoding alone": lambda: sum(1 for _ in _decoded(clip)),
        "network alone": network,
        "encoding alone": encode,
    }


def unsharp_video(clip: Path, target: Path) -> int:
    """The same pipeline with FFmpeg's filter in place of the network."""
    with open_source(clip) as video:
        units = video.units()
        first = next(units)
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(template=video.stream),
            graph.add("unsharp", UNSHARP),
            graph.add("buffersink"),
        ).configure()

        def work(unit: Unit) -> Unit:
            if unit.frame is None:
                return unit
            graph.push(unit.frame)
            done: Any = graph.pull()
            done.pict_type = 0
            return Unit(done, unit.packets)

        with open_target(target, video, first.frame, VideoOptions()) as out:
            out.encode(work(first).frame)
            for unit in ordered_map(units, work, 1, 5):
                out.copy(unit.packets)
                if unit.frame:
                    out.encode(unit.frame)
            out.encode(None)
        return video.frames


def table(timings: dict[str, list[Timing]]) -> str:
    """Medians, in Markdown."""
    whole = statistics.median(t.clock for t in timings[_ALL])
    rows = []
    for name, found in timings.items():
        clock = statistics.median(t.clock for t in found)
        cpu = statistics.median(t.cpu for t in found)
        values = (1000 / clock, clock, cpu)
        rows.append([name, *(f"{value:.1f}" for value in values), f"{clock / whole:.2f}"])
    return markdown(["", "frames/s", "ms", "CPU ms", "of all together"], rows)


def range_table(photos: Path, sharpener: Sharpener) -> str:
    """Y-PSNR (dB) of photos in studio range: as they are, sharpened directly, and scaled first."""
    rows = [_range_row(path, sharpener) for path in sorted(photos.glob("*.png"))]
    names = ("input", "as it is (16..235)", "scaled to 0..255 and back")
    means = np.mean(rows, axis=0)
    cells = [[name, f"{mean:.3f}"] for name, mean in zip(names, means, strict=True)]
    return markdown([f"{photos.name}, {len(rows)} photos", "Y-PSNR (dB)"], cells)


def _range_row(path: Path, sharpener: Sharpener) -> list[float]:
    with Image.open(path) as opened:
        photo = crop_to_multiple(opened.convert("RGB"), 2)
    truth = luma_studio(np.asarray(photo))
    low = np.asarray(degrade(photo, "bicubic", 2))
    plane = np.rint(16 + luma(low) * 219 / 255).astype(np.uint8)
    direct = sharpener.engine.run8(plane[None, None])[0, 0]
    stretched = np.clip(np.rint((plane - 16.0) * 255 / 219), 0, 255).astype(np.uint8)
    change = sharpener.engine.run8(stretched[None, None])[0, 0].astype(float) - stretched
    scaled_back = np.clip(np.rint(plane + change * 219 / 255), 0, 255)
    return [_psnr(made, truth) for made in (plane, direct, scaled_back)]


def _psnr(made: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
    error = (made.astype(float) - truth)[2:-2, 2:-2]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def _again(clip: Path, count: int) -> Iterator[av.VideoFrame]:
    while count > 0:
        for frame in _decoded(clip):
            yield frame
            count -= 1
            if not count:
                return


def _decoded(clip: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(clip)) as opened:
        opened.streams.video[0].thread_type = "AUTO"
        yield from opened.decode(video=0)


def _copy(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame of its own, which may be changed; PyAV copies only what it scales or converts."""
    made = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for index in range(len(frame.planes)):
        plane_view(made, index)[:] = plane_view(frame, index)
    made.pts, made.time_base = frame.pts, frame.time_base
    return made


if __name__ == "__main__":
    main()
