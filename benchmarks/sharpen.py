"""How fast `kdsharp sharpen` is: a large photo, a folder of photos, and video, beside other ways.

    python -m benchmarks.sharpen --photos DIR --clip CLIP --markdown docs/speed.md
    python -m benchmarks.sharpen --photos DIR --folder 50 --rounds 1         # a quick look

Beside the whole stand its steps alone, FFmpeg's unsharp filter in place of the network, and, with
`--peers DIR`, FSRCNN in OpenCV's dnn_superres, which makes as many pixels. The ways take turns;
medians over the rounds. Photos are cut or mirrored to their size, and CLIP is scaled; nothing
stays. On a busy machine only the ratios mean anything.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import video
from benchmarks.common.command import parser_of
from benchmarks.common.machine import Others, commit, cpu, made_by, versions
from benchmarks.common.peers import has_superres, peer_methods
from kdsharp import Sharpener
from kdsharp.batch.request import Request, sharpen_all
from kdsharp.files import atomic_file
from kdsharp.imageio.photo import SUFFIXES, Photo
from kdsharp.imageio.read import open_photo
from kdsharp.imageio.write import save_photo
from kdsharp.runtime.catalog import find_model
from kdsharp.runtime.hardware import cores
from kdsharp.tables import markdown
from kdsharp.video.frames import plane_view

__all__ = ["Ways", "folder_ways", "main", "photo_ways", "video_parts"]

Ways = Mapping[str, Callable[[], object]]
_WHOLE = "all together"
_QUALITY = 92
_PACKAGES = ("openvino", "onnxruntime", "av", "pillow", "opencv-contrib-python-headless")


def main() -> None:
    """Read the arguments, measure, print the tables and write them."""
    parser = parser_of("sharpen", __doc__)
    parser.add_argument("--photos", type=Path, required=True, help="photos to cut from")
    parser.add_argument("--clip", type=Path, help="a video; none: photos alone")
    parser.add_argument("--peers", type=Path, help="a folder with FSRCNN_x2.pb")
    parser.add_argument("--model", default=None)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--folder", type=int, default=500, help="photos of a megapixel")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    model = find_model(args.model)  # one, so that nothing is chosen on the way
    sharpener = Sharpener(model, precision=args.precision)
    many = Sharpener(model, precision=args.precision, streams=cores())
    engine = sharpener.engine
    found = sorted(path for path in args.photos.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        parser.error(f"{args.photos}: holds no photos")
    parts, others = [], Others()
    with tempfile.TemporaryDirectory() as made, others:
        folder = Path(made)
        large = _write(folder, found, 1, args.megapixels)
        ways = photo_ways(large[0], sharpener, args.peers)
        title = f"## A JPEG of {args.megapixels:g} megapixels, in a warm process"
        parts.append(f"{title}\n\n{_table(_timed(ways, args.rounds), 1)}")
        small = _write(folder / "in", found, args.folder, 1)
        ways = folder_ways(small, folder / "out", many)
        title = f"## A folder of {args.folder} JPEGs of a megapixel, {cores()} cores"
        parts.append(f"{title}\n\n{_table(_timed(ways, args.rounds, warm=False), args.folder)}")
    if args.clip:
        with others:
            parts += video_parts(args.clip, many, args.frames, args.rounds, args.peers)
    about = (
        f"{made_by('sharpen')}\n\n"
        f"`{engine.card.name}`, {engine.name} in {engine.precision}; {cpu()}; "
        f"{versions(_PACKAGES)}; "
        f"commit {commit()}. Others took {others.share:.0%} of the machine meanwhile. Medians of "
        f"{args.rounds} rounds."
    )
    text = "\n\n".join([about, *parts]) + "\n"
    print(text)
    if args.markdown:
        with atomic_file(args.markdown) as temporary:
            temporary.write_text(f"# How fast\n\n{text}")


def photo_ways(path: Path, sharpener: Sharpener, peers: Path | None) -> Ways:
    """What one photo is measured by."""
    out = path.with_name("out.jpg")
    photo = open_photo(path, ycbcr=True)
    height, width = photo.pixels.shape[:2]
    ways: dict[str, Callable[[], object]] = {
        _WHOLE: lambda: sharpener.file(path, out),
        "FFmpeg's unsharp instead": lambda: save_photo(_unsharp(open_photo(path, ycbcr=True)), out),
        "reading alone": lambda: open_photo(path, ycbcr=True),
        "network alone": lambda: sharpener.photo(photo),
        "writing alone": lambda: save_photo(photo, out),
    }
    return {**ways, **_superres(peers, height, width)}


def folder_ways(sources: list[Path], out: Path, sharpener: Sharpener) -> Ways:
    """What a folder is measured by; the steps run in as many threads as there are cores."""
    request = Request([sources[0].parent], f"{out}/", lambda _: sharpener)
    photos = [open_photo(path, ycbcr=True) for path in sources[:16]]
    again = [photos[at % len(photos)] for at in range(len(sources))]
    out.mkdir(parents=True, exist_ok=True)
    return {
        _WHOLE: lambda: sharpen_all(request, tell=lambda _: None),
        "FFmpeg's unsharp instead": lambda: _each(
            lambda path: save_photo(_unsharp(open_photo(path, ycbcr=True)), out / path.name),
            sources,
        ),
        "reading alone": lambda: _each(lambda path: open_photo(path, ycbcr=True).space, sources),
        "network alone": lambda: _each(lambda photo: sharpener.photo(photo).space, again),
        "writing alone": lambda: _each(
            lambda both: save_photo(both[0], out / both[1].name),
            list(zip(again, sources, strict=True)),
        ),
    }


def video_parts(
    clip: Path, sharpener: Sharpener, frames: int, rounds: int, peers: Path | None
) -> Iterable[str]:
    """A table for each size."""
    for width, height in ((1280, 720), (1920, 1080)):
        with tempfile.TemporaryDirectory() as made:
            scaled = video.scaled(clip, Path(made) / "clip.mp4", width, height, frames)
            timings = video.measure(scaled, sharpener, rounds, sys.stderr.isatty())
        for name, way in _superres(peers, height, width).items():
            found = _timed({name: way}, 3 * rounds)[name]
            timings[name] = [video.Timing(clock * 1000, cpu * 1000) for clock, cpu in found]
        yield f"## Video of {width}x{height}, {frames} frames\n\n{video.table(timings)}"


def _superres(peers: Path | None, height: int, width: int) -> Ways:
    """FSRCNN on luma alone, which makes (height, width) of a quarter as many pixels."""
    if peers is None or not has_superres():
        return {}
    (method,) = [
        m for m in peer_methods(peers, 2)[0] if m.engine == "OpenCV" and "FSRCNN" in m.name
    ]
    return {"FSRCNN in OpenCV alone": method.prepare(cores(), height, width)}


def _unsharp(photo: Photo) -> Photo:
    """FFmpeg's filter on luma, in the layout of video, which it reads without a conversion."""
    height, width = photo.pixels.shape[:2]
    frame = av.VideoFrame(width, height, "yuv420p")
    plane_view(frame, 0)[:] = photo.pixels[..., 0]
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(
            width=width, height=height, format=frame.format, time_base=Fraction(1, 25)
        ),
        graph.add("unsharp", video.UNSHARP),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    pixels = photo.pixels.copy()
    pixels[..., 0] = plane_view(graph.pull(), 0)
    return replace(photo, pixels=pixels)


def _write(folder: Path, photos: list[Path], count: int, megapixels: float) -> list[Path]:
    """`count` JPEGs of that size with sides of 4:3, cut from the photos in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    made = []
    for number in range(count):
        with Image.open(photos[number % len(photos)]) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        path = folder / f"{number:04}.jpg"
        Image.fromarray(_filled(pixels, height, width)).save(path, quality=_QUALITY)
        made.append(path)
    return made


def _filled(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Mirrored over and over where it is smaller."""
    sides = [
        (0, max(0, want - have))
        for have, want in zip(pixels.shape[:2], (height, width), strict=True)
    ]
    return np.pad(pixels, [*sides, (0, 0)], mode="symmetric")[:height, :width]


def _each(work: Callable[[Any], object], items: list[Any]) -> None:
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(work, items):
            pass


def _timed(ways: Ways, rounds: int, *, warm: bool = True) -> dict[str, list[tuple[float, float]]]:
    """Seconds on the clock and of all cores, a pair for each round; with `warm` after one more."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds + warm):
        for name, way in ways.items():
            if sys.stderr.isatty():
                print(f"round {number + 1}: {name}", file=sys.stderr)
            start = time.perf_counter(), time.process_time()
            way()
            seconds = time.perf_counter() - start[0], time.process_time() - start[1]
            if number or not warm:
                found[name].append(seconds)
    return found


def _table(found: Mapping[str, list[tuple[float, float]]], count: int) -> str:
    whole = statistics.median(clock for clock, _ in found[_WHOLE])
    rows = []
    for name, pairs in found.items():
        clock, cpu = (statistics.median(column) / count for column in zip(*pairs, strict=True))
        values = (1 / clock, clock * 1000, cpu * 1000)
        share = f"{clock * count / whole:.2f}"
        rows.append([name, *(f"{value:.1f}" for value in values), share])
    return markdown(["", "photos/s", "ms", "CPU ms", "of all together"], rows)


if __name__ == "__main__":
    main()
