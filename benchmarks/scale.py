"""How long the stages take on many photos, how much memory, and what one photo more costs.

    python -m benchmarks.scale
    python -m benchmarks.scale --photos 20 40 --side 256 --scored 2    # a quick look
    python -m benchmarks.scale --predict 10000 --measure --work scale  # was it right?

Photos are made: noise whose spectrum falls as that of photos, cut by rectangles, as JPEG. Each
number of photos goes through the stages in a folder of its own; networks are those of params.yaml,
not trained, which takes as long to run. Then one photo is added. `predicted` is the line through
the first and the last number of photos, but for what is capped. CPU is the seconds of all cores,
which other programs disturb less: `--measure` says by how much the prediction of those was off.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.common.command import log, parser_of
from kdsharp.files import sha256_file
from kdsharp.tables import markdown
from pipeline.params import load_params

__all__ = [
    "Taken",
    "link",
    "main",
    "make_photo",
    "make_photos",
    "predicted",
    "write_models",
    "write_params",
]

STAGES = ("acquire", "patches", "gate", "export", "evaluate")
_CODE = Path(__file__).parents[1]
_A_PHOTO = 10  # patches


@dataclass(frozen=True)
class Taken:
    """Of one stage."""

    seconds: float
    cpu_seconds: float
    memory_gb: float


def make_photo(seed: int, side: int) -> Image.Image:
    """A picture of 4 to 3, `side` high, that no other seed makes."""
    random = np.random.default_rng(seed)
    height, width = side, side * 4 // 3
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falling = 1 / np.maximum(np.hypot(rows, columns), 1 / width)
    planes = []
    for _ in range(3):
        phases = np.exp(2j * np.pi * random.random(falling.shape))
        plane = np.fft.irfft2(falling * phases, (height, width))
        planes.append(128 + 50 * plane / plane.std())
    pixels = np.stack(planes, axis=-1)
    for _ in range(30):
        y, x = random.integers(height), random.integers(width)
        h, w = random.integers(4, side // 3, 2)
        pixels[y : y + h, x : x + w] += random.integers(-60, 60, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def main() -> None:
    """Print a table of stages, and one of what a photo more changes."""
    parser = parser_of("scale", __doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--side", type=int, default=864, help="height of a photo, 4 to 3")
    parser.add_argument("--scored", type=int, default=None, help="evaluate.photos")
    parser.add_argument("--predict", type=int, default=10_000, help="photos; 0: nothing")
    parser.add_argument("--measure", action="store_true", help="run what was predicted as well")
    parser.add_argument("--work", type=Path, default=None, help="keep photos and results here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdsharp-scale-") as temporary:
        work = (chosen.work or Path(temporary)).resolve()
        source = work / "photos"
        counts = [*chosen.photos, *[chosen.predict] * chosen.measure]
        make_photos(source, max(counts) + 1, chosen.side)
        found = {n: _measure(work / str(n), source, n, chosen.scored) for n in counts}
    columns = [f"{n:,} photos" for n in chosen.photos]
    if chosen.predict:
        columns.append(f"{chosen.predict:,} predicted")
    if chosen.measure:
        columns += [f"{chosen.predict:,} measured", "CPU off by"]
    print(markdown(["stage, seconds (CPU), GB", *columns, "one more"], _rows(found, chosen)))
    for count, (_, _, changed, total) in found.items():
        print(f"\n{count:,} photos and one more: {changed} of {total} files of patches changed")


Found = tuple[Mapping[str, Taken], Mapping[str, Taken], int, int]
"""Of one number of photos: the stages, those after one more, the changed files, all of them."""


def _rows(found: Mapping[int, Found], chosen: argparse.Namespace) -> list[list[str]]:
    rows = []
    for stage in STAGES:
        taken = {n: first[stage] for n, (first, _, _, _) in found.items()}
        fewer = {n: taken[n] for n in chosen.photos}
        row = [stage, *map(_cell, fewer.values())]
        capped = stage in {"export", "evaluate"}
        wall, cpu = (
            predicted({n: getattr(t, kind) for n, t in fewer.items()}, chosen.predict, capped)
            for kind in ("seconds", "cpu_seconds")
        )
        if chosen.predict:
            row.append(f"{wall:,.0f} s ({cpu:,.0f})")
        if chosen.measure:
            measured = taken[chosen.predict]
            row += [_cell(measured), f"{100 * (measured.cpu_seconds / cpu - 1):+.0f} %"]
        rows.append([*row, _cell(found[max(found)][1][stage])])
    return rows


def predicted(seconds: Mapping[int, float], photos: int, capped: bool) -> float:
    """By the line through the fewest and the most photos; what is capped takes no longer."""
    few, most = min(seconds), max(seconds)
    if few == most or capped:
        return seconds[most]
    slope = (seconds[most] - seconds[few]) / (most - few)
    return seconds[most] + slope * (photos - most)


def _cell(taken: Taken) -> str:
    return f"{taken.seconds:,.0f} s ({taken.cpu_seconds:,.0f}), {taken.memory_gb:.1f}"


def make_photos(folder: Path, count: int, side: int) -> None:
    """Write `count` photos, `side` high, to `folder`; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if not path.exists():
            make_photo(number, side).save(path, quality=90)


def _measure(root: Path, source: Path, count: int, scored: int | None) -> Found:
    photos = sorted(source.iterdir())
    (root / "photos").mkdir(parents=True, exist_ok=True)
    for photo in photos[:count]:
        link(photo, root / "photos" / photo.name)
    write_params(root, count, scored)
    writer = multiprocessing.get_context("spawn").Process(target=write_models, args=(root,))
    writer.start()
    writer.join()
    first = {stage: _run(root, stage) for stage in STAGES}
    before = _shards(root)
    link(photos[count], root / "photos" / photos[count].name)
    write_params(root, count + 1, scored)
    again = {stage: _run(root, stage) for stage in STAGES}
    after = _shards(root)
    changed = sum(before.get(name) != digest for name, digest in after.items())
    return first, again, changed, len(after)


def _shards(root: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in (root / "data/patches").glob("*.npy")}


def link(source: Path, target: Path) -> None:
    """Let `target` be the same file as `source`, unless it is there."""
    if not target.exists():
        os.link(source, target)


def write_params(root: Path, count: int, scored: int | None) -> None:
    """The params.yaml of the checkout, for `count` photos in root/photos."""
    yaml = YAML()
    values = yaml.load((_CODE / "params.yaml").read_text(encoding="utf-8"))
    values["data"]["source"] = "folder"
    values["data"]["folder"]["path"] = "photos"
    values["patches"]["train"] = _A_PHOTO * count
    if scored:
        values["evaluate"]["photos"] = values["gate"]["photos"] = scored
    with (root / "params.yaml").open("w", encoding="utf-8") as opened:
        yaml.dump(values, opened)


def write_models(root: Path) -> None:
    """Networks of params.yaml with small random weights, and empty curves.

    In a process of its own: what this one holds would count as the stages' memory.
    """
    import torch

    from kdsharp.train.loop.weights import save_weights
    from kdsharp.train.student.network import Student
    from kdsharp.train.teacher.network import Teacher

    params = load_params(root / "params.yaml")
    torch.manual_seed(0)
    for kind, made in (("teacher", Teacher(params.teacher)), ("student", Student(params.student))):
        last: Any = made.last
        torch.nn.init.normal_(last.weight, std=0.003)
        path = root / f"models/{kind}.safetensors"
        path.parent.mkdir(exist_ok=True)
        save_weights(path, kind, made.config, made.state_dict(), {"best_epoch": 1})
        curve = root / f"reports/curves/{kind}.csv"
        curve.parent.mkdir(parents=True, exist_ok=True)
        curve.write_text("epoch,loss,lr,val_psnr_y\n1,0.01,0.001,30\n")


def _run(root: Path, stage: str) -> Taken:
    env = {key: value for key, value in os.environ.items() if not key.startswith("KDSHARP_")}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", f"pipeline.stages.{stage}"],
        cwd=root,
        env=env | {"PYTHONPATH": str(_CODE)},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the stage {stage} ended with {process.returncode}")
    kilobytes = used.ru_maxrss if sys.platform != "darwin" else used.ru_maxrss / 1024
    taken = Taken(time.monotonic() - began, used.ru_utime + used.ru_stime, kilobytes / 1e6)
    log(f"{root.name} photos, {stage}: {_cell(taken)} GB")
    return taken


if __name__ == "__main__":
    main()
